/**
 * A file of lines that grows: reads only what was added since it was read last.
 *
 * Room: edge.
 *
 * Promises: a line is taken once it is ended, and is on disk when `drain` returns; a file that was replaced, became shorter
 * or was written anew is recognised (by inode, size, the bytes at its beginning and before the place that was read to, and by the
 * log's marks)
 * and refused with "replaced", so that it is read from its beginning. A change in the middle, with beginning, end
 * and length as before, is not seen here: the stamp of the next import sees its time.
 */
import { Effect, FileSystem, Option } from "effect";
import type { EventLog } from "../../../log/EventLog.ts";
import { LineSplitter } from "../cut/CutLines.ts";
import { openLines } from "../cut/ImportLines.ts";
import type { Format } from "../Entry.ts";
import type { Found } from "../find/FileWalk.ts";
import type { Siblings } from "../find/Siblings.ts";
import { changedWhileRead, ImportRun } from "../ImportRun.ts";
import type { Kept, Refusal } from "../Report.ts";

/** Bytes compared at the beginning, and before the place that was read to. */
const edgeBytes = 1024;
const chunkBytes = 256 * 1024;

/** Yield of a drain. */
export interface Drained {
  readonly events: number;
  readonly bytes: number;
  readonly refused: ReadonlyArray<Refusal>;
  readonly kept: ReadonlyArray<Kept>;
}

export interface Tail {
  readonly format: Format;
  /** Takes what was added, and puts it on disk; "replaced" where the file is not the one that was read. */
  readonly drain: Effect.Effect<Drained | "replaced", Effect.Error<ReturnType<typeof readTail>>, FileSystem.FileSystem>;
  /** Entries of the file so far. */
  readonly entries: () => number;
  /** Bytes read so far. */
  readonly offset: () => number;
  /** True when the file's last line has not ended yet. */
  readonly isInside: () => boolean;
  /** True when nothing of it was refused. */
  readonly isWhole: () => boolean;
}

interface Place {
  offset: number;
  head: Buffer;
  /** The bytes before `offset`. */
  edge: Buffer;
  readonly identity: string;
  /** False once something of it was refused. */
  isWhole: boolean;
}

const identityOf = (info: FileSystem.File.Info): string => `${info.dev} ${Option.getOrElse(info.ino, () => 0)}`;

const readAt = Effect.fnUntraced(function* (file: FileSystem.File, buffer: Buffer, from: number) {
  let length = 0;
  while (length < buffer.length) {
    const more = yield* file.read(buffer.subarray(length), { position: BigInt(from + length) });
    if (more === 0) break;
    length += more;
  }
  return buffer.subarray(0, length);
});

/** True when beginning and edge are those that were read. */
const isAsRead = Effect.fnUntraced(function* (file: FileSystem.File, { edge, head, offset }: Place) {
  const beginning = yield* readAt(file, Buffer.alloc(head.length), 0);
  if (!beginning.equals(head)) return false;
  return (yield* readAt(file, Buffer.alloc(edge.length), offset - edge.length)).equals(edge);
});

const lastBytes = (edge: Buffer, chunk: Buffer): Buffer =>
  Buffer.from(
    chunk.length >= edgeBytes ? chunk.subarray(-edgeBytes) : Buffer.concat([edge, chunk]).subarray(-edgeBytes),
  );

const readTail = Effect.fnUntraced(function* (
  { job, path, take }: Pick<Opened, "job" | "path" | "take">,
  place: Place,
  splitter: LineSplitter,
) {
  const fs = yield* FileSystem.FileSystem;
  const file = yield* fs.open(path, { flag: "r" });
  const info = yield* file.stat;
  if (identityOf(info) !== place.identity || Number(info.size) < place.offset) return "replaced" as const;
  if (!(yield* isAsRead(file, place))) return "replaced" as const;
  const before = { events: job.draft.eventsAppended, offset: place.offset };
  const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, Math.max(Number(info.size) - place.offset, 0) + 4096));
  for (;;) {
    const chunk = yield* readAt(file, buffer, place.offset);
    if (chunk.length === 0) break;
    if (place.head.length < edgeBytes)
      place.head = Buffer.concat([place.head, chunk.subarray(0, edgeBytes - place.head.length)]);
    place.offset += chunk.length;
    place.edge = lastBytes(place.edge, chunk);
    for (const line of splitter.push(chunk)) {
      const effect = take(line);
      if (effect !== undefined) yield* effect;
    }
  }
  yield* job.batch.flush();
  // Written anew between its opening and now: what it holds beyond the marks of the log is not known.
  if (job.draft.refused.some(({ reason }) => reason === changedWhileRead)) return "replaced" as const;
  const refused = job.draft.refused.splice(0);
  place.isWhole &&= refused.length === 0;
  const kept = job.draft.kept.splice(0);
  return { events: job.draft.eventsAppended - before.events, bytes: place.offset - before.offset, refused, kept };
}, Effect.scoped);

interface Opened {
  readonly job: ImportRun;
  readonly path: string;
  readonly take: Effect.Success<ReturnType<typeof openLines>>["take"];
}

/**
 * Opens a file at its beginning; undefined for one whose lines so far do not say whose they are. Nothing of it is read into
 * the log before the first `drain`.
 */
export const openTail = Effect.fn("edge.openTail")(function* (options: {
  readonly log: EventLog["Service"];
  readonly tenant: string;
  readonly siblings: Siblings;
  readonly file: Found;
  readonly format: Format;
  readonly run: string;
}) {
  const { file, format, ...rest } = options;
  const fs = yield* FileSystem.FileSystem;
  const identity = identityOf(yield* fs.stat(file.path));
  const job = new ImportRun(rest);
  job.begin(file.path);
  const { isNamed, take } = yield* openLines(job, file, format, { grows: true });
  if (!isNamed) return undefined;
  const place: Place = { offset: 0, head: Buffer.alloc(0), edge: Buffer.alloc(0), identity, isWhole: true };
  const splitter = new LineSplitter();
  return {
    format,
    drain: readTail({ job, path: file.path, take }, place, splitter),
    entries: () => job.draft.entries,
    offset: () => place.offset,
    isInside: () => splitter.isInside,
    isWhole: () => place.isWhole,
  } satisfies Tail as Tail;
});
