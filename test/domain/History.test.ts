import { assert, describe, it } from "@effect/vitest";
import { Result, Schema } from "effect";
import * as History from "../../src/domain/History.ts";

const decode = Schema.decodeUnknownResult(History.History);
/** What has the shape of a history, and mostly is none. */
const Nearly = Schema.Struct({
  tenant: Schema.Union([Schema.Literals(["default", "", "a\ud83d", "a".repeat(200), "a".repeat(201)]), Schema.String]),
  kind: Schema.Union([History.HistoryKind, Schema.Literals(["Thread", "toString", ""])]),
  id: Schema.Union([Schema.Literals(["t", "", "\udc00", "😀".repeat(50), "😀".repeat(51)]), Schema.Unknown]),
});
const accepts = (id: string): boolean => Result.isSuccess(decode({ tenant: "default", kind: "thread", id }));

describe("a history", () => {
  it("is of the default tenant unless another is asked for", () => {
    assert.deepStrictEqual(History.thread("t"), { tenant: "default", kind: "thread", id: "t" });
    assert.deepStrictEqual(History.task("t", "acme"), { tenant: "acme", kind: "task", id: "t" });
    assert.strictEqual(History.session("s").kind, "session");
    assert.strictEqual(History.source("s").kind, "source");
  });

  it("takes every id the outside world has: paths, spaces, dots, emoji", () => {
    for (const id of ["a/b.c:d", "Ein Satz.", "😀", "~", "*", ">", "$SYS"]) assert.isTrue(accepts(id), id);
  });

  it("takes ids of at most 200 bytes of UTF-8, counted in bytes and not in characters", () => {
    assert.isTrue(accepts("a".repeat(200)));
    assert.isFalse(accepts("a".repeat(201)));
    assert.isTrue(accepts("😀".repeat(50)));
    assert.isFalse(accepts("😀".repeat(51)));
  });

  it("refuses an empty id and a lone surrogate, which UTF-8 cannot write", () => {
    assert.isFalse(accepts(""));
    assert.isFalse(accepts("a\ud83d"));
  });

  it.prop(
    "is told from what is none by plain code as by its Schema",
    { given: Schema.Union([History.History, Nearly]) },
    ({ given }) => {
      assert.strictEqual(History.isHistory(given), Result.isSuccess(decode(given)));
    },
  );

  it("is not what a program without types may hand over in its place", () => {
    for (const given of [undefined, null, "thread", [], {}, { tenant: 1, kind: "thread", id: "a" }]) {
      assert.isFalse(History.isHistory(given));
    }
  });

  it.prop(
    "has a key of its own, whatever stands in tenant and id",
    { one: History.History, other: History.History },
    ({ one, other }) => {
      const same = one.tenant === other.tenant && one.kind === other.kind && one.id === other.id;
      assert.strictEqual(History.keyOf(one) === History.keyOf(other), same);
      assert.strictEqual(History.keyOf({ ...one }), History.keyOf(one));
    },
  );

  it("has another key when a separator moves from the tenant to the id", () => {
    const key = (tenant: string, id: string) => History.keyOf(History.thread(id, tenant));
    assert.notStrictEqual(key("a\u0000", "b"), key("a", "\u0000b"));
    assert.notStrictEqual(key("1\u00001", "b"), key("1", "1\u0000b"));
  });
});
