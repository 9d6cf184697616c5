/**
 * Holding a database's write lock, and reading its checkpoint without being a projector.
 *
 * Room: projection.
 *
 * The lock is the operating system's: a process that is killed has let go of it.
 */
import Database from "better-sqlite3";
import { Effect, Schedule, type Scope } from "effect";
import type { Checkpoint } from "../Checkpoint.ts";
import { engineVersion, readAnyCheckpoint, readCheckpoint } from "../EngineSqlite.ts";
import type { StorageTrouble } from "../ReadModel.ts";
import { assertOurs, storageTrouble } from "../StorageTroubleSqlite.ts";

/** Asks again this often, this many times: writers hold the lock for milliseconds. About 15 s in all. */
const askAgainMillis = 5;
const mostAttempts = 3000;

/** SQLite's own waiting would stop everything else in this process, so it is asked without, and again. */
const lock = (file: string): Effect.Effect<Database.Database, StorageTrouble> =>
  Effect.try({
    try: () => {
      const db = new Database(file, { timeout: 0 });
      try {
        db.exec("BEGIN IMMEDIATE");
      } catch (cause) {
        db.close();
        throw cause;
      }
      return db;
    },
    catch: (cause) => storageTrouble(file, cause),
  });

/** Excludes all other writers of this file until the scope closes. Fails with reason `busy` when another process does: `now`, or `soon` after a while. */
export const hold = (file: string, when: "now" | "soon"): Effect.Effect<void, StorageTrouble, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.retry(lock(file), {
      while: ({ reason }) => reason === "busy" && when === "soon",
      schedule: Schedule.spaced(askAgainMillis),
      times: mostAttempts,
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
        assertOurs(db, file);
        return db.pragma("user_version", { simple: true }) === engineVersion ? readCheckpoint(db) : undefined;
      } finally {
        db.close();
      }
    },
    catch: (cause) => storageTrouble(file, cause),
  });

/** The checkpoint of a file of ours, whichever version made it. */
export const peekAny = (file: string): Effect.Effect<Checkpoint, StorageTrouble> =>
  Effect.try({
    try: () => {
      const db = new Database(file, { readonly: true, fileMustExist: true });
      try {
        assertOurs(db, file);
        return readAnyCheckpoint(db);
      } finally {
        db.close();
      }
    },
    catch: (cause) => storageTrouble(file, cause),
  });

/** The keys of notes in a file that begin so: which older files are kept is noted as `kept:<file>`. */
export const notesOf = (file: string, prefix: string): Effect.Effect<ReadonlyArray<string>, StorageTrouble> =>
  Effect.try({
    try: () => {
      const db = new Database(file, { readonly: true, fileMustExist: true });
      try {
        assertOurs(db, file);
        return db
          .prepare<[], string>("SELECT key FROM engine")
          .pluck()
          .all()
          .filter((key) => key.startsWith(prefix));
      } finally {
        db.close();
      }
    },
    catch: (cause) => storageTrouble(file, cause),
  });

/** Note of a file about itself, for other processes; undefined takes it away. */
export const note = (file: string, key: string, value: string | undefined): Effect.Effect<void, StorageTrouble> =>
  Effect.try({
    try: () => {
      const db = new Database(file, { fileMustExist: true, timeout: 0 });
      try {
        assertOurs(db, file);
        if (value === undefined) db.prepare("DELETE FROM engine WHERE key = ?").run(key);
        else db.prepare("INSERT OR REPLACE INTO engine (key, value) VALUES (?, ?)").run(key, value);
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
