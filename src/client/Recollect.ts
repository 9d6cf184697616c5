/**
 * The one door for programs that speak in promises: threads, tasks, sessions, inboxes, watching, configuration, limits,
 * files, responses and SQL, over one connection and one runtime.
 *
 * Room: client.
 *
 * A call that is not awaited never crashes the program: its failure is counted, and `flush` reports it. What hangs on
 * the door is made when it is first used.
 */
import { Effect, Layer } from "effect";
import { type EventData, type EventTypeName, eventTypes, isEventTypeName } from "../domain/Event.ts";
import * as History from "../domain/History.ts";
import type { TaskRequest } from "../domain/task/TaskEvents.ts";
import { checkedLease } from "../coordination/config/TaskLimits.ts";
import type { Watching } from "../coordination/watch/Watch.ts";
import type { About, Given, GivenData } from "../publish/write/NewEvent.ts";
import type { SqlParameters } from "../query/Sql.ts";
import type { Waiting } from "../publish/delivery/Delivery.ts";
import * as InFlight from "./InFlight.ts";
import * as Layers from "./Layers.ts";
import { begin, checkedOptions, type ConnectOptions, layerOptions } from "./PromiseRuntime.ts";
import { Publisher, type Published } from "../publish/Publisher.ts";
import { backoff } from "../log/connection/Backoff.ts";
import { SharedConnection } from "../log/connection/SharedConnection.ts";
import { type Flushed, PromiseRunner } from "./PromiseRunner.ts";
import { RecollectChannel } from "./sections/RecollectChannel.ts";
import { RecollectConfig } from "./sections/RecollectConfig.ts";
import { RecollectFiles } from "./sections/RecollectFiles.ts";
import { RecollectHistory } from "./sections/RecollectHistory.ts";
import { RecollectInbox } from "./sections/RecollectInbox.ts";
import { RecollectLimits } from "./sections/RecollectLimits.ts";
import { RecollectQuery, type ListOptions, type ListPage, type SqlRow } from "./sections/RecollectQuery.ts";
import { RecollectResponses } from "./sections/RecollectResponses.ts";
import { RecollectSessions } from "./sections/RecollectSessions.ts";
import { RecollectTasks } from "./sections/RecollectTasks.ts";
import { RecollectThread } from "./RecollectThread.ts";
import { asObject, asText } from "./Given.ts";
import { Sections } from "./sections/Section.ts";
import { type Target, type WatchedElement, watchOver } from "./WatchEvents.ts";
import * as Task from "../publish/TaskPublisher.ts";
import * as Thread from "../publish/thread/ThreadPublisher.ts";

/** Time that closing gives to spooled commands, for example of the first connection, milliseconds. */
const closeDrainMillis = 500;

/**
 * Each move of a task as a promise, by the rule book that all doors ask. Rejects with `IllegalTransition` when the task's
 * state does not allow it, and with `LeaseLost` when a worker of the queue holds the task.
 */
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

  /** The task is there, for whoever moves it by hand: no worker of the queue is given it. */
  submitted(request: Given<TaskRequest>, submission: Task.Submission = {}, about?: About): Promise<Published> {
    return this.#runner.publish(this.#task.submitted(request, submission, about));
  }

  claimed(worker?: string, about?: About): Promise<Published> {
    return this.#runner.publish(this.#task.claimed({ worker }, about));
  }

  started(by: Given<EventData<"task.started">> = {}, about?: About): Promise<Published> {
    return this.#runner.publish(this.#task.started(by, about));
  }

  progressed(how: Given<EventData<"task.progressed">>, about?: About): Promise<Published> {
    return this.#runner.publish(this.#task.progressed(how, about));
  }

  inputRequested(message?: string, about?: About): Promise<Published> {
    return this.#runner.publish(this.#task.inputRequested(message, about));
  }

  resumed(message?: string, about?: About): Promise<Published> {
    return this.#runner.publish(this.#task.resumed(message, about));
  }

  completed(output?: unknown, about?: About): Promise<Published> {
    return this.#runner.publish(this.#task.completed(output, about));
  }

  failed(error: { readonly type: string; readonly message?: string }, about?: About): Promise<Published> {
    return this.#runner.publish(this.#task.failed(error, about));
  }

  timedOut(afterMillis?: number, about?: About): Promise<Published> {
    return this.#runner.publish(this.#task.timedOut(afterMillis, about));
  }

  cancelled(reason?: string, about?: About): Promise<Published> {
    return this.#runner.publish(this.#task.cancelled(reason, about));
  }
}

