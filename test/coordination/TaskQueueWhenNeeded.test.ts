import { assert, describe, it } from "@effect/vitest";
import { Context, Effect, Fiber, Layer, Option, References } from "effect";
import { TaskQueue } from "../../src/coordination/TaskQueue.ts";
import * as TaskQueueWhenNeeded from "../../src/coordination/TaskQueueWhenNeeded.ts";
import * as PublishWorld from "../publish/World.ts";
import * as NatsServer from "../support/NatsServer.ts";

const entry = (taskId: string) => ({ taskId, agentType: "moves", priority: "normal" }) as const;

describe("the task queue when it is needed", () => {
  it.live("lets a take wait for a server that comes later, and for one that has moved", () =>
    Effect.gen(function* () {
      let address = Option.none<string>();
      const built = Layer.build(TaskQueueWhenNeeded.layer({ address: Effect.sync(() => address), hint: "start one" }));
      const queue = Context.get(yield* built, TaskQueue);
      const put = (taskId: string) =>
        PublishWorld.until(Effect.map(Effect.result(queue.put(entry(taskId))), ({ _tag }) => _tag === "Success"));
      assert.deepInclude(yield* Effect.flip(queue.put(entry("away"))), { _tag: "LogUnavailable", hint: "start one" });

      const early = yield* Effect.forkChild(queue.take(["moves"]), { startImmediately: true });
      const first = yield* NatsServer.make();
      address = Option.some(first.url);
      yield* put("first");
      assert.strictEqual((yield* Fiber.join(early)).taskId, "first");

      const waiting = yield* Effect.forkChild(queue.take(["moves"]), { startImmediately: true });
      yield* queue.hold(7);
      const second = yield* NatsServer.make();
      address = Option.some(second.url);
      yield* first.stop;
      yield* put("second");
      assert.strictEqual((yield* Fiber.join(waiting)).taskId, "second");
      assert.isTrue(yield* queue.isHeld({ holder: queue.holder, token: 7 }));
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
  );
});
