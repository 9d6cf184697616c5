/**
 * The window on a thread: its newest messages and tool calls, in bounded memory.
 *
 * Room: domain.
 *
 * An item told again while it is in the window is the same message or call; one told again after it left enters
 * anew as the newest. `left` counts what left: while it is 0 the window is the whole conversation.
 */
import { Schema } from "effect";
import { headOf, jsonBytes, ownSized, present, shortId } from "../Truncate.ts";
import type { RecordedEvent } from "../Event.ts";
import type { MessageSaid, TokensUsed, ToolHasReturned, ToolWasCalled } from "../Fact.ts";
import { Sequence } from "../History.ts";
import { withUsage } from "../Tokens.ts";
import { cutParts, describe, messageFields, type Segment, segmentOf, withSegment } from "./ThreadMessage.ts";

export const limits = {
  /** A screen or two of conversation; an agent that continues a thread rarely wants more without asking. */
  messages: 64,
  /** With the calls about 100 KiB of JSON at worst: one KV message, far below 1 MiB. */
  messageBytes: 64 * 1024,
  /** A quarter of the window, so that no single message pushes out all others. */
  oneMessageBytes: 16 * 1024,
  calls: 64,
  callBytes: 32 * 1024,
  /** Arguments to recognise a call by; all of them are in its event. */
  argumentBytes: 1024,
  /** One attribute of a message or call: a model, a branch, a working directory. */
  attributeBytes: 512,
} as const;

const WindowMessage = Schema.Struct({
  ...messageFields,
  /** Tellings of segments that found no room in the message; their events follow `sequence`. */
  omitted: Schema.Natural,
  /** Bytes of JSON it takes here. */
  kept: Schema.Natural,
});
export type WindowMessage = typeof WindowMessage.Type;

const Asked = Schema.Struct({
  sequence: Sequence,
  occurredAt: Schema.Finite,
  name: Schema.String,
  server: Schema.optionalKey(Schema.String),
  /** Their beginning, as JSON text, and the size of all of it. */
  arguments: Schema.String,
  argumentsBytes: Schema.Natural,
  messageId: Schema.optionalKey(Schema.String),
});

const Answered = Schema.Struct({
  sequence: Sequence,
  occurredAt: Schema.Finite,
  outcome: Schema.Literals(["ok", "error"]),
  errorType: Schema.optionalKey(Schema.String),
  errorMessage: Schema.optionalKey(Schema.String),
  resultBytes: Schema.Finite,
  durationMillis: Schema.optionalKey(Schema.Finite),
});

/** A tool call: asked for, answered, or both, joined by its key. The first telling of each half holds. */
const WindowCall = Schema.Struct({
  callKey: Schema.String,
  callId: Schema.String,
  secondHand: Schema.optionalKey(Schema.Boolean),
  asked: Schema.optionalKey(Asked),
  answered: Schema.optionalKey(Answered),
  kept: Schema.Natural,
});
export type WindowCall = typeof WindowCall.Type;

export const ThreadWindow = Schema.Struct({
  /** In the order of their first segments. */
  messages: Schema.Array(WindowMessage),
  calls: Schema.Array(WindowCall),
  left: Schema.Struct({ messages: Schema.Natural, calls: Schema.Natural }),
});
export type ThreadWindow = typeof ThreadWindow.Type;

export const emptyWindow: ThreadWindow = { messages: [], calls: [], left: { messages: 0, calls: 0 } };

/** The newest that fit, and how many did not. One entry is always smaller than the window, so the newest stays. */
const newest = <E extends { readonly kept: number }>(entries: ReadonlyArray<E>, most: number, bytes: number) => {
  let first = entries.length;
  let room = bytes;
  for (; first > 0 && entries.length - first < most; first--) {
    room -= entries[first - 1]?.kept ?? 0;
    if (room < 0) break;
  }
  return { entries: first === 0 ? entries : entries.slice(first), left: first };
};

/** Room for `,"kept":65536` and the comma between entries. */
const keptFieldBytes = 16;

const attribute = (text: string | undefined) => (text === undefined ? undefined : headOf(text, limits.attributeBytes));

/** A segment as large as the message still has room for, or undefined when not even its name fits. */
const fitted = (segment: Segment, room: number): Segment | undefined => {
  const bare: Segment = { ...segment, segment: shortId(segment.segment), cut: true, parts: [] };
  const left = room - jsonBytes(bare) - 1;
  if (left < 0) return undefined;
  if (segment.bytes <= left) return { ...segment, segment: bare.segment };
  return { ...bare, parts: cutParts(segment.parts, left) };
};