/** A session: a client and a server connected for a while. */
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

  ended(
    reason: string,
    how: Omit<Given<EventData<"session.ended">>, "reason"> = {},
    about?: About,
  ): Promise<Published> {
    return this.#runner.publish(this.#session.ended({ ...how, reason }, about));
  }
}

type Runtime = PromiseRunner["runtime"];

const channelsOf = (sections: Sections) => sections.section(Layers.channels);

const watching = (sections: Sections) => sections.section(Layers.watch);

const untilReached = Effect.retry(
  SharedConnection.use(({ reached }) => reached),
  backoff,
);

/** A history: of a thread, a task or a session. */
export type HistoryOf = Exclude<Target, "all">;

const historyOf = (of: HistoryOf, tenant: string): History.History => {
  if ("thread" in of) return History.thread(of.thread, tenant);
  return "task" in of ? History.task(of.task, tenant) : History.session(of.session, tenant);
};

export class Recollect {
  readonly #runner: PromiseRunner;
  readonly #sections: Sections;
  readonly #watch: ReturnType<typeof watching>;
  readonly #channels: ReturnType<typeof channelsOf>;
  readonly #tenant: string;
  readonly #query: RecollectQuery;
  #closing: Promise<Flushed> | undefined;
  readonly tasks: RecollectTasks;
  readonly sessions: RecollectSessions;
  readonly inbox: RecollectInbox;
  readonly config: RecollectConfig;
  readonly limits: RecollectLimits;
  readonly files: RecollectFiles;
  readonly responses: RecollectResponses;

