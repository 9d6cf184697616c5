/**
 * Tasks that any number of workers share, on any number of machines.
 *
 * Room: coordination. In: domain, log, publish, TaskQueue. Out: edge, main, RecollectTasks (the same with promises).
 *
 * The truth of a task is its history in the log; the queue only says that there is something to claim. Promises, each
 * a test in `test/contract/TasksContract.ts`, kept over every layer of log and queue:
 * - of competing claims exactly one wins, and a worker that lost its lease can change nothing of the task any more;
 * - a task whose worker dies goes to another after at most one lease; one whose worker gives it back, at once;
 * - a task is tried at most `maxAttempts` times, with a growing pause after each failure, and then ends as a dead letter
 *   with the reason of the last one;
 * - what has ended stays as it ended. Another try of it is another task that names it, and there is one such task
 *   however often it is asked for;
 * - the queue may be lost at any time: `requeue` puts in whatever waits and is not there;
 * - a result can be read for as long as the log is there, also after every process was restarted.
 */
import { Clock, Context, Effect, Layer, Option, Schema, Stream } from "effect";
import { isMisfit } from "../domain/Event.ts";
import { defaultTenant, task as historyOf } from "../domain/History.ts";
import { decide, type IllegalTransition, type TaskEventName } from "../domain/Task.ts";
import type { TaskStatus } from "../domain/Fact.ts";
import type { TaskRequest } from "../domain/TaskEvents.ts";
import {
  empty,
  evolve,
  hasEnded,
  idInBatch,
  type McpTaskStatus,
  mcpStatusOf,
  onlySubmitted,
  queueingOf,
  successorOf,
  type TaskRecord,
} from "../domain/TaskRecord.ts";
import { type AppendRefused, EventLog, type LogDamaged, type LogUnavailable } from "../log/EventLog.ts";
import { compose, type Given, type InvalidEvent, newId } from "../publish/Compose.ts";
import { type Claiming, claim, readiness } from "./TaskClaim.ts";
import { delayHorizonMillis, type TaskLease } from "./TaskLease.ts";
import { type Desk, load, move, type MoveError, type Step } from "./TaskMoves.ts";
import { Configuration, layer as ConfigurationLayer } from "./Configuration.ts";
import { TaskQueue } from "./TaskQueue.ts";
import * as TaskSlots from "./TaskSlots.ts";
import { type Batch, checked, type InvalidTask, placed, type Submission } from "./TaskSubmit.ts";

