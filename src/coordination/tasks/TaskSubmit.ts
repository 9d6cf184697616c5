/**
 * What is asked of the queue, checked before anything is written: one task, or a batch.
 *
 * Room: coordination.
 */
import { Effect, Result, Schema } from "effect";
import { type TaskPlace, type TaskQueueing, TaskRequest } from "../../domain/task/TaskEvents.ts";
import { isObject } from "../../domain/Json.ts";
import { idInBatch, maxBatch } from "../../domain/task/TaskRecord.ts";
import type { EventData } from "../../domain/Event.ts";
import { checkAll, maxEventBytes } from "../../log/append/AppendCheck.ts";
import type { Given } from "../../publish/write/NewEvent.ts";
import type { Command } from "../../spool/Spool.ts";
import {
  InvalidTask,
  maxAttemptsAllowed,
  maxDelayMillis,
  notAnId,
  refusing,
  requestFault,
} from "../config/TaskLimits.ts";

export interface Submission extends Given<TaskQueueing> {
  /** Default: a new UUIDv7. Submitting the same id again adds nothing, whatever became of the task. */
  readonly id?: string | undefined;
  readonly threadId?: string | undefined;
  readonly parentTaskId?: string | undefined;
}

export interface Batch extends Pick<
  Submission,
  "priority" | "maxAttempts" | "backoffMillis" | "threadId" | "parentTaskId"
> {
  /** Default: a new UUIDv7. Its tasks are `<id>.0`, `<id>.1` and so on; the same id again adds nothing. */
  readonly id?: string | undefined;
  /** At most so many of its tasks at the same time: 1 is one after another. Default: all of them. */
  readonly atOnce?: number | undefined;
  /** One that does not complete cancels those that have not ended. */
  readonly failFast?: boolean | undefined;
}

const decodeRequest = Schema.decodeUnknownResult(TaskRequest, { onExcessProperty: "error" });

const invalid = (reason: string, hint: string) => new InvalidTask({ reason, hint });

const isFrom = (value: number | null | undefined, low: number, high: number): boolean =>
  value == null || (Number.isFinite(value) && value >= low && value <= high);

/** The event's data, or why there is none. `now` in epoch milliseconds. */
export const checked = (options: {
  readonly request: Given<TaskRequest>;
  readonly submission: Submission;
  readonly id: string;
  readonly now: number;
  readonly retryOf?: string | undefined;
  readonly batch?: { readonly batchId: string; readonly place: typeof TaskPlace.Type } | undefined;
}): Effect.Effect<Given<EventData<"task.submitted">>, InvalidTask> => {
  const { batch, id, now, request, retryOf, submission } = options;
  const { backoffMillis, maxAttempts, notBefore, parentTaskId, priority, threadId } = submission;
  if (!isObject(request)) {
    return invalid("a task without a request", "It is an object with an agentType; see schema/task.submitted.json.");
  }
  // What is left undefined was not said.
  const said = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  const decoded = decodeRequest(said);
  if (Result.isFailure(decoded)) {
    return invalid(
      `the request is not one of a task: ${decoded.failure.message}`,
      "See schema/task.submitted.json. Environment variables and secrets are never stored: give them to the worker.",
    );
  }
  const fault = refusing(
    notAnId("task", id),
    requestFault(decoded.success),
    threadId === undefined ? undefined : notAnId("thread", threadId),
    parentTaskId === undefined ? undefined : notAnId("task", parentTaskId),
  );
  if (Result.isFailure(fault)) return fault.failure;
  if (!isFrom(maxAttempts, 1, maxAttemptsAllowed) || !Number.isInteger(maxAttempts ?? 1)) {
    return invalid(`maxAttempts is ${maxAttempts}`, `It is a whole number from 1 to ${maxAttemptsAllowed}.`);
  }
  if (!isFrom(backoffMillis, 0, maxDelayMillis)) {
    return invalid(`backoffMillis is ${backoffMillis}`, `It is from 0 to ${maxDelayMillis}, a year.`);
  }
  if (!isFrom(notBefore, 0, now + maxDelayMillis)) {
    return invalid(`notBefore is ${notBefore}`, "It is in epoch milliseconds, at most a year from now.");
  }
  const queue = { priority: priority ?? "normal", maxAttempts, backoffMillis, notBefore };
  return Effect.succeed({ request: decoded.success, threadId, parentTaskId, retryOf, queue, ...batch });
};

/** A batch is one append, and has as much room. */
export const checkedAll = (commands: ReadonlyArray<Pick<Command, "event" | "history">>) => {
  const appends = commands.map(({ event, history }) => ({ history, events: [event], expected: 0 }));
  return Effect.fromResult(checkAll(appends, maxEventBytes)).pipe(
    Effect.mapError(({ reason }) => invalid(`the batch cannot be written: ${reason}`, "Submit several batches.")),
    Effect.asVoid,
  );
};

/** Where each task of a batch stands. */
export const placed = (batch: Batch, batchId: string, size: number) =>
  Effect.gen(function* () {
    if (size < 1 || size > maxBatch) {
      return yield* invalid(`the batch has ${size} tasks`, `It has 1 to ${maxBatch}; submit several batches.`);
    }
    const atOnce = batch.atOnce ?? size;
    if (!Number.isInteger(atOnce) || atOnce < 1) {
      return yield* invalid(`atOnce is ${atOnce}`, "It is a whole number from 1; 1 is one task after another.");
    }
    return Array.from({ length: size }, (_, index) => ({
      id: idInBatch(batchId, index),
      batch: { batchId, place: { index, size, atOnce: Math.min(atOnce, size), failFast: batch.failFast === true } },
    }));
  });
