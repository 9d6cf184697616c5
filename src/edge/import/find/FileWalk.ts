/**
 * Finds the files below some paths, in one order that is the same every time.
 *
 * Room: edge.
 *
 * Folders are read depth first, names in code unit order. An unreadable one is reported and passed over; a folder
 * reached a second time through a symbolic link is not entered again, so a loop ends.
 */
import { Effect, FileSystem, Option, Path, type PlatformError } from "effect";
import type { Packing } from "../Packing.ts";
import { latest } from "../../../domain/EntryTimes.ts";

export interface Found {
  readonly path: string;
  readonly bytes: number;
  /** Last modification, epoch milliseconds. */
  readonly modified: number;
  /** Packing of its text, once that was looked at; absent for a plain file. */
  readonly packing?: Packing | undefined;
}

export interface PassedOver {
  readonly file: string;
  readonly reason: string;
}

export interface Walked {
  /** The roots that are not there; each is refused too. */
  readonly absent: ReadonlyArray<string>;
  readonly files: ReadonlyArray<Found>;
  readonly refused: ReadonlyArray<PassedOver>;
  readonly skipped: ReadonlyArray<PassedOver>;
}

/** Deepest folder: a real tree has a dozen levels. */
const maxDepth = 64;

/** Folders that hold programs and history, never conversations. */
const ignoredFolders = new Set([".git", "node_modules"]);

/** A file system may keep times that no event can have, beyond the year 9999: then it says nothing. */
const timeOfFile = (date: Date): number => (Math.abs(date.getTime()) <= latest ? date.getTime() : 0);

/** A file as it is now. */
export const foundOf = (path: string, { mtime, size }: FileSystem.File.Info): Found => ({
  path,
  bytes: Number(size),
  modified: Option.match(mtime, { onNone: () => 0, onSome: timeOfFile }),
});

export const noFile = "it is no file and no folder";

/** One sentence of a file system error. */
export const reasonOf = (error: PlatformError.PlatformError): string => {
  const { reason } = error;
  switch (reason._tag) {
    case "NotFound":
      return "there is no such file";
    case "PermissionDenied":
      return "it may not be read (permission denied)";
    default:
      return `it cannot be read: ${error.message}`;
  }
};

export const walk = Effect.fn("edge.walk")(function* (roots: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem;
  const paths = yield* Path.Path;
  const files: Array<Found> = [];
  const refused: Array<PassedOver> = [];
  const skipped: Array<PassedOver> = [];
  const absent: Array<string> = [];
  const entered = new Set<string>();
  const taken = new Set<string>();

  const enter = Effect.fnUntraced(function* (
    folder: string,
    depth: number,
  ): Effect.fn.Return<void, PlatformError.PlatformError> {
    const real = yield* fs.realPath(folder);
    if (entered.has(real)) {
      skipped.push({ file: folder, reason: "this folder was read already, through another path" });
      return;
    }
    entered.add(real);
    if (depth > maxDepth) {
      refused.push({ file: folder, reason: `it lies deeper than ${maxDepth} folders` });
      return;
    }
    const names = yield* fs.readDirectory(folder);
    for (const name of names.toSorted()) {
      if (ignoredFolders.has(name))
        skipped.push({ file: paths.join(folder, name), reason: "folders of this name hold no conversations" });
      else yield* visit(paths.join(folder, name), depth + 1);
    }
  });

  const visit = (path: string, depth: number): Effect.Effect<void> =>
    Effect.gen(function* () {
      const info = yield* fs.stat(path);
      if (info.type === "Directory") return yield* enter(path, depth);
      if (info.type !== "File") {
        skipped.push({ file: path, reason: noFile });
        return;
      }
      if (taken.has(path)) return;
      taken.add(path);
      files.push(foundOf(path, info));
    }).pipe(
      Effect.catch((error) =>
        Effect.sync(() => {
          refused.push({ file: path, reason: reasonOf(error) });
          if (depth === 0 && error.reason._tag === "NotFound") absent.push(path);
        }),
      ),
    );

  for (const root of new Set(roots)) yield* visit(paths.resolve(root), 0);
  return { absent, files, refused, skipped } satisfies Walked;
});
