/**
 * Tasks for programs that speak in promises: the same promises as `Tasks` and `work`, no Effect to be seen.
 *
 * Room: client.
 */
import { Effect, Result, Stream } from "effect";
import type { TaskRequest } from "../../domain/task/TaskEvents.ts";
import type { Given } from "../../publish/write/NewEvent.ts";
import type { LogPiece } from "../../domain/task/TaskLogs.ts";
import type { Answer } from "../../domain/task/TaskRecord.ts";
import type { By } from "../../coordination/config/Configuration.ts";
import type { QueueSettings } from "../../coordination/config/QueueSettings.ts";
import * as DeadLetters from "../../coordination/tasks/DeadLetters.ts";
import type { Asking } from "../../coordination/tasks/TaskLease.ts";
import { asFunction, asList, asObject } from "../Given.ts";
import { TaskDeferred } from "../TaskDeferred.ts";
import type { Query } from "../../query/Query.ts";
import type { Section } from "./Section.ts";
import * as Tasks from "../../coordination/tasks/Tasks.ts";
import type { Trouble } from "../../coordination/tasks/queue/TaskQueue.ts";
import { type Children, children, results } from "../../coordination/tasks/TaskChildren.ts";
import type { Batch, BatchRequest, Submission } from "../../coordination/tasks/TaskSubmit.ts";
import { describeError, placesOf, type Running, work } from "../../coordination/tasks/Worker.ts";

/** A report of progress: words, and how far of how much. */
export interface Progress {
  readonly message?: string | undefined;
  readonly progress?: number | undefined;
  readonly total?: number | undefined;
}

/**
 * A task while it runs. The signal is aborted when its lease is lost, it was cancelled, or the worker is stopped. `token` is
 * the lease's fencing token: a store that keeps the largest one it saw refuses what an earlier claim still writes.
 */
export interface RunningTask extends Pick<Running, "taskId" | "attempt" | "maxAttempts" | "request" | "token"> {
  readonly signal: AbortSignal;
  /** Ends this run by throwing `TaskDeferred`: the task is claimed again after the pause, and this was no attempt. */
  readonly defer: (delayMillis: number, reason?: string) => never;
  /**
   * Submits children of this task and waits for their ends, in the order of the requests; a later attempt finds those of
   * an earlier one. This task keeps its place meanwhile: children of its own agent type need another.
   */
  readonly children: (
    requests: ReadonlyArray<BatchRequest>,
    how?: Children,
  ) => Promise<ReadonlyArray<Tasks.TaskResult>>;
  /** A piece of the log of this attempt (`logs`): one event each, and bounded like `progress`. */
  readonly log: (text: string, stream?: "stdout" | "stderr") => Promise<void>;
  /** Ends of the tasks that this one waited for (`after`), in their order. */
  readonly before: () => Promise<ReadonlyArray<Tasks.TaskResult>>;
  readonly progress: (how: Progress) => Promise<void>;
  /** Asks a person or an agent, and resolves with the answer; several may be asked at once, each under its own key. */
  readonly requestInput: (message: string, asking?: Asking) => Promise<Answer>;
}

export interface WorkOptions {
  /** A list shares `concurrency` places (default 1); with numbers each type has so many places of its own. */
  readonly agentTypes: ReadonlyArray<string> | Readonly<Record<string, number>>;
  readonly concurrency?: number | undefined;
  readonly worker?: string | undefined;
  /**
   * Told why tasks of a type cannot be had (NATS away, a consumer that cannot be made, a missing right): when that begins or
   * changes, and each minute as long as it lasts. Default: a warning in the log.
   */
  readonly onTrouble?: ((trouble: Trouble) => void) | undefined;
  /** Its result is the task's output. A throw is a failed attempt, and with `retry: "never"` on it the last one. */
  readonly run: (task: RunningTask) => unknown;
}

export interface RunningWorker {
  /** Gives back what runs, and takes no more. */
  readonly stop: () => Promise<void>;
}

export class RecollectTasks {
  readonly #section: Section<Tasks.Tasks>;
  readonly #query: Section<Query>;
  readonly #tenant: string;

  constructor(section: Section<Tasks.Tasks>, query: Section<Query>, tenant: string) {
    this.#section = section;
    this.#query = query;
    this.#tenant = tenant;
  }

