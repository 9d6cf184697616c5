import { assert, it, layer } from "@effect/vitest";
import { Clock, Context, Effect, Exit, Fiber, Layer, Logger, Stream } from "effect";
import * as Configuration from "../../src/coordination/config/Configuration.ts";
import * as TaskQueueMemory from "../../src/coordination/tasks/queue/TaskQueueMemory.ts";
import * as TaskQueueNats from "../../src/coordination/tasks/queue/TaskQueueNats.ts";
import * as Tasks from "../../src/coordination/tasks/Tasks.ts";
import { EventLog, LogUnavailable } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { NatsConnection } from "../../src/log/connection/NatsConnectionNats.ts";
import { compose } from "../../src/publish/write/NewEvent.ts";
import { leaseMillis, suite } from "../contract/TasksContract.ts";
import { task as historyOf } from "../../src/domain/History.ts";
import { logAt, logOnServer } from "../log/natsLayers.ts";
import { eventsOf, until } from "../publish/World.ts";
import { ahead } from "../support/ahead.ts";
import * as Child from "../support/Child.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { writing } from "../support/writing.ts";

const inMemory = Tasks.layer().pipe(
  Layer.provideMerge(Configuration.layer()),
  Layer.provideMerge(TaskQueueMemory.layer({ leaseMillis })),
  Layer.provideMerge(EventLogMemory.layer),
);

const over = <A, E, R>(log: Layer.Layer<A, E, R>) =>
  Tasks.layer().pipe(
    Layer.provideMerge(Configuration.layer()),
    Layer.provideMerge(TaskQueueNats.layer({ leaseMillis })),
    Layer.provideMerge(log),
  );
const onServer = over(logOnServer());
/** Tasks as another process has them: over a connection of its own. */
const processAt = (url: string) => Layer.fresh(over(logAt(url)));

layer(inMemory, { excludeTestServices: true })("tasks in memory", (it) => suite((name, test) => it.effect(name, test)));

it.effect("what follows from tasks is done for the others while the history of one cannot be read", () => {
  const damaged = new LogUnavailable({ condition: "streamDamaged", reason: "an event cannot be read" });
  const lossy = Layer.effect(
    EventLog,
    Effect.map(EventLog, (log) =>
      EventLog.of({
        ...log,
        read: (reading) => (reading.history.id === "unreadable" ? Stream.fail(damaged) : log.read(reading)),
      }),
    ),
  ).pipe(Layer.provide(EventLogMemory.layer));
  const over_ = Tasks.layer().pipe(
    Layer.provideMerge(Configuration.layer()),
    Layer.provideMerge(TaskQueueMemory.layer({ leaseMillis })),
    Layer.provideMerge(lossy),
  );
  return Effect.gen(function* () {
    const tasks = yield* Tasks.Tasks;
    const log = yield* EventLog;
    const data = { request: { agentType: "left alone" }, queue: { priority: "normal" as const, maxAttempts: 3 } };
    const command = yield* compose({ history: historyOf("alone"), type: "task.submitted", data }, writing("another"));
    yield* log.append({ history: command.history, events: [command.event], expected: 0 });
    yield* tasks.followUp(["unreadable", "alone"]);
    assert.strictEqual((yield* tasks.claim({ agentTypes: ["left alone"] })).taskId, "alone");
  }).pipe(Effect.provide(Layer.fresh(over_)));
});

