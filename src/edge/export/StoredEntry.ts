/**
 * An entry as the log holds it, taken out of its event again byte for byte.
 *
 * Room: edge. In: domain, log. Out: Export.
 *
 * Promise: the bytes given back are those that came in, because the importer spliced them into the body and nobody
 * has written them anew since.
 */
import { Effect, Option, Schema } from "effect";
import type { RecordedEvent } from "../../domain/Event.ts";
import { EntryRecorded } from "../../domain/ThreadEvents.ts";
import { EventLog, LogDamaged } from "../../log/EventLog.ts";

export interface StoredEntry {
  readonly format: string;
  readonly place: "line" | "joined" | "frame" | "element";
  readonly bytes: Uint8Array;
}

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(EntryRecorded));
const marker = Buffer.from(',"entry":');

const viewOf = (body: Uint8Array): Buffer => Buffer.from(body.buffer, body.byteOffset, body.byteLength);

/** The entry's own bytes in the body. A body written by another hand, with its keys in another order, is written anew. */
const spliced = (body: Buffer, entry: unknown): Uint8Array => {
  const at = body.indexOf(marker);
  const raw = body.subarray(at + marker.length, body.length - 1);
  try {
    // Everything up to the marker is our own head: with it, the rest is the entry and the closing brace.
    JSON.parse(`${body.subarray(0, at).toString("utf8")}}`);
    JSON.parse(raw.toString("utf8"));
    return raw;
  } catch {
    return Buffer.from(JSON.stringify(entry), "utf8");
  }
};

/** The entry of an event; undefined for every other type of event, and for a body that cannot be read. */
export const entryOf = Effect.fnUntraced(function* (event: RecordedEvent) {
  if (event.type !== "thread.entry_recorded") return undefined;
  const body = viewOf(event.body);
  const decoded = decode(body.toString("utf8"));
  if (Option.isNone(decoded)) return undefined;
  const { base64, blob, entry, format, place, text } = decoded.value;
  const stored = (bytes: Uint8Array): StoredEntry => ({ format, place: place ?? "line", bytes });
  if (blob != null) {
    const log = yield* EventLog;
    const bytes = yield* log.getBlob(blob.sha256);
    if (bytes !== undefined) return stored(bytes);
    const { sequence } = event;
    return yield* new LogDamaged({ sequence, reason: `the large entry ${blob.sha256} is not in the object store` });
  }
  if (text != null) return stored(Buffer.from(text, "utf8"));
  if (base64 != null) return stored(Buffer.from(base64, "base64"));
  return stored(spliced(body, entry ?? null));
});