  #run<A, E>(use: (tasks: Tasks.Tasks["Service"]) => Effect.Effect<A, E>): Promise<A> {
    return this.#section.run(Tasks.Tasks.use(use));
  }

  /** With NATS away it waits on this machine's disk, and is queued when NATS is back: `where` says so. */
  submit(request: Given<TaskRequest>, submission: Submission = {}): Promise<Tasks.Submitted> {
    return this.#run((tasks) => tasks.submit(asObject(request, "submit"), submission));
  }

  submitBatch(requests: ReadonlyArray<BatchRequest>, batch: Batch = {}) {
    return this.#run((tasks) => tasks.submitBatch(asList(requests, "submitBatch"), batch));
  }

  /** State of each task of a batch. */
  batch(batchId: string): Promise<Tasks.BatchResult> {
    return this.#run((tasks) => tasks.batch(batchId));
  }

  show(taskId: string): Promise<Tasks.TaskResult> {
    return this.#run((tasks) => tasks.show(taskId));
  }

  /** Waits for the task's end, for ever if need be. */
  result(taskId: string): Promise<Tasks.TaskResult> {
    return this.#run((tasks) => tasks.result(taskId));
  }

  /** State of the task now and after each of its events, up to its end. */
  watch(taskId: string): AsyncGenerator<Tasks.TaskResult> {
    return this.#section.iterate(Stream.unwrap(Tasks.Tasks.useSync((tasks) => tasks.watch(taskId))), "rejects");
  }

  /** Output of the task's programs, in order; with `follow` on up to the task's end. */
  logs(taskId: string, options: { readonly follow?: "until its end" | undefined } = {}): AsyncGenerator<LogPiece> {
    return this.#section.iterate(Stream.unwrap(Tasks.Tasks.useSync((tasks) => tasks.logs(taskId, options))), "rejects");
  }

  cancel(taskId: string, reason?: string): Promise<Tasks.TaskResult> {
    return this.#run((tasks) => tasks.cancel(taskId, reason));
  }

  /** Answers what a task waits for: the request of that key, without one all that are open. */
  provideInput(taskId: string, answer: string | Tasks.GivenAnswer): Promise<Tasks.TaskResult> {
    return this.#run((tasks) => tasks.provideInput(taskId, answer));
  }

  /** Puts a task that has ended among the recent ones again. */
  restore(taskId: string, reason?: string): Promise<Tasks.TaskResult> {
    return this.#run((tasks) => tasks.restore(taskId, reason));
  }

  retry(taskId: string): Promise<Tasks.Submitted> {
    return this.#run((tasks) => tasks.retry(taskId));
  }

  /** Dead letters without another try, by the data folder's database, latest first: what `retryAll` would try again. */
  deadLetters(which: DeadLetters.DeadLetters = {}): Promise<ReadonlyArray<DeadLetters.DeadLetter>> {
    return this.#query.run(DeadLetters.find(which, this.#tenant));
  }

  /** Tries each of these dead letters again, as another task; one that cannot be says why, and the others are. */
  async retryAll(which: DeadLetters.DeadLetters = {}): Promise<ReadonlyArray<DeadLetters.Retried>> {
    return this.#section.run(DeadLetters.retry(await this.deadLetters(which)));
  }

  /** Queues that are paused, drained or limited in their rate, by agent type. */
  queues(): Promise<ReadonlyMap<string, QueueSettings>> {
    return this.#run((tasks) => tasks.queues);
  }

  /**
   * Changes what is set of a queue, the tasks of one agent type; what is not said stays, null takes it back. `paused`: none
   * is claimed, what runs goes on. `draining`: none is submitted (`InvalidTask`). `rate`: no more begin in any window of it.
   */
  setQueue(agentType: string, change: QueueSettings, by: By = {}): Promise<QueueSettings> {
    return this.#run((tasks) => tasks.setQueue(agentType, change, by));
  }

  /**
   * Works until it is stopped or the client is closed. Throws `InvalidTask` for impossible options, `RecollectClosed` after
   * `close`.
   */
  work(working: WorkOptions): RunningWorker {
    this.#section.sections.assertOpen();
    const { run, ...options } = asObject(working, "work");
    if (!Array.isArray(options.agentTypes)) asObject(options.agentTypes, "work's agentTypes");
    asFunction(run, "work's run");
    Result.getOrThrow(placesOf(options));
    const section = this.#section;
    const runOne = ({ attempt, lease, maxAttempts, progress, request, requestInput, taskId, token }: Running) =>
      Effect.flatMap(Effect.context<never>(), (context) => {
        const promise = Effect.runPromiseWith(context);
        return Effect.tryPromise({
          try: async (signal) =>
            run({
              taskId,
              attempt,
              maxAttempts,
              request,
              token,
              signal,
              defer: (delayMillis, reason) => {
                throw new TaskDeferred(delayMillis, reason);
              },
              log: (text, stream = "stderr") => promise(lease.log({ stream, text })),
              children: (requests, how) => section.run(children(taskId, requests, how), signal),
              before: () => section.run(results(lease.submitted.after ?? []), signal),
              progress: (how) => promise(progress(how)),
              requestInput: (message, asking) => promise(requestInput(message, asking)),
            }),
          catch: describeError,
        });
      });
    const stopped = new AbortController();
    const worked = this.#section.run(work({ ...options, run: runOne }), stopped.signal).catch((error: unknown) => {
      // Not there to be told while it is being stopped.
      if (!stopped.signal.aborted) throw error;
    });
    const stop = async () => {
      forget();
      stopped.abort();
      await worked;
    };
    const forget = this.#section.sections.keep(stop);
    // A program that only works awaits nothing: closing ends it.
    worked.catch(() => undefined);
    return { stop };
  }
}
