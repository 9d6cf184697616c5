/**
 * An entry as the log holds it, taken out of its event again byte for byte.
 *
 * Room: edge.
 *
 * Promise: the bytes given back are those that came in, because the importer spliced them into the body and they were not
 * written anew since.
 */
import { Effect, Option, Schema } from "effect";
import type { RecordedEvent } from "../../domain/Event.ts";
import { EntryRecorded } from "../../domain/thread/ThreadEvents.ts";
import { EventLog, LogDamaged } from "../../log/EventLog.ts";
import { outlineOf, valuesOf } from "../import/formats/JsonOutline.ts";

export interface EntryBytes {
  readonly format: string;
  readonly place: "line" | "joined" | "frame" | "element";
  readonly bytes: Uint8Array;
  /** True for what was no JSON in UTF-8 where it stood: not even its white space is touched. */
  readonly isDamaged?: boolean;
}

/** The head of a body as our importer writes it (`import/Entry.ts`): the entry follows, up to the last byte. */
const ownHead = /^\{"format":"([a-z0-9-]+)"(?:,"place":"(joined|frame|element)")?,"entry":/;
const ownHeadBytes = 96;

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(EntryRecorded));

const viewOf = (body: Uint8Array): Buffer => Buffer.from(body.buffer, body.byteOffset, body.byteLength);

const headOf = (body: Buffer): RegExpExecArray | null => ownHead.exec(body.toString("latin1", 0, ownHeadBytes));

/** The entry's bytes in a body whose keys another writer arranged. */
const arranged = (body: Buffer): Uint8Array | undefined => {
  const [root] = outlineOf(body, (_, parents) => parents.length === 0).roots;
  const part = root?.parts?.findLast(({ key }) => key === "entry");
  return part === undefined ? undefined : body.subarray(part.start, part.end);
};

/** A body of another writer may begin like ours and say more after the entry. */
const isOneValue = (bytes: Uint8Array): boolean => {
  const { problem, roots } = valuesOf(bytes);
  return problem === undefined && roots.length === 1;
};

/** The format of an entry; undefined for every other type of event, and for a body that cannot be read. */
export const formatOf = (event: RecordedEvent): string | undefined => {
  if (event.type !== "thread.entry_recorded") return undefined;
  const body = viewOf(event.body);
  return headOf(body)?.[1] ?? Option.getOrUndefined(decode(body.toString("utf8")))?.format;
};

/** The entry of an event; undefined for every other type of event, and for a body that cannot be read. */
export const entryOf = Effect.fnUntraced(function* (event: RecordedEvent) {
  if (event.type !== "thread.entry_recorded") return undefined;
  const body = viewOf(event.body);
  const own = headOf(body);
  if (own?.[1] !== undefined) {
    const place = (own[2] ?? "line") as EntryBytes["place"];
    const bytes = body.subarray(own[0].length, -1);
    if (isOneValue(bytes)) return { format: own[1], place, bytes } satisfies EntryBytes as EntryBytes;
  }
  const decoded = decode(body.toString("utf8"));
  if (Option.isNone(decoded)) return undefined;
  const { base64, blob, format, place, text } = decoded.value;
  const stored = (bytes: Uint8Array): EntryBytes => ({ format, place: place ?? "line", bytes });
  if (blob != null) return stored(yield* blobOf(event, blob.sha256));
  if (text != null) return { ...stored(Buffer.from(text, "utf8")), isDamaged: true };
  if (base64 != null) return { ...stored(Buffer.from(base64, "base64")), isDamaged: true };
  const bytes = arranged(body);
  return bytes === undefined ? undefined : stored(bytes);
});

/** The bytes of a blob that an event refers to. */
export const blobOf = Effect.fnUntraced(function* ({ sequence }: Pick<RecordedEvent, "sequence">, sha256: string) {
  const log = yield* EventLog;
  const bytes = yield* log.getBlob(sha256);
  if (bytes !== undefined) return bytes;
  return yield* new LogDamaged({ sequence, reason: `${sha256} is not in the object store` });
});