/** No task of that id was ever submitted. */
export class TaskNotFound extends Schema.TaggedError<TaskNotFound>()("TaskNotFound", {
  taskId: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}

export interface Submitted {
  readonly taskId: string;
  /** False when it was there already. */
  readonly isNew: boolean;
}

/** How a task stands, or how it ended. Times in epoch milliseconds. */
export interface TaskResult {
  readonly taskId: string;
  readonly status: TaskStatus;
  /** The status in the words of MCP's tasks. */
  readonly mcpStatus: McpTaskStatus;
  /** Claims that counted so far. */
  readonly attempt: number;
  /** Who had it last. */
  readonly worker: string | null;
  readonly message: string | null;
  readonly progress: number | null;
  readonly total: number | null;
  readonly output: unknown;
  readonly error: { readonly type: string; readonly message: string | null } | null;
  /** It failed because its last attempt did. */
  readonly deadLetter: boolean;
  readonly endedAt: number | null;
  /** When it is archived, by now or from then on: `tasks.retentionMillis` after it ended or was last restored. */
  readonly archivedAt: number | null;
}

export interface Options {
  /** Default `default`; the queue's must be the same. */
  readonly tenant?: string | undefined;
  /** Who speaks: the CloudEvents source. Default `recollect`. */
  readonly source?: string | undefined;
  readonly actor?: string | undefined;
}

type SubmitError = InvalidTask | InvalidEvent | AppendRefused | LogUnavailable;

export class Tasks extends Context.Service<
  Tasks,
  {
    /** Submits a task for a worker of its agent type. Durable when it returns; nothing when the id is there already. */
    readonly submit: (request: Given<TaskRequest>, submission?: Submission) => Effect.Effect<Submitted, SubmitError>;
    /** Submits up to 1,000 tasks, all or none. */
    readonly submitBatch: (
      requests: ReadonlyArray<Given<TaskRequest>>,
      batch?: Batch,
    ) => Effect.Effect<
      { readonly batchId: string; readonly taskIds: ReadonlyArray<string>; readonly isNew: boolean },
      SubmitError
    >;
    /** The next task of one of the agent types, the most urgent first. Waits until there is one. */
    readonly claim: (claiming: Claiming) => Effect.Effect<TaskLease, MoveError>;
    /** Ends a task that has not ended; a worker that has it learns so at its next heartbeat. */
    readonly cancel: (
      taskId: string,
      reason?: string,
    ) => Effect.Effect<TaskResult, TaskNotFound | IllegalTransition | LogDamaged | MoveError>;
    /** Answers what a task has asked for (`input_required`); it runs on. */
    readonly provideInput: (
      taskId: string,
      message: string,
    ) => Effect.Effect<TaskResult, TaskNotFound | IllegalTransition | LogDamaged | MoveError>;
    /** The same request again, as the task `<id>~`, for one that failed, timed out or was cancelled. */
    readonly retry: (taskId: string) => Effect.Effect<Submitted, TaskNotFound | CannotRetry | LogDamaged | SubmitError>;
    /** Puts a task that has ended among the recent ones again: it is archived as if it had ended now. */
    readonly restore: (
      taskId: string,
      reason?: string,
    ) => Effect.Effect<TaskResult, TaskNotFound | IllegalTransition | LogDamaged | MoveError>;
    /** How the task stands now. */
    readonly show: (taskId: string) => Effect.Effect<TaskResult, TaskNotFound | LogUnavailable | LogDamaged>;
    /** How the task ended; waits until it has. */
    readonly result: (taskId: string) => Effect.Effect<TaskResult, TaskNotFound | LogUnavailable | LogDamaged>;
    /** How it stands now and after each of its events, up to its end. */
    readonly watch: (taskId: string) => Stream.Stream<TaskResult, TaskNotFound | LogUnavailable | LogDamaged>;
    /** Puts those of the tasks into the queue that can be claimed and are not there. Returns how many it was. */
    readonly requeue: (taskIds: ReadonlyArray<string>) => Effect.Effect<number, MoveError>;
    /** What the ends of these tasks mean for their batches, once more: whoever ended one may have died before he could. */
    readonly followUp: (taskIds: ReadonlyArray<string>) => Effect.Effect<void, LogUnavailable>;
  }
>()("recollect/coordination/Tasks") {}

/** Only what has ended without completing is tried again. */
export class CannotRetry extends Schema.TaggedError<CannotRetry>()("CannotRetry", {
  taskId: Schema.String,
  status: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}

const notFound = (taskId: string) =>
  new TaskNotFound({ taskId, message: `There is no task ${taskId}.`, hint: "recollect tasks lists them." });

const utf8 = new TextDecoder();

const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown));

/** The whole output, also when it was too large for its event. */
const outputOf = Effect.fnUntraced(function* ({ log }: Desk, { end }: TaskRecord) {
  if (end?.outputBlob == null) return end?.output ?? null;
  const bytes = yield* log.getBlob(end.outputBlob.sha256);
  if (bytes === undefined) return end.output ?? null;
  const text = utf8.decode(bytes);
  return end.outputIsText ? text : Option.getOrElse(decodeJson(text), () => text);
});

const resultOf = Effect.fnUntraced(function* (desk: Desk, taskId: string, record: TaskRecord, retention: number) {
  const { attempt, end, recentSince, said, status, worker } = record;
  if (status === undefined) return yield* notFound(taskId);
  return {
    taskId,
    status,
    mcpStatus: mcpStatusOf(status),
    attempt,
    worker: worker ?? null,
    message: said.message ?? null,
    progress: said.progress ?? null,
    total: said.total ?? null,
    output: yield* outputOf(desk, record),
    error: end?.error == null ? null : { type: end.error.type, message: end.error.message ?? null },
    deadLetter: end?.deadLetter ?? false,
    endedAt: end?.at ?? null,
    archivedAt: recentSince === undefined ? null : recentSince + retention,
  } satisfies TaskResult;
});

