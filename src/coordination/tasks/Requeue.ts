/**
 * The queue is filled again from the truth: whatever waits in the log, is due and is not in the queue is put in.
 *
 * Room: coordination.
 *
 * Needed by: tasks whose submitter died before it could put them in, or was no program of ours, or whose submission came
 * from a spool; tasks that are due later than the queue holds them; everything, after the queue was lost.
 */
import { Effect, Result, Schedule, Stream } from "effect";
import { isMisfit, type RecordedEvent } from "../../domain/Event.ts";
import { defaultTenant, type Sequence } from "../../domain/History.ts";
import { evolve, hasEnded, isTaskEventName, notSubmitted, type TaskState } from "../../domain/task/Task.ts";
import { pausedUntil, placeOf, queueingOf } from "../../domain/task/TaskRecord.ts";
import { decodeData } from "../../domain/Upcast.ts";
import { EventLog } from "../../log/EventLog.ts";
import type { Named } from "./queue/TaskQueue.ts";
import { Tasks } from "./Tasks.ts";

/** Poll interval for a lost queue: at most this old when it is noticed. */
export const lookMillis = 5_000;
/** Between two tries while log or queue cannot be reached. */
const retryMillis = 1_000;
export const retries = Schedule.spaced(retryMillis);

/** An open task of the queue. */
export interface OpenTask extends Named {
  /** Earliest moment of its next claim, epoch milliseconds; 0: at once, or a worker has it. */
  readonly dueAt: number;
  readonly batchId: string | undefined;
  /** It names tasks that must have ended before it. */
  readonly isOrdered: boolean;
}

/** Tasks that may belong into the queue. */
export interface Looked {
  /** The tasks of the queue that have not ended. */
  readonly open: ReadonlyArray<OpenTask>;
  /** Of each batch that is open and has moved since the look before one task: one that has broken it, if there is any. */
  readonly batches: ReadonlyArray<string>;
  /** Tasks that had to start before now and were not claimed yet. */
  readonly overdue: ReadonlyArray<string>;
}

interface Seen extends OpenTask {
  readonly state: TaskState;
  /** By when it must start, epoch milliseconds. */
  readonly startBy: number;
}

/** Fields of a submission that the queue needs; undefined for any other event. */
const submissionIn = (event: RecordedEvent): Omit<Seen, "state"> | undefined => {
  const decoded = Result.getOrUndefined(decodeData(event));
  if (decoded?._tag !== "Known" || decoded.type !== "task.submitted" || decoded.data.queue == null) return undefined;
  const { data } = decoded;
  const { notBefore, priority, startBy } = queueingOf(data.queue);
  return {
    taskId: event.history.id,
    agentType: data.request.agentType,
    priority,
    dueAt: notBefore,
    startBy,
    batchId: placeOf(data)?.batchId,
    isOrdered: (data.after ?? []).length > 0,
  };
};

const pauseIn = (event: RecordedEvent): number => {
  const decoded = Result.getOrUndefined(decodeData(event));
  return decoded?._tag === "Known" && decoded.type === "task.released" ? (pausedUntil(decoded.data, event) ?? 0) : 0;
};

/**
 * Tasks that may belong into the queue, by the log alone. The first look reads all of it, later ones what has come since; a store
 * with read models asks those.
 */
