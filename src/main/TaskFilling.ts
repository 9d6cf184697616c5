/**
 * The daemon keeps the task queue filled, for every tenant that has tasks.
 *
 * Room: main.
 *
 * Due tasks are found by index, in the order of its due time, and between two due times nothing is looked through. Tasks
 * that waited before (a backlog at the start, after the queue was lost, more that came due at once than a page) are walked
 * through beside that, a page of each tenant and agent type in turn, so that no backlog holds up what is due, or another.
 */
import { Effect, Layer, Scope } from "effect";
import * as Requeue from "../coordination/tasks/Requeue.ts";
import * as TaskQueueNats from "../coordination/tasks/queue/TaskQueueNats.ts";
import * as Tasks from "../coordination/tasks/Tasks.ts";
import { defaultTenant } from "../domain/History.ts";
import { Query } from "../query/Query.ts";
import * as TaskMetrics from "./TaskMetrics.ts";
import {
  orderedPage,
  type Place,
  type TaskGroup,
  type TaskOf,
  waitingPage,
  type WaitingTask,
} from "../query/WaitingTasks.ts";

/** Tasks and their queue over the connection; `tenant` is whose. */
export const tasksOf = (options: Tasks.Options) =>
  Tasks.layer(options).pipe(Layer.provide(TaskQueueNats.layer({ tenant: options.tenant })));

/** Delay until a look sees what others have submitted, and what changed the next due time. */
const tickMillis = 1_000;
/** Delay after events that are new: by then their submitter has put its task into the queue, or it never will. */
const settleMillis = 300;

/** Tasks by tenant; a tenant's queue is opened with its first task. */
const makeTenants = Effect.gen(function* () {
  const scope = yield* Effect.scope;
  const made = new Map<string, Tasks.Tasks["Service"]>();
  return Effect.fnUntraced(function* (tenant: string) {
    const tasks =
      made.get(tenant) ??
      (yield* Effect.provide(Tasks.Tasks, yield* Layer.build(tasksOf({ tenant })).pipe(Scope.provide(scope))));
    made.set(tenant, tasks);
    return tasks;
  });
});

/** A walk through groups of tasks, a page of each in turn. */
interface Walk {
  readonly group: TaskGroup;
  behind: Place;
}

const keyOf = ({ agentType, tenant }: TaskGroup): string => JSON.stringify([tenant, agentType]);

