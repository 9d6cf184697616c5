/**
 * A message between agents, as it lies in an inbox and as a dead letter.
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
  /** Null when it answers nothing. */
  inReplyTo: Schema.NullOr(Schema.String),
  /** The id of the message with which the exchange began. */
  correlationId: Schema.String,
  /** True when its sender waits for the reply. */
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
    /** Times it was taken; given back unhandled it is not counted. */
    attempts: Schema.Natural,
    /** Epoch milliseconds until which no other receiver gets it; 0 when it is free. */
    takenUntil: Schema.Finite,
    /** Bound of attempts that its last receiver set. */
    maxAttempts: Schema.optionalKey(Schema.Natural),
  }),
);
export type Lying = typeof Lying.Type;

/** A message that no receiver could handle. */
const DeadLetter = Schema.Struct({
  message: Message,
  attempts: Schema.Natural,
  /** The last failure, cut at 1,000 characters. */
  reason: Schema.String,
  /** Epoch milliseconds by the server's clock. */
  diedAt: Schema.Finite,
});
export type DeadLetter = typeof DeadLetter.Type;

const codecOf = <A>(schema: Schema.Codec<A, string>) => {
  const decode = Schema.decodeUnknownOption(schema);
  const encode = Schema.encodeSync(schema);
  return {
    bytes: (value: A): Uint8Array => Buffer.from(encode(value), "utf8"),
    /** Undefined for none, and for what another program wrote there in another shape. */
    in: ({ value }: Entry): A | undefined =>
      value === undefined ? undefined : Option.getOrUndefined(decode(Buffer.from(value).toString("utf8"))),
  };
};

export const lying = codecOf<Lying>(Lying);
export const deadLetter = codecOf<DeadLetter>(Schema.fromJsonString(DeadLetter));
