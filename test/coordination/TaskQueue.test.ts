import { assert, layer } from "@effect/vitest";
import { Context, Effect, Fiber, Layer } from "effect";
import { TaskQueue } from "../../src/coordination/tasks/queue/TaskQueue.ts";
import * as TaskQueueMemory from "../../src/coordination/tasks/queue/TaskQueueMemory.ts";
import * as TaskQueueNats from "../../src/coordination/tasks/queue/TaskQueueNats.ts";
import { NatsConnection } from "../../src/log/connection/NatsConnectionNats.ts";
import { leaseMillis, suite } from "../contract/TaskQueueContract.ts";
import { logOnServer } from "../log/natsLayers.ts";

layer(TaskQueueMemory.layer({ leaseMillis }), { excludeTestServices: true })("the task queue in memory", (it) =>
  suite((name, test) => it.effect(name, test)),
);

const onServer = TaskQueueNats.layer({ leaseMillis }).pipe(Layer.provideMerge(logOnServer()));

layer(onServer, { excludeTestServices: true })("the task queue on JetStream", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("is one for each tenant", () =>
    Effect.gen(function* () {
      const ours = yield* TaskQueue;
      const theirs = Context.get(yield* Layer.build(TaskQueueNats.layer({ tenant: "they", leaseMillis })), TaskQueue);
      yield* ours.put({ taskId: "ours", agentType: "shared", priority: "normal" });
      yield* theirs.put({ taskId: "theirs", agentType: "shared", priority: "normal" });
      assert.strictEqual((yield* theirs.take(["shared"])).taskId, "theirs");
      assert.strictEqual((yield* ours.take(["shared"])).taskId, "ours");
      assert.isTrue(yield* theirs.put({ taskId: "ours", agentType: "shared", priority: "normal" }));
    }),
  );

  it.effect("takes a holder that is connected and does not answer for one that works, until it is gone", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      const { nc } = yield* NatsConnection;
      // As a process whose handler keeps its thread: the server has its subscription, and nobody answers.
      const holder = crypto.randomUUID();
      const subscription = nc.subscribe(`recollect-holder.${holder}`, { callback: () => undefined });
      assert.isTrue(yield* queue.isHeld({ holder, token: 7 }));
      subscription.unsubscribe();
      assert.isFalse(yield* queue.isHeld({ holder, token: 7 }));
    }),
  );

  it.effect("keeps its connection when it is asked for a holder whose name is longer than a server takes", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      const { link, nc } = yield* NatsConnection;
      let isLost = false;
      link.onLost(() => (isLost = true));
      assert.isFalse(yield* queue.isHeld({ holder: "x".repeat(10_000), token: 7 }));
      yield* Effect.promise(() => nc.flush().catch(() => undefined));
      assert.isFalse(isLost);
    }),
  );

  it.effect("is made again when it was deleted under those who wait, and settles nothing by an old receipt", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      const { jsm } = yield* NatsConnection;
      const deleted = Effect.promise(() => jsm.streams.delete(TaskQueueNats.streamName));
      // Each task is the first one of its queue, so that only what the queue begins with tells them apart.
      yield* deleted;
      yield* queue.put({ taskId: "old", agentType: "deleted", priority: "normal" });
      const old = yield* queue.take(["deleted"]);
      const waiting = yield* Effect.forkChild(queue.take(["deleted"]), { startImmediately: true });
      const before = yield* queue.incarnation;
      assert.strictEqual(yield* queue.incarnation, before);
      yield* deleted;
      assert.notStrictEqual(yield* queue.incarnation, before);
      yield* queue.put({ taskId: "new", agentType: "deleted", priority: "normal" });
      const entry = yield* Fiber.join(waiting);
      assert.strictEqual(entry.taskId, "new");
      yield* queue.done(old);
      yield* queue.giveBack(entry, 0);
      const again = yield* Effect.timeout(queue.take(["deleted"]), leaseMillis * 5);
      assert.strictEqual(again.taskId, "new");
      assert.isFalse(yield* queue.put({ taskId: "new", agentType: "deleted", priority: "normal" }));
    }),
  );
});
