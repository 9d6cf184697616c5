/** How a program may end, and what becomes of what it said without waiting: one round of the exit drill. */
import { assert, layer } from "@effect/vitest";
import { Effect } from "effect";
import * as Endings from "../drill/Endings.ts";

layer(Endings.layer, { excludeTestServices: true })("a program that ends without closing", (it) => {
  it.effect(
    "loses nothing that it said and did not await, and ends as it would have without us",
    () =>
      Effect.gen(function* () {
        const outcome = yield* Endings.run({
          rounds: 1,
          count: 200,
          ways: ["exit", "throw", "SIGTERM", "handled", "SIGKILL"],
          say: () => undefined,
        });
        assert.deepStrictEqual(outcome.faults, []);
        assert.isAbove(outcome.inSpool, 0);
      }),
    // Five programs start one after another, which takes its time on a busy machine.
    120_000,
  );
});
