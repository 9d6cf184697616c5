/**
 * The daemon keeps the task queue filled, for every tenant that has tasks.
 *
 * Room: main.
 *
 * Due tasks are found by index, in the order of its due time, and between two due times nothing is looked through. Tasks
 * that waited before (a backlog at the start, after the queue was lost, more that came due at once than a page) are walked
 * through beside that, a page of each tenant and agent type in turn, so that no backlog holds up what is due, or another.
 */
import { Context, Effect, Layer, RcMap } from "effect";
import * as Requeue from "../coordination/tasks/Requeue.ts";
import * as RecentPuts from "../coordination/tasks/queue/RecentPutsNats.ts";
import * as TaskQueueNats from "../coordination/tasks/queue/TaskQueueNats.ts";
import * as Tasks from "../coordination/tasks/Tasks.ts";
import { defaultTenant, type Sequence } from "../domain/History.ts";
import type { NatsConnection } from "../log/connection/NatsConnectionNats.ts";
import type { EventLog } from "../log/EventLog.ts";
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
/** Due times so long ago are put in first when the queue was lost. */
const recentMillis = 60_000;
/** Delay after events that are new: by then their submitter has put its task into the queue, or it never will. */
const settleMillis = 300;
/**
 * Delay until a task is put in although its entry was heard: it may have been refused, and its submitter be gone.
 *
 * Decision: such a task is left out before, because in a backlog each was put in again, which the queue refused.
 */
const unsureMillis = 10_000;

/**
 * A tenant's queue and configuration are closed when nothing was put in for so long: each follows the log, and at rest 20
 * tenants took a third of what the daemon did.
 */
const tenantIdleMillis = 30_000;

/** Tasks by tenant, opened at their first use. */
const makeTenants = RcMap.make({
  lookup: (tenant: string) => Effect.map(Layer.build(tasksOf({ tenant })), Context.get(Tasks.Tasks)),
  idleTimeToLive: tenantIdleMillis,
});

/** Puts the next page of what it walks through; true when that was the last. */
type Walk = Effect.Effect<boolean, { readonly message: string }, EventLog | NatsConnection>;

const keyOf = ({ agentType, tenant }: TaskGroup): string => JSON.stringify([tenant, agentType]);

