/**
 * From an entry of the queue to a lease: what the log says decides whether there is anything to claim.
 *
 * Room: coordination.
 *
 * Of two workers that have an entry of the same task exactly one claims it, by the expected sequence of its history. A
 * claim that stands is ended by another only when its holder does not say that it works under it: the log holds no
 * heartbeats, so whoever has the lapsed entry asks.
 */
import { Effect } from "effect";
import { hasEnded, isLastAttempt, recordOf, type TaskRecord } from "../../domain/task/TaskRecord.ts";
import type { ClosedTypes } from "./ClosedTypes.ts";
import type { QueueGate } from "./QueueGate.ts";
import * as TaskLease from "./TaskLease.ts";
import { endOf, readiness } from "./TaskReadiness.ts";
import { type Desk, loadPatiently, move, type MoveError, type Step } from "./TaskMoves.ts";
import type { Entry, TaskQueue, Trouble } from "./queue/TaskQueue.ts";
import type { Slot, TaskSlots } from "./queue/TaskSlots.ts";
import type { Follow } from "./TaskWatch.ts";

export interface Claiming {
  readonly agentTypes: ReadonlyArray<string>;
  /** Name of the worker, as lists show it. */
  readonly worker?: string | undefined;
  /** `running` (the default) claims and begins; `starting` leaves the beginning to `lease.start`. */
  readonly begin?: "starting" | "running" | undefined;
  /** Told why tasks of a type cannot be had, at each try. */
  readonly trouble?: ((trouble: Trouble) => void) | undefined;
}

/** An entry of a queue whose rate is used up comes again within this time: the queue may be open by then. */
const maxRestMillis = 5_000;

export interface Counter {
  readonly desk: Desk;
  readonly queue: TaskQueue["Service"];
  readonly slots: TaskSlots;
  readonly gate: QueueGate;
  readonly closed: ClosedTypes;
  /** Consequences of a task's end. */
  readonly ended: (record: TaskRecord) => Effect.Effect<void>;
  readonly follow: Follow;
}

/** The end of a lease whose holder is gone, if the task has one. */
const lapse = ({ lease }: TaskRecord): ReadonlyArray<Step> =>
  lease === undefined
    ? []
    : [
        {
          type: "task.released",
          data: { reason: "lapsed", worker: lease.worker, attempt: lease.attempt, claim: lease.token },
        },
      ];

const deadLetter = ({ attempt, lease }: TaskRecord): ReadonlyArray<Step> => [
  {
    type: "task.failed",
    data: {
      error:
        lease === undefined
          ? { type: "no_attempts", message: `no attempt is left after ${attempt}` }
          : { type: "lease_lapsed", message: `its worker was silent for a whole lease, in attempt ${attempt}` },
      deadLetter: true,
      claim: lease?.token,
    },
  },
];

/** Events to add for a claim. `lapsed` is the token of the lease that no worker keeps any more; another one is respected. */
const stepsFor = (options: {
  readonly record: TaskRecord;
  readonly lapsed: number | undefined;
  readonly claiming: Claiming;
  readonly begin: "starting" | "running";
  readonly holder: string;
}): ReadonlyArray<Step> => {
  const { begin, claiming, holder, lapsed, record } = options;
  if (hasEnded(record) || record.lease?.token !== lapsed) return [];
  // Moved outside the queue, without a claim of ours to end.
  if (record.lease === undefined && record.status !== "pending") return [];
  if (isLastAttempt(record)) return deadLetter(record);
  const { worker } = claiming;
  const begun = begin === "running" ? { begun: true } : {};
  return [...lapse(record), { type: "task.claimed", data: { worker, attempt: record.attempt + 1, holder, ...begun } }];
};

/**
 * A lease; or nothing, when the entry is to be forgotten or comes again later, and the queue has been told which; or
 * what the entry knew of its task is stale, and nothing was done.
 */
