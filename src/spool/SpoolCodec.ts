/**
 * Stored form of a command: one JSON text, checked by Schema on the way in and on the way out.
 *
 * Room: spool.
 */
import { Schema } from "effect";
import type { NewEvent } from "../domain/Event.ts";
import { History } from "../domain/History.ts";
import { StreamEnd } from "../log/EventLog.ts";
import type { Command } from "./Spool.ts";

const Text = Schema.String;

/** The body is text, or base64 for bytes that may be no text. */
const StoredEvent = Schema.Struct({
  id: Text,
  type: Text,
  schemaVersion: Schema.Int,
  occurredAt: Schema.Finite,
  source: Text,
  actor: Schema.optional(Text),
  session: Schema.optional(Text),
  correlationId: Schema.optional(Text),
  causationId: Schema.optional(Text),
  traceparent: Schema.optional(Text),
  extensions: Schema.optional(Schema.Record(Text, Text)),
  text: Schema.optional(Text),
  base64: Schema.optional(Text),
});
type StoredEvent = typeof StoredEvent.Type;

/** `isNew` only without an end: it was never tried. Its end may be added later (`SpoolFileSqlite`). */
const StoredCommand = Schema.Struct({
  history: History,
  event: StoredEvent,
  isNew: Schema.optional(Schema.Boolean),
  after: Schema.optional(StreamEnd),
  batch: Schema.optional(Text),
});

export type Plain = Pick<Command, "after" | "batch" | "event" | "history" | "isNew">;

const stored = ({ body, ...event }: NewEvent): unknown => ({
  ...event,
  ...(typeof body === "string" ? { text: body } : { base64: Buffer.from(body).toString("base64") }),
});

const restored = ({ text, base64, ...event }: StoredEvent): NewEvent => ({
  ...event,
  body: base64 === undefined ? (text ?? "") : Buffer.from(base64, "base64"),
});

const decodeUnknown = Schema.decodeUnknownSync(StoredCommand);

/** Throws a SchemaError for a command that could not be read back; the caller wraps it. */
export const encode = ({ after, batch, history, event, isNew }: Plain): string => {
  const isUntried = isNew === true && after === undefined;
  const command = { history, event: stored(event), after, batch, isNew: isUntried || undefined };
  // The check is of the value: what passes it, JSON gives back as it was.
  decodeUnknown(command);
  return JSON.stringify(command);
};

/** Throws for a text that is no command; the caller wraps it. */
export const decode = (text: string): Plain => {
  const { after, batch, history, event, isNew } = decodeUnknown(JSON.parse(text));
  return {
    history,
    event: restored(event),
    ...(isNew === undefined ? {} : { isNew }),
    ...(after === undefined ? {} : { after }),
    ...(batch === undefined ? {} : { batch }),
  };
};
