import { assert, describe, it } from "@effect/vitest";
import { Effect, References } from "effect";
import { run } from "./Outages.ts";

describe("four publishers that share a spool while NATS is killed, hangs, falls silent and refuses", () => {
  it.live(
    "have everything they were told is accepted in the log once, each in its order, and an empty spool",
    () =>
      Effect.gen(function* () {
        const said: Array<string> = [];
        const outcome = yield* run({ outages: 6, seed: 100, longestMillis: 3_000, say: (line) => said.push(line) });
        assert.deepStrictEqual(outcome.faults, [], said.join("\n"));
        assert.isAbove(outcome.accepted, 0);
        assert.isAtLeast(outcome.returns, 4, "each of the four has come back");
        assert.strictEqual(outcome.events >= outcome.accepted - (outcome.tags["Held"] ?? 0), true);
        assert.isAbove(Math.min(...Object.values(outcome.outages)), 0, "each of the four happens");
      }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
    600_000,
  );
});
