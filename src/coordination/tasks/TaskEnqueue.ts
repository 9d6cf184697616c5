/**
 * Claimable tasks go into the queue, and the consequences of a task's end are carried out: the next task of its batch may
 * begin, or all others are cancelled.
 *
 * Room: coordination.
 */
import { Effect, Schedule, type Scope } from "effect";
import { awaitersOf } from "../../domain/task/TaskOrder.ts";
import {
  hasEnded,
  idInBatch,
  onlySubmitted,
  placeOf,
  queueingOf,
  type TaskRecord,
} from "../../domain/task/TaskRecord.ts";
import { submissionFault } from "../config/TaskLimits.ts";
import * as BatchPlaces from "./BatchPlaces.ts";
import { delayHorizonMillis } from "./TaskLease.ts";
import { type Desk, load, move, type MoveError, type Step } from "./TaskMoves.ts";
import { endOf, readiness } from "./TaskReadiness.ts";
import type { Named, TaskQueue } from "./queue/TaskQueue.ts";

export interface Offering {
  /** Puts a task in that may be claimed within the horizon; ends one that never will be. True: it is in. */
  readonly offer: (taskId: string, record: TaskRecord) => Effect.Effect<boolean, MoveError>;
  /** Takes a task out that has ended while no worker held it. */
  readonly withdraw: (taskId: string, record: TaskRecord) => Effect.Effect<void>;
  /** Consequences of a task's end for its batch; those that fail now are left to the next look (`Requeue`). */
  readonly ended: (record: TaskRecord) => Effect.Effect<void>;
  /**
   * Consequences for a task and its batch, ended or waiting, also where this process has carried them out before:
   * it or others may begin, or end because they never will.
   */
  readonly followUp: (taskId: string, record: TaskRecord) => Effect.Effect<void, MoveError>;
}

/** Retries of a put, one a second for half a minute: by then the daemon has looked several times. */
const later = { schedule: Schedule.spaced(1_000), times: 30 };
/** Tasks of a batch that are offered together. */
const offeredAtOnce = 32;

export const make = (desk: Desk, queue: TaskQueue["Service"], scope: Scope.Scope): Offering => {
  const places = BatchPlaces.make(desk);

  /** Its place in the queue, if it has one. */
  const named = (taskId: string, { submitted }: TaskRecord): Named | undefined =>
    submitted?.queue == null || submissionFault(taskId, submitted) !== undefined
      ? undefined
      : { taskId, agentType: submitted.request.agentType, priority: queueingOf(submitted.queue).priority };

  /**
   * The log has it, so a queue that is away costs the submitter no more than one try. It is put in behind his back, and
   * should this process end before, by the next look (`Requeue`).
   */
  const put = (taskId: string, record: TaskRecord) => {
    const name = named(taskId, record);
    if (name === undefined) return Effect.void;
    const one = queue.put({ ...name, known: onlySubmitted(record) });
    return Effect.catchTag(Effect.asVoid(one), "LogUnavailable", ({ reason }) =>
      Effect.andThen(
        Effect.logWarning(`${taskId} waits: ${reason}`),
        Effect.forkIn(Effect.ignore(Effect.retry(one, later)), scope),
      ),
    );
  };

  const withdraw = (taskId: string, record: TaskRecord) => {
    const name = named(taskId, record);
    return name === undefined ? Effect.void : queue.withdraw(name);
  };

  const offer: Offering["offer"] = Effect.fnUntraced(function* (taskId, record) {
    if (record.status === undefined || hasEnded(record) || record.submitted?.queue == null) return false;
    const ready = yield* readiness(desk, taskId, record, yield* queue.now);
    const never = endOf(ready);
    if (never !== undefined) return yield* Effect.as(end(taskId, record, never), false);
    if (ready._tag === "Behind") return false;
    if (ready._tag === "Delayed" && ready.delayMillis > delayHorizonMillis) return false;
    yield* put(taskId, record);
    const place = placeOf(record.submitted);
    if (place !== undefined) places.offered(place, taskId);
    return true;
  });
  const offerAll = (taskIds: ReadonlyArray<string>) =>
    Effect.forEach(taskIds, (taskId) => Effect.flatMap(load(desk, taskId), (record) => offer(taskId, record)), {
      concurrency: offeredAtOnce,
      discard: true,
    });

  const end = Effect.fnUntraced(function* (taskId: string, known: TaskRecord, step: Step) {
    const { isNew, record } = yield* move({
      desk,
      taskId,
      known,
      decide: (seen) => Effect.succeed(hasEnded(seen) ? [] : [step]),
    });
    if (isNew) yield* Effect.andThen(withdraw(taskId, record), ended(record));
  });

  const cancelOthers = Effect.fnUntraced(function* (
    { batchId, index: broken, size }: BatchPlaces.Place,
    status: string,
  ) {
    const reason = `task ${idInBatch(batchId, broken)} of its batch ended as ${status}`;
    for (let index = 0; index < size; index++) {
      const taskId = idInBatch(batchId, index);
      const known = yield* load(desk, taskId);
      if (index === broken || known.status === undefined || hasEnded(known)) continue;
      const { isNew, record } = yield* move({
        desk,
        taskId,
        known,
        decide: (seen) => Effect.succeed(hasEnded(seen) ? [] : [{ type: "task.cancelled", data: { reason } } as const]),
      });
      if (isNew) yield* withdraw(taskId, record);
    }
  });

  const follow = Effect.fnUntraced(function* (record: TaskRecord, again?: "again") {
    const place = placeOf(record.submitted);
    if (place === undefined) return;
    const isBroken = place.failFast && hasEnded(record) && record.status !== "completed";
    if (isBroken) return yield* cancelOthers(place, record.status ?? "");
    // In a batch without a bound, the tasks that name this one may begin.
    const isBounded = again === "again" || place.atOnce < place.size;
    yield* offerAll(isBounded ? yield* places.next(place, again) : awaitersOf(record.submitted));
  });

  const followUp: Offering["followUp"] = Effect.fnUntraced(function* (taskId, record) {
    const isOpen = record.status !== undefined && !hasEnded(record);
    const never = isOpen ? endOf(yield* readiness(desk, taskId, record, yield* queue.now)) : undefined;
    if (never !== undefined) return yield* end(taskId, record, never);
    const place = placeOf(record.submitted);
    // One that another program named otherwise is found by no place, and runs alone.
    const isPlaced = place !== undefined && idInBatch(place.batchId, place.index) === taskId;
    yield* isPlaced ? follow(record, "again") : offer(taskId, record);
  });

  const ended = (record: TaskRecord): Effect.Effect<void> =>
    follow(record).pipe(
      // The end itself is in the log. Its consequences are done by the next look.
      Effect.catch((error) => Effect.logWarning(`what follows from the end of a task waits: ${error.message}`)),
    );

  return { offer, withdraw, ended, followUp };
};
