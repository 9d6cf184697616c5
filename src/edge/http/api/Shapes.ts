/**
 * Shapes that several addresses of the API take and answer.
 *
 * Room: edge.
 *
 * Times are epoch milliseconds, sequences are positions in the stream, ids are any text of 1 to 200 bytes.
 */
import { Schema } from "effect";
import type { ThreadFilterName } from "../../../query/ThreadFilter.ts";
import { Part } from "../../../domain/thread/Content.ts";
import { MessageUsage } from "../../../domain/Tokens.ts";

const Text = Schema.String;
export const optional = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.UndefinedOr(schema));
export const Count = Schema.Natural;
/** Epoch milliseconds. */
export const Time = Schema.Finite;

/** A whole number in a query string, from `low` to `high`. */
export const numberFrom = (low: number, high: number) =>
  Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum: low, maximum: high }));
export const sequence = numberFrom(0, Number.MAX_SAFE_INTEGER);
/** As of a sequence or a time: `1234`, `2026-11-01T10:00Z`, `7d`. */
export const asOf = optional(Schema.String.check(Schema.isMaxLength(40)));
export const flag = Schema.Literals(["true", "false"]);

/** Filters of lists and searches of threads. `since` and `until` are epoch milliseconds. */
export const threadFilters = {
  project: optional(Text),
  branch: optional(Text),
  agent: optional(Text),
  model: optional(Text),
  role: optional(Text),
  tool: optional(Text),
  file: optional(Text),
  hasError: optional(flag),
  main: optional(flag),
  since: optional(sequence),
  until: optional(sequence),
} satisfies Record<ThreadFilterName, Schema.Top>;

export const byId = { id: Schema.String.check(Schema.isMinLength(1)) };

/** Fields of an event beside its data. `id`: the same id twice is one event, so a request can be repeated. */
export const aboutFields = {
  id: optional(Text),
  occurredAt: optional(Time),
  source: optional(Text),
  actor: optional(Text),
  session: optional(Text),
  correlationId: optional(Text),
  causationId: optional(Text),
  traceparent: optional(Text),
  /** `log`: in the log, or 503. `disk` (the default): in the log, or while it is unreachable in the spool of the daemon. */
  durable: optional(Schema.Literals(["log", "disk"])),
};

/** Outcome of publishing an event. */
export const Published = Schema.Struct({
  eventId: Text,
  /** `appended`: in the log. `duplicate`: it was there. `spooled`: on the daemon's disk until the log is back.
   * `withheld`: nowhere, because the audit policy records nothing of such a call. */
  outcome: Schema.Literals(["appended", "duplicate", "spooled", "withheld"]),
  /** Its position in the stream; absent while it is spooled, and when it is withheld. */
  sequence: optional(Count),
}).annotate({ identifier: "Published" });

/** An event as it is read: `data` is the body's JSON. */
export const EventRead = Schema.Struct({
  sequence: Count,
  /** True: accepted by this machine, and not in the log yet; its sequence says nothing then. */
  isWaiting: Schema.Boolean,
  id: Text,
  type: Text,
  schemaVersion: Count,
  occurredAt: Time,
  recordedAt: Time,
  source: Text,
  actor: optional(Text),
  session: optional(Text),
  correlationId: optional(Text),
  causationId: optional(Text),
  data: Schema.Unknown,
}).annotate({ identifier: "Event" });

/** A message as it is read. */
export const MessageRead = Schema.Struct({
  messageId: Text,
  role: Text,
  author: optional(Text),
  model: optional(Text),
  /** Words that were said, and answers of tools; thoughts are in `parts` only. */
  text: Text,
  parts: Schema.Array(Part),
  occurredAt: Time,
  /** `unfinished` while it is being said, `aborted` when it broke off; else as its provider says. */
  stopReason: optional(Text),
  /** Tokens that its provider counted for it: everything sent and received, with parts of them. Absent where nothing says so. */
  usage: optional(MessageUsage),
  /** True: less is here than was said. */
  isCut: Schema.Boolean,
}).annotate({ identifier: "Message" });

export const ThreadRead = Schema.Struct({
  id: Text,
  title: optional(Text),
  tags: Schema.Array(Text),
  archived: Schema.Boolean,
  deletedAt: optional(Time),
  expiresAt: optional(Time),
  /** Oldest first: the newest, at most 64 and 64 KiB of them, or as many as were asked for. */
  messages: Schema.Array(MessageRead),
  /** Number of messages before those. */
  omitted: Count,
  /** Events that wait on the daemon's disk; they are among what is shown. */
  waiting: Count,
  /** False: the log does not answer, and this is what it had when it was last read. */
  isCurrent: Schema.Boolean,
  lastSequence: Count,
}).annotate({ identifier: "Thread" });
