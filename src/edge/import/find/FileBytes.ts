/**
 * Reads a file's plain bytes in chunks, or a range of it; a packed one is unpacked on the way.
 *
 * Room: edge.
 */
import { Effect, FileSystem, Option, Schema } from "effect";
import { type Packing, pieceBytes, unpacker } from "../Packing.ts";

/** Bytes read at once: large enough that the system call and the Effect around it cost nothing (below 1 % at 1 GB/s). */
const chunkBytes = 2 * 1024 * 1024;

/** A file to read. */
export interface Source {
  readonly path: string;
  /** Its size on disk. */
  readonly bytes: number;
  readonly packing?: Packing | undefined;
}

/** End of a reading. */
export interface Ending {
  /** True when the file was read to its end, and not stopped. */
  readonly isWhole: boolean;
  /** Reason that a packed file could not be read further. */
  readonly problem: string | undefined;
}

type Use<E, R> = (chunk: Buffer) => Effect.Effect<"stop" | void, E, R>;

const whole: Ending = { isWhole: true, problem: undefined };
const stopped: Ending = { isWhole: false, problem: undefined };

const viewOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const plainChunks = Effect.fnUntraced(function* <E, R>(source: Source, file: FileSystem.File, use: Use<E, R>) {
  const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, Math.max(source.bytes + 1, 4096)));
  for (;;) {
    const length = yield* file.read(buffer);
    if (length === 0) return whole;
    if ((yield* use(buffer.subarray(0, length))) === "stop") return stopped;
  }
});

const unpackedChunks = Effect.fnUntraced(function* <E, R>(packing: Packing, file: FileSystem.File, use: Use<E, R>) {
  const open = yield* Effect.acquireRelease(
    Effect.sync(() => unpacker(packing)),
    ({ close }) => Effect.sync(close),
  );
  const buffer = Buffer.allocUnsafe(chunkBytes);
  const give = Effect.fnUntraced(function* (pieces: ReadonlyArray<Uint8Array>) {
    for (const piece of pieces) if ((yield* use(viewOf(piece))) === "stop") return "stop" as const;
    return undefined;
  });
  for (;;) {
    const length = yield* file.read(buffer);
    if (length === 0) break;
    for (let from = 0; from < length; from += pieceBytes) {
      const piece = buffer.subarray(from, Math.min(length, from + pieceBytes));
      if ((yield* give(yield* Effect.promise(() => open.push(piece)))) === "stop") return stopped;
      if (open.problem() !== undefined) return { isWhole: true, problem: open.problem() };
    }
  }
  if ((yield* give(yield* Effect.promise(open.end))) === "stop") return stopped;
  return { isWhole: true, problem: open.problem() };
});

/**
 * Gives the file to `use` chunk by chunk, until its end or until `use` answers "stop".
 * The chunk is the same memory each time: what is kept must be copied.
 */
export const forEachChunk = <E, R>(source: Source, use: Use<E, R>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const file = yield* fs.open(source.path, { flag: "r" });
      const ending: Ending =
        source.packing === undefined
          ? yield* plainChunks(source, file, use)
          : yield* unpackedChunks(source.packing, file, use);
      return ending;
    }),
  );

/** The bytes on disk from `start` to before `end`; fewer when the file has become shorter. */
export const readRange = (path: string, start: number, end: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const file = yield* fs.open(path, { flag: "r" });
      const buffer = Buffer.allocUnsafe(end - start);
      let length = 0;
      while (length < buffer.length) {
        const more = yield* file.read(buffer.subarray(length), { position: BigInt(start + length) });
        if (more === 0) break;
        length += more;
      }
      return buffer.subarray(0, length);
    }),
  );

/** The file is not the one that was read before. */
export class FileChanged extends Schema.TaggedError<FileChanged>()("FileChanged", { path: Schema.String }) {}

const versionOf = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem;
  const { ino, mtime, size } = yield* fs.stat(path);
  return `${size} ${Option.getOrUndefined(mtime)?.getTime()} ${Option.getOrElse(ino, () => 0)}`;
});

/** Reads ranges of the file as it is now; each fails with `FileChanged` once it is another one. */
export const rangesOf = Effect.fnUntraced(function* (path: string) {
  const before = yield* versionOf(path);
  return Effect.fnUntraced(function* (start: number, end: number) {
    const bytes = yield* readRange(path, start, end);
    if (bytes.length < end - start || (yield* versionOf(path)) !== before) return yield* new FileChanged({ path });
    return bytes;
  });
});

/** All plain bytes of a file, or undefined when there are more than `most`. */
export const readWhole = Effect.fnUntraced(function* (source: Source, most: number) {
  const chunks: Array<Buffer> = [];
  let bytes = 0;
  const { isWhole } = yield* forEachChunk(source, (chunk) => {
    bytes += chunk.length;
    if (bytes > most) return Effect.succeed("stop" as const);
    // Copied, because the chunk's memory is used again.
    chunks.push(Buffer.from(chunk));
    return Effect.void;
  });
  return isWhole ? Buffer.concat(chunks) : undefined;
});
