/**
 * Tasks that any number of workers share, on any number of machines.
 *
 * Room: coordination.
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
import { Context, Effect, Layer, Option, Stream } from "effect";
import { isMisfit } from "../../domain/Event.ts";
import { defaultTenant, task as historyOf } from "../../domain/History.ts";
import { decide, isEnd, type TaskEventName, type TaskRefusal } from "../../domain/task/Task.ts";
import { type LogPiece, logPieceOf } from "../../domain/task/TaskLogs.ts";
import { isObject } from "../../domain/Json.ts";
import type { TaskRequest } from "../../domain/task/TaskEvents.ts";
import { empty, hasEnded, lostLease, queueingOf, type TaskRecord } from "../../domain/task/TaskRecord.ts";
import { type AppendRefused, EventLog, isDamage, type LogDamaged, type LogUnavailable } from "../../log/EventLog.ts";
import { backoff } from "../../log/connection/Backoff.ts";
import { policyHere } from "../../publish/storing/StoragePolicy.ts";
import { type InvalidEvent } from "../../publish/write/InvalidEvent.ts";
import { type Given, newId } from "../../publish/write/NewEvent.ts";
import { type By, type ChangeError, Configuration, layer as ConfigurationLayer } from "../config/Configuration.ts";
import * as ClosedTypes from "./ClosedTypes.ts";
import * as QueueGate from "./QueueGate.ts";
import * as TaskSubmission from "./TaskSubmission.ts";
import type { Submitted, SubmitError } from "./TaskSubmission.ts";
import * as TaskBatch from "./TaskBatch.ts";
import { type Claiming, claim } from "./TaskClaim.ts";
import { make as makeLease, type TaskLease } from "./TaskLease.ts";
import { type Desk, load, move, type MoveError, type Step } from "./TaskMoves.ts";
import { claimFault, InvalidTask, isAgentType, refusing, shown } from "../config/TaskLimits.ts";
import * as TaskEnqueue from "./TaskEnqueue.ts";
import { type Named, TaskQueue } from "./queue/TaskQueue.ts";
import { notFound, resultOf, type TaskResult } from "./TaskResult.ts";
import { type TaskNotFound } from "./TaskErrors.ts";
import * as TaskSlots from "./queue/TaskSlots.ts";
import * as TaskWatch from "./TaskWatch.ts";
import { nextOf, underKey } from "./TaskKey.ts";
import { type Batch, type BatchRequest, checked, type Submission } from "./TaskSubmit.ts";
import { CannotRetry } from "./TaskErrors.ts";

export type { Submitted } from "./TaskSubmission.ts";
export { type TaskResult } from "./TaskResult.ts";
export type { BatchResult } from "./TaskBatch.ts";
export type { Batch as BatchOptions } from "./TaskSubmit.ts";

export interface Options {
  /** Default `default`; the queue's must be the same. */
  readonly tenant?: string | undefined;
  /** The CloudEvents source of its events. Default `recollect`. */
  readonly source?: string | undefined;
  readonly actor?: string | undefined;
}

/** An answer to a task that waits for input. */
export interface GivenAnswer {
  readonly message?: string | undefined;
  /** The answer where it is more than words: any JSON. */
  readonly value?: unknown;
  /** Key of the request; default: all that are open. */
  readonly key?: string | undefined;
}

