/**
 * A message between agents, and how it lies in an inbox.
 *
 * Room: coordination.
 */
import { Option, Schema } from "effect";
import type { Entry } from "../bucket/Bucket.ts";

const Message = Schema.Struct({
  /** Also the id of its event. */
  id: Schema.String,
  from: Schema.String,
  to: Schema.String,
  body: Schema.Unknown,
  /** Absent when it answers nothing. */
  inReplyTo: Schema.NullOr(Schema.String),
  /** The id of the message with which the exchange began. */
  correlationId: Schema.String,
  /** Somebody waits for the reply. */
  isRequest: Schema.Boolean,
  /** Epoch milliseconds by the server's clock. */
  sentAt: Schema.Finite,
  expiresAt: Schema.Finite,
});
export type Message = typeof Message.Type;

/** A message as it lies in an inbox. */
const Lying = Schema.fromJsonString(
  Schema.Struct({
    message: Message,
    /** How often it was taken, and until when it is taken now; 0: by nobody. */
    attempts: Schema.Natural,
    takenUntil: Schema.Finite,
  }),
);
export type Lying = typeof Lying.Type;

const decode = Schema.decodeUnknownOption(Lying);
const encode = Schema.encodeSync(Lying);
export const bytesOf = (lying: Lying) => Buffer.from(encode(lying), "utf8");

export const lyingIn = ({ value }: Entry): Lying | undefined =>
  value === undefined ? undefined : Option.getOrUndefined(decode(Buffer.from(value).toString("utf8")));
