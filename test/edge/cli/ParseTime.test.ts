import { assert, describe, it } from "@effect/vitest";
import { momentOf } from "../../../src/edge/cli/ParseTime.ts";

describe("a moment of a command line", () => {
  it("is a day with or without an hour, milliseconds, or so long ago", () => {
    assert.strictEqual(momentOf("2028-02-29", 0), Date.UTC(2028, 1, 29));
    assert.strictEqual(momentOf("2026-11-01 10:00", 0), Date.UTC(2026, 10, 1, 10));
    assert.strictEqual(momentOf("2026-11-01T10:00+02:00", 0), Date.UTC(2026, 10, 1, 8));
    assert.strictEqual(momentOf("1760000000000", 0), 1_760_000_000_000);
    assert.strictEqual(momentOf("2h", 7_200_000), 0);
  });

  it("is none on a day that no month has", () => {
    for (const text of [
      "2026-02-29",
      "2026-02-31",
      "2026-04-31T10:00Z",
      "2026-11-31 10:00",
      "2026-13-01",
      "2026-00-10",
    ])
      assert.isUndefined(momentOf(text, 0), text);
  });
});
