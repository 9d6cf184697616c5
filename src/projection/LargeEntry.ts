/**
 * Foreign entries too large for an event: fetched from the object store and put in place before they are read.
 *
 * Room: projection. In: domain, log. Out: Projector, Rebuild, Verify.
 *
 * The ledger keeps the reference, as the event has it. What cannot be had for now (the log is away) is waited for;
 * what is gone or damaged is a dead letter.
 */
import { Effect, Result, Schema } from "effect";
import { isMisfit, type LogEntry, type RecordedEvent } from "../domain/Event.ts";
import { EntryRecorded } from "../domain/ThreadEvents.ts";
import { EventLog } from "../log/EventLog.ts";
import type { Incoming } from "./ReadModel.ts";

/** A reference and its frame are a few hundred bytes: larger bodies are not parsed only to find none in them. */
const largestReference = 4096;

const marker = Buffer.from('"blob"');

const mayRefer = (entry: LogEntry): entry is RecordedEvent =>
  !isMisfit(entry) &&
  entry.type === "thread.entry_recorded" &&
  entry.body.byteLength <= largestReference &&
  Buffer.from(entry.body.buffer, entry.body.byteOffset, entry.body.byteLength).includes(marker);

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(EntryRecorded));

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** The event as if its entry had been small: the blob's JSON as `entry`, anything else as a line that is not JSON. */
const filled = (event: RecordedEvent, data: EntryRecorded, bytes: Uint8Array): RecordedEvent => {
  const { blob: _, entry: __, ...rest } = data;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  if (!isJson(text)) return { ...event, body: Buffer.from(JSON.stringify({ ...rest, text: "" }), "utf8") };
  const frame = JSON.stringify(rest);
  return { ...event, body: Buffer.from(`${frame.slice(0, -1)},"entry":${text}}`, "utf8") };
};

/** What the read model is given for an entry. Fails only while the log is away. */
export const incomingOf = Effect.fnUntraced(function* (entry: LogEntry) {
  if (!mayRefer(entry)) return { entry } satisfies Incoming as Incoming;
  const read = decode(Buffer.from(entry.body).toString("utf8"));
  // A body that cannot be read is refused where all bodies are read.
  if (Result.isFailure(read) || read.success.blob == null) return { entry } satisfies Incoming as Incoming;
  const { sha256 } = read.success.blob;
  const log = yield* EventLog;
  const refused = (refusal: string): Incoming => ({ entry, refusal });
  const bytes = yield* log
    .getBlob(sha256)
    .pipe(
      Effect.catchTag("LogDamaged", ({ reason }) =>
        Effect.succeed(refused(`the large entry ${sha256} is damaged: ${reason}`)),
      ),
    );
  if (bytes === undefined) return refused(`the large entry ${sha256} is not in the object store`);
  if (!(bytes instanceof Uint8Array)) return bytes;
  return { entry, whole: filled(entry, read.success, bytes) } satisfies Incoming as Incoming;
});

/** A batch with its large entries in place, in order. */
export const incomingOfAll = (entries: ReadonlyArray<LogEntry>) =>
  entries.some(mayRefer)
    ? Effect.forEach(entries, incomingOf)
    : Effect.succeed(entries.map((entry): Incoming => ({ entry })));
