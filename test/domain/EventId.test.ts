import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import * as EventId from "../../src/domain/EventId.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 48 - 1 }));
const Parts = Schema.Array(Schema.String).check(Schema.isMaxLength(4));
const random = [0x01234567, 0x89abcdef, 0xfedcba98] as const;

describe("an id by time", () => {
  it.prop("is a UUIDv7 that gives back its millisecond", { millis: Millis }, ({ millis }) => {
    const id = EventId.fromTime(millis, random);
    assert.match(id, uuid);
    assert.strictEqual(EventId.timeOf(id), millis);
  });

  it("sorts by time as text", () => {
    const ids = [0, 1, 255, 256, 1_700_000_000_000, 2 ** 48 - 1].map((millis) => EventId.fromTime(millis, random));
    assert.deepStrictEqual(ids.toSorted(), ids);
  });

  it("holds the random words, also such as are no whole number", () => {
    const most = 2 ** 32 - 0.5;
    assert.strictEqual(EventId.fromTime(0, [most, most, most]), "00000000-0000-7fff-bfff-ffffffffffff");
    assert.strictEqual(EventId.fromTime(0, [0, 0.9, 0]), "00000000-0000-7000-8000-000000000000");
    assert.strictEqual(EventId.fromTime(0, random), "00000000-0000-7123-89ab-cdeffedcba98");
  });

  it("is a UUIDv7 also of a time that none can hold", () => {
    for (const millis of [-1, 2 ** 48, -0.5]) assert.match(EventId.fromTime(millis, random), uuid);
  });
});

describe("an id by content", () => {
  it.prop("is the same for the same parts and another for others", { one: Parts, other: Parts }, ({ one, other }) => {
    const wellFormed = (parts: ReadonlyArray<string>) => parts.map((part) => part.toWellFormed());
    const same = JSON.stringify(wellFormed(one)) === JSON.stringify(wellFormed(other));
    assert.match(EventId.fromContent(...one), uuid);
    assert.strictEqual(EventId.fromContent(...one) === EventId.fromContent(...other), same);
  });

  it("knows where one part ends and the next begins", () => {
    const ids = [["ab"], ["a", "b"], ["", "ab"], ["ab", ""], ["1:a", "b"], ["a1:b"]].map((parts) =>
      EventId.fromContent(...parts),
    );
    assert.lengthOf(new Set(ids), ids.length);
  });

  it("takes text as its UTF-8 bytes", () => {
    assert.strictEqual(EventId.fromContent("é"), EventId.fromContent(Buffer.from("é", "utf8")));
  });

  it("never changes: what was imported years ago is imported again under the same id", () => {
    assert.strictEqual(EventId.fromContent("entry", "default", "thread", "t"), "6b4a978d-475a-8f0a-af6a-cacaf0cd1b7d");
  });

  it("has no time", () => {
    assert.isUndefined(EventId.timeOf(EventId.fromContent("a")));
    assert.isUndefined(EventId.timeOf("no uuid"));
    assert.isUndefined(EventId.timeOf("018F0000-0000-7000-8000-000000000000"), "ids are written in lower case");
  });
});