const fill = Effect.gen(function* () {
  const query = yield* Query;
  const { waiting } = query;
  const tenants = yield* makeTenants;
  /** Does something with the tasks of a tenant. */
  const withTasks = <A, E, R>(tenant: string, use: (tasks: Tasks.Tasks["Service"]) => Effect.Effect<A, E, R>) =>
    Effect.scoped(Effect.flatMap(RcMap.get(tenants, tenant), use));
  const ours = yield* RcMap.get(tenants, defaultTenant);
  const { incarnation, now } = ours;
  const recentPuts = yield* RecentPuts.listen;
  const scope = yield* Effect.scope;
  yield* Effect.forkIn(Effect.provideService(TaskMetrics.keepTelling, Tasks.Tasks, ours), scope);

  const followUp = Effect.fnUntraced(function* (tasks: ReadonlyArray<TaskOf>) {
    for (const [tenant, some] of Map.groupBy(tasks, (task) => task.tenant)) {
      yield* withTasks(tenant, ({ followUp: follow }) => follow(some.map(({ taskId }) => taskId)));
    }
  });
  /** Tasks that may be claimed; of a batch those that have a place there, and in an order those whose turn it is. */
  const put = Effect.fnUntraced(function* (tasks: ReadonlyArray<WaitingTask>) {
    const isAlone = ({ batchId, dueAt, isOrdered }: WaitingTask) =>
      dueAt === null || (batchId === null && isOrdered === 0);
    for (const [tenant, some] of Map.groupBy(tasks.filter(isAlone), (task) => task.tenant)) {
      yield* withTasks(tenant, ({ requeue }) => requeue(some));
    }
    const others = tasks.filter((task) => !isAlone(task));
    yield* followUp(others.filter(({ batchId }) => batchId === null));
    yield* followUp(yield* waiting.batchesOf(others));
  });

  const walks = new Map<string, Walk>();
  let isWalking = false;
  const walkOn = Effect.gen(function* () {
    while (walks.size > 0) {
      for (const [key, walk] of walks) if (yield* walk) walks.delete(key);
    }
  });
  const ofGroup = (group: TaskGroup, from: Place): Walk => {
    let behind = from;
    return Effect.gen(function* () {
      const page = yield* waiting.ofGroup({ group, behind, dueBy: yield* now });
      yield* put(page);
      const last = page.at(-1);
      if (page.length < waitingPage || last === undefined) return true;
      behind = { dueAt: last.dueAt ?? 0, firstSequence: last.firstSequence };
      return false;
    });
  };
  /** Events with tasks that were left out because their entries were heard, and when to look at them again. */
  const unsure: Array<{ readonly after: Sequence; readonly upTo: Sequence; readonly at: number }> = [];
  /** Tasks that moved and still wait: their submitter may have put them into the log alone. */
  const ofMoved = (from: Sequence, upTo: Sequence, which: "unheard" | "all"): Walk => {
    let after = from;
    return Effect.gen(function* () {
      const at = yield* now;
      const moved = yield* waiting.moved({ after, upTo, now: at });
      const isLast = moved.length < waitingPage;
      const end = isLast ? upTo : (moved.at(-1)?.lastSequence ?? upTo);
      const alone = moved.filter(({ batchId }) => batchId === null);
      const wanted = which === "all" ? alone : alone.filter((task) => !recentPuts.has(task.tenant, task));
      if (wanted.length < alone.length) unsure.push({ after, upTo: end, at: at + unsureMillis });
      yield* put(wanted);
      if (which === "unheard") yield* followUp(yield* waiting.movedBatches({ after, upTo: end }));
      after = end;
      return isLast;
    });
  };
  /** Walks on behind the others, beside what is due. */
  const walkAlso = Effect.fnUntraced(function* (more: ReadonlyArray<readonly [key: string, walk: Walk]>) {
    for (const [key, walk] of more) if (!walks.has(key)) walks.set(key, walk);
    if (isWalking) return;
    isWalking = true;
    const ended = Effect.sync(() => (isWalking = false));
    yield* Effect.forkIn(Effect.ensuring(Effect.retry(walkOn, Requeue.retries), ended), scope);
  });

  /** All groups from a place on; one that is walked through already goes on from where it is. */
  const walkFrom = (behind: Place) =>
    Effect.flatMap(waiting.groups, (groups) =>
      walkAlso(groups.map((group) => [keyOf(group), ofGroup(group, behind)] as const)),
    );

  /** The queue is as empty as it could be: all that waits, and all that is held. */
  const refill = Effect.gen(function* () {
    walks.clear();
    recentPuts.forget();
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

  let seen = { incarnation: "", askedAt: 0, due: 0, nextDue: 0, moved: 0, checkpoint: 0, ordered: 0 };
  /** A page at once, and more than that beside what comes: a catch-up holds up no other task. */
  const putMoved = Effect.fnUntraced(function* (upTo: Sequence) {
    if (seen.moved >= upTo) return;
    const walk = ofMoved(seen.moved, upTo, "unheard");
    if (!(yield* walk)) yield* walkAlso([[`moved up to ${upTo}`, walk]]);
    seen = { ...seen, moved: upTo };
  });

  const putUnsure = Effect.fnUntraced(function* (to: number) {
    const later = unsure.findIndex(({ at }) => at > to);
    const due = unsure.splice(0, later < 0 ? unsure.length : later);
    if (due.length === 0) return;
    const after = Math.min(...due.map((one) => one.after));
    const upTo = Math.max(...due.map((one) => one.upTo));
    yield* walkAlso([[`unsure up to ${upTo}`, ofMoved(after, upTo, "all")]]);
  });

  return Effect.gen(function* () {
    const to = yield* now;
    yield* putUnsure(to);
    const checkpoint = yield* query.checkpoint;
    const isLook = to - seen.askedAt >= Requeue.lookMillis || to < seen.askedAt;
    // Without new events the read models have not changed.
    const isQuiet = checkpoint === seen.checkpoint && checkpoint === seen.moved && seen.ordered === 0;
    if (isQuiet && !isLook && to < seen.nextDue) return Math.min(tickMillis, seen.nextDue - to);
    if (isLook) {
      const current = yield* incarnation;
      if (current !== seen.incarnation) {
        yield* refill;
        // Entries that became due a moment ago go before the walk: behind a page of each of 100 groups one began 16 s late.
        const [due, moved] = [Math.max(0, to - recentMillis), Math.max(0, checkpoint - waitingPage)];
        seen = { ...seen, incarnation: current, due, moved };
      }
      seen = { ...seen, askedAt: to };
    }
    yield* putDue(seen.due, to);
    seen = { ...seen, due: Math.max(seen.due, to) };
    yield* putMoved(Math.min(seen.checkpoint, checkpoint));
    yield* followUp(yield* waiting.overdue(to));
    // Any event may have been the end that one of these waits for: a few at a time, round and round.
    if (checkpoint !== seen.checkpoint || seen.ordered > 0) {
      const ordered = yield* waiting.ordered(seen.ordered);
      yield* followUp(ordered);
      seen = { ...seen, ordered: ordered.length < orderedPage ? 0 : (ordered.at(-1)?.firstSequence ?? 0) };
    }
    const soon = checkpoint === seen.checkpoint ? tickMillis : settleMillis;
    seen = { ...seen, checkpoint, nextDue: (yield* waiting.nextDue(seen.due)) ?? Infinity };
    return Math.max(0, Math.min(soon, seen.nextDue - (yield* now)));
  });
});

export const layer = Layer.effectDiscard(Effect.forkScoped(Effect.flatMap(fill, Requeue.keepFilled)));
