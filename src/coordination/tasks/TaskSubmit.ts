/**
 * Submissions, checked before anything is written: one task, or a batch.
 *
 * Room: coordination.
 */
import { Effect, Result, Schema } from "effect";
import { cycleOf } from "../../domain/task/TaskOrder.ts";
import { AfterError, type TaskPlace, type TaskQueueing, TaskRequest } from "../../domain/task/TaskEvents.ts";
import { isObject } from "../../domain/Json.ts";
import { idInBatch, maxBatch } from "../../domain/task/TaskRecord.ts";
import type { EventData } from "../../domain/Event.ts";
import { checkAll, maxEventBytes } from "../../log/append/AppendCheck.ts";
import type { Given } from "../../publish/write/NewEvent.ts";
import type { Command } from "../../spool/Spool.ts";
import {
  afterFault,
  InvalidTask,
  keyFault,
  maxAttemptsAllowed,
  maxDelayMillis,
  notAnId,
  onErrorFault,
  refusing,
  requestFault,
} from "../config/TaskLimits.ts";

export interface Submission extends Given<TaskQueueing> {
  /**
   * Default: a new UUIDv7. Submitting the same id again adds nothing, whatever became of the task. Not with a `dedupKey`,
   * which gives the id.
   */
  readonly id?: string | undefined;
  readonly threadId?: string | undefined;
  readonly parentTaskId?: string | undefined;
  /** Tasks that must have ended before it is claimed, at most 1,000. They are there already. */
  readonly after?: ReadonlyArray<string> | undefined;
  /** Reaction to one of those that does not complete: `cancel` (the default) or `run`. */
  readonly whenFailed?: "cancel" | "run" | undefined;
}

/** A task of a batch: its request, and what it waits for: numbers are places in the batch from 0, texts are ids. */
export type BatchRequest = Given<TaskRequest> & { readonly after?: ReadonlyArray<number | string> | undefined };

export interface Batch extends Pick<
  Submission,
  "priority" | "maxAttempts" | "backoffMillis" | "startBy" | "onError" | "threadId" | "parentTaskId" | "whenFailed"
> {
  /** Default: a new UUIDv7. Its tasks are `<id>.0`, `<id>.1` and so on; the same id again adds nothing. */
  readonly id?: string | undefined;
  /** At most so many of its tasks at the same time: 1 is one after another. Default: all of them. */
  readonly atOnce?: number | undefined;
  /** One that does not complete cancels those that have not ended. */
  readonly failFast?: boolean | undefined;
}

const decodeOnError = Schema.decodeUnknownResult(Schema.NullOr(Schema.Record(Schema.String, AfterError)));
const decodeRequest = Schema.decodeUnknownResult(TaskRequest, { onExcessProperty: "error" });

const invalid = (reason: string, hint: string) => new InvalidTask({ reason, hint });

const isFrom = (value: number | null | undefined, low: number, high: number): boolean =>
  value == null || (Number.isFinite(value) && value >= low && value <= high);

const isAfterError = (rule: unknown): boolean =>
  rule === "never" || (typeof rule === "number" && isFrom(rule, 0, maxDelayMillis));

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
  const { after = [], backoffMillis, dedupKey, maxAttempts, notBefore, onError = null, parentTaskId } = submission;
  const { priority, startBy, threadId, whenFailed } = submission;
  if (!isObject(request)) {
    return invalid("a task without a request", "It is an object with an agentType; see schema/task.submitted.json.");
  }
  // An undefined field counts as left out.
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
    afterFault(id, after),
    dedupKey == null ? undefined : keyFault(dedupKey),
    onErrorFault(Object.keys(onError ?? {})),
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
  if (!isFrom(startBy, 0, now + maxDelayMillis) || (startBy ?? Infinity) <= (notBefore ?? 0)) {
    return invalid(
      `startBy is ${startBy}`,
      "It is in epoch milliseconds, later than notBefore, at most a year from now.",
    );
  }
  if (Result.isFailure(decodeOnError(onError)) || !Object.values(onError ?? {}).every(isAfterError)) {
    return invalid(
      "onError is no rule for errors",
      `By type of error: "never", or 0 to ${maxDelayMillis} milliseconds.`,
    );
  }
  const queue = { priority: priority ?? "normal", maxAttempts, backoffMillis, notBefore, startBy, onError, dedupKey };
  const waits = after.length === 0 ? {} : { after, whenFailed };
  return Effect.succeed({ request: decoded.success, threadId, parentTaskId, retryOf, queue, ...waits, ...batch });
};

/** A batch is one append, and has as much room. */
export const checkedAll = (commands: ReadonlyArray<Pick<Command, "event" | "history">>) => {
  const appends = commands.map(({ event, history }) => ({ history, events: [event], expected: 0 }));
  return Effect.fromResult(checkAll(appends, maxEventBytes)).pipe(
    Effect.mapError(({ reason }) => invalid(`the batch cannot be written: ${reason}`, "Submit several batches.")),
    Effect.asVoid,
  );
};

/** Places of the batch that a task of it waits for, by its `after`. */
const placesBefore = (after: BatchRequest["after"], size: number): ReadonlyArray<number> | InvalidTask => {
  const places = (after ?? []).filter((one) => typeof one === "number");
  const odd = places.find((one) => !Number.isInteger(one) || one < 0 || one >= size);
  return odd === undefined
    ? places
    : invalid(`after names the place ${odd}`, `Places of this batch are 0 to ${size - 1}.`);
};

/** Place and order of each task of a batch; `after` and `whenFailed` are given to `checked` with it. */
export const placed = (batch: Batch, batchId: string, requests: ReadonlyArray<BatchRequest>) =>
  Effect.gen(function* () {
    const size = requests.length;
    if (size < 1 || size > maxBatch) {
      return yield* invalid(`the batch has ${size} tasks`, `It has 1 to ${maxBatch}; submit several batches.`);
    }
    const atOnce = Math.min(batch.atOnce ?? size, size);
    if (!Number.isInteger(atOnce) || atOnce < 1) {
      return yield* invalid(`atOnce is ${batch.atOnce}`, "It is a whole number from 1; 1 is one task after another.");
    }
    const before: Array<ReadonlyArray<number>> = [];
    const next = new Map<number, Array<number>>();
    for (const [index, request] of requests.entries()) {
      const places = placesBefore(isObject(request) ? request.after : [], size);
      if (places instanceof InvalidTask) return yield* places;
      // A task that has a place and waits for one that has none yet would keep it for ever.
      const later = atOnce < size ? places.find((place) => place >= index) : undefined;
      if (later !== undefined) {
        return yield* invalid(
          `${index} after ${later}`,
          "With atOnce a task names those that stand before it in the batch.",
        );
      }
      for (const place of places) next.set(place, [...(next.get(place) ?? []), index]);
      before.push(places);
    }
    const cycle = cycleOf(before);
    if (cycle !== undefined) {
      return yield* invalid(
        `tasks of the batch wait for each other: ${cycle.join(" after ")}`,
        "Leave out one of these.",
      );
    }
    return requests.map((request, index) => {
      const { after = [], ...plain } = request;
      const place = { index, size, atOnce, failFast: batch.failFast === true, next: next.get(index) ?? null };
      return {
        id: idInBatch(batchId, index),
        request: plain,
        after: after.map((one) => (typeof one === "number" ? idInBatch(batchId, one) : one)),
        batch: { batchId, place },
      };
    });
  });