const make = Effect.fnUntraced(function* (options: Options) {
  const log = yield* EventLog;
  const queue = yield* TaskQueue;
  const slots = yield* TaskSlots.TaskSlots;
  const config = yield* Configuration;
  const { actor, source = "recollect", tenant = defaultTenant } = options;
  const desk: Desk = { log, tenant, speaks: { source, ...(actor === undefined ? {} : { actor }) } };

  const resultNow = (taskId: string, record: TaskRecord) =>
    Effect.flatMap(config.get("tasks.retentionMillis"), (retention) => resultOf(desk, taskId, record, retention));

  /** The log has it, so a queue that is away costs time and no task. */
  const put = (taskId: string, record: TaskRecord) => {
    const { submitted } = record;
    return submitted?.queue == null
      ? Effect.void
      : queue
          .put({
            taskId,
            agentType: submitted.request.agentType,
            priority: queueingOf(submitted.queue).priority,
            known: onlySubmitted(record),
          })
          .pipe(Effect.catchTag("LogUnavailable", ({ reason }) => Effect.logWarning(`${taskId} waits: ${reason}`)));
  };

  /** Puts a task in that may be claimed within the horizon; cancels one whose batch has failed. */
  const offer: (taskId: string, record: TaskRecord) => Effect.Effect<boolean, MoveError> = Effect.fnUntraced(
    function* (taskId, record) {
      if (record.status === undefined || hasEnded(record) || record.submitted?.queue == null) return false;
      const ready = yield* readiness(desk, record);
      if (ready._tag === "Behind") return false;
      if (ready._tag === "Dropped") return yield* Effect.as(end(taskId, record, ready.reason), false);
      if (ready._tag === "Delayed" && ready.delayMillis > delayHorizonMillis) return false;
      yield* put(taskId, record);
      return true;
    },
  );

  const end: (taskId: string, known: TaskRecord, reason: string | undefined) => Effect.Effect<TaskRecord, MoveError> =
    Effect.fnUntraced(function* (taskId, known, reason) {
      const steps: ReadonlyArray<Step> = [{ type: "task.cancelled", data: { reason } }];
      const moved = yield* move({
        desk,
        taskId,
        known,
        decide: (record) => Effect.succeed(hasEnded(record) ? [] : steps),
      });
      if (moved.isNew) yield* ended(moved.record);
      return moved.record;
    });

  /** What a task's end means for its batch: the next one may begin, or all others are cancelled. */
  const ended = (record: TaskRecord): Effect.Effect<void> =>
    Effect.gen(function* () {
      const { batchId, place } = record.submitted ?? {};
      if (batchId == null || place == null) return;
      if (place.failFast === true && record.status !== "completed") {
        const reason = `task ${idInBatch(batchId, place.index)} of its batch ended as ${record.status}`;
        for (let index = 0; index < place.size; index++) {
          const taskId = idInBatch(batchId, index);
          const other = yield* load(desk, taskId);
          if (index === place.index || other.status === undefined || hasEnded(other)) continue;
          yield* move({
            desk,
            taskId,
            known: other,
            decide: (now) =>
              Effect.succeed(hasEnded(now) ? [] : [{ type: "task.cancelled", data: { reason } } as const]),
          });
        }
        return;
      }
      const next = successorOf(record.submitted);
      if (next !== undefined) yield* offer(next, yield* load(desk, next));
    }).pipe(
      // The end itself is in the log. What follows from it is done by the next `requeue`.
      Effect.catch((error) => Effect.logWarning(`what follows from the end of a task waits: ${error.message}`)),
    );

  const add = Effect.fnUntraced(function* (taskId: string, step: Step) {
    const { isNew, record } = yield* move({
      desk,
      taskId,
      // Most are new; one that is not conflicts, and is read then.
      known: empty,
      decide: (known) => Effect.succeed(known.status === undefined ? [step] : []),
    });
    yield* offer(taskId, record);
    return { taskId, isNew };
  });

  const submit = Effect.fn("coordination.submit")(function* (
    request: Given<TaskRequest>,
    submission: Submission = {},
    retryOf?: string,
  ) {
    const id = submission.id ?? (yield* newId);
    const now = yield* Clock.currentTimeMillis;
    const data = yield* checked({ request, submission, id, tenant, now, retryOf });
    return yield* add(id, { type: "task.submitted", data });
  });

  const submitBatch = Effect.fn("coordination.submitBatch")(function* (
    requests: ReadonlyArray<Given<TaskRequest>>,
    batch: Batch = {},
  ) {
    const batchId = batch.id ?? (yield* newId);
    const now = yield* Clock.currentTimeMillis;
    const places = yield* placed(batch, batchId, requests.length);
    const taskIds = places.map(({ id }) => id);
    const commands = yield* Effect.forEach(places, ({ batch: place, id }, index) =>
      Effect.gen(function* () {
        const request = requests[index] ?? { agentType: "" };
        const data = yield* checked({ request, submission: { ...batch, id }, id, tenant, now, batch: place });
        return yield* compose({ ...desk.speaks, history: historyOf(id, tenant), type: "task.submitted", data }, source);
      }),
    );
    const appends = commands.map(({ event, history }) => ({ history, events: [event], expected: 0 }));
    const isNew = yield* log.appendAll(appends).pipe(
      Effect.as(true),
      // One of its tasks is there, so all of them are: a batch is written all or none.
      Effect.catchTag("SequenceConflict", () => Effect.succeed(false)),
    );
    yield* Effect.forEach(taskIds, (id) => Effect.flatMap(load(desk, id), (record) => offer(id, record)), {
      concurrency: 32,
    });
    return { batchId, taskIds, isNew };
  });

  const there = Effect.fnUntraced(function* (taskId: string) {
    const record = yield* load(desk, taskId);
    return record.status === undefined ? yield* notFound(taskId) : record;
  });

  /** One move of a task by somebody who does not hold it. */
  const moveBy = Effect.fnUntraced(function* (taskId: string, name: TaskEventName, step: Step) {
    const { isNew, record } = yield* move({
      desk,
      taskId,
      known: yield* there(taskId),
      decide: (state) =>
        Effect.map(Effect.fromResult(decide({ taskId, state, move: name })), (decided) =>
          decided === "add" ? [step] : [],
        ),
    });
    if (isNew && hasEnded(record) && name !== "task.restored") yield* ended(record);
    return yield* resultNow(taskId, record);
  });

  const retry = Effect.fn("coordination.retry")(function* (taskId: string) {
    const { status = "pending", submitted, ...rest } = yield* there(taskId);
    if (!hasEnded({ ...rest, status, submitted }) || status === "completed" || submitted === undefined) {
      const hint = "Only a task that failed, timed out or was cancelled is tried again.";
      return yield* new CannotRetry({ taskId, status, message: `Task ${taskId} is ${status}.`, hint });
    }
    const { priority, maxAttempts, backoffMillis } = queueingOf(submitted.queue);
    const { parentTaskId, request, threadId } = submitted;
    const submission = { id: `${taskId}~`, priority, maxAttempts, backoffMillis };
    const about = { threadId: threadId ?? undefined, parentTaskId: parentTaskId ?? undefined };
    return yield* submit(request, { ...submission, ...about }, taskId);
  });

  /** Each state of the task from now on, up to its end. */
  const states = (taskId: string) =>
    Stream.unwrap(
      Effect.map(there(taskId), (now) => {
        if (hasEnded(now)) return Stream.make(now);
        let record = now;
        return log.follow({ after: now.upTo, history: historyOf(taskId, tenant) }).pipe(
          Stream.map((event) => {
            if (!isMisfit(event)) record = evolve(record, event);
            return record;
          }),
          (later) => Stream.concat(Stream.make(now), later),
          Stream.takeUntil(hasEnded),
        );
      }),
    );

  const result = Effect.fn("coordination.result")(function* (taskId: string) {
    const last = yield* Stream.runFold(
      states(taskId),
      () => empty,
      (_, record) => record,
    );
    return yield* resultNow(taskId, last);
  });

  return Tasks.of({
    submit: (request, submission) => submit(request, submission),
    submitBatch,
    claim: (claiming) => claim({ desk, queue, slots, ended }, claiming),
    cancel: (taskId, reason) => moveBy(taskId, "task.cancelled", { type: "task.cancelled", data: { reason } }),
    provideInput: (taskId, message) => moveBy(taskId, "task.resumed", { type: "task.resumed", data: { message } }),
    retry,
    restore: (taskId, reason) => moveBy(taskId, "task.restored", { type: "task.restored", data: { reason } }),
    show: (taskId) => Effect.flatMap(there(taskId), (record) => resultNow(taskId, record)),
    result,
    watch: (taskId) => Stream.mapEffect(states(taskId), (record) => resultNow(taskId, record)),
    requeue: Effect.fn("coordination.requeue")(function* (taskIds: ReadonlyArray<string>) {
      const missing = yield* queue.missing(taskIds);
      const offered = yield* Effect.forEach(
        missing,
        (id) => Effect.flatMap(load(desk, id), (record) => offer(id, record)),
        { concurrency: 32 },
      );
      return offered.filter((isIn) => isIn).length;
    }),
    followUp: (taskIds) =>
      Effect.forEach(
        taskIds,
        (id) => Effect.flatMap(load(desk, id), (record) => (hasEnded(record) ? ended(record) : Effect.void)),
        { discard: true },
      ),
  });
});

/** The configuration that is provided for this tenant, else one of its own: the log's, over the environment. */
const configured = (tenant: string) =>
  Layer.unwrap(
    Effect.map(Effect.serviceOption(Configuration), (given) =>
      Option.isSome(given) && given.value.tenant === tenant
        ? Layer.succeed(Configuration, given.value)
        : ConfigurationLayer({ tenant, environment: process.env }),
    ),
  );

export const layer = (options: Options = {}) => {
  const { tenant = defaultTenant } = options;
  return Layer.effect(Tasks, make(options)).pipe(
    Layer.provide(TaskSlots.layer({ tenant })),
    Layer.provide(configured(tenant)),
  );
};
