/**
 * Foreign entries too large for an event: fetched from the object store and put in place before they are read.
 *
 * Room: log.
 */
import { isUtf8 } from "node:buffer";
import { Effect, Result, Schema } from "effect";
import { isMisfit, type LogEntry, type RecordedEvent } from "../../domain/Event.ts";
import { EntryRecorded } from "../../domain/thread/ThreadEvents.ts";
import type { EventLog, LogUnavailable } from "../EventLog.ts";

/** A reference and its frame are a few hundred bytes: larger bodies are not parsed only to find none in them. */
const largestReference = 4096;

const marker = Buffer.from('"blob"');

const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** True when `placed` may have to look into the object store. */
export const mayRefer = (entry: LogEntry): entry is RecordedEvent =>
  !isMisfit(entry) &&
  entry.type === "thread.entry_recorded" &&
  entry.body.byteLength <= largestReference &&
  asBuffer(entry.body).includes(marker);

/** An event with its entry in place. */
export type Placed =
  /** As if its entry had been small; an event that refers to nothing is itself. */
  | { readonly _tag: "Whole"; readonly event: RecordedEvent }
  /** The bytes it refers to are gone or damaged: a sentence says which. */
  | { readonly _tag: "Lost"; readonly reason: string };

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(EntryRecorded));

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** The blob's JSON as `entry`; bytes that are not UTF-8 as such; anything else as a line that is not JSON. */
const filled = (event: RecordedEvent, data: EntryRecorded, bytes: Uint8Array): RecordedEvent => {
  const { blob: _, entry: __, ...rest } = data;
  if (!isUtf8(bytes))
    return { ...event, body: Buffer.from(JSON.stringify({ ...rest, base64: asBuffer(bytes).toString("base64") })) };
  const text = asBuffer(bytes).toString("utf8");
  if (!isJson(text)) return { ...event, body: Buffer.from(JSON.stringify({ ...rest, text: "" }), "utf8") };
  // Put together as text: the entry may be tens of megabytes, and whoever reads it parses it anyway.
  const frame = JSON.stringify(rest).slice(0, -1);
  return { ...event, body: Buffer.from(`${frame},"entry":${text}}`, "utf8") };
};

/** Puts an event's entry in place. Fails only while the log is away. */
export const placed = Effect.fnUntraced(function* (
  log: EventLog["Service"],
  event: RecordedEvent,
): Effect.fn.Return<Placed, LogUnavailable> {
  const asItIs: Placed = { _tag: "Whole", event };
  if (!mayRefer(event)) return asItIs;
  const read = decode(asBuffer(event.body).toString("utf8"));
  // A body that cannot be read is refused where all bodies are read.
  if (Result.isFailure(read) || read.success.blob == null) return asItIs;
  const { sha256 } = read.success.blob;
  const got = yield* Effect.result(log.getBlob(sha256));
  if (Result.isFailure(got)) {
    if (got.failure._tag === "LogUnavailable") return yield* got.failure;
    return { _tag: "Lost", reason: `the large entry ${sha256} is damaged: ${got.failure.reason}` };
  }
  if (got.success === undefined)
    return { _tag: "Lost", reason: `the large entry ${sha256} is not in the object store` };
  return { _tag: "Whole", event: filled(event, read.success, got.success) };
});

/** For a reader of one thread: an event whose entry is lost stays as it is, and is then not understood. */
export const placedOrAsItIs = (
  log: EventLog["Service"],
  event: RecordedEvent,
): Effect.Effect<RecordedEvent, LogUnavailable> =>
  mayRefer(event)
    ? Effect.map(placed(log, event), (found) => (found._tag === "Whole" ? found.event : event))
    : Effect.succeed(event);
