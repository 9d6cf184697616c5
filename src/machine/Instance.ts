/**
 * The address that a running daemon leaves in its data folder, so that other commands find it.
 *
 * Room: machine.
 *
 * Promises: a reader sees a whole file or none; what a dead daemon left behind is recognised and counts as none, also
 * when another process has been given its pid since, because the folder's lock died with it.
 */
import { Effect, FileSystem, Option, Schema } from "effect";
import { DataFolder, folderTrouble } from "./DataFolder.ts";
import * as FolderLock from "./FolderLockSqlite.ts";
import * as OwnFile from "./OwnFile.ts";

/** Address of a running daemon. Times are epoch milliseconds. */
export const Instance = Schema.Struct({
  pid: Schema.Int,
  /** NATS URL, for example `nats://127.0.0.1:23456`. */
  nats: Schema.String,
  /** Owner of that server: `own` is run by this instance, and opens to the keys of the data folder. Absent: a foreign one. */
  server: Schema.optionalKey(Schema.Literal("own")),
  /** Path of the SQLite database. */
  database: Schema.String,
  /** Role: `command` ends with its command, anything else (absent, too) until it is stopped. */
  role: Schema.optionalKey(Schema.Literals(["daemon", "command"])),
  /** HTTP address, when the daemon serves it. */
  http: Schema.optionalKey(Schema.String),
  /** The same for other machines. */
  https: Schema.optionalKey(Schema.String),
  startedAt: Schema.Int,
  /** Identity of the stream of record; absent while there is none that can be used. */
  identity: Schema.optionalKey(Schema.String),
  /** Version of Recollect that runs. */
  version: Schema.String,
});
export type Instance = typeof Instance.Type;

const InstanceFile = Schema.fromJsonString(Instance);

/** Writes the address for the scope, in one step (a temporary file, renamed). The caller holds the folder's lock. */
export const publish = Effect.fn("machine.publishInstance")(function* (instance: Instance) {
  const fs = yield* FileSystem.FileSystem;
  const folder = yield* DataFolder;
  const text = yield* Schema.encodeEffect(InstanceFile)(instance).pipe(Effect.orDie);
  const unfinished = `${folder.instance}.${process.pid}`;
  const write = Effect.andThen(
    fs.writeFileString(unfinished, `${text}\n`, { mode: 0o600 }),
    fs.rename(unfinished, folder.instance),
  ).pipe(
    Effect.onError(() => fs.remove(unfinished, { force: true }).pipe(Effect.ignore)),
    Effect.mapError((cause) => folderTrouble({ path: folder.instance, cause })),
  );
  yield* Effect.acquireRelease(write, () => fs.remove(folder.instance, { force: true }).pipe(Effect.ignore));
});

/** The running daemon of this folder; none when there is none, or when what is written there is no longer true. */
export const find = Effect.fn("machine.findInstance")(function* () {
  const folder = yield* DataFolder;
  const text = yield* OwnFile.text(folder.instance).pipe(Effect.option);
  const instance = Option.flatMap(text, Schema.decodeUnknownOption(InstanceFile));
  if (Option.isNone(instance)) return Option.none<Instance>();
  const holder = yield* FolderLock.holder(folder);
  return Option.isSome(holder) && holder.value === instance.value.pid ? instance : Option.none<Instance>();
});
