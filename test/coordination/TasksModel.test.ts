import { assert, describe, it } from "@effect/vitest";
import { Context, Deferred, Effect, Layer, References, Schema, Stream } from "effect";
import { TestClock } from "effect/testing";
import * as BucketMemory from "../../src/coordination/bucket/BucketMemory.ts";
import * as Configuration from "../../src/coordination/config/Configuration.ts";
import { keepFilledFromLog } from "../../src/coordination/tasks/Requeue.ts";
import type { TaskLease } from "../../src/coordination/tasks/TaskLease.ts";
import * as TasksOn from "../../src/coordination/tasks/Tasks.ts";
import { Tasks } from "../../src/coordination/tasks/Tasks.ts";
import { TaskQueue } from "../../src/coordination/tasks/queue/TaskQueue.ts";
import * as TaskQueueMemory from "../../src/coordination/tasks/queue/TaskQueueMemory.ts";
import type { RecordedEvent } from "../../src/domain/Event.ts";
import { task as historyOf } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { faultsOf } from "../drill/Tasks.ts";

const leaseMillis = 2_000;
const types = ["a", "b"] as const;

const Op = Schema.Union([
  Schema.Struct({
    op: Schema.Literal("submit"),
    type: Schema.Literals(types),
    priority: Schema.Literals(["high", "normal", "low"]),
    delayMillis: Schema.Literals([0, 500, 12_000, 40_000]),
    maxAttempts: Schema.Literals([1, 2, 3]),
    backoffMillis: Schema.Literals([100, 15_000]),
  }),
  Schema.Struct({
    op: Schema.Literal("batch"),
    type: Schema.Literals(types),
    size: Schema.Literals([2, 5]),
    atOnce: Schema.Literals([1, 2]),
  }),
  Schema.Struct({ op: Schema.Literal("claim"), type: Schema.Literals(types) }),
  Schema.Struct({
    op: Schema.Literal("settle"),
    how: Schema.Literals(["complete", "fail", "release", "die", "cancel"]),
    which: Schema.Natural,
  }),
  Schema.Struct({ op: Schema.Literal("wait"), millis: Schema.Literals([50, 700, 3_000, 6_000]) }),
  Schema.Struct({ op: Schema.Literal("lose the queue") }),
]);
type Op = typeof Op.Type;

/** A queue that can be lost with all that is in it. What a process holds it answers for all the same. */
class Losing {
  lose: Effect.Effect<void> = Effect.void;
}

const losable = (losing: Losing) =>
  Layer.effect(
    TaskQueue,
    Effect.gen(function* () {
      const scope = yield* Effect.scope;
      const fresh = Effect.map(
        Layer.buildWithScope(Layer.fresh(TaskQueueMemory.layer({ leaseMillis })), scope),
        (made) => ({
          queue: Context.get(made, TaskQueue),
          lost: Deferred.makeUnsafe<void>(),
        }),
      );
      const first = yield* fresh;
      let now = first;
      let number = 0;
      losing.lose = Effect.gen(function* () {
        const { lost } = now;
        now = yield* fresh;
        number++;
        yield* Deferred.succeed(lost, undefined);
      });
      const { hold, holder, isHeld, letGo } = first.queue;
      return TaskQueue.of({
        put: (task) => now.queue.put(task),
        take: Effect.fnUntraced(function* (agentTypes) {
          for (;;) {
            const { lost, queue } = now;
            const entry = yield* Effect.raceFirst(queue.take(agentTypes), Effect.as(Deferred.await(lost), undefined));
            if (entry !== undefined) return entry;
          }
        }),
        keep: (entry) => now.queue.keep(entry),
        giveBack: (entry, delayMillis) => now.queue.giveBack(entry, delayMillis),
        done: (entry) => now.queue.done(entry),
        withdraw: (task) => now.queue.withdraw(task),
        hold,
        holder,
        isHeld,
        letGo,
        now: first.queue.now,
        incarnation: Effect.sync(() => String(number)),
      });
    }),
  );

interface Known {
  readonly maxAttempts: number;
  readonly notBefore: number;
}

const dataOf = ({ body }: RecordedEvent): Record<string, unknown> => JSON.parse(Buffer.from(body).toString("utf8"));

/** Faults of a history against what was asked for: attempts, and the moments before which nothing may be claimed. */
const timingFaults = ({ maxAttempts, notBefore }: Known, events: ReadonlyArray<RecordedEvent>) => {
  const faults: Array<string> = [];
  let earliest = notBefore;
  let attempts = 0;
  for (const event of events) {
    const { reason, pauseMillis } = dataOf(event);
    if (event.type === "task.claimed") {
      if (event.recordedAt < earliest)
        faults.push(`claimed at ${event.recordedAt}, ${earliest - event.recordedAt} ms early`);
      if (++attempts > maxAttempts) faults.push(`attempt ${attempts} of ${maxAttempts}`);
    }
    if (event.type === "task.released" && reason === "interrupted") attempts--;
    if (event.type === "task.released") earliest = event.recordedAt + Number(pauseMillis ?? 0);
  }
  return faults;
};

