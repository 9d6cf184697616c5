/**
 * One conversation for programs that speak in promises: what is said in it, which tools are called, and how it reads.
 *
 * Room: client.
 */
import { Effect, Stream } from "effect";
import type { Part } from "../domain/thread/Content.ts";
import type { ChatMessage } from "../publish/thread/ChatMessage.ts";
import type { Published } from "../publish/Publisher.ts";
import type { ReadFile } from "../publish/thread/ThreadFiles.ts";
import type { About } from "../publish/write/NewEvent.ts";
import { type ReadMessage, readMessage, type ReadThread, readThread, type ReadThreadOptions } from "./ReadThread.ts";
import { asList, asObject } from "./Given.ts";
import { RecollectAnswer } from "./RecollectAnswer.ts";
import type { PromiseRunner } from "./PromiseRunner.ts";
import type { Synced } from "../publish/thread/Sync.ts";
import * as Thread from "../publish/thread/ThreadPublisher.ts";

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

  returned(result?: unknown, about?: About): Promise<Published> {
    return this.#runner.publish(this.#call.returned(result, about));
  }

  failed(error: unknown, about?: About): Promise<Published> {
    return this.#runner.publish(this.#call.failed(error, about));
  }
}

/**
 * One conversation. Every write takes what is known `about` its event: id (the same id twice is one event, so a call can be
 * repeated), time, source, actor, session, correlation and cause.
 */
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
  open(description: Thread.Describing = {}): Promise<Published> {
    return this.#runner.publish(Effect.suspend(() => this.#thread.open(asObject(description, "open"))));
  }

  say(message: Thread.Saying, about: About = {}): Promise<Published> {
    return this.#runner.publish(Effect.suspend(() => this.#thread.say({ ...asObject(message, "say"), ...about })));
  }

  /**
   * Says a message bit by bit, for a model that streams: `delta` or `deltas`, then `complete` or `abort`. One event in
   * the end, at most ten in all; an answer without an end is aborted when Recollect is closed.
   */
  answer(message: Thread.Answering): RecollectAnswer {
    return new RecollectAnswer(this.#runner, this.#thread, message);
  }

  /**
   * The whole conversation, as a client holds it and sends it each turn (chat-completions messages, or ours): only what
   * is new is appended.
   */
  sync(messages: ReadonlyArray<ChatMessage>, about?: About): Promise<Synced> {
    const given = Effect.suspend(() => this.#thread.sync(asList(messages, "sync"), about));
    const synced = Effect.tap(given, ({ appended }) =>
      Effect.sync(() => appended.forEach((published) => this.#runner.count(published))),
    );
    return this.#runner.run(synced);
  }

  /** One new message, stored without what it repeats of this thread. */
  observe(message: ChatMessage, about?: About): Promise<Published> {
    return this.#runner.publish(Effect.suspend(() => this.#thread.observe(asObject(message, "observe"), about)));
  }

  /** A message's parts as they came, byte for byte; undefined when there is no such message. */
  original(messageId: string): Promise<ReadonlyArray<Part> | undefined> {
    return this.#runner.run(this.#thread.original(messageId));
  }

  /**
   * The thread as it is now, with what this machine has accepted and the log does not have yet; undefined when nothing
   * was ever said in it. With the log away it is what was last known and what waits (`isCurrent` is false then), and an
   * error where this process knows nothing of it.
   *
   * `atLeast` is the sequence of an append that the answer must hold, for one made by another process; what this
   * process appended is never missing. `whole` gives every message, none cut, in place of the newest; it fails while the log
   * is away. A thread that is deleted or expired is undefined too, unless `deleted` is true.
   */
  async read(options: ReadThreadOptions = {}): Promise<ReadThread | undefined> {
    const { whole = false, ...reading } = asObject(options, "read");
    const view = await this.#runner.run(this.#thread.read(reading));
    if (view === undefined) return undefined;
    if (!whole) return readThread(view);
    const messages = await this.#runner.run(Stream.runCollect(this.#thread.messages(reading)));
    return { ...readThread(view), messages: messages.map(readMessage), omitted: 0 };
  }

  /**
   * Every message, whole, in the order in which they began; those that wait on this machine at the end. Fails with
   * `LogUnavailable`. None of a thread that is deleted or expired, unless `deleted` is true.
   */
  async *messages(options: Pick<ReadThreadOptions, "deleted"> = {}): AsyncGenerator<ReadMessage, void> {
    const whole = Stream.map(this.#thread.messages(asObject(options, "messages")), readMessage);
    yield* this.#runner.iterate(whole);
  }

  /** Records the intent; returns when it is durable, so a call that never comes back is seen. */
  toolCalled(call: Thread.Calling): Promise<RecollectCall> {
    const given = Effect.suspend(() => this.#thread.toolCalled(asObject(call, "toolCalled")));
    const called = Effect.tap(given, ({ asked }) => Effect.sync(() => this.#runner.count(asked)));
    return this.#runner.run(Effect.map(called, (made) => new RecollectCall(this.#runner, made)));
  }

  /**
   * A version of a file was read for this thread: `path`, all its `bytes`, and whatever else is known. The content is kept
   * once by its hash for as long as the event. Resolves when both are durable.
   */
  fileRead(file: ReadFile): Promise<Published> {
    return this.#runner.publish(Effect.suspend(() => this.#thread.fileRead(asObject(file, "fileRead"))));
  }

  rename(title: string, about?: About): Promise<Published> {
    return this.#runner.publish(this.#thread.rename(title, about));
  }

  tag(
    tags: { readonly add?: ReadonlyArray<string>; readonly remove?: ReadonlyArray<string> },
    about?: About,
  ): Promise<Published> {
    return this.#runner.publish(Effect.suspend(() => this.#thread.tag(asObject(tags, "tag"), about)));
  }

  /** A new thread that continues this one. */
  async fork(from: Thread.Forking = {}): Promise<RecollectThread> {
    const { threadId } = await this.#runner.publish(this.#thread.fork(asObject(from, "fork")));
    return new RecollectThread(this.#runner, this.#runner.now(Thread.thread(threadId)));
  }

  archive(reason?: string, about?: About): Promise<Published> {
    return this.#runner.publish(this.#thread.archive(reason, about));
  }

  /**
   * Hides the thread from reads, lists and searches until `restore`. Its events stay in the log and `recollect export`
   * still gives it: deleting forgets nothing. Messages said in it meanwhile are kept and do not restore it.
   */
  delete(reason?: string, about?: About): Promise<Published> {
    return this.#runner.publish(this.#thread.delete(reason, about));
  }

  /** Hides the thread as if deleted from a time on, epoch milliseconds. The latest call holds; `restore` ends it. */
  expire(atMillis: number, about?: About): Promise<Published> {
    return this.#runner.publish(this.#thread.expire(atMillis, about));
  }

  /** Shows a deleted or expired thread again. */
  restore(about?: About): Promise<Published> {
    return this.#runner.publish(this.#thread.restore(about));
  }
}
