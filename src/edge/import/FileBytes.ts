/**
 * Reads a file in chunks, or a range of it.
 *
 * Room: edge.
 */
import { Effect, FileSystem } from "effect";

/** Bytes read at once: large enough that the system call and the Effect around it cost nothing (below 1 % at 1 GB/s). */
const chunkBytes = 2 * 1024 * 1024;

/**
 * Gives the file to `use` chunk by chunk, until its end or until `use` answers "stop".
 * The chunk is the same memory each time: what is kept must be copied.
 */
export const forEachChunk = <E, R>(
  path: string,
  bytes: number,
  use: (chunk: Buffer) => Effect.Effect<"stop" | void, E, R>,
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const file = yield* fs.open(path, { flag: "r" });
      const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, Math.max(bytes + 1, 4096)));
      for (;;) {
        const length = yield* file.read(buffer);
        if (length === 0) return;
        if ((yield* use(buffer.subarray(0, length))) === "stop") return;
      }
    }),
  );

/** The bytes from `start` to before `end`; fewer when the file has become shorter. */
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