export class Tasks extends Context.Service<
  Tasks,
  {
    /**
     * Submits a task for a worker of its agent type. Durable when it returns, and `where` says how; nothing when the id is
     * there already, or a task of its `dedupKey` is open. With the log away and no `Publisher` beside, or with a key, it is
     * `LogUnavailable`: the same call again is safe.
     */
    readonly submit: (request: Given<TaskRequest>, submission?: Submission) => Effect.Effect<Submitted, SubmitError>;
    /**
     * Submits up to 1,000 tasks, all or none, also with the log away; nothing when the batch is there already. Tasks that
     * would wait for each other in a circle are `InvalidTask`.
     */
    readonly submitBatch: (
      requests: ReadonlyArray<BatchRequest>,
      batch?: Batch,
    ) => Effect.Effect<TaskBatch.SubmittedBatch, SubmitError>;
    /** Statuses of the tasks of a batch. */
    readonly batch: (batchId: string) => Effect.Effect<TaskBatch.BatchResult, TaskNotFound | LogUnavailable>;
    /** The next task of one of the agent types, the most urgent first. Waits until there is one. */
    readonly claim: (claiming: Claiming) => Effect.Effect<TaskLease, MoveError | InvalidTask>;
    /**
     * The lease of a claim that was made elsewhere, for a process that goes on with it: a server of workers that was
     * restarted. `LeaseLost` when it stands no longer by the log. A place of a bounded agent type is not taken again.
     */
    readonly resume: (held: HeldElsewhere) => Effect.Effect<TaskLease, TaskRefusal | LogUnavailable>;
    /** Ends a task that has not ended; a worker that has it learns so at its next heartbeat. */
    readonly cancel: (
      taskId: string,
      reason?: string,
    ) => Effect.Effect<TaskResult, TaskNotFound | TaskRefusal | LogDamaged | MoveError>;
    /**
     * Answers what a task has asked for (`input_required`): the request of that key, without one all that are open. It runs
     * on when none is open any more; what was asked under a key that is not open is refused.
     */
    readonly provideInput: (
      taskId: string,
      answer: string | GivenAnswer,
    ) => Effect.Effect<TaskResult, TaskNotFound | TaskRefusal | LogDamaged | MoveError>;
    /** The same request again, as the task `<id>~` or the next one of its key, for one that failed, timed out or was cancelled. */
    readonly retry: (taskId: string) => Effect.Effect<Submitted, TaskNotFound | CannotRetry | LogDamaged | SubmitError>;
    /** Puts a task that has ended among the recent ones again: it is archived as if it had ended now. */
    readonly restore: (
      taskId: string,
      reason?: string,
    ) => Effect.Effect<TaskResult, TaskNotFound | TaskRefusal | LogDamaged | MoveError>;
    /** Status of the task now. */
    readonly show: (taskId: string) => Effect.Effect<TaskResult, TaskNotFound | LogUnavailable | LogDamaged>;
    /** End of the task; waits until it has come. One that was kept here while the log is away is waited for. */
    readonly result: (taskId: string) => Effect.Effect<TaskResult, TaskNotFound | TaskWatch.Following>;
    /** Its status now and after each of its events, up to its end. At most 1,000 wait in one process. */
    readonly watch: (taskId: string) => Stream.Stream<TaskResult, TaskNotFound | TaskWatch.Following>;
    /** Queues that are paused, drained or limited in their rate, by agent type. */
    readonly queues: Effect.Effect<ReadonlyMap<string, QueueGate.QueueSettings>>;
    /**
     * Changes what is set of a queue, the tasks of one agent type; what is not said stays, null takes it back. `paused`: no
     * task is claimed. `draining`: none is submitted (`InvalidTask`). `rate`: no more begin in any window of it.
     */
    readonly setQueue: (
      agentType: string,
      change: QueueGate.QueueSettings,
      by?: By,
    ) => Effect.Effect<QueueGate.QueueSettings, ChangeError | InvalidTask>;
    /** Output of the task's programs, in order; with `follow` on up to the task's end. */
    readonly logs: (
      taskId: string,
      options?: { readonly follow?: "until its end" | undefined },
    ) => Stream.Stream<LogPiece, TaskNotFound | LogUnavailable | LogDamaged>;
    /** Puts tasks into the queue that may be claimed, or are held, and are not there. Returns how many it was. */
    readonly requeue: (tasks: ReadonlyArray<Named>) => Effect.Effect<number, LogUnavailable>;
    /**
     * Consequences for these tasks, once more: from the end of one for its batch, whose worker may have died before it
     * could; for one that waits, that it or others of its batch may begin, or its end when it will never be ready.
     */
    readonly followUp: (taskIds: ReadonlyArray<string>) => Effect.Effect<void, LogUnavailable>;
    /** The clock by which tasks are due, epoch milliseconds: the log's. */
    readonly now: Effect.Effect<number>;
    /** Changes when the queue was lost, or may have lost something: then all that waits is put in again. */
    readonly incarnation: Effect.Effect<string, LogUnavailable>;
  }
>()("recollect/coordination/Tasks") {}

/** A lease as it can be written down: its claim, and the queue's entry. */
export interface HeldElsewhere extends Pick<TaskLease, "taskId" | "token"> {
  readonly entry: TaskLease["entry"];
}

const leftAlone = (taskId: string) => (error: AppendRefused | InvalidEvent) =>
  Effect.logWarning(`what follows from task ${taskId} cannot be written: ${error.message}`);

/** Entries that are put in together. */
const offersAtOnce = 64;