const claimEntry = Effect.fnUntraced(function* (
  { desk, ended, follow, queue }: Counter,
  entry: Entry,
  claiming: Claiming,
  slot: Slot,
): Effect.fn.Return<TaskLease.TaskLease | "nothing" | "stale", MoveError> {
  const { known, taskId } = entry;
  const found = known === undefined ? yield* loadPatiently(desk, taskId) : recordOf(known);
  if (hasEnded(found) || found.submitted?.queue == null) return yield* Effect.as(queue.done(entry), "nothing" as const);
  const ready = yield* readiness(desk, taskId, found, yield* queue.now);
  if (ready._tag === "Behind") return yield* Effect.as(queue.done(entry), "nothing" as const);
  if (found.lease === undefined && ready._tag === "Delayed") {
    return yield* Effect.as(TaskLease.postpone({ queue, entry }, ready.delayMillis), "nothing" as const);
  }
  const { lease } = found;
  if (lease !== undefined) {
    const { holder, token } = lease;
    const works = holder === undefined || (yield* queue.isHeld({ holder, token }));
    if (works) return yield* Effect.as(queue.giveBack(entry, entry.leaseMillis), "nothing" as const);
  }
  const never = endOf(ready);
  const { begin = "running" } = claiming;
  const { isNew, record } = yield* move({
    desk,
    taskId,
    known: found,
    patience: "patient",
    decide: (current) => {
      // The entry's knowledge is out of date.
      if (known !== undefined && current.upTo !== found.upTo) return Effect.succeed([]);
      const asked = { record: current, lapsed: lease?.token, claiming, begin, holder: queue.holder };
      return Effect.succeed(never !== undefined && !hasEnded(current) ? [never] : stepsFor(asked));
    },
  });
  if (!isNew && known !== undefined) return "stale";
  if (hasEnded(record)) {
    yield* queue.done(entry);
    if (isNew) yield* ended(record);
    return "nothing";
  }
  const { submitted } = record;
  if (!isNew || record.lease === undefined || submitted === undefined) {
    return yield* Effect.as(queue.giveBack(entry, entry.leaseMillis), "nothing" as const);
  }
  return yield* TaskLease.make({
    desk,
    queue,
    entry,
    slot,
    ended,
    follow,
    taskId,
    record: { ...record, lease: record.lease, submitted },
  });
});

/** The next entry of a type that is open; undefined when another one may be open by now. */
const takeOf = Effect.fnUntraced(function* ({ closed, queue }: Counter, { agentTypes, trouble }: Claiming) {
  const { open, opened } = yield* closed.among(agentTypes);
  const taken = open.length === 0 ? Effect.never : queue.take(open, trouble);
  if (open.length === agentTypes.length) return yield* taken;
  return yield* Effect.raceFirst(taken, Effect.as(opened, undefined));
});

/** The next lease; waits until there is a task to claim. An entry that cannot be claimed now is given back. */
export const claim = Effect.fnUntraced(function* (
  counter: Counter,
  claiming: Claiming,
): Effect.fn.Return<TaskLease.TaskLease, MoveError> {
  const { queue, slots } = counter;
  // An interruption leaves neither an entry nor a place behind.
  const attempt = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const entry = yield* restore(takeOf(counter, claiming));
      if (entry === undefined) return undefined;
      const slot = yield* slots.enter(entry);
      if (slot === undefined) return yield* Effect.as(queue.giveBack(entry, 0), undefined);
      const waitMillis = yield* counter.gate.enter(entry.agentType);
      if (waitMillis > 0) {
        const back = queue.giveBack(entry, Number.isFinite(waitMillis) ? Math.min(waitMillis, maxRestMillis) : 0);
        return yield* Effect.as(Effect.andThen(back, slot.leave), undefined);
      }
      const first = claimEntry(counter, entry, claiming, slot);
      const again = claimEntry(counter, { ...entry, known: undefined }, claiming, slot);
      const lease = yield* restore(
        Effect.flatMap(first, (got) => (got === "stale" ? again : Effect.succeed(got))),
      ).pipe(
        Effect.onInterrupt(() => Effect.andThen(queue.giveBack(entry, 0), slot.leave)),
        Effect.tapError(() => Effect.andThen(queue.giveBack(entry, entry.leaseMillis), slot.leave)),
      );
      if (lease !== "nothing" && lease !== "stale") return lease;
      return yield* Effect.as(slot.leave, undefined);
    }),
  );
  for (;;) {
    const lease = yield* attempt;
    if (lease !== undefined) return lease;
  }
});