const fill = Effect.gen(function* () {
  const query = yield* Query;
  const { waiting } = query;
  const tasksFor = yield* makeTenants;
  const ours = yield* tasksFor(defaultTenant);
  const { incarnation, now } = ours;
  const scope = yield* Effect.scope;
  yield* Effect.forkIn(Effect.provideService(TaskMetrics.keepTelling, Tasks.Tasks, ours), scope);

  const followUp = Effect.fnUntraced(function* (tasks: ReadonlyArray<TaskOf>) {
    for (const [tenant, some] of Map.groupBy(tasks, (task) => task.tenant)) {
      yield* (yield* tasksFor(tenant)).followUp(some.map(({ taskId }) => taskId));
    }
  });
  /** Tasks that may be claimed; of a batch those that have a place there, and in an order those whose turn it is. */
  const put = Effect.fnUntraced(function* (tasks: ReadonlyArray<WaitingTask>) {
    const isAlone = ({ batchId, dueAt, isOrdered }: WaitingTask) =>
      dueAt === null || (batchId === null && isOrdered === 0);
    for (const [tenant, some] of Map.groupBy(tasks.filter(isAlone), (task) => task.tenant)) {
      yield* (yield* tasksFor(tenant)).requeue(some);
    }
    const others = tasks.filter((task) => !isAlone(task));
    yield* followUp(others.filter(({ batchId }) => batchId === null));
    yield* followUp(yield* waiting.batchesOf(others));
  });

  const walks = new Map<string, Walk>();
  let isWalking = false;
  const walkOn = Effect.gen(function* () {
    while (walks.size > 0) {
      const dueBy = yield* now;
      for (const [key, walk] of walks) {
        const page = yield* waiting.ofGroup({ ...walk, dueBy });
        yield* put(page);
        const last = page.at(-1);
        if (page.length < waitingPage || last === undefined) walks.delete(key);
        else walk.behind = { dueAt: last.dueAt ?? 0, firstSequence: last.firstSequence };
      }
    }
  });
  /** From a place on, or on from where a walk is. */
  const walkFrom = Effect.fnUntraced(function* (behind: Place) {
    for (const group of yield* waiting.groups) {
      const key = keyOf(group);
      if (!walks.has(key)) walks.set(key, { group, behind });
    }
    if (isWalking) return;
    isWalking = true;
    const ended = Effect.sync(() => (isWalking = false));
    yield* Effect.forkIn(Effect.ensuring(Effect.retry(walkOn, Requeue.retries), ended), scope);
  });

  /** The queue is as empty as it could be: all that waits, and all that is held. */
  const refill = Effect.gen(function* () {
    walks.clear();
    yield* walkFrom({ dueAt: -1, firstSequence: 0 });
    for (let after = 0; ;) {
      const held = yield* waiting.held(after);
      yield* put(held);
      if (held.length < waitingPage) return;
      after = held.at(-1)?.firstSequence ?? after;
    }
  });

  /** Tasks that came due from then to now. More than a page: each group of its own. */
  const putDue = Effect.fnUntraced(function* (from: number, to: number) {
    const due = yield* waiting.due({ from, to });
    if (due.length === waitingPage) yield* walkFrom({ dueAt: from, firstSequence: Number.MAX_SAFE_INTEGER });
    else yield* put(due);
  });

  let seen = { incarnation: "", askedAt: 0, due: 0, moved: 0, checkpoint: 0, ordered: 0 };
  /** Tasks that had moved by the look before and still wait: their submitter may have put them into the log alone. */
  const putMoved = Effect.fnUntraced(function* (upTo: number, to: number) {
    while (seen.moved < upTo) {
      const moved = yield* waiting.moved({ after: seen.moved, upTo, now: to });
      const isAll = moved.length < waitingPage;
      const end = isAll ? upTo : (moved.at(-1)?.lastSequence ?? upTo);
      yield* put(moved.filter(({ batchId }) => batchId === null));
      yield* followUp(yield* waiting.movedBatches({ after: seen.moved, upTo: end }));
      seen = { ...seen, moved: end };
    }
  });

  return Effect.gen(function* () {
    const to = yield* now;
    const checkpoint = yield* query.checkpoint;
    if (to - seen.askedAt >= Requeue.lookMillis || to < seen.askedAt) {
      const current = yield* incarnation;
      if (current !== seen.incarnation) {
        yield* refill;
        seen = { ...seen, incarnation: current, due: to, moved: checkpoint };
      }
      seen = { ...seen, askedAt: to };
    }
    yield* putDue(seen.due, to);
    seen = { ...seen, due: Math.max(seen.due, to) };
    yield* putMoved(Math.min(seen.checkpoint, checkpoint), to);
    yield* followUp(yield* waiting.overdue(to));
    // Any event may have been the end that one of these waits for: a few at a time, round and round.
    if (checkpoint !== seen.checkpoint || seen.ordered > 0) {
      const ordered = yield* waiting.ordered(seen.ordered);
      yield* followUp(ordered);
      seen = { ...seen, ordered: ordered.length < orderedPage ? 0 : (ordered.at(-1)?.firstSequence ?? 0) };
    }
    const soon = checkpoint === seen.checkpoint ? tickMillis : settleMillis;
    seen = { ...seen, checkpoint };
    const next = (yield* waiting.nextDue(seen.due)) ?? Infinity;
    return Math.max(0, Math.min(soon, next - (yield* now)));
  });
});

export const layer = Layer.effectDiscard(Effect.forkScoped(Effect.flatMap(fill, Requeue.keepFilled)));