const make = Effect.fnUntraced(function* (options: Options) {
  const log = yield* EventLog;
  const queue = yield* TaskQueue;
  const config = yield* Configuration;
  const { actor, source = "recollect", tenant = defaultTenant } = options;
  const policy = yield* policyHere;
  const desk: Desk = { log, tenant, speaks: { source, ...(actor === undefined ? {} : { actor }) }, policy };

  const offering = TaskEnqueue.make(desk, queue, yield* Effect.scope);
  const { ended, withdraw } = offering;
  const accepting = yield* TaskSubmission.make(desk, offering);
  const { accept, arrived } = accepting;

  const closed = ClosedTypes.make();
  const gate = yield* QueueGate.make(closed);
  const slots = yield* TaskSlots.make(tenant, closed);
  yield* Stream.merge(config.watch("tasks.concurrency"), config.watchFamily("queues")).pipe(
    Stream.runForEach(() => closed.open()),
    Effect.forkScoped,
  );
  let isConfigured = false;
  /** A process that never saw the configuration knows no bound of an agent type, and must not claim by that. */
  const configured = Effect.suspend(() =>
    isConfigured
      ? Effect.void
      : Effect.andThen(
          Effect.retry(config.caughtUp, backoff),
          Effect.sync(() => (isConfigured = true)),
        ),
  );
  const resultNow = (taskId: string, record: TaskRecord) =>
    Effect.flatMap(config.get("tasks.retentionMillis"), (retention) => resultOf(desk, taskId, record, retention));

  const submit = Effect.fn("coordination.submit")(function* (
    request: Given<TaskRequest>,
    submission: Submission = {},
    retryOf?: string,
  ) {
    if (isObject(request)) yield* gate.accepts([request.agentType]);
    const now = yield* queue.now;
    const { dedupKey, ...plain } = submission;
    const checkedAs = (id: string) => checked({ request, submission, id, now, retryOf });
    if (dedupKey == null) {
      const id = plain.id ?? (yield* newId);
      const data = yield* checkedAs(id);
      yield* TaskSubmission.areThere(desk, plain.after ?? []);
      return yield* accept(id, data);
    }
    if (plain.id !== undefined && retryOf === undefined) {
      const hint = "Its key gives it an id: leave one of the two out.";
      return yield* new InvalidTask({ reason: "a task has an id and a dedupKey", hint });
    }
    // Refused before anything is looked for.
    yield* checkedAs("with a key");
    const { isOpen, taskId } = yield* underKey(desk, request.agentType, dedupKey);
    if (isOpen) return { taskId, isNew: false, where: "log" as const };
    const id = plain.id ?? taskId;
    const data = yield* checkedAs(id);
    yield* TaskSubmission.areThere(desk, plain.after ?? []);
    return yield* accept(id, data);
  });

  const there = Effect.fnUntraced(function* (taskId: string) {
    const record = yield* load(desk, taskId);
    return record.status === undefined ? yield* notFound(taskId) : record;
  });

  /** One move of a task by a caller that does not hold it. */
  const moveBy = Effect.fnUntraced(function* (taskId: string, name: TaskEventName, step: Step) {
    const { isNew, record } = yield* move({
      desk,
      taskId,
      known: yield* there(taskId),
      decide: (state) =>
        Effect.map(Effect.fromResult(decide({ taskId, state, move: step })), (decided) =>
          decided === "add" ? [step] : [],
        ),
    });
    if (isNew && hasEnded(record) && name !== "task.restored") {
      yield* Effect.andThen(withdraw(taskId, record), ended(record));
    }
    return yield* resultNow(taskId, record);
  });

  const answer = Effect.fn("coordination.provideInput")(function* (taskId: string, given: GivenAnswer) {
    const { asked } = yield* there(taskId);
    const stillOpen = given.key === undefined ? 0 : asked.filter((key) => key !== given.key).length;
    return yield* moveBy(taskId, "task.resumed", { type: "task.resumed", data: { ...given, stillOpen } });
  });

  const retry = Effect.fn("coordination.retry")(function* (taskId: string) {
    const { status = "pending", submitted, ...rest } = yield* there(taskId);
    if (!hasEnded({ ...rest, status, submitted }) || status === "completed" || submitted === undefined) {
      const hint = "Only a task that failed, timed out or was cancelled is tried again.";
      return yield* new CannotRetry({ taskId, status, message: `Task ${taskId} is ${status}.`, hint });
    }
    const { priority, maxAttempts, backoffMillis } = queueingOf(submitted.queue);
    const { dedupKey, onError } = submitted.queue ?? {};
    const { parentTaskId, request, threadId } = submitted;
    const id = dedupKey == null ? `${taskId}~` : (nextOf(taskId) ?? `${taskId}~`);
    const submission = { id, priority, maxAttempts, backoffMillis, onError, dedupKey };
    const about = { threadId: threadId ?? undefined, parentTaskId: parentTaskId ?? undefined };
    const again = yield* submit(request, { ...submission, ...about }, taskId);
    // Under a key it is the open one, whichever that is.
    if (
      again.isNew ||
      dedupKey != null ||
      again.where !== "log" ||
      (yield* load(desk, id)).submitted?.retryOf === taskId
    )
      return again;
    const hint = `Cancel ${shown(id)} or wait for its end, and retry that one; or submit the request as a task of its own.`;
    return yield* new CannotRetry({ taskId, status, message: `${shown(id)} is another task than its retry.`, hint });
  });

  const follow = yield* TaskWatch.make(desk);
  /** Each state of the task from now on, up to its end. */
  const states = (taskId: string) =>
    Stream.unwrap(Effect.map(Effect.andThen(arrived(taskId), there(taskId)), (known) => follow(taskId, known)));

  const result = Effect.fn("coordination.result")(function* (taskId: string) {
    const last = yield* Stream.runFold(
      states(taskId),
      () => empty,
      (_, record) => record,
    );
    return yield* resultNow(taskId, last);
  });

  /** One that is damaged and left to a heal, or of which the log takes no more, must not keep the others from the queue. */
  const followUp = (taskIds: ReadonlyArray<string>): Effect.Effect<void, LogUnavailable> =>
    Effect.forEach(
      taskIds,
      (id) =>
        Effect.flatMap(load(desk, id), (record) => offering.followUp(id, record)).pipe(
          Effect.catchIf(isDamage, ({ message }) => Effect.logDebug(`what follows from task ${id} waits: ${message}`)),
          Effect.catchTags({ AppendRefused: leftAlone(id), InvalidEvent: leftAlone(id) }),
        ),
      { discard: true },
    );

  return Tasks.of({
    submit: (request, submission) => submit(request, submission),
    submitBatch: (requests, batch) =>
      Effect.andThen(
        gate.accepts(new Set(requests.flatMap((request) => (isObject(request) ? [request.agentType] : [])))),
        TaskBatch.submit({ desk, accepting, offering, now: queue.now }, requests, batch),
      ),
    batch: (batchId) => TaskBatch.show(desk, batchId),
    claim: Effect.fnUntraced(function* (claiming) {
      yield* Effect.fromResult(refusing(claimFault(claiming.agentTypes, claiming.worker)));
      yield* configured;
      return yield* claim({ desk, queue, slots, gate, closed, ended, follow }, claiming);
    }),
    resume: Effect.fn("coordination.resume")(function* ({ entry, taskId, token }: HeldElsewhere) {
      const record = yield* load(desk, taskId);
      const lost = lostLease({ taskId, record, token });
      if (lost !== undefined) return yield* lost;
      const { lease, submitted } = record;
      if (lease === undefined || submitted === undefined)
        return yield* Effect.die(`task ${taskId} has a claim and no start`);
      return yield* makeLease({
        desk,
        queue,
        ended,
        follow,
        taskId,
        entry: { ...entry, taskId, known: undefined },
        slot: { leave: Effect.void },
        record: { ...record, lease, submitted },
      });
    }),
    cancel: (taskId, reason) => moveBy(taskId, "task.cancelled", { type: "task.cancelled", data: { reason } }),
    provideInput: (taskId, given) => answer(taskId, typeof given === "string" ? { message: given } : given),
    retry,
    restore: (taskId, reason) => moveBy(taskId, "task.restored", { type: "task.restored", data: { reason } }),
    show: (taskId) => Effect.flatMap(there(taskId), (record) => resultNow(taskId, record)),
    result,
    watch: (taskId) => Stream.mapEffect(states(taskId), (record) => resultNow(taskId, record)),
    queues: gate.all,
    setQueue: (agentType, change, by) =>
      Effect.andThen(
        Effect.fromResult(refusing(claimFault([agentType], undefined))),
        Effect.suspend(() => gate.set(agentType, change, by)),
      ),
    logs: (taskId, { follow: how } = {}) =>
      Stream.unwrap(
        Effect.map(there(taskId), () => {
          const history = historyOf(taskId, tenant);
          const stored = how === undefined ? log.read({ history }) : log.follow({ history, after: 0 });
          return stored.pipe(
            Stream.takeUntil((entry) => how !== undefined && !isMisfit(entry) && isEnd(entry.type)),
            Stream.map((entry) => (isMisfit(entry) ? undefined : logPieceOf(entry))),
            Stream.filter((piece) => piece !== undefined),
          );
        }),
      ),
    requeue: Effect.fn("coordination.requeue")(function* (tasks: ReadonlyArray<Named>) {
      const able = tasks.filter(({ agentType }) => isAgentType(agentType));
      const put = yield* Effect.forEach(able, (task) => queue.put(task), { concurrency: offersAtOnce });
      // No queue takes the others, and what was published like that ends here.
      yield* followUp(tasks.filter((task) => !able.includes(task)).map(({ taskId }) => taskId));
      return put.filter((isNew) => isNew).length;
    }),
    followUp,
    now: queue.now,
    incarnation: queue.incarnation,
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
  return Layer.effect(Tasks, make(options)).pipe(Layer.provide(configured(tenant)));
};
