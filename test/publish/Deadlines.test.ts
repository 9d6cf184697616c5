import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { Deadlines } from "../../src/publish/delivery/Deadlines.ts";

describe("deadlines that one fiber watches", () => {
  it.effect(
    "expire once, each at its time, also one that is sooner than those before it, and none that is taken back",
    () =>
      Effect.gen(function* () {
        const deadlines = new Deadlines(yield* Effect.scope);
        const expired: Array<string> = [];
        const add = (name: string, millis: number) => deadlines.add(millis, () => expired.push(name));
        yield* add("a second", 1_000);
        const isInTime = yield* add("taken back", 1_000);
        yield* add("sooner", 200);
        yield* TestClock.adjust(100);
        assert.isTrue(isInTime());
        assert.deepStrictEqual(expired, []);
        yield* TestClock.adjust(100);
        assert.deepStrictEqual(expired, ["sooner"]);
        const late = yield* add("later", 2_000);
        yield* TestClock.adjust(900);
        assert.deepStrictEqual(expired, ["sooner", "a second"]);
        yield* TestClock.adjust(5_000);
        assert.deepStrictEqual(expired, ["sooner", "a second", "later"]);
        assert.isFalse(late());
        // The watch has ended with the last one, and begins anew.
        yield* add("again", 300);
        yield* TestClock.adjust(300);
        assert.deepStrictEqual(expired.at(-1), "again");
      }),
  );
});
