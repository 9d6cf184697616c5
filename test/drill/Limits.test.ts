import { assert, describe, it } from "@effect/vitest";
import { Effect, References } from "effect";
import { run } from "./Limits.ts";

describe("ten processes that share a limit of 100 a second and want more", () => {
  it.live(
    "get between 98 and 100 in each full second, all together",
    () =>
      Effect.gen(function* () {
        const { bySecond, faults, refused } = yield* run({
          processes: 10,
          limit: 100,
          seconds: 3,
          count: "each",
          say: () => undefined,
        });
        assert.deepStrictEqual(faults, [], bySecond.join(" "));
        assert.lengthOf(bySecond, 3);
        assert.isAbove(refused, 0, "they wanted more");
      }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
    120_000,
  );
});
