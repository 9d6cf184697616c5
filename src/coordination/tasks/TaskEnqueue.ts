/**
 * What may be claimed goes into the queue, and what follows from a task's end is done: the next task of its batch may
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
  successorOf,
  type TaskRecord,
} from "../../domain/task/TaskRecord.ts";
import { endOf, readiness } from "./TaskClaim.ts";
import { delayHorizonMillis } from "./TaskLease.ts";
import { type Desk, load, move, type MoveError, type Step } from "./TaskMoves.ts";
import type { Named, TaskQueue } from "./queue/TaskQueue.ts";

export interface Offering {
  /** Puts a task in that may be claimed within the horizon; ends one that never will be. True: it is in. */
  readonly offer: (taskId: string, record: TaskRecord) => Effect.Effect<boolean, MoveError>;
  /** Takes a task out that has ended while nobody held it. */
  readonly withdraw: (taskId: string, record: TaskRecord) => Effect.Effect<void>;
  /** What the end of a task means for its batch. What it cannot do now the next look does (`Requeue`). */
  readonly ended: (record: TaskRecord) => Effect.Effect<void>;
}

/** What the queue does not take at once is tried each second for half a minute: by then the daemon has looked several times. */
const later = { schedule: Schedule.spaced(1_000), times: 30 };

export const make = (desk: Desk, queue: TaskQueue["Service"], scope: Scope.Scope): Offering => {
  /** Where the queue has it, if at all. */
  const named = (taskId: string, { submitted }: TaskRecord): Named | undefined =>
    submitted?.queue == null
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
    return Effect.catchTag(one, "LogUnavailable", ({ reason }) =>
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

  const offer: (taskId: string, record: TaskRecord) => Effect.Effect<boolean, MoveError> = Effect.fnUntraced(
    function* (taskId, record) {
      if (record.status === undefined || hasEnded(record) || record.submitted?.queue == null) return false;
      const ready = yield* readiness(desk, record);
      if (ready._tag === "Behind") return false;
      const never = endOf(ready);
      if (never !== undefined) return yield* Effect.as(end(taskId, record, never), false);
      if (ready._tag === "Delayed" && ready.delayMillis > delayHorizonMillis) return false;
      yield* put(taskId, record);
      return true;
    },
  );

  const end: (taskId: string, known: TaskRecord, step: Step) => Effect.Effect<TaskRecord, MoveError> =
    Effect.fnUntraced(function* (taskId, known, step) {
      const moved = yield* move({
        desk,
        taskId,
        known,
        decide: (record) => Effect.succeed(hasEnded(record) ? [] : [step]),
      });
      if (moved.isNew) yield* Effect.andThen(withdraw(taskId, moved.record), ended(moved.record));
      return moved.record;
    });

  /** What a task's end means for its batch: the next one may begin, or all others are cancelled. */
  const ended = (record: TaskRecord): Effect.Effect<void> =>
    Effect.gen(function* () {
      const place = placeOf(record.submitted);
      if (place === undefined) return;
      const { batchId } = place;
      if (place.failFast && record.status !== "completed") {
        const reason = `task ${idInBatch(batchId, place.index)} of its batch ended as ${record.status}`;
        for (let index = 0; index < place.size; index++) {
          const taskId = idInBatch(batchId, index);
          const other = yield* load(desk, taskId);
          if (index === place.index || other.status === undefined || hasEnded(other)) continue;
          const { isNew, record: now } = yield* move({
            desk,
            taskId,
            known: other,
            decide: (seen) =>
              Effect.succeed(hasEnded(seen) ? [] : [{ type: "task.cancelled", data: { reason } } as const]),
          });
          if (isNew) yield* withdraw(taskId, now);
        }
        return;
      }
      const successor = successorOf(record.submitted);
      const next = [...(successor === undefined ? [] : [successor]), ...awaitersOf(record.submitted)];
      for (const taskId of next) yield* offer(taskId, yield* load(desk, taskId));
    }).pipe(
      // The end itself is in the log. What follows from it is done by the next `requeue`.
      Effect.catch((error) => Effect.logWarning(`what follows from the end of a task waits: ${error.message}`)),
    );

  return { offer, withdraw, ended };
};