const told = (message: WindowMessage | undefined, fact: MessageSaid, event: RecordedEvent): WindowMessage => {
  const described = describe(fact);
  const whole = Object.fromEntries(
    Object.entries(described).map(([name, value]) => [name, typeof value === "string" ? attribute(value) : value]),
  ) as typeof described;
  const segmentName = shortId(fact.segment);
  const older = message?.segments ?? [];
  const others = older.filter(({ segment }) => segment !== segmentName);
  const bare = {
    messageId: shortId(fact.messageId),
    sequence: event.sequence,
    occurredAt: event.occurredAt,
    omitted: 0,
    ...message,
    ...whole,
    kept: 0,
  };
  const room = limits.oneMessageBytes - jsonBytes({ ...bare, segments: others });
  const segment = fitted(segmentOf(fact, event), room);
  const { bytes, owned } = ownSized(
    segment === undefined
      ? { ...bare, omitted: bare.omitted + 1, segments: others }
      : { ...bare, segments: withSegment(older, segment) },
  );
  return { ...owned, kept: bytes + keptFieldBytes };
};

/** The window after a message was said. */
export const said = (window: ThreadWindow, fact: MessageSaid, event: RecordedEvent): ThreadWindow => {
  const id = shortId(fact.messageId);
  // From the end: what is told again was mostly told just before.
  const index = window.messages.findLastIndex(({ messageId }) => messageId === id);
  const message = told(window.messages[index], fact, event);
  const messages = index < 0 ? [...window.messages, message] : window.messages.with(index, message);
  const { entries, left } = newest(messages, limits.messages, limits.messageBytes);
  return { ...window, messages: entries, left: { ...window.left, messages: window.left.messages + left } };
};

/** Bytes that the field takes in a message. */
const usageBytes = ({ usage }: Pick<WindowMessage, "usage">): number =>
  usage === undefined ? 0 : jsonBytes({ usage }) - 1;

/** The window after a provider counted the tokens of a message. One that is not in it (any more) is none of its. */
export const used = (window: ThreadWindow, fact: TokensUsed): ThreadWindow => {
  if (fact.messageId === undefined) return window;
  const id = shortId(fact.messageId);
  const index = window.messages.findLastIndex(({ messageId }) => messageId === id);
  const message = window.messages[index];
  if (message === undefined || (message.secondHand === true) !== (fact.secondHand === true)) return window;
  const counted = { ...message, usage: withUsage(message.usage, fact.usage) };
  const kept = message.kept + usageBytes(counted) - usageBytes(message);
  const messages = window.messages.with(index, { ...counted, kept });
  const { entries, left } = newest(messages, limits.messages, limits.messageBytes);
  return { ...window, messages: entries, left: { ...window.left, messages: window.left.messages + left } };
};

type CallHalf = Partial<Pick<WindowCall, "asked" | "answered">>;

const withCall = (window: ThreadWindow, fact: ToolWasCalled | ToolHasReturned, half: CallHalf): ThreadWindow => {
  const callKey = shortId(fact.callKey);
  const index = window.calls.findLastIndex((call) => call.callKey === callKey);
  const older = window.calls[index];
  const { bytes, owned } = ownSized({
    ...present({ callKey, callId: shortId(fact.callId), secondHand: fact.secondHand }),
    ...half,
    ...older,
    kept: 0,
  });
  const call = { ...owned, kept: bytes + keptFieldBytes };
  const calls = index < 0 ? [...window.calls, call] : window.calls.with(index, call);
  const { entries, left } = newest(calls, limits.calls, limits.callBytes);
  return { ...window, calls: entries, left: { ...window.left, calls: window.left.calls + left } };
};

/** The window after a tool was asked for. */
export const called = (window: ThreadWindow, fact: ToolWasCalled, event: RecordedEvent): ThreadWindow =>
  withCall(window, fact, {
    asked: present({
      sequence: event.sequence,
      occurredAt: event.occurredAt,
      name: headOf(fact.name, limits.attributeBytes),
      server: attribute(fact.server),
      arguments: headOf(fact.arguments, limits.argumentBytes),
      argumentsBytes: Buffer.byteLength(fact.arguments, "utf8"),
      messageId: fact.messageId === undefined ? undefined : shortId(fact.messageId),
    }),
  });

/** The window after a tool answered. */
export const returned = (window: ThreadWindow, fact: ToolHasReturned, event: RecordedEvent): ThreadWindow =>
  withCall(window, fact, {
    answered: present({
      sequence: event.sequence,
      occurredAt: event.occurredAt,
      outcome: fact.outcome,
      errorType: attribute(fact.errorType),
      errorMessage: attribute(fact.errorMessage),
      resultBytes: fact.resultBytes,
      durationMillis: fact.durationMillis,
    }),
  });

/** Without the messages of second witnesses: they were told first-hand. */
export const withoutSecondHandMessages = (window: ThreadWindow): ThreadWindow => ({
  ...window,
  messages: window.messages.filter((message) => message.secondHand !== true),
  left: { ...window.left, messages: 0 },
});

/** Without the calls of second witnesses. */
export const withoutSecondHandCalls = (window: ThreadWindow): ThreadWindow => ({
  ...window,
  calls: window.calls.filter((call) => call.secondHand !== true),
  left: { ...window.left, calls: 0 },
});