layer(onServer, { excludeTestServices: true })("tasks on JetStream", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("end where another program wrote what can never be claimed, and keep no other from the queue", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks.Tasks;
      const log = yield* EventLog;
      const long = "x".repeat(5_000);
      const odd: ReadonlyArray<{ taskId: string; agentType: string; after?: ReadonlyArray<string> }> = [
        { taskId: "of no type", agentType: "" },
        { taskId: "of a long type", agentType: long },
        { taskId: "after what cannot be", agentType: "in order", after: [long] },
      ];
      const inOrder = { taskId: "behind the odd", agentType: "in order" };
      const ofBatch = { taskId: "of an odd batch", agentType: "in order", batchId: long };
      const named = [...odd, inOrder, ofBatch];
      for (const { taskId, agentType, ...about } of named) {
        const place = { index: 0, size: 2, atOnce: 1 };
        const data = {
          request: { agentType },
          queue: { priority: "normal" as const, maxAttempts: 3 },
          place,
          ...about,
        };
        const { event, history } = yield* compose(
          { history: historyOf(taskId), type: "task.submitted", data },
          writing("another program"),
        );
        yield* log.append({ history, events: [event], expected: 0 });
      }
      yield* tasks.followUp(["after what cannot be", "of an odd batch"]);
      const plain = named.filter(({ taskId }) => !["after what cannot be", "of an odd batch"].includes(taskId));
      yield* tasks.requeue(plain.map(({ agentType, taskId }) => ({ taskId, agentType, priority: "normal" })));
      for (const { taskId } of [ofBatch, inOrder]) {
        assert.strictEqual((yield* tasks.claim({ agentTypes: ["in order"] })).taskId, taskId);
      }
      for (const { taskId } of odd) {
        const { error, status } = yield* tasks.show(taskId);
        assert.deepStrictEqual([status, error?.type], ["failed", "InvalidTask"]);
      }
    }),
  );

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

  it.effect("have reports that come faster than the log takes them as one event: the last of them", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks.Tasks;
      const { taskId } = yield* tasks.submit({ agentType: "flood" });
      const lease = yield* tasks.claim({ agentTypes: ["flood"] });
      const reports = Array.from({ length: 50 }, (_, at) => lease.progress({ message: `at ${at}`, progress: at }));
      yield* Effect.all(reports, { concurrency: "unbounded" });
      assert.deepInclude(yield* tasks.show(taskId), { message: "at 49", progress: 49 });
      yield* lease.progress({ message: "done" });
      assert.deepInclude(yield* tasks.show(taskId), { message: "done" });
      yield* lease.complete();
      assert.isBelow((yield* eventsOf(historyOf(taskId))).length, 8);
    }),
  );

  it.effect("have the report of a caller that joined one whose own was interrupted", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks.Tasks;
      const { taskId } = yield* tasks.submit({ agentType: "interrupted" });
      const lease = yield* tasks.claim({ agentTypes: ["interrupted"] });
      // It is on its way to the log: those after it wait, and the first of them writes for all.
      const before = yield* Effect.forkChild(lease.progress({ progress: 0 }), { startImmediately: true });
      const [writer, joined, last] = yield* Effect.forEach([1, 2, 3], (progress) =>
        Effect.forkChild(lease.progress({ progress }), { startImmediately: true }),
      );
      if (writer === undefined || joined === undefined || last === undefined) return assert.fail();
      yield* Fiber.interrupt(writer);
      for (const fiber of [before, joined, last]) assert.isTrue(Exit.isSuccess(yield* Fiber.await(fiber)));
      assert.deepInclude(yield* tasks.show(taskId), { progress: 3 });
      yield* lease.complete();
    }),
  );

  it.effect("go by the log's clock on a machine whose own is ten minutes off, and that machine is told", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const ours = yield* Tasks.Tasks;
      for (const [millis, how] of [
        [600_000, "ahead of"],
        [-600_000, "behind"],
      ] as const) {
        const said: Array<string> = [];
        const hearing = Logger.layer([Logger.make(({ message }) => void said.push(String(message)))]);
        const agentType = `clock ${how}`;
        yield* Effect.gen(function* () {
          const they = Context.get(yield* Layer.build(processAt(url)), Tasks.Tasks);
          assert.closeTo(yield* they.now, Date.now(), 5_000);
          const due = (yield* ours.now) + 700;
          yield* ours.submit({ agentType }, { id: `${how} ours`, notBefore: due, backoffMillis: 500 });
          yield* they.submit({ agentType }, { id: `${how} theirs`, notBefore: due, backoffMillis: 500 });
          for (let at = 0; at < 2; at++) yield* (yield* they.claim({ agentTypes: [agentType] })).fail({ type: "Boom" });
          for (let at = 0; at < 2; at++) yield* (yield* they.claim({ agentTypes: [agentType] })).complete();
          for (const whose of ["ours", "theirs"]) {
            const [, claimed, released, again] = yield* eventsOf(historyOf(`${how} ${whose}`));
            const late = [
              (claimed?.recordedAt ?? 0) - due,
              (again?.recordedAt ?? 0) - (released?.recordedAt ?? 0) - 500,
            ];
            for (const by of late) assert.isTrue(by >= 0 && by < 20_000, `${how}, ${whose}: ${late.join(", ")}`);
          }
          const told = said.filter((line) => line.startsWith("the clock of this machine"));
          assert.lengthOf(told, 1);
          assert.match(told[0] ?? "", new RegExp(`(599|600|601) s ${how} the log's`));
        }).pipe(Effect.scoped, Effect.provideService(Clock.Clock, ahead({ millis })), Effect.provide(hearing));
      }
    }),
  );

  it.effect("stay with a worker whose handler keeps its thread for three leases, and end as it says in the end", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const tasks = yield* Tasks.Tasks;
      const agentType = "blocking";
      yield* Child.start({
        file: "test/coordination/blocking-child.ts",
        args: [url, agentType, String(leaseMillis), String(leaseMillis * 3)],
      });
      const { taskId } = yield* tasks.submit({ agentType }, { maxAttempts: 3 });
      yield* until(Effect.map(tasks.show(taskId), ({ status }) => status === "running"));
      const other = yield* Effect.forkChild(tasks.claim({ agentTypes: [agentType] }), { startImmediately: true });
      assert.deepInclude(yield* tasks.result(taskId), { status: "completed", attempt: 1, output: "late" });
      assert.isUndefined(other.pollUnsafe());
      yield* Fiber.interrupt(other);
      const types = (yield* eventsOf(historyOf(taskId))).map(({ type }) => type);
      assert.deepStrictEqual(types, ["task.submitted", "task.claimed", "task.completed"]);
    }),
  );
});
