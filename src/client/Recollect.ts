/**
 * Recollect for programs that speak in promises: the same publisher, the same promises, no Effect to be seen.
 *
 * Room: client.
 *
 * A call that nobody awaits never crashes the program: its failure is counted, and `flush` tells of it.
 */
import { Effect, Stream } from "effect";
import { type EventData, type EventTypeName, eventTypes } from "../domain/Event.ts";
import type { Part } from "../domain/Content.ts";
import type { ChatMessage } from "../publish/thread/ChatMessage.ts";
import type { About, Given } from "../publish/write/NewEvent.ts";
import * as Connect from "../publish/Connect.ts";
import type { Waiting } from "../publish/delivery/Delivery.ts";
import { begin, type ConnectOptions } from "./PromiseRuntime.ts";
import { Publisher, type Published } from "../publish/Publisher.ts";
import { type ReadMessage, readMessage, type ReadThread, readThread } from "./ReadThread.ts";
import { RecollectAnswer } from "./RecollectAnswer.ts";
import { type Flushed, PromiseRunner } from "./PromiseRunner.ts";
import type { Synced } from "../publish/thread/Sync.ts";
import * as Task from "../publish/TaskPublisher.ts";
import * as Thread from "../publish/thread/ThreadPublisher.ts";

/** How long closing waits for what was spooled, for example while the first connection was being made. */
const closeDrainMillis = 500;

/** A tool call that was asked for; `returned` or `failed` ends it and measures how long it took. */
export class RecollectCall {
  readonly #runner: PromiseRunner;
  readonly #call: Thread.Call;

  constructor(runner: PromiseRunner, call: Thread.Call) {
    this.#runner = runner;
    this.#call = call;
  }

  get callId(): string {
    return this.#call.callId;
  }

  returned(result?: unknown): Promise<Published> {
    return this.#runner.publish(this.#call.returned(result));
  }

  failed(error: unknown): Promise<Published> {
    return this.#runner.publish(this.#call.failed(error));
  }
}

/** One conversation. */
export class RecollectThread {
  readonly #runner: PromiseRunner;
  readonly #thread: Thread.ThreadPublisher;

  constructor(runner: PromiseRunner, thread: Thread.ThreadPublisher) {
    this.#runner = runner;
    this.#thread = thread;
  }

  get id(): string {
    return this.#thread.id;
  }

  /** Says what is known of the thread as a whole: title, tool, model, working directory, tags. */
  open(description: Parameters<Thread.ThreadPublisher["open"]>[0] = {}): Promise<Published> {
    return this.#runner.publish(this.#thread.open(description));
  }

  say(message: Thread.Saying): Promise<Published> {
    return this.#runner.publish(this.#thread.say(message));
  }

