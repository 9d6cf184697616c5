/**
 * Tasks for programs that speak in promises: the same promises as `Tasks` and `work`, no Effect to be seen.
 *
 * Room: client.
 */
import { Deferred, Effect, Fiber, type ManagedRuntime, Result, Stream } from "effect";
import type { TaskRequest } from "../domain/TaskEvents.ts";
import { LogUnavailable } from "../log/EventLog.ts";
import type { Given } from "../publish/write/NewEvent.ts";
import { begin, type ConnectOptions } from "./PromiseRuntime.ts";
import * as Tasks from "../coordination/tasks/Tasks.ts";
import type { Batch, Submission } from "../coordination/tasks/TaskSubmit.ts";
import * as TasksWhenNeeded from "../coordination/tasks/TasksWhenNeeded.ts";
import { describeError, placesOf, type Running, work } from "../coordination/tasks/Worker.ts";

export interface TasksOptions extends ConnectOptions, Pick<TasksWhenNeeded.Options, "leaseMillis"> {}

/** A task while it runs. The signal is aborted when its lease is lost, it was cancelled, or the worker is stopped. */
export interface RunningTask extends Pick<Running, "taskId" | "attempt" | "maxAttempts" | "request"> {
  readonly signal: AbortSignal;
  readonly progress: (how: Parameters<Running["progress"]>[0]) => Promise<void>;
  readonly requestInput: (message: string) => Promise<void>;
}

export interface WorkOptions {
  /** A list shares `concurrency` places (default 1); with numbers each type has so many places of its own. */
  readonly agentTypes: ReadonlyArray<string> | Readonly<Record<string, number>>;
  readonly concurrency?: number | undefined;
  readonly worker?: string | undefined;
  /** What it returns is the output. What it throws is a failed attempt, and with `retry: "never"` on it the last one. */
  readonly run: (task: RunningTask) => unknown;
}

export interface RunningWorker {
  /** Gives back what runs, and takes no more. */
  readonly stop: () => Promise<void>;
}

export class RecollectTasks {
  readonly #runtime: ManagedRuntime.ManagedRuntime<Tasks.Tasks, unknown>;
  readonly #workers = new Set<RunningWorker>();
  /** Fails what is still waited for when this is closed: nobody would answer it any more. */
  readonly #closed = Deferred.makeUnsafe<never, LogUnavailable>();

  private constructor(runtime: ManagedRuntime.ManagedRuntime<Tasks.Tasks, unknown>) {
    this.#runtime = runtime;
  }

  /**
   * As `Recollect.connect`: never fails and never waits because NATS is away. Until it is there tasks can be submitted and
   * workers wait; how a task stands is nobody's knowledge then, and asking rejects with `LogUnavailable`.
   * Rejects with `ConfigRefused` when the environment says what cannot be, and with `InvalidTask` for such a lease.
   */
  static async connect(options: TasksOptions = {}): Promise<RecollectTasks> {
    return new RecollectTasks(await begin(options, TasksWhenNeeded.layer));
  }

  #run<A, E>(use: (tasks: Tasks.Tasks["Service"]) => Effect.Effect<A, E>): Promise<A> {
    return this.#runtime.runPromise(Effect.raceFirst(Tasks.Tasks.use(use), Deferred.await(this.#closed)));
  }

  /** With NATS away it waits on this machine's disk, and is queued when NATS is back: `where` says so. */
  submit(request: Given<TaskRequest>, submission: Submission = {}): Promise<Tasks.Submitted> {
    return this.#run((tasks) => tasks.submit(request, submission));
  }

  submitBatch(requests: ReadonlyArray<Given<TaskRequest>>, batch: Batch = {}) {
    return this.#run((tasks) => tasks.submitBatch(requests, batch));
  }

  /** How the tasks of a batch stand. */
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

  /** How the task stands now and after each of its events, up to its end. */
  async *watch(taskId: string): AsyncGenerator<Tasks.TaskResult> {
    const stream = Stream.unwrap(Tasks.Tasks.useSync((tasks) => tasks.watch(taskId))).pipe(
      Stream.interruptWhen(Deferred.await(this.#closed)),
    );
    yield* Stream.toAsyncIterableWith(stream, await this.#runtime.context());
  }

  cancel(taskId: string, reason?: string): Promise<Tasks.TaskResult> {
    return this.#run((tasks) => tasks.cancel(taskId, reason));
  }

  provideInput(taskId: string, message: string): Promise<Tasks.TaskResult> {
    return this.#run((tasks) => tasks.provideInput(taskId, message));
  }

  /** Puts a task that has ended among the recent ones again. */
  restore(taskId: string, reason?: string): Promise<Tasks.TaskResult> {
    return this.#run((tasks) => tasks.restore(taskId, reason));
  }

  retry(taskId: string): Promise<Tasks.Submitted> {
    return this.#run((tasks) => tasks.retry(taskId));
  }

  /** Works until it is stopped or this is closed. Throws `InvalidTask` when nobody can work so. */
  work({ run, ...options }: WorkOptions): RunningWorker {
    Result.getOrThrow(placesOf(options));
    const runOne = ({ attempt, maxAttempts, progress, request, requestInput, taskId }: Running) =>
      Effect.tryPromise({
        try: async (signal) =>
          run({
            taskId,
            attempt,
            maxAttempts,
            request,
            signal,
            progress: (how) => this.#runtime.runPromise(progress(how)),
            requestInput: (message) => this.#runtime.runPromise(requestInput(message)),
          }),
        catch: describeError,
      });
    const fiber = this.#runtime.runFork(work({ ...options, run: runOne }));
    const worker: RunningWorker = {
      stop: async () => {
        this.#workers.delete(worker);
        await this.#runtime.runPromise(Fiber.interrupt(fiber));
      },
    };
    this.#workers.add(worker);
    return worker;
  }

  /** Stops its workers and lets go; what is still waited for rejects. */
  async close(): Promise<void> {
    await Promise.all([...this.#workers].map(({ stop }) => stop()));
    const closed = new LogUnavailable({ reason: "these tasks were closed", hint: "Connect again." });
    Deferred.doneUnsafe(this.#closed, Effect.fail(closed));
    await this.#runtime.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
