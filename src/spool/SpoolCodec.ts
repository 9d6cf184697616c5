/**
 * How a command lies on disk: one JSON text, checked by Schema on the way in and on the way out.
 *
 * Room: spool. In: Spool, domain. Out: SpoolSqlite.
 */
import { Schema } from "effect";
import type { NewEvent } from "../domain/Event.ts";
import { History } from "../domain/History.ts";
import type { Command } from "./Spool.ts";

const Text = Schema.String;

/** The body is text, or base64 for bytes that nobody promised to be text. */
const StoredEvent = Schema.Struct({
  id: Text,
  type: Text,
  schemaVersion: Schema.Int,
  occurredAt: Schema.Finite,
  source: Text,
  actor: Schema.optionalKey(Text),
  session: Schema.optionalKey(Text),
  correlationId: Schema.optionalKey(Text),
  causationId: Schema.optionalKey(Text),
  traceparent: Schema.optionalKey(Text),
  extensions: Schema.optionalKey(Schema.Record(Text, Text)),
  text: Schema.optionalKey(Text),
  base64: Schema.optionalKey(Text),
});
type StoredEvent = typeof StoredEvent.Type;

const StoredCommand = Schema.Struct({ history: History, event: StoredEvent });

type Plain = Pick<Command, "history" | "event">;

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
export const encode = ({ history, event }: Plain): string => {
  const text = JSON.stringify({ history, event: stored(event) });
  decodeUnknown(JSON.parse(text));
  return text;
};

/** Throws for a text that is no command; the caller wraps it. */
export const decode = (text: string): Plain => {
  const { history, event } = decodeUnknown(JSON.parse(text));
  return { history, event: restored(event) };
};
