import { assert, describe, it } from "@effect/vitest";
import { millisOf, timeOf } from "../../src/domain/EntryTimes.ts";
import type { JsonValue } from "../../src/domain/Json.ts";

describe("a time in an entry", () => {
  it("is one that says its day in full, in UTC unless it names a zone", () => {
    const noon = Date.UTC(2024, 4, 1, 12);
    for (const written of [
      "2024-05-01T12:00:00Z",
      "2024-05-01 12:00",
      "2024-05-01T12:00:00.000000",
      "2024-05-01T14:00:00+02:00",
      "2024-05-01 14:00:00 +0200",
      "2024-05-01 12:00:00 UTC",
      "Wed, 01 May 2024 12:00:00 GMT",
    ])
      assert.strictEqual(millisOf(written), noon, written);
    assert.strictEqual(millisOf("2024-05-01"), Date.UTC(2024, 4, 1));
  });

  it("is no text that has a year in it, nor a time that each machine reads in its own zone", () => {
    for (const written of ["my task 2024", "chat of 2021", "foo bar 12", "5/1/2024, 10:00:00 AM", "Dec 3, 2024 10:00"])
      assert.strictEqual(millisOf(written), undefined, written);
  });

  it("is looked for at no depth that ends the stack", () => {
    let mutation: JsonValue = { timestamp: 1_700_000_000_000 };
    for (let depth = 0; depth < 50_000; depth++) mutation = { kind: 1, v: mutation };
    assert.strictEqual(timeOf(mutation), undefined);
    let value: JsonValue = { stringValue: "x" };
    for (let depth = 0; depth < 20_000; depth++) value = { kvlistValue: { values: [{ key: "a", value }] } };
    const span = {
      traceId: "t",
      name: "chat",
      startTimeUnixNano: "1700000000000000000",
      attributes: [{ key: "gen_ai.x", value }],
    };
    assert.strictEqual(timeOf({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }), 1_700_000_000_000);
  });
});
