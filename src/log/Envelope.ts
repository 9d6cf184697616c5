/**
 * The envelope: CloudEvents 1.0 binary mode, attributes as headers, the event's data as the body.
 *
 * Room: log.
 *
 * Any language with a NATS client can write it: see `docs/publishing.md`. `ce-id` is also `Nats-Msg-Id`, so that
 * the server refuses a duplicate by itself within its window.
 */
import { isMisfit, type LogEntry, type NewEvent, type RecordedEvent } from "../domain/Event.ts";
import type { History, Sequence } from "../domain/History.ts";
import { type Digestible, digestOf } from "./Digest.ts";
import { historyOf, subjectOf } from "./Subject.ts";

export type Headers = Readonly<Record<string, string>>;

/** Header names of the attributes every event has. */
const attribute = {
  specVersion: "ce-specversion",
  id: "ce-id",
  type: "ce-type",
  source: "ce-source",
  time: "ce-time",
  subject: "ce-subject",
  schemaVersion: "ce-schemaversion",
  actor: "ce-actor",
  session: "ce-session",
  correlationId: "ce-correlationid",
  causationId: "ce-causationid",
  traceparent: "ce-traceparent",
} as const;

const own: ReadonlySet<string> = new Set(Object.values(attribute));

/** Header values are one line of ASCII on the wire: what is not is percent-encoded, as CloudEvents' HTTP binding does. */
const standsForItself = /^[\x21\x23\x24\x26-\x7e](?:[\x20\x21\x23\x24\x26-\x7e]*[\x21\x23\x24\x26-\x7e])?$/;

const encodeValue = (text: string): string =>
  standsForItself.test(text)
    ? text
    : [...Buffer.from(text, "utf8")]
        .map((byte) =>
          byte > 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x25
            ? String.fromCharCode(byte)
            : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
        )
        .join("");

const decodeValue = (value: string): string => {
  if (!value.includes("%")) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
};

/** Events that are made one after another are mostly of one second: what it is written as is kept. */
const lastSecond = { at: Number.NaN, text: "" };

/** RFC 3339, as `Date` writes it. */
const timeText = (millis: number): string => {
  const at = Math.floor(millis / 1_000);
  if (at !== lastSecond.at) {
    lastSecond.text = new Date(at * 1_000).toISOString().slice(0, -"000Z".length);
    lastSecond.at = at;
  }
  return `${lastSecond.text}${String(millis - at * 1_000).padStart(3, "0")}Z`;
};

/** The headers of a new event in its history. Names are written out, so that all are of one shape: half the time. */
export const headersOf = (event: NewEvent, history: History): Headers => {
  const headers: Record<string, string> = {
    "ce-specversion": "1.0",
    "ce-id": encodeValue(event.id),
    "ce-type": encodeValue(event.type),
    "ce-source": encodeValue(event.source),
    "ce-time": timeText(event.occurredAt),
    "ce-subject": encodeValue(history.id),
    "ce-schemaversion": String(event.schemaVersion),
  };
  const set = (name: string, value: string | undefined) => {
    if (value !== undefined) headers[name] = encodeValue(value);
  };
  set(attribute.actor, event.actor);
  set(attribute.session, event.session);
  set(attribute.correlationId, event.correlationId);
  set(attribute.causationId, event.causationId);
  set(attribute.traceparent, event.traceparent);
  if (event.extensions !== undefined) {
    for (const [name, value] of Object.entries(event.extensions)) set(`ce-${name}`, value);
  }
  return headers;
};

export const bodyOf = (event: NewEvent): Uint8Array =>
  typeof event.body === "string" ? Buffer.from(event.body, "utf8") : event.body;

const utf8 = new TextDecoder();