  /**
   * Says a message bit by bit, for a model that streams: `delta` or `deltas`, then `complete` or `abort`. One event in
   * the end, at most ten in all; an answer that nobody ends is aborted when Recollect is closed.
   */
  answer(message: Thread.Answering): RecollectAnswer {
    return new RecollectAnswer(this.#runner, this.#thread, message);
  }

  /**
   * The whole conversation, as a client holds it and sends it each turn (chat-completions messages, or ours): only what
   * is new is appended.
   */
  sync(messages: ReadonlyArray<ChatMessage>): Promise<Synced> {
    const synced = Effect.tap(this.#thread.sync(messages), ({ appended }) =>
      Effect.sync(() => appended.forEach((published) => this.#runner.count(published))),
    );
    return this.#runner.run(synced);
  }

  /** One new message, stored without what it repeats of this thread. */
  observe(message: ChatMessage): Promise<Published> {
    return this.#runner.publish(this.#thread.observe(message));
  }

  /** A message's parts as they came, byte for byte; undefined when there is no such message. */
  original(messageId: string): Promise<ReadonlyArray<Part> | undefined> {
    return this.#runner.run(this.#thread.original(messageId));
  }

  /**
   * The thread as it is now, with what this machine has accepted and the log does not have yet; undefined when nothing
   * was ever said in it. With the log away it is what was last known (`isCurrent` is false then).
   *
   * `atLeast` is the sequence of an append that the answer must hold, for one made by another process; what this
   * process appended is never missing.
   */
  async read(options: { readonly atLeast?: number } = {}): Promise<ReadThread | undefined> {
    const view = await this.#runner.run(this.#thread.read(options));
    return view === undefined ? undefined : readThread(view);
  }

  /** Every message that the log has, whole, in the order in which they began. Fails with `LogUnavailable`. */
  async *messages(): AsyncGenerator<ReadMessage, void> {
    const whole = Stream.map(this.#thread.messages, readMessage);
    yield* Stream.toAsyncIterableWith(whole, await this.#runner.runtime.context());
  }

  /** Records the intent; returns when it is durable, so a call that never comes back is seen. */
  toolCalled(call: Thread.Calling): Promise<RecollectCall> {
    const called = Effect.tap(this.#thread.toolCalled(call), ({ asked }) =>
      Effect.sync(() => this.#runner.count(asked)),
    );
    return this.#runner.run(Effect.map(called, (made) => new RecollectCall(this.#runner, made)));
  }

  /**
   * A version of a file was read for this thread: `path`, all its `bytes`, and whatever else is known. The content is kept
   * once by its hash for as long as the event. Resolves when both are durable.
   */
  fileRead(file: Parameters<Thread.ThreadPublisher["fileRead"]>[0]): Promise<Published> {
    return this.#runner.publish(this.#thread.fileRead(file));
  }

  rename(title: string): Promise<Published> {
    return this.#runner.publish(this.#thread.rename(title));
  }

  tag(tags: { readonly add?: ReadonlyArray<string>; readonly remove?: ReadonlyArray<string> }): Promise<Published> {
    return this.#runner.publish(this.#thread.tag(tags));
  }

  /** A new thread that continues this one. */
  async fork(from: Parameters<Thread.ThreadPublisher["fork"]>[0] = {}): Promise<RecollectThread> {
    const { threadId } = await this.#runner.publish(this.#thread.fork(from));
    return new RecollectThread(this.#runner, this.#runner.runtime.runSync(Thread.thread(threadId)));
  }

  archive(reason?: string): Promise<Published> {
    return this.#runner.publish(this.#thread.archive(reason));
  }
}

/** Each move of a task as a promise; see TaskPublisher for what is allowed when. */
export class RecollectTask {
  readonly #runner: PromiseRunner;
  readonly #task: Task.TaskPublisher;

  constructor(runner: PromiseRunner, task: Task.TaskPublisher) {
    this.#runner = runner;
    this.#task = task;
  }

  get id(): string {
    return this.#task.id;
  }

  claimed(worker?: string): Promise<Published> {
    return this.#runner.publish(this.#task.claimed({ worker }));
  }

  started(by: Parameters<Task.TaskPublisher["started"]>[0] = {}): Promise<Published> {
    return this.#runner.publish(this.#task.started(by));
  }

  progressed(how: Parameters<Task.TaskPublisher["progressed"]>[0]): Promise<Published> {
    return this.#runner.publish(this.#task.progressed(how));
  }

  inputRequested(message?: string): Promise<Published> {
    return this.#runner.publish(this.#task.inputRequested(message));
  }

  resumed(message?: string): Promise<Published> {
    return this.#runner.publish(this.#task.resumed(message));
  }

  completed(output?: unknown): Promise<Published> {
    return this.#runner.publish(this.#task.completed(output));
  }

  failed(error: { readonly type: string; readonly message?: string }): Promise<Published> {
    return this.#runner.publish(this.#task.failed(error));
  }

  timedOut(afterMillis?: number): Promise<Published> {
    return this.#runner.publish(this.#task.timedOut(afterMillis));
  }

  cancelled(reason?: string): Promise<Published> {
    return this.#runner.publish(this.#task.cancelled(reason));
  }
}

/** Where a client and a server talk for a while. */
export class RecollectSession {
  readonly #runner: PromiseRunner;
  readonly #session: Task.SessionPublisher;

  constructor(runner: PromiseRunner, session: Task.SessionPublisher) {
    this.#runner = runner;
    this.#session = session;
  }

  get id(): string {
    return this.#session.id;
  }

  ended(reason: string, how: Omit<Given<EventData<"session.ended">>, "reason"> = {}): Promise<Published> {
    return this.#runner.publish(this.#session.ended({ ...how, reason }));
  }
}

export class Recollect {
  readonly #runner: PromiseRunner;

  private constructor(runner: PromiseRunner) {
    this.#runner = runner;
  }

  /**
   * Connects to the server at `url`, else at `RECOLLECT_NATS_URL`, else to the running instance of the data folder.
   * Never fails and never waits because it is away: what is published then waits in the spool of the data folder.
   */
  static async connect(options: ConnectOptions = {}): Promise<Recollect> {
    const runtime = await begin(options, Connect.layer);
    return new Recollect(new PromiseRunner(runtime));
  }

  /** The thread of that id, or a new one. Nothing is written until something is said. */
  thread(id?: string): RecollectThread {
    return new RecollectThread(this.#runner, this.#runner.runtime.runSync(Thread.thread(id)));
  }

  /** Submits a task. */
  async submit(
    request: Parameters<typeof Task.submit>[0],
    submission: Parameters<typeof Task.submit>[1] = {},
  ): Promise<RecollectTask> {
    const submitted = Effect.tap(Task.submit(request, submission), ({ published }) =>
      Effect.sync(() => this.#runner.count(published)),
    );
    return new RecollectTask(this.#runner, await this.#runner.run(submitted));
  }

  /** A task that was submitted, here or elsewhere. */
  task(id: string): RecollectTask {
    return new RecollectTask(this.#runner, this.#runner.runtime.runSync(Task.task(id)));
  }

  async session(started: Parameters<typeof Task.startSession>[0] = {}): Promise<RecollectSession> {
    const begun = Effect.tap(Task.startSession(started), ({ published }) =>
      Effect.sync(() => this.#runner.count(published)),
    );
    return new RecollectSession(this.#runner, await this.#runner.run(begun));
  }

  /** Any event of the catalogue, for what the methods above do not say. */
  publish<Name extends EventTypeName>(
    options: { readonly type: Name; readonly id: string; readonly data: Given<EventData<Name>> } & {
      readonly about?: About;
    },
  ): Promise<Published> {
    const { type, id, data, about } = options;
    const { kind } = eventTypes[type];
    const published = Publisher.use((publisher) =>
      publisher.publish({ ...about, history: { tenant: publisher.tenant, kind, id }, type, data }),
    );
    return this.#runner.publish(published);
  }

  /** Returns when every call made so far has settled, and tells what became of them since the last flush. */
  flush(): Promise<Flushed> {
    return this.#runner.flush();
  }

  /** What waits for what: `spooled` counts what this machine has accepted and the log does not have yet. */
  waiting(): Promise<Waiting> {
    return this.#runner.runtime.runPromise(Publisher.use(({ waiting }) => waiting));
  }

  /**
   * Flushes and lets go. What is in the spool gets a moment to reach the log, if the log can be reached; what remains
   * stays there for the next process, or for the daemon.
   */
  async close(): Promise<Flushed> {
    await this.#runner.endOpen();
    const flushed = await this.flush();
    const drained = Publisher.use((publisher) => Effect.timeoutOption(publisher.drained, closeDrainMillis));
    await this.#runner.runtime.runPromise(drained);
    await this.#runner.runtime.dispose();
    return flushed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close().then(() => undefined);
  }
}
