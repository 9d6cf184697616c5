import { assert, layer } from "@effect/vitest";
import { Effect, Fiber, Layer } from "effect";
import * as Configuration from "../../src/coordination/config/Configuration.ts";
import * as TaskQueueMemory from "../../src/coordination/tasks/queue/TaskQueueMemory.ts";
import * as TaskQueueNats from "../../src/coordination/tasks/queue/TaskQueueNats.ts";
import * as Tasks from "../../src/coordination/tasks/Tasks.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { NatsConnection } from "../../src/log/connection/NatsConnectionNats.ts";
import { leaseMillis, suite } from "../contract/TasksContract.ts";
import { logOnServer } from "../log/natsLayers.ts";
import { until } from "../publish/World.ts";

const inMemory = Tasks.layer().pipe(
  Layer.provideMerge(Configuration.layer()),
  Layer.provideMerge(TaskQueueMemory.layer({ leaseMillis })),
  Layer.provideMerge(EventLogMemory.layer),
);

const onServer = Tasks.layer().pipe(
  Layer.provideMerge(Configuration.layer()),
  Layer.provideMerge(TaskQueueNats.layer({ leaseMillis })),
  Layer.provideMerge(logOnServer()),
);

layer(inMemory, { excludeTestServices: true })("tasks in memory", (it) => suite((name, test) => it.effect(name, test)));

layer(onServer, { excludeTestServices: true })("tasks on JetStream", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("cost the server a bounded number of consumers, however many of them are waited for", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks.Tasks;
      const { jsm } = yield* NatsConnection;
      const consumers = Effect.map(
        Effect.promise(() => jsm.streams.info("RECOLLECT")),
        ({ state }) => state.consumer_count,
      );
      // The configuration is followed, too.
      yield* until(Effect.map(consumers, (count) => count > 0));
      const before = yield* consumers;
      const { taskIds } = yield* tasks.submitBatch(Array.from({ length: 60 }, () => ({ agentType: "waited for" })));
      const results = yield* Effect.forEach(taskIds, (id) => Effect.forkChild(tasks.result(id)));
      yield* until(Effect.map(consumers, (count) => count - before === 17));
      const lease = Effect.flatMap(tasks.claim({ agentTypes: ["waited for"] }), ({ complete, taskId }) =>
        complete(taskId),
      );
      yield* Effect.replicateEffect(lease, taskIds.length, { concurrency: 8 });
      const ended = yield* Effect.forEach(results, Fiber.join);
      assert.deepStrictEqual(
        ended.map(({ output }) => output),
        [...taskIds],
      );
      yield* until(Effect.map(consumers, (count) => count <= before));
    }),
  );
});