/** The data of a body as JSON where it is JSON, else as text: for showing, never for deciding. */
export const dataOf = (body: Uint8Array): unknown => {
  const text = utf8.decode(body);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

/** A message as the log stores it. */
export interface StoredMessage {
  readonly sequence: Sequence;
  readonly recordedAt: number;
  readonly subject: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/**
 * Headers that the server writes into its answers to reads. A message that has them was not published as an event: a reader published what it
 * message and named a subject of the stream as where the answer goes, past what he may publish to.
 */
const answerNames = ["Nats-Stream", "Nats-Subject", "Nats-Sequence"] as const;

/** Reads a stored message back; what is no event of ours comes back as a misfit that says why. */
export const entryOf = (message: StoredMessage): LogEntry => {
  const { sequence, recordedAt, subject, headers, body } = message;
  const misfit = (problem: string): LogEntry => ({ sequence, recordedAt, subject, problem, headers, body });
  const history = historyOf(subject);
  if (history === undefined) return misfit(`the subject ${subject} names no history`);
  for (const name of answerNames) {
    if (headers[name] !== undefined) return misfit(`the header ${name} says that it is the server's answer to a read`);
  }
  const value = (name: string): string | undefined => {
    const found = headers[name];
    return found === undefined ? undefined : decodeValue(found);
  };
  const required = [attribute.id, attribute.type, attribute.source, attribute.time].filter((name) => !headers[name]);
  if (required.length > 0) return misfit(`the header ${required.join(", ")} is missing`);
  const occurredAt = Date.parse(value(attribute.time) ?? "");
  if (Number.isNaN(occurredAt)) return misfit(`ce-time is no RFC 3339 time: ${value(attribute.time)}`);
  const schemaVersion = Number(value(attribute.schemaVersion) ?? "1");
  if (!Number.isSafeInteger(schemaVersion) || schemaVersion < 1) {
    return misfit(`ce-schemaversion is no whole number from 1: ${value(attribute.schemaVersion)}`);
  }
  let extensions: Array<readonly [string, string]> | undefined;
  for (const name in headers) {
    if (!name.startsWith("ce-") || own.has(name)) continue;
    extensions ??= [];
    extensions.push([name.slice(3), decodeValue(headers[name] ?? "")]);
  }
  return {
    sequence,
    recordedAt,
    history,
    id: value(attribute.id) ?? "",
    type: value(attribute.type) ?? "",
    source: value(attribute.source) ?? "",
    schemaVersion,
    occurredAt,
    actor: value(attribute.actor),
    session: value(attribute.session),
    correlationId: value(attribute.correlationId),
    causationId: value(attribute.causationId),
    traceparent: value(attribute.traceparent),
    ...(extensions === undefined ? {} : { extensions: Object.fromEntries(extensions) }),
    body,
  };
};

/** True when `headersOf` gives exactly these `ce-` headers for the event that was read from them. */
const isCanonical = (headers: Headers, event: RecordedEvent): boolean => {
  if (headers[attribute.specVersion] !== "1.0") return false;
  if (headers[attribute.time] !== timeText(event.occurredAt)) return false;
  if (headers[attribute.schemaVersion] !== String(event.schemaVersion)) return false;
  if (headers[attribute.subject] !== encodeValue(event.history.id)) return false;
  for (const name in headers) {
    const value = headers[name] ?? "";
    if (!name.startsWith("ce-") || standsForItself.test(value)) continue;
    if (encodeValue(decodeValue(value)) !== value) return false;
  }
  return true;
};

const ceHeadersOf = (headers: Headers): Headers =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("ce-")));

/**
 * The same with its digest, and with its headers where writing it anew would spell them otherwise: for whoever keeps
 * or compares copies. Two microseconds more.
 */
export const provenEntryOf = (message: StoredMessage): LogEntry => {
  // Not shared yet: written into, because a copy of all its fields takes as long as their reading.
  const entry: LogEntry & { digest?: Uint8Array | undefined; wire?: Headers | undefined } = entryOf(message);
  entry.digest = digestOf(message);
  if (!isMisfit(entry) && !isCanonical(message.headers, entry)) entry.wire = ceHeadersOf(message.headers);
  return entry;
};

/** An entry as it is stored: what a digest is taken of, and what a heal writes again. */
export const storedOf = (entry: LogEntry): Digestible =>
  isMisfit(entry)
    ? { subject: entry.subject, headers: entry.headers, body: entry.body }
    : {
        subject: subjectOf(entry.history),
        headers: entry.wire ?? headersOf(entry, entry.history),
        body: entry.body,
      };

/** The digest of what the entry itself says, whatever digest it brings along. */
export const digestOfEntry = (entry: LogEntry): Uint8Array => digestOf(storedOf(entry));