/** Most tasks of a batch that were held at the same time, by all their events in order. */
const mostHeld = (events: ReadonlyArray<RecordedEvent>): number => {
  const held = new Set<string>();
  let most = 0;
  for (const { history, type } of events.toSorted((one, other) => one.sequence - other.sequence)) {
    if (type === "task.claimed") held.add(history.id);
    if (/released|completed|failed|cancelled/.test(type)) held.delete(history.id);
    most = Math.max(most, held.size);
  }
  return most;
};

const play = Effect.fnUntraced(function* (ops: ReadonlyArray<Op>, losing: Losing) {
  const tasks = yield* Tasks;
  const log = yield* EventLog;
  const known = new Map<string, Known>();
  const batches: Array<{ readonly atOnce: number; readonly taskIds: ReadonlyArray<string> }> = [];
  const leases: Array<TaskLease> = [];
  const claiming = { a: 0, b: 0 };
  const claim = (type: (typeof types)[number]) => {
    claiming[type]++;
    return tasks.claim({ agentTypes: [type] }).pipe(
      Effect.tap((lease) => Effect.sync(() => leases.push(lease))),
      Effect.ensuring(Effect.sync(() => claiming[type]--)),
      Effect.forkScoped,
    );
  };
  yield* Effect.forkScoped(keepFilledFromLog());

  const settle = (
    lease: TaskLease,
    how: Extract<Op, { readonly op: "settle" }>["how"],
  ): Effect.Effect<unknown, unknown> => {
    if (how === "complete") return lease.complete({ token: lease.token });
    if (how === "fail") return lease.fail({ type: "Boom" });
    if (how === "release") return lease.release;
    return how === "die" ? lease.abandon : tasks.cancel(lease.taskId);
  };
  for (const [at, op] of ops.entries()) {
    const now = yield* tasks.now;
    if (op.op === "submit") {
      const { backoffMillis, delayMillis, maxAttempts, priority, type } = op;
      const notBefore = delayMillis === 0 ? 0 : now + delayMillis;
      const more = delayMillis === 0 ? {} : { notBefore };
      yield* tasks.submit({ agentType: type }, { id: `t${at}`, priority, maxAttempts, backoffMillis, ...more });
      known.set(`t${at}`, { maxAttempts, notBefore });
    } else if (op.op === "batch") {
      const requests = Array.from({ length: op.size }, () => ({ agentType: op.type }));
      const { taskIds } = yield* tasks.submitBatch(requests, { id: `b${at}`, atOnce: op.atOnce });
      for (const id of taskIds) known.set(id, { maxAttempts: 3, notBefore: 0 });
      batches.push({ atOnce: op.atOnce, taskIds });
    } else if (op.op === "claim") yield* claim(op.type);
    else if (op.op === "settle") {
      const [lease] = leases.splice(op.which % Math.max(1, leases.length), 1);
      // What it may do no longer is refused, and that is all.
      if (lease !== undefined) yield* Effect.ignore(settle(lease, op.how));
    } else if (op.op === "wait") yield* TestClock.adjust(op.millis);
    else yield* losing.lose;
    yield* TestClock.adjust(1);
  }
  const readAll = Effect.forEach([...known.keys()], (id) =>
    Effect.map(Stream.runCollect(log.read({ history: historyOf(id) })), (events) => ({ id, events })),
  );
  const isOver = Effect.map(readAll, (all) =>
    all.every(({ events }) => /completed|failed|cancelled/.test(events.at(-1)?.type ?? "")),
  );
  for (let round = 0; round < 200 && !(yield* isOver); round++) {
    for (const type of types) if (claiming[type] === 0) yield* claim(type);
    yield* TestClock.adjust(1_000);
    for (const lease of leases.splice(0)) yield* Effect.ignore(lease.complete({ token: lease.token }));
  }
  const all = yield* readAll;
  const faults = all.flatMap(({ events, id }) => [
    ...faultsOf(id, events),
    ...timingFaults(known.get(id) ?? { maxAttempts: 0, notBefore: 0 }, events),
  ]);
  for (const { atOnce, taskIds } of batches) {
    const held = mostHeld(all.flatMap(({ events, id }) => (taskIds.includes(id) ? events : [])));
    if (held > atOnce) faults.push(`${held} tasks of a batch ran at once, and ${atOnce} may`);
  }
  return faults;
});

describe("tasks whose workers die and whose queue is lost, in any order", () => {
  it.effect.prop(
    "end once each, are held by one at a time, and are never claimed early or too often",
    { ops: Schema.Array(Op).check(Schema.isMinLength(1), Schema.isMaxLength(30)) },
    ({ ops }) =>
      Effect.suspend(() => {
        const losing = new Losing();
        const world = TasksOn.layer().pipe(
          Layer.provideMerge(Configuration.layer()),
          Layer.provideMerge(losable(losing)),
          Layer.provideMerge(BucketMemory.layer),
          Layer.provideMerge(EventLogMemory.layer),
        );
        return Effect.flatMap(play(ops, losing), (faults) =>
          Effect.sync(() => assert.deepStrictEqual(faults, [])),
        ).pipe(
          Effect.scoped,
          Effect.provide(Layer.fresh(world)),
          Effect.provideService(References.MinimumLogLevel, "None"),
        );
      }),
    { arbitrary: { runs: 25 }, timeout: 120_000 },
  );
});
