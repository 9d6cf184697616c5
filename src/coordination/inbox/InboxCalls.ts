/**
 * Calls of inboxes: their options, their results, and their errors.
 *
 * Room: coordination.
 */
import { type Effect, Schema } from "effect";
import type { PublishError } from "../../publish/Publisher.ts";
import type { InboxRefused } from "./InboxCheck.ts";
import type { Message } from "./InboxMessage.ts";

/** The inboxes are unreachable. The event may have been written: sending again with the same id is safe. */
export class InboxUnavailable extends Schema.TaggedError<InboxUnavailable>()("InboxUnavailable", {
  messageId: Schema.String,
  reason: Schema.String,
  hint: Schema.String,
}) {
  override get message() {
    return this.reason;
  }
}

/** The inbox holds as many messages of this size as it may. Nothing was written. */
export class InboxFull extends Schema.TaggedError<InboxFull>()("InboxFull", {
  name: Schema.String,
  messages: Schema.Natural,
  message: Schema.String,
  hint: Schema.String,
}) {}

/** No reply came in time. The request may still be handled, and its reply is an event then. */
export class NoReply extends Schema.TaggedError<NoReply>()("NoReply", {
  messageId: Schema.String,
  afterMillis: Schema.Finite,
}) {}

/** The message is not held by this receipt: it was handled, its lease lapsed and another receiver took it, or it ended. */
export class NoSuchMessage extends Schema.TaggedError<NoSuchMessage>()("NoSuchMessage", {
  name: Schema.String,
  receipt: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}

export interface Sending {
  readonly from: string;
  readonly to: string;
  /** JSON. */
  readonly body: unknown;
  /** Default: a new UUIDv7. The same id twice is one message while it waits, and one event for ever. */
  readonly id?: string | undefined;
  /** The sender's session, whose history holds the event. Default: a session named like the sender. */
  readonly session?: string | undefined;
  /** Time that it waits in the inbox: a second to 30 days, default a day. */
  readonly ttlMillis?: number | undefined;
}

export interface Leasing {
  readonly name: string;
  /** Time that no other receiver gets it: 100 ms to a day, default 30 s. */
  readonly leaseMillis?: number | undefined;
  /** Attempts after which a message is a dead letter: 1 to 1,000, default 10. */
  readonly maxAttempts?: number | undefined;
}

export interface Receiving<E> extends Leasing {
  /** The receiver's session, whose history holds its replies. Default: a session named like it. */
  readonly session?: string | undefined;
  /** The lease is extended while it runs. A failure leaves the message in the inbox, for another attempt. */
  readonly handle: (
    message: Message,
    reply: (body: unknown) => Effect.Effect<void, SendError>,
  ) => Effect.Effect<void, E>;
}

export interface Taking extends Leasing {
  /** Patience; default 0. */
  readonly waitMillis?: number | undefined;
}

/** A message that was taken. */
export interface Taken extends Message {
  /** Settles it, as long as no other receiver has taken it. */
  readonly receipt: string;
  /** Number of this attempt, from 1. */
  readonly attempt: number;
}

/** A message that waits or is being handled. */
export interface Waiting extends Message {
  readonly attempts: number;
  /** Epoch milliseconds; 0 when it is free. */
  readonly takenUntil: number;
}

export interface Settling {
  readonly name: string;
  readonly receipt: string;
}

export interface Releasing extends Settling {
  /** Time that it rests; default 0. Without `failed` only. */
  readonly delayMillis?: number | undefined;
  /** The attempt failed for this reason: it counts, and the message rests, or is dead after the last one. */
  readonly failed?: string | undefined;
}

export interface Extending extends Settling {
  readonly leaseMillis?: number | undefined;
}

export interface Answering extends Settling {
  readonly body: unknown;
  /** The session whose history holds the reply. Default: a session named like the inbox. */
  readonly session?: string | undefined;
}

export type SendError = InboxRefused | InboxFull | InboxUnavailable | PublishError;
