/**
 * A thread to write to and read: what is said in it, which tools are called, what is done to it.
 *
 * Room: publish.
 */
import { Clock, Effect, Stream } from "effect";
import type { EventData } from "../../domain/Event.ts";
import * as History from "../../domain/History.ts";
import * as Answer from "./AnswerPublisher.ts";
import type { ChatMessage } from "./ChatMessage.ts";
import { type About, type Given, newId } from "../write/NewEvent.ts";
import { InvalidEvent } from "../write/InvalidEvent.ts";
import { Publisher, type Published } from "../Publisher.ts";
import * as ThreadFiles from "./ThreadFiles.ts";
import { Sync } from "./Sync.ts";
import { ThreadViews } from "./ThreadViews.ts";

/** Context of an event: publisher, time and cause. `source` and `actor` default to the publisher's. */
export type Context = About;

/** A message as its speaker says it: `text` is one text part; with both, the text comes first. */
export interface Saying extends Omit<Given<EventData<"thread.message_appended">>, "messageId" | "parts">, Context {
  readonly text?: string | undefined;
  readonly parts?: EventData<"thread.message_appended">["parts"] | undefined;
  /** Default: the event's id. The same id again replaces the message's content. */
  readonly messageId?: string | undefined;
}

/** Properties of a thread as a whole. */
export interface Describing extends Omit<Given<EventData<"thread.opened">>, "session">, Context {}

/** Start of a continuation; without any of it, the thread's end. */
export interface Forking extends Context {
  /** Id of the new thread. Default: a new UUIDv7. */
  readonly threadId?: string | undefined;
  /** The last message that belongs to both. */
  readonly atMessageId?: string | undefined;
  /** The last sequence that belongs to both. */
  readonly atSequence?: number | undefined;
}

/** A message that will be said bit by bit. `id` is that of its last event. */
export type Answering = Answer.Beginning & Context;

export interface Calling extends Omit<Given<EventData<"thread.tool_called">>, "callId">, Context {
  /** Default: a new UUIDv7. Unique in its thread. */
  readonly callId?: string | undefined;
}

export interface Failing {
  readonly type: string;
  readonly message?: string | undefined;
}

const aboutKeys = [
  "id",
  "occurredAt",
  "source",
  "actor",
  "session",
  "correlationId",
  "causationId",
  "traceparent",
  "extensions",
  "durable",
] as const;

/** Splits what is said about an event from the event's own data. */
const split = <T extends Context>(given: T) => {
  const about = Object.fromEntries(aboutKeys.flatMap((key) => (given[key] === undefined ? [] : [[key, given[key]]])));
  const data = Object.fromEntries(Object.entries(given).filter(([key]) => !aboutKeys.some((name) => name === key)));
  return { about: about as About, data: data as Omit<T, keyof About> };
};

/** A message without words is a slip: another name for them, most of all. */
const nothingSaid = (given: object) => {
  const isContent = "content" in given;
  return new InvalidEvent({
    type: "thread.message_appended",
    message: `The message says nothing: it has neither text nor parts${isContent ? ", and `content` is not looked at" : ""}.`,
    hint: isContent
      ? "Give `text`, or `parts`; thread.observe takes messages as chat-completions has them, with `content`."
      : "Give `text`, or `parts`; an empty list of parts is a message without words.",
  });
};

const failureOf = (error: unknown): Failing => {
  if (typeof error === "string") return { type: "error", message: error };
  if (error instanceof Error) return { type: error.name, message: error.message };
  const fields = typeof error === "object" && error !== null ? error : {};
  const type = "type" in fields && typeof fields.type === "string" ? fields.type : "error";
  const message = "message" in fields && typeof fields.message === "string" ? fields.message : undefined;
  return { type, message: message ?? (type === "error" ? String(error) : undefined) };
};

/** A tool call that was asked for. One of `returned` and `failed` ends it; a call that nothing ends stays unknown. */
const callHandle = Effect.fnUntraced(function* (options: {
  readonly history: History.History;
  readonly callId: string;
  readonly asked: Published;
}) {
  const publisher = yield* Publisher;
  const { history, callId, asked } = options;
  const began = yield* Clock.monotonicTimeNanos;
  const end = Effect.fnUntraced(function* (
    outcome: Omit<Given<EventData<"thread.tool_returned">>, "callId">,
    given: Context,
  ) {
    const durationMillis = outcome.durationMillis ?? Number((yield* Clock.monotonicTimeNanos) - began) / 1e6;
    const data = { ...outcome, callId, durationMillis };
    return yield* publisher.publish({
      causationId: asked.eventId,
      ...given,
      history,
      type: "thread.tool_returned",
      data,
    });
  });
  return {
    callId,
    /** Outcome of the event that records the request. */
    asked,
    returned: (result?: unknown, given: Context = {}) => end({ outcome: "ok", result }, given),
    failed: (error: unknown, given: Context = {}) => end({ outcome: "error", error: failureOf(error) }, given),
    /** With a duration measured elsewhere, or a result beside an error. */
    ended: (outcome: Omit<Given<EventData<"thread.tool_returned">>, "callId">, given: Context = {}) =>
      end(outcome, given),
  };
});

export type Call = Effect.Success<ReturnType<typeof callHandle>>;

