/** How much the HTTP door takes at once: of one token, and of all. */
import { assert, describe, it } from "@effect/vitest";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, Fiber, Layer, Result, type Scope, Stream } from "effect";
import { HttpRouter, HttpServerResponse } from "effect/http";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HttpDoor } from "../../../src/edge/http/Guard.ts";
import * as WhoAmI from "../../../src/edge/http/WhoAmI.ts";
import * as HttpTokens from "../../../src/log/access/HttpTokens.ts";
import {
  bounded,
  boundedOf,
  mostAtOnce,
  mostOfOne,
  mostStreams,
  mostStreamsOfOne,
} from "../../../src/edge/http/Observed.ts";

const held = (many: number, one: Effect.Effect<unknown, unknown, Scope.Scope>) =>
  Effect.forEach(Array.from({ length: many }), () => Effect.forkChild(Effect.scoped(one), { startImmediately: true }));

const empty = Effect.succeed(HttpServerResponse.empty());
const stream = Effect.succeed(HttpServerResponse.stream(Stream.never));
/** A stream that is being sent. */
const streaming = (name: string) => Effect.andThen(boundedOf(name, stream), Effect.never);

describe("a client that asks for more at once than the door takes", () => {
  it.effect("is told 429 by its own token's bound, when to come again, and holds up no other token", () =>
    Effect.gen(function* () {
      const fibers = yield* held(mostOfOne, boundedOf("greedy", Effect.never));
      const more = yield* Effect.result(boundedOf("greedy", empty));
      assert.isTrue(Result.isFailure(more) && more.failure.status === 429 && more.failure.retryAfter === 1);
      yield* boundedOf("other", empty);
      yield* Fiber.interruptAll(fibers);
      yield* boundedOf("greedy", empty);
    }),
  );

  it.effect("is told so of streams that are open, until they were sent, and may ask for anything else meanwhile", () =>
    Effect.gen(function* () {
      const fibers = yield* held(mostStreamsOfOne, streaming("greedy"));
      const more = yield* Effect.result(boundedOf("greedy", stream));
      assert.isTrue(Result.isFailure(more) && more.failure.status === 429 && more.failure.retryAfter === 5);
      yield* boundedOf("greedy", empty);
      const others = yield* Effect.forEach(["a", "b", "c"], (name) => held(mostStreamsOfOne, streaming(name)));
      const beyond = yield* Effect.result(boundedOf("other", stream));
      assert.isTrue(Result.isFailure(beyond) && beyond.failure.status === 503 && beyond.failure.retryAfter === 5);
      assert.strictEqual((others.length + 1) * mostStreamsOfOne, mostStreams);
      yield* Fiber.interruptAll([...fibers, ...others.flat()]);
      yield* boundedOf("greedy", stream);
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
