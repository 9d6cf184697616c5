/** How much the HTTP door takes at once: of one token, and of all. */
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber, Result } from "effect";
import { HttpServerResponse } from "effect/http";
import { bounded, boundedOf, mostAtOnce, mostOfOne } from "../../../src/edge/http/Observed.ts";

const held = (many: number, one: Effect.Effect<unknown, unknown>) =>
  Effect.forEach(Array.from({ length: many }), () => Effect.forkChild(one, { startImmediately: true }));

describe("a client that asks for more at once than the door takes", () => {
  it.effect("is told 429 by its own token's bound, when to come again, and holds up no other token", () =>
    Effect.gen(function* () {
      const fibers = yield* held(mostOfOne, boundedOf("greedy", Effect.never));
      const more = yield* Effect.result(boundedOf("greedy", Effect.void));
      assert.isTrue(Result.isFailure(more) && more.failure.status === 429 && more.failure.retryAfter === 1);
      yield* boundedOf("other", Effect.void);
      yield* Fiber.interruptAll(fibers);
      yield* boundedOf("greedy", Effect.void);
    }),
  );

  it.effect("is told 503 beyond what all may have under way, and is served when they are answered", () =>
    Effect.gen(function* () {
      const fibers = yield* held(mostAtOnce, bounded(Effect.never));
      const more = yield* bounded(Effect.succeed(HttpServerResponse.empty({ status: 200 })));
      assert.deepInclude(more, { status: 503 });
      assert.strictEqual(more.headers["retry-after"], "1");
      yield* Fiber.interruptAll(fibers);
      assert.deepInclude(yield* bounded(Effect.succeed(HttpServerResponse.empty({ status: 200 }))), { status: 200 });
    }),
  );
});
