import { assert, it } from "@effect/vitest";
import { Effect } from "effect";
import { oddnesses, run } from "../../drill/OddFiles.ts";
import { world } from "./World.ts";

it.live(
  "an odd file is imported, or refused by name and reason; none stops an import, and again they add nothing",
  () =>
    Effect.gen(function* () {
      // Each kind once or twice; `npm run drill -- files` takes a thousand.
      const outcome = yield* run({ files: Object.keys(oddnesses).length + 20, seed: 16 });
      assert.deepStrictEqual(outcome.faults, []);
      assert.isAbove(outcome.imported, 20);
      assert.isAbove(outcome.named, 10);
    }).pipe(Effect.provide(world)),
);
