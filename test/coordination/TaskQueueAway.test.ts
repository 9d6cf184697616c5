import { assert, describe, it } from "@effect/vitest";
import { Context, Effect, Fiber, Layer, Option, References, Stream } from "effect";
import { Buckets } from "../../src/coordination/bucket/Bucket.ts";
import { TaskQueue } from "../../src/coordination/tasks/queue/TaskQueue.ts";
import * as SharedConnection from "../../src/log/connection/SharedConnection.ts";
import * as TaskQueueAway from "../../src/coordination/tasks/queue/TaskQueueAway.ts";
import { settings } from "../../src/coordination/tasks/queue/TaskSlots.ts";
import * as PublishWorld from "../publish/World.ts";
import * as NatsServer from "../support/NatsServer.ts";

const entry = (taskId: string) => ({ taskId, agentType: "moves", priority: "normal" }) as const;

describe("the task queue over a connection that may be away", () => {
  it.live("lets takes and watches wait for a server that comes later, and for one that has moved", () =>
    Effect.gen(function* () {
      let address = Option.none<string>();
      const connection = SharedConnection.layer({ address: Effect.sync(() => address), hint: "start one" });
      const built = Layer.build(TaskQueueAway.layer({}).pipe(Layer.provide(connection)));
      const services = yield* built;
      const queue = Context.get(services, TaskQueue);
      const bucket = yield* Context.get(services, Buckets).open(settings);
      const told: Array<string> = [];
      yield* Effect.forkScoped(
        Stream.runForEach(bucket.watch(">"), (one) => Effect.sync(() => one !== "caughtUp" && told.push(one.key))),
      );
      const tells = (key: string) =>
        Effect.andThen(bucket.put(key, Buffer.from("{}")), PublishWorld.until(Effect.sync(() => told.includes(key))));
      const put = (taskId: string) =>
        PublishWorld.until(Effect.map(Effect.result(queue.put(entry(taskId))), ({ _tag }) => _tag === "Success"));
      assert.deepInclude(yield* Effect.flip(queue.put(entry("away"))), { _tag: "LogUnavailable", hint: "start one" });

      const early = yield* Effect.forkChild(queue.take(["moves"]), { startImmediately: true });
      const first = yield* NatsServer.make();
      address = Option.some(first.url);
      yield* put("first");
      assert.strictEqual((yield* Fiber.join(early)).taskId, "first");
      yield* tells("first");

      const waiting = yield* Effect.forkChild(queue.take(["moves"]), { startImmediately: true });
      yield* queue.hold(7);
      const second = yield* NatsServer.make();
      address = Option.some(second.url);
      yield* first.stop;
      yield* put("second");
      assert.strictEqual((yield* Fiber.join(waiting)).taskId, "second");
      yield* tells("second");
      assert.isTrue(yield* queue.isHeld({ holder: queue.holder, token: 7 }));
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
  );
});