export const lookInLog = Effect.fnUntraced(function* (tenant = defaultTenant) {
  const log = yield* EventLog;
  const tasks = yield* Tasks;
  const open = new Map<string, Seen>();
  const moved = new Map<string, string>();
  let after: Sequence = 0;
  const see = (event: RecordedEvent) => {
    const { id } = event.history;
    const before = event.type === "task.submitted" ? submissionIn(event) : open.get(id);
    if (before === undefined) return undefined;
    const state = evolve(open.get(id)?.state ?? notSubmitted, event);
    const isOver = hasEnded(state.status);
    const { batchId } = before;
    if (batchId !== undefined) {
      const isBroken = isOver && state.status !== "completed";
      if (isBroken || !moved.has(batchId)) moved.set(batchId, id);
    }
    if (isOver) return open.delete(id);
    const waits = state.status === "pending";
    const dueAt = event.type === "task.released" ? pauseIn(event) : before.dueAt;
    return open.set(id, { ...before, state, dueAt: waits ? dueAt : 0 });
  };
  return Effect.gen(function* () {
    const { lastSequence } = yield* log.info;
    if (lastSequence > after) {
      yield* log.follow({ after }).pipe(
        Stream.takeUntil((entry) => entry.sequence >= lastSequence),
        Stream.runForEach((entry) =>
          Effect.sync(() => {
            after = entry.sequence;
            if (!isMisfit(entry) && entry.history.tenant === tenant && isTaskEventName(entry.type)) see(entry);
          }),
        ),
      );
    }
    const openBatches = new Set([...open.values()].map(({ batchId }) => batchId));
    const batches = [...moved].flatMap(([batchId, taskId]) => (openBatches.has(batchId) ? [taskId] : []));
    moved.clear();
    const now = yield* tasks.now;
    const isLate = ({ startBy, state }: Seen) => startBy <= now && state.status === "pending";
    const overdue = [...open.values()].flatMap((one) => (isLate(one) ? [one.taskId] : []));
    return { open: [...open.values()], batches, overdue } satisfies Looked;
  });
});

/** The tasks of the queue that have not ended, by the log alone. */
export const openInLog = (tenant = defaultTenant) =>
  Effect.map(
    lookInLog(tenant),
    Effect.map(({ open }) => open.map(({ taskId }) => taskId)),
  );

/** Looks for ever; each look says after how many milliseconds the next one is to come, `lookMillis` at most. */
export const keepFilled = <E extends { readonly message: string }, R>(
  look: Effect.Effect<number, E, R>,
): Effect.Effect<never, never, R> =>
  look.pipe(
    Effect.catch((error) =>
      Effect.as(Effect.logWarning(`the task queue is not filled now: ${error.message}`), retryMillis),
    ),
    Effect.flatMap((millis) => Effect.sleep(Math.min(lookMillis, millis))),
    Effect.forever,
  );

/** For a program without read models: fills the queue of one tenant by the log alone. */
export const keepFilledFromLog = Effect.fnUntraced(function* (tenant = defaultTenant) {
  const tasks = yield* Tasks;
  const look = yield* lookInLog(tenant);
  /** Tasks put into the present queue that have not left it again to wait. */
  let filled = { incarnation: "", ids: new Set<string>() };
  return yield* keepFilled(
    Effect.gen(function* () {
      const incarnation = yield* tasks.incarnation;
      const { batches, open, overdue } = yield* look;
      const now = yield* tasks.now;
      const known = incarnation === filled.incarnation ? filled.ids : new Set<string>();
      const due = open.filter(({ dueAt, taskId }) => dueAt <= now && !known.has(taskId));
      // A task of a batch needs a place there, and one that names others is looked at again and again.
      const ofBatches = new Map(due.map(({ batchId, taskId }) => [batchId, taskId]));
      ofBatches.delete(undefined);
      const ordered = open.flatMap(({ dueAt, isOrdered, taskId }) => (isOrdered && dueAt <= now ? [taskId] : []));
      yield* tasks.followUp([...new Set([...batches, ...ofBatches.values(), ...ordered, ...overdue])]);
      yield* tasks.requeue(due.filter(({ batchId, isOrdered }) => batchId === undefined && !isOrdered));
      const ids = new Set(open.flatMap(({ dueAt, taskId }) => (dueAt <= now ? [taskId] : [])));
      filled = { incarnation, ids };
      return open.reduce((next, { dueAt }) => (dueAt > now ? Math.min(next, dueAt - now) : next), lookMillis);
    }),
  );
});
