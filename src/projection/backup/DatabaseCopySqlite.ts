/**
 * A database copied while others write into it, and looked at.
 *
 * Room: projection.
 */
import Database from "better-sqlite3";
import { Effect } from "effect";
import { rmSync } from "node:fs";
import { type BackupUnusable, unusable } from "./Manifest.ts";

/** Pages between two moments at which others may run. */
const pagesAtOnce = 2_000;

/**
 * Copies the database in `file` to `target`, as it was at one moment (SQLite's online backup), and looks through every page
 * of the copy.
 */
export const copyDatabase = (options: {
  readonly file: string;
  readonly target: string;
  readonly onProgress: (done: number, total: number) => void;
}): Effect.Effect<void, BackupUnusable> =>
  Effect.tryPromise({
    try: async () => {
      const { file, onProgress, target } = options;
      rmSync(target, { force: true });
      const source = new Database(file, { readonly: true, fileMustExist: true });
      try {
        await source.backup(target, {
          progress: ({ remainingPages, totalPages }) => {
            onProgress(totalPages - remainingPages, totalPages);
            return pagesAtOnce;
          },
        });
      } finally {
        source.close();
      }
      const copy = new Database(target);
      try {
        copy.pragma("journal_mode = DELETE");
        const found = copy.pragma("quick_check(1)", { simple: true });
        if (found !== "ok") throw new Error(`the copy is damaged: ${String(found)}`);
      } finally {
        copy.close();
      }
    },
    catch: (cause) =>
      unusable(
        `${options.file} cannot be copied: ${cause instanceof Error ? cause.message : String(cause)}`,
        "See what is wrong with it: recollect verify",
      ),
  });
