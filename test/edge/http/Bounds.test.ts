/** How much the HTTP door takes at once: of one token, and of all. */
import { assert, describe, it } from "@effect/vitest";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, Fiber, Layer, Result } from "effect";
import { HttpRouter, HttpServerResponse } from "effect/http";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HttpDoor } from "../../../src/edge/http/Guard.ts";
import * as WhoAmI from "../../../src/edge/http/WhoAmI.ts";
import * as HttpTokens from "../../../src/log/access/HttpTokens.ts";
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

  it.live("is told so at every address that a token opens, and the page and /mcp stand behind the same guard", () =>
    Effect.gen(function* () {
      const root = mkdtempSync(join(tmpdir(), "recollect-bounds-"));
      const make = (name: string) =>
        HttpTokens.create(root, { name, role: "publisher", tenant: "default", now: Date.now() });
      const [greedy, other] = [yield* make("greedy"), yield* make("other")];
      const door = Layer.succeed(HttpDoor, { root, url: "http://127.0.0.1", hosts: [], closing: Effect.never });
      const { dispose, handler } = HttpRouter.toWebHandler(WhoAmI.layer.pipe(Layer.provide(door)), {
        disableLogger: true,
      });
      const statusFor = ({ secret }: { readonly secret: string }) =>
        Effect.promise(async () => {
          const headers = { authorization: `Bearer ${secret}` };
          return (await handler(new Request("http://127.0.0.1/v1/principal", { headers }))).status;
        });
      const fibers = yield* held(mostOfOne, boundedOf("greedy", Effect.never));
      assert.deepStrictEqual([yield* statusFor(greedy), yield* statusFor(other)], [429, 200]);
      yield* Fiber.interruptAll(fibers);
      assert.strictEqual(yield* statusFor(greedy), 200);
      yield* Effect.promise(dispose);
      rmSync(root, { recursive: true });
    }).pipe(Effect.provide(NodeServices.layer)),
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
