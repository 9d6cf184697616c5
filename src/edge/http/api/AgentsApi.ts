/**
 * Agents among themselves: who is there, and what they tell each other.
 *
 * Room: edge.
 */
import { Schema } from "effect";
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api";
import { Program } from "../../../domain/thread/Content.ts";
import { Access, moving, named, Needs, usual } from "./Access.ts";
import { asOf, byId, Count, numberFrom, optional, Time } from "./Shapes.ts";
import { mostWaitMillis } from "./TasksApi.ts";

const Text = Schema.String;
const Open = Schema.Record(Text, Schema.Unknown);

export const Sessions = HttpApiGroup.make("sessions")
  .add(
    HttpApiEndpoint.get("active", "/", { success: Schema.Struct({ sessions: Schema.Array(Open) }), error: usual })
      .annotate(Needs, "worker")
      .annotate(OpenApi.Summary, "Who is there now"),
    HttpApiEndpoint.post("register", "/", {
      payload: Schema.Struct({
        /** One that was used before goes on with that session's history. */
        id: optional(Text),
        client: optional(Program),
        server: optional(Program),
        transport: optional(Text),
        threadId: optional(Text),
        machine: optional(Text),
        processId: optional(Count),
      }),
      success: Schema.Struct({
        id: Text,
        /** A heartbeat is due after a third of this; after so much silence the session is ended. */
        leaseMillis: Time,
      }).pipe(HttpApiSchema.status(201)),
      error: moving,
    })
      .annotate(Needs, "worker")
      .annotate(OpenApi.Summary, "Begin a session that is present as long as it is heard"),
    HttpApiEndpoint.post("move", "/:id/:verb", {
      params: { ...byId, verb: Schema.Literals(["heartbeat", "join", "leave", "end"]) },
      payload: Schema.Struct({
        /** `join`, `leave`: which thread or task. */
        thread: optional(Text),
        task: optional(Text),
        /** `end`. */
        reason: optional(Text),
        exitCode: optional(Schema.Int),
      }),
      success: Open,
      error: moving,
    })
      .annotate(Needs, "worker")
      .annotate(OpenApi.Summary, "Keep a session, say what it works on, end it")
      .annotate(
        OpenApi.Description,
        "404: this daemon does not hold it (it was silent, or the daemon was restarted): register it again under its id.",
      ),
  )
  .prefix("/v1/sessions")
  .middleware(Access)
  .annotate(OpenApi.Title, "Sessions");

const MessageHeld = Schema.Struct({
  id: Text,
  from: Text,
  to: Text,
  body: Schema.Unknown,
  inReplyTo: Schema.NullOr(Text),
  correlationId: Text,
  isRequest: Schema.Boolean,
  sentAt: Time,
  expiresAt: Time,
  /** Of a message that was taken: what settles it, and which attempt it is. */
  receipt: optional(Text),
  attempt: optional(Count),
  /** Of a list. */
  attempts: optional(Count),
  takenUntil: optional(Time),
}).annotate({ identifier: "InboxMessage" });

const Receipt = { receipt: Text.check(Schema.isMinLength(1)) };

const name = { name: Text.check(Schema.isMinLength(1)) };

export const Inbox = HttpApiGroup.make("inbox")
  .add(
    HttpApiEndpoint.get("waiting", "/:name", {
      params: name,
      success: Schema.Struct({ messages: Schema.Array(MessageHeld) }),
      error: named,
    }).annotate(OpenApi.Summary, "Messages of a name that wait or are being handled, in the order of sending"),
    HttpApiEndpoint.post("send", "/:name", {
      params: name,
      payload: Schema.Struct({
        from: Text,
        body: Schema.Unknown,
        /** The same id twice is one message. */
        id: optional(Text),
        session: optional(Text),
        ttlMillis: optional(Time),
        /** Waits so long for the first reply, and answers with it. */
        replyWithinMillis: optional(Schema.Int.check(Schema.isBetween({ minimum: 1_000, maximum: mostWaitMillis }))),
      }),
      success: Schema.Struct({ id: Text, reply: optional(MessageHeld) }).pipe(HttpApiSchema.status(201)),
      error: moving,
    }).annotate(OpenApi.Summary, "Send a message, or ask and wait for the reply"),
    HttpApiEndpoint.post("take", "/:name/take", {
      params: name,
      payload: Schema.Struct({
        leaseMillis: optional(Time),
        /** Attempts after which a message is a dead letter; default 10. */
        maxAttempts: optional(Count),
        /** Default 0; at most 60,000. */
        waitMillis: optional(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: mostWaitMillis }))),
      }),
      success: [MessageHeld, HttpApiSchema.NoContent],
      error: moving,
    })
      .annotate(OpenApi.Summary, "The oldest free message, under a lease")
      .annotate(
        OpenApi.Description,
        "204 when there was none. Its `receipt` settles it; unsettled it is free again after the lease.",
      ),
    HttpApiEndpoint.post("acknowledge", "/:name/acknowledge", {
      params: name,
      payload: Schema.Struct(Receipt),
      success: Open,
      error: moving,
    })
      .annotate(OpenApi.Summary, "The message was handled")
      .annotate(OpenApi.Description, "`acknowledged` is false when the receipt holds it no longer."),
    HttpApiEndpoint.post("release", "/:name/release", {
      params: name,
      payload: Schema.Struct({
        ...Receipt,
        delayMillis: optional(Time),
        /** The attempt failed for this reason, and counts. */
        failed: optional(Text),
      }),
      success: Open,
      error: moving,
    }).annotate(OpenApi.Summary, "Give a message back before its lease is over"),
    HttpApiEndpoint.post("extend", "/:name/extend", {
      params: name,
      payload: Schema.Struct({ ...Receipt, leaseMillis: optional(Time) }),
      success: Schema.Struct(Receipt),
      error: moving,
    }).annotate(OpenApi.Summary, "Begin the lease anew; answers the receipt that is good from now on"),
    HttpApiEndpoint.post("reply", "/:name/reply", {
      params: name,
      payload: Schema.Struct({ ...Receipt, body: Schema.Unknown, session: optional(Text) }),
      success: Schema.Struct({ id: Text }).pipe(HttpApiSchema.status(201)),
      error: moving,
    }).annotate(OpenApi.Summary, "Reply to a message that is held"),
    HttpApiEndpoint.get("dead", "/:name/dead", { params: name, success: Open, error: named }).annotate(
      OpenApi.Summary,
      "Messages that failed in all their attempts, oldest first",
    ),
    HttpApiEndpoint.post("retry", "/:name/retry", {
      params: name,
      payload: Schema.Struct({ id: optional(Text) }),
      success: Open,
      error: moving,
    }).annotate(OpenApi.Summary, "Put dead letters in again: one, or all"),
  )
  .prefix("/v1/inboxes")
  .middleware(Access)
  .annotate(Needs, "worker")
  .annotate(OpenApi.Title, "Inboxes");

export const SessionList = HttpApiGroup.make("sessionHistory")
  .add(
    HttpApiEndpoint.get("list", "/v1/session-history", {
      query: { limit: optional(numberFrom(1, 1_000)), cursor: optional(Text), asOf },
      success: Open,
      error: usual,
    }).annotate(OpenApi.Summary, "Every session there was, the latest first"),
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "Past sessions");
