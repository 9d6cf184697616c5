import { assert, layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import { TaskQueue } from "../../src/coordination/TaskQueue.ts";
import * as TaskQueueMemory from "../../src/coordination/TaskQueueMemory.ts";
import * as TaskQueueNats from "../../src/coordination/TaskQueueNats.ts";
import { NatsConnection } from "../../src/log/NatsConnectionNats.ts";
import { leaseMillis, suite } from "../contract/TaskQueueContract.ts";
import { logOnServer } from "../log/natsLayers.ts";

layer(TaskQueueMemory.layer({ leaseMillis }), { excludeTestServices: true })("the task queue in memory", (it) =>
  suite((name, test) => it.effect(name, test)),
);

const onServer = TaskQueueNats.layer({ leaseMillis }).pipe(Layer.provideMerge(logOnServer()));

layer(onServer, { excludeTestServices: true })("the task queue on JetStream", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("is made again when it was deleted under those who wait, and never settles by an old receipt", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      const { jsm } = yield* NatsConnection;
      yield* queue.put({ taskId: "old", agentType: "deleted", priority: "normal" });
      const old = yield* queue.take(["deleted"]);
      yield* Effect.promise(() => jsm.streams.delete(TaskQueueNats.streamName));
      yield* queue.put({ taskId: "new", agentType: "deleted", priority: "normal" });
      yield* queue.done(old);
      yield* queue.giveBack(old, 60_000);
      const { taskId } = yield* queue.take(["deleted"]);
      assert.strictEqual(taskId, "new");
      assert.deepStrictEqual(yield* queue.missing(["old", "new"]), ["old"]);
    }),
  );
});
