/**
 * Holding a database's write lock, and reading its checkpoint without being a projector.
 *
 * Room: projection. In: EngineSqlite. Out: Projector, Rebuild.
 *
 * The lock is the operating system's: a process that is killed has let go of it.
 */
import Database from "better-sqlite3";
import { Effect, type Scope } from "effect";
import { engineVersion, readCheckpoint } from "./EngineSqlite.ts";
import type { Checkpoint, StorageTrouble } from "./ReadModel.ts";
import { storageTrouble } from "./StorageTroubleSqlite.ts";

/** Until the scope closes, nobody else writes into this file. Fails with reason `busy` when another process does. */
export const hold = (file: string): Effect.Effect<void, StorageTrouble, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const db = new Database(file, { timeout: 5000 });
        try {
          db.exec("BEGIN IMMEDIATE");
        } catch (cause) {
          db.close();
          throw cause;
        }
        return db;
      },
      catch: (cause) => storageTrouble(file, cause),
    }),
    (db) =>
      Effect.sync(() => {
        if (db.inTransaction) db.exec("ROLLBACK");
        db.close();
      }),
  ).pipe(Effect.asVoid);

/** The checkpoint of a file of ours; undefined when another engine version made it. */
export const peek = (file: string): Effect.Effect<Checkpoint | undefined, StorageTrouble> =>
  Effect.try({
    try: () => {
      const db = new Database(file, { readonly: true, fileMustExist: true });
      try {
        return db.pragma("user_version", { simple: true }) === engineVersion ? readCheckpoint(db) : undefined;
      } finally {
        db.close();
      }
    },
    catch: (cause) => storageTrouble(file, cause),
  });

/** Notes in a file that must outlive it, such as which older files are kept: key to value. */
export const notesOf = (file: string, prefix: string): Effect.Effect<ReadonlyArray<string>, StorageTrouble> =>
  Effect.try({
    try: () => {
      const db = new Database(file, { readonly: true, fileMustExist: true });
      try {
        return db
          .prepare<[string], string>("SELECT key FROM engine WHERE substr(key, 1, length(?1)) = ?1")
          .pluck()
          .all(prefix);
      } finally {
        db.close();
      }
    },
    catch: (cause) => storageTrouble(file, cause),
  });

/** Moves what is in the write-ahead log into the file itself. False while a reader still needs the log. */
export const settle = (file: string): Effect.Effect<boolean, StorageTrouble> =>
  Effect.try({
    try: () => {
      const db = new Database(file, { fileMustExist: true });
      try {
        const [row] = db.pragma("wal_checkpoint(TRUNCATE)") as ReadonlyArray<{ readonly busy: number }>;
        return row?.busy === 0;
      } finally {
        db.close();
      }
    },
    catch: (cause) => storageTrouble(file, cause),
  });