  private constructor(runtime: Runtime, options: Layers.Options) {
    this.#runner = new PromiseRunner(runtime);
    const sections = new Sections(runtime);
    this.#sections = sections;
    this.#tenant = options.tenant ?? History.defaultTenant;
    const config = Layers.config(options);
    const query = sections.section(Layers.query(options));
    this.#query = new RecollectQuery(query, this.#runner);
    this.#watch = watching(sections);
    this.#channels = channelsOf(sections);
    this.tasks = new RecollectTasks(sections.section(Layers.tasks(options)), query, this.#tenant);
    this.sessions = new RecollectSessions(sections.section(Layers.sessions));
    this.inbox = new RecollectInbox(sections.section(Layers.inbox));
    this.config = new RecollectConfig(sections.section(config));
    this.limits = new RecollectLimits(sections.section(Layers.limits.pipe(Layer.provide(config))));
    const caches = sections.section(Layers.caches(options).pipe(Layer.provide(config)));
    this.files = new RecollectFiles(caches);
    this.responses = new RecollectResponses(caches);
  }

  /**
   * Connects to the server at `url`, else at `RECOLLECT_NATS_URL`, else to the running instance of the data folder.
   * Never fails and never waits because it is away: what is published then waits in the spool of the data folder.
   */
  static async connect(options: ConnectOptions = {}): Promise<Recollect> {
    const given = layerOptions(checkedOptions(options));
    await Effect.runPromise(checkedLease(options.leaseMillis));
    return new Recollect(await begin(Layers.core(given)), given);
  }

  /** Resolves when the server is there for the first time, or again. Waits for as long as it is away: bound it. */
  connected(): Promise<void> {
    return this.#sections.run(Effect.asVoid(untilReached));
  }

  /**
   * Every event once and in order, without end: leaving the loop ends it, and so does `close`. `CaughtUp` says that what
   * follows is live, `Slow` that the loop took too long and goes on from the log; nothing is missed.
   */
  watch(target: Target, options: Watching = {}): AsyncIterable<WatchedElement> {
    return watchOver(this.#watch, this.#tenant, target, options);
  }

  /** Texts between programs at this moment, by a name of the tenant's. Nothing of them is kept: events are. */
  channel(name: string): RecollectChannel {
    return new RecollectChannel(this.#channels, { tenant: this.#tenant, name });
  }

  /** The thread of that id, or a new one. Nothing is written until something is said. */
  thread(id?: string): RecollectThread {
    const given = id === undefined ? undefined : asText(id, "thread");
    return new RecollectThread(this.#runner, this.#runner.now(Thread.thread(given)));
  }

  /** The events of a thread, task or session: of any type, also `x.<vendor>.<name>`, appended, read and folded. */
  history(of: HistoryOf): RecollectHistory {
    return new RecollectHistory(this.#runner, historyOf(asObject(of, "history"), this.#tenant));
  }

  /**
   * A task that this program moves by itself, of that id or a new one: `submitted`, then `started`, … Nothing is written
   * until it is said. Work that others are to do is submitted with `tasks.submit`.
   */
  task(id?: string): RecollectTask {
    const given = id === undefined ? undefined : asText(id, "task");
    return new RecollectTask(this.#runner, this.#runner.now(Task.task(given)));
  }

  async session(started: Task.StartingSession = {}, about?: About): Promise<RecollectSession> {
    const begun = Effect.tap(Task.startSession(asObject(started, "session"), about), ({ published }) =>
      Effect.sync(() => this.#runner.count(published)),
    );
    return new RecollectSession(this.#runner, await this.#runner.run(begun));
  }

  /**
   * Threads (or tasks, or sessions) of the data folder's database, newest activity first, page by page; without what is
   * deleted or expired. Waits up to a second until this client's own appends are in it; `isCurrent` says whether they are.
   * Rejects with `NoDatabase` where the log's database is on another machine.
   */
  list(options: ListOptions = {}): Promise<ListPage> {
    return this.#query.list(options, this.#tenant);
  }

  /**
   * The rows of one reading statement over the views (`SELECT * FROM v_dictionary` explains them), at most 100,000, with
   * values for `?` or `:name`. Runs in a process of its own, for ten minutes and 256 MB at most. Rejects with `QueryRefused`,
   * or with `QueryStopped` at a limit.
   */
  sql(statement: string, parameters?: SqlParameters): Promise<ReadonlyArray<SqlRow>> {
    return this.#query.sql(statement, parameters);
  }

  /** Any event of the catalogue, for what the methods above do not say. Types of your own: `history(…).publish`. */
  publish<Name extends EventTypeName>(
    options: { readonly type: Name; readonly id: string; readonly data: GivenData<Name> } & {
      readonly about?: About;
    },
  ): Promise<Published> {
    const published = Publisher.use((publisher) => {
      const { type, id, data, about } = asObject(options, "publish");
      // A type outside the catalogue is refused in words where it is composed.
      const kind = isEventTypeName(type) ? eventTypes[type].kind : "thread";
      return publisher.publish({ ...about, history: { tenant: publisher.tenant, kind, id }, type, data });
    });
    return this.#runner.publish(published);
  }

  /** Returns when every call made so far has settled, and tells what became of them since the last flush. */
  flush(): Promise<Flushed> {
    return this.#runner.flush();
  }

  /** State of delivery: `spooled` counts commands that this machine accepted and the log does not have yet. */
  waiting(): Promise<Waiting> {
    return this.#runner.run(Publisher.use(({ waiting }) => waiting));
  }

  /**
   * Flushes and lets go. The spool gets a moment to drain, if the log can be reached; the rest
   * stays there for the next process, or for the daemon. Closing twice closes once; a later call rejects with
   * `RecollectClosed`.
   */
  close(): Promise<Flushed> {
    return (this.#closing ??= InFlight.held(this.#close()));
  }

  async #close(): Promise<Flushed> {
    try {
      await this.#sections.close();
      await this.#runner.endOpen();
      const flushed = await this.flush();
      const drained = Publisher.use((publisher) => Effect.timeoutOption(publisher.drained, closeDrainMillis));
      await this.#runner.run(drained);
      return flushed;
    } finally {
      await this.#runner.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close().then(() => undefined);
  }
}
