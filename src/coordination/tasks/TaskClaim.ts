/**
 * From an entry of the queue to a lease: what the log says decides whether there is anything to claim.
 *
 * Room: coordination.
 *
 * Of two workers that have an entry of the same task exactly one claims it, by the expected sequence of its history. A
 * claim that stands is ended by another only when its holder does not say that it works under it: the log holds no
 * heartbeats, so whoever has the lapsed entry asks.
 */
import { Clock, Effect } from "effect";
import { hindrance, type Readiness, timeliness } from "../../domain/task/TaskOrder.ts";
import {
  hasEnded,
  isLastAttempt,
  placeOf,
  predecessorOf,
  recordOf,
  type TaskRecord,
} from "../../domain/task/TaskRecord.ts";
import * as TaskLease from "./TaskLease.ts";
import type { LogUnavailable } from "../../log/EventLog.ts";
import { type Desk, load, loadPatiently, move, type MoveError, type Step } from "./TaskMoves.ts";
import type { Entry, TaskQueue } from "./queue/TaskQueue.ts";
import type { Slot, TaskSlots } from "./queue/TaskSlots.ts";
import type { Follow } from "./TaskWatch.ts";

export interface Claiming {
  readonly agentTypes: ReadonlyArray<string>;
  /** Who works: what people see in lists. */
  readonly worker?: string | undefined;
  /** `running` (the default) claims and begins; `starting` leaves the beginning to `lease.start`. */
  readonly begin?: "starting" | "running" | undefined;
}

/**
 * With so many claims under way in this process `claimed` and `started` are one append, before that two.
 *
 * Decision: 3, because a batch costs the server six fsyncs however large it is. A lone claim is quicker in two appends of
 * one; among many, one append for each task is (64 workers: 2,300 tasks/s, and 1,450 to 1,850 when all claim in two).
 */
const togetherFrom = 3;
/** How long a claim that is interrupted tries to tell the log. After that its lease lapses. */
const releaseMillis = 5_000;

export interface Counter {
  /** Claims of this process that are on their way to the log. */
  readonly underWay: { claims: number };
  readonly desk: Desk;
  readonly queue: TaskQueue["Service"];
  readonly slots: TaskSlots["Service"];
  /** What follows from a task's end. */
  readonly ended: (record: TaskRecord) => Effect.Effect<void>;
  readonly follow: Follow;
}

/**
 * Whether a task that has not ended may be claimed now. Those before it are read from the last to the first, because
 * they end in about their order: of a thousand, one or two are read each time.
 */
export const readiness = Effect.fnUntraced(function* (
  desk: Desk,
  record: TaskRecord,
): Effect.fn.Return<Readiness, LogUnavailable> {
  const timely = timeliness(record, yield* Clock.currentTimeMillis);
  if (timely._tag === "Expired") return timely;
  const predecessor = predecessorOf(record.submitted);
  if (predecessor !== undefined) {
    const before = yield* load(desk, predecessor);
    if (!hasEnded(before)) return { _tag: "Behind" };
    if (placeOf(record.submitted)?.failFast === true && before.status !== "completed") {
      return { _tag: "Dropped", reason: `task ${predecessor} of its batch ended as ${before.status}` };
    }
  }
  for (const taskId of record.submitted?.after?.toReversed() ?? []) {
    const hindered = hindrance(record.submitted, { taskId, record: yield* load(desk, taskId) });
    if (hindered !== undefined) return hindered;
  }
  return timely;
});

/** The end of a task that will never be ready; undefined for one that is or will be. */
export const endOf = (ready: Readiness): Step | undefined => {
  if (ready._tag === "Dropped") return { type: "task.cancelled", data: { reason: ready.reason } };
  if (ready._tag !== "Expired") return undefined;
  return { type: "task.failed", data: { error: { type: "expired", message: ready.reason } } };
};

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

