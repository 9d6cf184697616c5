/**
 * One owner for a data folder at a time, for as long as the owner lives and not a moment longer.
 *
 * Room: machine.
 *
 * Promises: at most one process holds a folder; the operating system frees it when that process ends, however it ends,
 * `kill -9` included; who is refused learns which process holds it.
 *
 * The lock is SQLite's own: an open write transaction on a database of its own that nothing is ever written to. Node
 * has no file locks, and a file that merely exists outlives its writer. The holder's pid lies beside it in plain text,
 * for the sentence only. Nothing else in this process may open the lock file: POSIX frees a lock when any of the
 * process's handles on the file is closed.
 */
import Database from "better-sqlite3";
import { Effect, FileSystem, Option, Schedule, Schema } from "effect";
import { DataFolder, folderTrouble } from "./DataFolder.ts";
import { isAlive, pidIn } from "./Processes.ts";

/** Another process holds the folder. Expected when two are started; `holder` is 0 if it is only just starting. */
export class FolderHeld extends Schema.TaggedError<FolderHeld>()("FolderHeld", {
  path: Schema.String,
  holder: Schema.Int,
  message: Schema.String,
  hint: Schema.String,
}) {}

/** A look at the lock (`holder`) takes it for less than a millisecond; whoever comes then tries again. */
const lookMillis = 50;

const open = (options: { readonly file: string; readonly timeoutMillis: number }) =>
  new Database(options.file, { timeout: options.timeoutMillis });

/** A lock of the same kind on a file of its own, which stays; undefined while another process or fiber has it. Throws. */
export const tryLock = (file: string): { readonly release: () => void } | undefined => {
  const database = open({ file, timeoutMillis: 0 });
  let isOurs = false;
  try {
    isOurs = tryBegin(database);
  } finally {
    if (!isOurs) database.close();
  }
  return isOurs ? { release: () => void database.close() } : undefined;
};

/** True when the write transaction was begun, false when another has it. Other troubles are thrown. */
const tryBegin = (database: Database.Database): boolean => {
  try {
    database.exec("BEGIN IMMEDIATE");
    return true;
  } catch (error) {
    if (error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY")) return false;
    throw error;
  }
};

const pidFileOf = (lock: string) => `${lock}.pid`;

/** The pid beside the lock; 0 when it is not that of a living process, because a new holder has yet to write its own. */
const holderOf = (lock: string): number => {
  const pid = pidIn(pidFileOf(lock)) ?? 0;
  return isAlive(pid) ? pid : 0;
};

const held = (folder: DataFolder["Service"]) => {
  const holder = holderOf(folder.lock);
  const who = holder === 0 ? "Another process" : `Process ${holder}`;
  return new FolderHeld({
    path: folder.root,
    holder,
    message: `${who} already uses the data folder ${folder.root}.`,
    hint: `Use the running one, or stop it${holder === 0 ? "" : ` (kill ${holder})`}, or name another folder with --data DIR.`,
  });
};

const acquireOnce = Effect.fnUntraced(function* (folder: DataFolder["Service"]) {
  const trouble = (cause: unknown) => folderTrouble({ path: folder.lock, cause });
  const database = yield* Effect.try({
    try: () => open({ file: folder.lock, timeoutMillis: lookMillis }),
    catch: trouble,
  });
  const isOurs = yield* Effect.try({ try: () => tryBegin(database), catch: trouble }).pipe(
    Effect.onError(() => Effect.sync(() => database.close())),
  );
  if (isOurs) return database;
  database.close();
  return yield* held(folder);
});

/**
 * Takes the folder for the scope. `waitMillis` (default 0) is how long to wait for another to finish; then, or at
 * once, `FolderHeld`.
 */
export const acquire = Effect.fn("machine.lockFolder")(function* (options: { readonly waitMillis?: number } = {}) {
  const fs = yield* FileSystem.FileSystem;
  const folder = yield* DataFolder;
  const patience = Schedule.spaced(lookMillis).pipe(Schedule.upTo({ duration: options.waitMillis ?? 0 }));
  yield* Effect.acquireRelease(
    acquireOnce(folder).pipe(Effect.retry({ schedule: patience, while: (error) => error._tag === "FolderHeld" })),
    (database) =>
      fs
        .remove(pidFileOf(folder.lock), { force: true })
        .pipe(Effect.ignore, Effect.andThen(Effect.sync(() => database.close()))),
  );
  yield* fs
    .writeFileString(pidFileOf(folder.lock), `${process.pid}\n`, { mode: 0o600 })
    .pipe(Effect.mapError((cause) => folderTrouble({ path: folder.lock, cause })));
});

/** True when a living process holds the folder now: its pid, 0 when it is not known yet. Takes nothing. */
export const holder = Effect.fnUntraced(function* (folder: DataFolder["Service"]) {
  const fs = yield* FileSystem.FileSystem;
  const exists = yield* fs.exists(folder.lock).pipe(Effect.orElseSucceed(() => false));
  if (!exists) return Option.none<number>();
  const isFree = yield* Effect.try({
    try: () => {
      const database = open({ file: folder.lock, timeoutMillis: 0 });
      try {
        return tryBegin(database);
      } finally {
        database.close();
      }
    },
    catch: (cause) => folderTrouble({ path: folder.lock, cause }),
  });
  return isFree ? Option.none<number>() : Option.some(holderOf(folder.lock));
});
