/**
 * Putting an entry that lies in the object store back into its event, so that it can be interpreted.
 *
 * Room: snapshot. In: domain, log. Out: Replay.
 *
 * What is not there, is damaged or is no JSON leaves the event as it is: it is then not understood, like any other
 * entry that only somebody else can read.
 */
import { Effect, Option, Schema } from "effect";
import type { RecordedEvent } from "../domain/Event.ts";
import { BlobReference } from "../domain/Content.ts";
import type { EventLog, LogUnavailable } from "../log/EventLog.ts";

/** A body that holds a reference instead of an entry is far smaller; larger ones need not be parsed to know. */
const mostReferenceBytes = 4096;

const Reference = Schema.fromJsonString(
  Schema.Struct({ format: Schema.String, place: Schema.optionalKey(Schema.Unknown), blob: BlobReference }),
);
const decodeReference = Schema.decodeUnknownOption(Reference);

/** Whether `place` would have to look into the object store. */
export const isElsewhere = (event: RecordedEvent): boolean =>
  event.type === "thread.entry_recorded" &&
  event.body.byteLength <= mostReferenceBytes &&
  Buffer.from(event.body.buffer, event.body.byteOffset, event.body.byteLength).includes('"blob"');

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** The event with its entry in its body. */
export const place = Effect.fnUntraced(function* (
  log: EventLog["Service"],
  event: RecordedEvent,
): Effect.fn.Return<RecordedEvent, LogUnavailable> {
  if (!isElsewhere(event)) return event;
  const reference = decodeReference(Buffer.from(event.body).toString("utf8"));
  if (Option.isNone(reference)) return event;
  const { blob, ...rest } = reference.value;
  const bytes = yield* log.getBlob(blob.sha256).pipe(Effect.catchTag("LogDamaged", () => Effect.succeed(undefined)));
  if (bytes === undefined) return event;
  const entry = Buffer.from(bytes).toString("utf8");
  if (!isJson(entry)) return event;
  // Put together as text: the entry may be tens of megabytes and is parsed once more by the fold anyway.
  const head = JSON.stringify(rest).slice(0, -1);
  return { ...event, body: Buffer.from(`${head},"entry":${entry}}`, "utf8") };
});
