import { assert, it } from "@effect/vitest";
import { Effect, Layer, Option, Stream } from "effect";
import * as Configuration from "../../src/coordination/config/Configuration.ts";
import * as TaskQueueNats from "../../src/coordination/tasks/queue/TaskQueueNats.ts";
import * as TasksOn from "../../src/coordination/tasks/Tasks.ts";
import { Tasks } from "../../src/coordination/tasks/Tasks.ts";
import { task as historyOf } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { NatsConnection } from "../../src/log/connection/NatsConnectionNats.ts";
import { logAt } from "../log/natsLayers.ts";
import * as NatsServer from "../support/NatsServer.ts";

const tasksAt = (servers: ReadonlyArray<string>) =>
  TasksOn.layer().pipe(
    Layer.provideMerge(Configuration.layer()),
    Layer.provideMerge(TaskQueueNats.layer({ leaseMillis: 2_000 })),
    Layer.provideMerge(logAt(servers)),
  );

/** A cluster that elects a leader takes it when it has one. */
const surely = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, { while: ({ _tag }) => _tag === "LogUnavailable" });

it.live(
  "the work queue of three servers goes on without the one that led it, and every task is run once",
  () =>
    Effect.gen(function* () {
      const cluster = yield* NatsServer.make({ cluster: 3 });
      yield* Effect.gen(function* () {
        const tasks = yield* Tasks;
        const log = yield* EventLog;
        const { jsm } = yield* NatsConnection;
        const submit = (id: string) => surely(tasks.submit({ agentType: "spread" }, { id }));
        for (const id of ["held", "waits"]) yield* submit(id);
        const held = yield* surely(tasks.claim({ agentTypes: ["spread"] }));
        assert.strictEqual(held.taskId, "held");

        const { cluster: copies, config } = yield* Effect.promise(() => jsm.streams.info(TaskQueueNats.streamName));
        assert.strictEqual(config.num_replicas, 3);
        const node = cluster.nodes[Number(copies?.leader?.slice(1)) - 1];
        if (node === undefined) return assert.fail("nobody leads the queue");
        // Killed, so that it hands nothing over; and stopped, so that it does not come back.
        const pid = yield* node.process.pid;
        if (Option.isSome(pid)) process.kill(pid.value, "SIGKILL");
        yield* node.process.stop;

        yield* submit("later");
        yield* surely(held.complete("held"));
        for (const id of ["waits", "later"]) {
          const lease = yield* surely(tasks.claim({ agentTypes: ["spread"] }));
          assert.strictEqual(lease.taskId, id);
          yield* surely(lease.complete(id));
        }
        for (const id of ["held", "waits", "later"]) {
          const events = yield* surely(Stream.runCollect(log.read({ history: historyOf(id) })));
          assert.deepStrictEqual(
            events.map(({ type }) => type.slice(5)),
            ["submitted", "claimed", "completed"],
          );
        }
      }).pipe(Effect.provide(tasksAt(cluster.servers)));
    }),
  60_000,
);
