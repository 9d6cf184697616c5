/**
 * The one folder in which everything of this user is kept, and the names of what lies in it.
 *
 * Room: machine.
 *
 * Promises: the folder exists, what lies in it is readable for this user alone (0700 and 0600, also in a folder that was
 * there and open), and it was written to once. An obstacle is a sentence
 * that says what and what to do.
 */
import { Context, Effect, FileSystem, Layer, Path, type PlatformError, Schema } from "effect";
import * as FolderEntries from "./FolderEntries.ts";
import { makeFolder } from "./MakeFolder.ts";
import * as PrivateFiles from "./PrivateFiles.ts";
import { dataHome, variable } from "./UserFolders.ts";

/** A folder or file that we need cannot be used. `hint` says what to do. */
export class FolderUnusable extends Schema.TaggedError<FolderUnusable>()("FolderUnusable", {
  reason: Schema.Literals(["notWritable", "notAFolder", "notAFile", "diskFull", "other"]),
  path: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}

export class DataFolder extends Context.Service<
  DataFolder,
  {
    /** Absolute path of the folder itself. */
    readonly root: string;
    /** nats-server's streams. */
    readonly natsStore: string;
    readonly natsLog: string;
    /** The SQLite database that analysts ask. */
    readonly database: string;
    /** Commands kept while NATS is away. */
    readonly spool: string;
    /** The address of the running daemon (see Instance). */
    readonly instance: string;
    /** Held by whoever runs the daemon's parts on this folder (see FolderLockSqlite). */
    readonly lock: string;
    readonly logs: string;
    /** File that names this folder's stream of record (see StoreRecord). */
    readonly store: string;
    /** Copies of files that something is wrong with. */
    readonly aside: string;
  }
>()("recollect/machine/DataFolder") {}

/** The names inside `root`. Touches no disk. */
export const at = Effect.fnUntraced(function* (root: string) {
  const path = yield* Path.Path;
  const inside = (...names: ReadonlyArray<string>) => path.join(root, ...names);
  return DataFolder.of({
    root,
    natsStore: inside("nats"),
    natsLog: inside("logs", "nats-server.log"),
    database: inside("recollect.db"),
    spool: inside("spool.db"),
    instance: inside("instance.json"),
    lock: inside("recollect.lock"),
    logs: inside("logs"),
    store: inside("store.json"),
    aside: inside("aside"),
  });
});

/** The sentence for a system error at `path`; also for others who write into the folder. */
export const folderTrouble = (options: {
  readonly path: string;
  readonly cause: unknown;
  /** Remedy, where it is not the data folder. */
  readonly hint?: string | undefined;
}): FolderUnusable => {
  const { path } = options;
  const code = systemCode(options.cause)?.replace(/^(SQLITE_(?:READONLY|IOERR|CANTOPEN))_\w+/, "$1");
  const trouble = (reason: FolderUnusable["reason"], message: string, hint: string) =>
    new FolderUnusable({ reason, path, message, hint: options.hint ?? hint });
  switch (code) {
    case "EROFS":
      return trouble(
        "notWritable",
        `${path} cannot be written to: its disk is read-only (EROFS).`,
        "Mount it for writing, or name another folder with --data DIR or RECOLLECT_DATA.",
      );
    case "EACCES":
    case "EPERM":
    case "SQLITE_CANTOPEN":
    case "SQLITE_PERM":
    case "SQLITE_READONLY":
      return trouble(
        "notWritable",
        `${path} cannot be written to by this user (${code}).`,
        "Make it writable, or name another folder with --data DIR or RECOLLECT_DATA.",
      );
    case "ENOTDIR":
    case "EEXIST":
      return trouble(
        "notAFolder",
        `${path} should be a folder, but a file is in its place.`,
        "Move the file away, or name another folder with --data DIR or RECOLLECT_DATA.",
      );
    case "ENOTAFILE":
      return trouble(
        "notAFile",
        `${messageOf(options.cause)}, and should be a file.`,
        `Move it away: mv ${path} ${path}.away (what is lost with a file of that name, recollect status says).`,
      );
    case "EFBIG":
      return trouble("other", `${messageOf(options.cause)}.`, `Move it away: mv ${path} ${path}.away`);
    case "ENOENT":
      return trouble(
        "other",
        `${path} is not there and cannot be made (ENOENT).`,
        "Name another folder with --data DIR or RECOLLECT_DATA.",
      );
    case "ENOSPC":
    case "EDQUOT":
    case "SQLITE_FULL":
      return trouble(
        "diskFull",
        `The disk that holds ${path} is full.`,
        "Free some space and start again; nothing that was acknowledged is lost.",
      );
    default:
      return trouble("other", `${path} cannot be used: ${String(options.cause)}`, "See whether the disk is well.");
  }
};

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** The error code of Node or SQLite, looked for through the causes that Effect wraps around it. */
const systemCode = (cause: unknown): string | undefined => {
  for (let error = cause, depth = 0; error instanceof Error && depth < 5; depth++) {
    if ("code" in error && typeof error.code === "string") return error.code;
    error = "reason" in error && error.reason instanceof Error ? error.reason : error.cause;
  }
  return undefined;
};

/** The folder's path: what was given, else `RECOLLECT_DATA`, else the XDG data folder. Always absolute. */
export const locate = Effect.fnUntraced(function* (given: string | undefined) {
  const path = yield* Path.Path;
  const chosen = given ?? (yield* variable("RECOLLECT_DATA"));
  return chosen === "" ? yield* dataHome : path.resolve(chosen);
});

/** Closes files that others could read, and says so. */
const closed = Effect.fnUntraced(function* (root: string) {
  const { count, isOpen } = PrivateFiles.tighten(root);
  if (count > 0) {
    yield* Effect.logWarning(`${root}: other users could read ${count} files or folders; now this user alone can`);
  }
  if (isOpen) {
    yield* Effect.logWarning(
      `${root} is open to other users and holds files that are not Recollect's, so its mode is left as it is: they see names, and cannot read what is in them (to close it: chmod 700 ${root})`,
    );
  }
});

/** Fails where something that is no file has the name of one of ours: nothing of the folder can be opened then without a wait. */
export const assertFiles = (root: string): Effect.Effect<void, FolderUnusable> =>
  Effect.suspend(() => {
    const found = FolderEntries.notAsNamed(root);
    return found === undefined ? Effect.void : folderTrouble({ path: found.path, cause: found.cause });
  });

/** Makes the folder if it is not there and proves that it can be written to. */
export const make = Effect.fn("machine.openDataFolder")(function* (options: { readonly data?: string | undefined }) {
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  const folder = yield* at(yield* locate(options.data));
  const usable = <A>(effect: Effect.Effect<A, PlatformError.PlatformError>, where: string) =>
    Effect.mapError(effect, (cause) => folderTrouble({ path: where, cause }));

  const isNew = !(yield* usable(fs.exists(folder.root), folder.root));
  yield* Effect.try({
    try: () => makeFolder(folder.logs),
    catch: (cause) => folderTrouble({ path: folder.root, cause }),
  });
  if (isNew) yield* usable(fs.chmod(folder.root, 0o700), folder.root);
  else yield* assertFiles(folder.root);
  yield* closed(folder.root);
  const trial = path.join(folder.root, `.trial-${process.pid}`);
  yield* usable(fs.writeFileString(trial, "written to see whether one can\n", { mode: 0o600 }), folder.root).pipe(
    Effect.ensuring(fs.remove(trial, { force: true }).pipe(Effect.ignore)),
  );
  return folder;
});

export const layer = (options: { readonly data?: string | undefined }) => Layer.effect(DataFolder, make(options));