/** The thread of that id, or a new one. Naming a thread writes nothing: it exists from its first event on. */
export const thread = Effect.fnUntraced(function* (id?: string) {
  const publisher = yield* Publisher;
  const threadId = id ?? (yield* newId);
  const history = History.thread(threadId, publisher.tenant);
  const withPublisher = Effect.provideService(Publisher, publisher);

  const open = Effect.fn("publish.openThread")((given: Describing = {}) => {
    const { about, data } = split(given);
    return publisher.publish({ ...about, history, type: "thread.opened", data });
  });

  const say = Effect.fn("publish.say")(function* (given: Saying) {
    const { about, data } = split(given);
    const { text, parts, messageId, ...rest } = data;
    if (text === undefined && parts === undefined) return yield* nothingSaid(rest);
    const said = text === undefined ? (parts ?? []) : [{ type: "text" as const, text }, ...(parts ?? [])];
    const eventId = about.id ?? (yield* newId);
    const message = { ...rest, messageId: messageId ?? eventId, parts: said };
    const isNew = about.id === undefined;
    return yield* publisher.publish({
      ...about,
      id: eventId,
      isNew,
      history,
      type: "thread.message_appended",
      data: message,
    });
  });

  /**
   * Says a message bit by bit: `delta` for what comes, then `complete` or `abort`. At most ten events in all. It is
   * aborted, kept up to its last delta, when the scope closes before.
   */
  const answer = Effect.fn("publish.answer")((given: Answering) => {
    const { about, data } = split(given);
    return Answer.answer({ publisher, history, about, beginning: data });
  });

  const held = new Sync(publisher, history);

  /**
   * The whole conversation, as its client holds it and sends it again each turn: only what is new is appended, in order.
   * A list that was edited, truncated or compacted says so in its first new event.
   */
  const sync = Effect.fn("publish.sync")((messages: ReadonlyArray<ChatMessage>, given: Context = {}) =>
    held.sync(messages, given),
  );

  /** One new message, stored without what it repeats of this thread; `original` gives it back byte for byte. */
  const observe = Effect.fn("publish.observe")((message: ChatMessage, given: Context = {}) =>
    held.observe(message, given),
  );

  const toolCalled = Effect.fn("publish.toolCalled")(function* (given: Calling) {
    const { about, data } = split(given);
    const callId = data.callId ?? (yield* newId);
    const asked = yield* publisher.publish({
      ...about,
      history,
      type: "thread.tool_called",
      data: { ...data, callId },
    });
    return yield* callHandle({ history, callId, asked });
  }, withPublisher);

  /** A version of a file was read: its content is kept by hash, so that it can be shown when the file has changed. */
  const fileRead = (given: ThreadFiles.ReadFile) => {
    const { about, data } = split(given);
    return ThreadFiles.fileRead({ publisher, history, about, data });
  };

  /** An earlier answer was given again in place of a new one. */
  const responseReused = (given: Given<EventData<"thread.response_reused">> & Context) => {
    const { about, data } = split(given);
    return publisher.publish({ ...about, history, type: "thread.response_reused", data });
  };

  /** A new thread that continues this one from a message, a sequence or its end. */
  const fork = Effect.fn("publish.fork")(function* (given: Forking = {}) {
    const { about, data } = split(given);
    const { threadId: newThreadId, ...from } = data;
    const target = newThreadId ?? (yield* newId);
    const published = yield* publisher.publish({
      ...about,
      history: History.thread(target, publisher.tenant),
      type: "thread.forked",
      data: { ...from, fromThreadId: threadId },
    });
    return { ...published, threadId: target };
  });

  return {
    id: threadId,
    open,
    say,
    answer,
    sync,
    observe,
    /** A message's parts as they came, also when it was stored without what it repeats; undefined when there is none. */
    original: (messageId: string) => held.original(messageId),
    toolCalled,
    fileRead,
    responseReused,
    /** The thread as it is now, with what waits on this machine; undefined when nothing was ever said in it. */
    read: (options: Parameters<ThreadViews["Service"]["get"]>[1] = {}) =>
      ThreadViews.use((views) => views.get(threadId, options)),
    /** Every message that the log has, whole. */
    messages: (options: Parameters<ThreadViews["Service"]["messages"]>[1] = {}) =>
      Stream.unwrap(ThreadViews.use((views) => Effect.succeed(views.messages(threadId, options)))),
    rename: (title: string, given: Context = {}) =>
      publisher.publish({ ...given, history, type: "thread.renamed", data: { title } }),
    tag: (tags: Given<EventData<"thread.tagged">>, given: Context = {}) =>
      publisher.publish({ ...given, history, type: "thread.tagged", data: tags }),
    fork,
    archive: (reason?: string, given: Context = {}) =>
      publisher.publish({ ...given, history, type: "thread.archived", data: { reason } }),
    /** Hides the thread everywhere until it is restored. Its events stay in the log: deleting forgets nothing. */
    delete: (reason?: string, given: Context = {}) =>
      publisher.publish({ ...given, history, type: "thread.deleted", data: { reason } }),
    /** Hides it as if deleted from `at` on, epoch milliseconds; the latest call holds. */
    expire: (at: number, given: Context = {}) =>
      publisher.publish({ ...given, history, type: "thread.expires", data: { at } }),
    /** Ends a deletion and an expiry. */
    restore: (given: Context = {}) => publisher.publish({ ...given, history, type: "thread.restored", data: {} }),
  };
});

export type ThreadPublisher = Effect.Success<ReturnType<typeof thread>>;
