import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { run } from "./Drill.ts";

describe("a store whose importer, daemon and nats-server are killed with kill -9 during an import", () => {
  it.live(
    "has every acknowledged event exactly once, verifies, and a second import appends only what is missing",
    () =>
      Effect.gen(function* () {
        const said: Array<string> = [];
        const outcome = yield* run({
          kills: 12,
          seed: 1,
          partBytes: 1_000_000,
          real: undefined,
          say: (line) => said.push(line),
        });
        assert.deepStrictEqual(outcome.faults, [], said.join("\n"));
        assert.isAbove(outcome.acknowledged, 0);
        assert.strictEqual(outcome.kills.importer + outcome.kills.daemon + outcome.kills["nats-server"], 12);
        assert.isAbove(Math.min(...Object.values(outcome.kills)), 0, "each of the three is killed");
      }),
    240_000,
  );
});
