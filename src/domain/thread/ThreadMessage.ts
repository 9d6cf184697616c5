/**
 * A message of a thread: what `MessageSaid` facts come to when they are put together.
 *
 * Room: domain.
 *
 * A message may be told in segments and told again; the newest telling of each segment holds, the place in the
 * conversation is that of the first. Fields of the message as a whole (model, stop reason) are those told last.
 */
import { Schema } from "effect";
import { headOf, jsonBytes, present } from "../Truncate.ts";
import { Part } from "./Content.ts";
import type { RecordedEvent } from "../Event.ts";
import type { MessageSaid } from "../Fact.ts";
import { Sequence } from "../History.ts";
import { MessageUsage } from "../Tokens.ts";

const text = Schema.optionalKey(Schema.String);
const flag = Schema.optionalKey(Schema.Boolean);

export const Segment = Schema.Struct({
  /** Unique in its message; "" for a message told in one piece. */
  segment: Schema.String,
  /** The event that holds all of it, also when the parts here are cut. */
  sequence: Sequence,
  occurredAt: Schema.Finite,
  /** Size of all its parts as JSON in UTF-8. */
  bytes: Schema.Natural,
  /** Present when the parts here are less than was said. */
  cut: Schema.optionalKey(Schema.Literal(true)),
  parts: Schema.Array(Part),
});
export type Segment = typeof Segment.Type;

export const messageFields = {
  messageId: Schema.String,
  role: Schema.String,
  author: text,
  parentMessageId: text,
  tool: text,
  provider: text,
  model: text,
  stopReason: text,
  /** Tokens that its provider counted for it, where its events say so. */
  usage: Schema.optionalKey(MessageUsage),
  cwd: text,
  branch: text,
  isSidechain: flag,
  isMeta: flag,
  /** Told by a second witness; there is no first-hand message in the thread (see `Fact.ts`). */
  secondHand: flag,
  /** The event and the time of its first segment: its place in the conversation. */
  sequence: Sequence,
  occurredAt: Schema.Finite,
  segments: Schema.Array(Segment),
} as const;

export const ThreadMessage = Schema.Struct(messageFields);
export type ThreadMessage = typeof ThreadMessage.Type;

/** Everything a message says, in the order of its segments. */
export const partsOf = (message: Pick<ThreadMessage, "segments">): ReadonlyArray<Part> =>
  message.segments.length === 1 && message.segments[0] !== undefined
    ? message.segments[0].parts
    : message.segments.flatMap((segment) => segment.parts);

/** Fields of the whole message in a fact. Absent ones say nothing. */
export const describe = (fact: MessageSaid) =>
  present({
    role: fact.role,
    author: fact.author,
    parentMessageId: fact.parentMessageId,
    tool: fact.tool,
    provider: fact.provider,
    model: fact.model,
    stopReason: fact.stopReason,
    cwd: fact.cwd,
    branch: fact.branch,
    isSidechain: fact.isSidechain,
    isMeta: fact.isMeta,
    secondHand: fact.secondHand,
  });

/** Place and time of a telling. */
type Telling = Pick<RecordedEvent, "sequence" | "occurredAt">;

export const segmentOf = (fact: MessageSaid, event: Telling): Segment => ({
  segment: fact.segment,
  sequence: event.sequence,
  occurredAt: event.occurredAt,
  bytes: jsonBytes(fact.parts),
  parts: fact.parts,
});

/** The segments with this one in its place: where its older telling stood, or at the end. */
export const withSegment = (segments: ReadonlyArray<Segment>, added: Segment): ReadonlyArray<Segment> => {
  const index = segments.findIndex(({ segment }) => segment === added.segment);
  return index < 0 ? [...segments, added] : segments.with(index, added);
};

/** A message with one more telling; a new message when there was none. Nothing is cut: for whole conversations. */
export const tell = (message: ThreadMessage | undefined, fact: MessageSaid, event: Telling): ThreadMessage => ({
  messageId: fact.messageId,
  sequence: event.sequence,
  occurredAt: event.occurredAt,
  ...message,
  ...describe(fact),
  segments: withSegment(message?.segments ?? [], segmentOf(fact, event)),
});

/** A part without the bulk of it, or undefined when even that takes more than `bytes`. */
const shorter = (part: Part, bytes: number): Part | undefined => {
  const fitting = (bare: Part) => (jsonBytes(bare) <= bytes ? bare : undefined);
  /** For the text itself, of the room that the part without it leaves; two quotes are counted on both sides. */
  const beside = (bare: Part) => bytes - jsonBytes(bare) + 2;
  switch (part.type) {
    case "text":
    case "tool_result": {
      const bare = { ...part, text: "" };
      return fitting({ ...part, text: headOf(part.text, beside(bare)) });
    }
    case "thinking": {
      // The provider's proof holds for all of it or for nothing.
      const bare = { ...present({ ...part, signature: undefined }), text: "" };
      return fitting({ ...bare, text: headOf(part.text, beside(bare)) });
    }
    case "tool_use":
      return fitting(present({ ...part, arguments: undefined }));
    case "image":
    case "file":
      return fitting(present({ ...part, data: undefined }));
    case "other":
      return fitting(present({ ...part, value: undefined }));
  }
};

/** Least useful size of a cut part, bytes. */
const leastPartBytes = 64;

/** The parts from the beginning that fit into `bytes`, the one on the border shortened. */
export const cutParts = (parts: ReadonlyArray<Part>, bytes: number): ReadonlyArray<Part> => {
  const kept: Array<Part> = [];
  let room = bytes;
  for (const part of parts) {
    if (room < leastPartBytes) break;
    const size = jsonBytes(part) + 1;
    const fits = size <= room ? part : shorter(part, room - 1);
    if (fits === undefined) continue;
    kept.push(fits);
    room -= fits === part ? size : jsonBytes(fits) + 1;
  }
  return kept;
};