/** What to add for a claim. `lapsed` is the token of the lease that nobody works under; another one is respected. */
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
  const claimed: Step = { type: "task.claimed", data: { worker, attempt: record.attempt + 1, holder } };
  const begun: Step = { type: "task.started", data: { worker } };
  return [...lapse(record), claimed, ...(begin === "running" ? [begun] : [])];
};

/** Begins what was claimed; nothing when the lease is lost already. */
const started = (lease: TaskLease.TaskLease): Effect.Effect<TaskLease.TaskLease | "nothing", MoveError> =>
  lease.start.pipe(
    Effect.as(lease),
    Effect.catchTag("LeaseLost", () => Effect.succeed("nothing" as const)),
    Effect.catchTag("IllegalTransition", () => Effect.as(lease.abandon, "nothing" as const)),
    Effect.tapError(() => lease.abandon),
    Effect.onInterrupt(() =>
      lease.release.pipe(Effect.timeoutOption(releaseMillis), Effect.ignore, Effect.andThen(lease.abandon)),
    ),
  );

/**
 * A lease; or nothing, when the entry is to be forgotten or comes again later, and the queue has been told which; or
 * what the entry knew of its task is stale, and nothing was done.
 */
const claimEntry = Effect.fnUntraced(function* (
  { desk, ended, follow, queue, underWay }: Counter,
  entry: Entry,
  claiming: Claiming,
  slot: Slot,
): Effect.fn.Return<TaskLease.TaskLease | "nothing" | "stale", MoveError> {
  const { known, taskId } = entry;
  const found = known === undefined ? yield* loadPatiently(desk, taskId) : recordOf(known);
  if (hasEnded(found) || found.submitted?.queue == null) return yield* Effect.as(queue.done(entry), "nothing" as const);
  const ready = yield* readiness(desk, found);
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
  const isApart = begin === "running" && underWay.claims < togetherFrom;
  underWay.claims++;
  const { isNew, record } = yield* move({
    desk,
    taskId,
    known: found,
    patience: "patient",
    decide: (current) => {
      // What the entry knew is not so any more.
      if (known !== undefined && current.upTo !== found.upTo) return Effect.succeed([]);
      const asked = {
        record: current,
        lapsed: lease?.token,
        claiming,
        begin: isApart ? ("starting" as const) : begin,
        holder: queue.holder,
      };
      return Effect.succeed(never !== undefined && !hasEnded(current) ? [never] : stepsFor(asked));
    },
  }).pipe(Effect.ensuring(Effect.sync(() => void underWay.claims--)));
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
  const made = yield* TaskLease.make({
    desk,
    queue,
    entry,
    slot,
    ended,
    follow,
    taskId,
    record: { ...record, lease: record.lease, submitted },
  });
  return isApart ? yield* started(made) : made;
});

/** The next entry of a type that is not full; undefined when there may be others than a moment ago. */
const takeOf = Effect.fnUntraced(function* ({ queue, slots }: Counter, agentTypes: ReadonlyArray<string>) {
  const full = yield* Effect.filter(agentTypes, (agentType) => slots.isFull(agentType));
  if (full.length === 0) return yield* queue.take(agentTypes);
  const rest = agentTypes.filter((agentType) => !full.includes(agentType));
  const freed = Effect.as(slots.freed(full), undefined);
  return yield* rest.length === 0 ? freed : Effect.raceFirst(queue.take(rest), freed);
});

/** The next lease; waits until there is a task to claim. An entry that cannot be claimed now is given back. */
export const claim = Effect.fnUntraced(function* (
  counter: Counter,
  claiming: Claiming,
): Effect.fn.Return<TaskLease.TaskLease, MoveError> {
  const { queue, slots } = counter;
  // Whoever is interrupted leaves neither an entry nor a place behind.
  const attempt = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const entry = yield* restore(takeOf(counter, claiming.agentTypes));
      if (entry === undefined) return undefined;
      const slot = yield* slots.enter(entry);
      if (slot === undefined) return yield* Effect.as(queue.giveBack(entry, 0), undefined);
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
