/**
 * The guard of a data folder: its stream of record, and its knowledge when a server has none.
 *
 * Room: main.
 *
 * Nothing makes a stream where the folder knows of one that held something: by `store.json`, by files of a stream that
 * the server did not load, by the database, by what waits in the spool.
 */
import { Effect, FileSystem } from "effect";
import * as Output from "../edge/cli/Output.ts";
import type { LogCondition } from "../log/connection/LogCondition.ts";
import * as StreamGuard from "../log/connection/StreamGuardNats.ts";
import { defaultStream } from "../log/connection/StreamNats.ts";
import { DataFolder } from "../machine/DataFolder.ts";
import * as StoreRecord from "../machine/StoreRecord.ts";
import * as StreamFiles from "../machine/StreamFiles.ts";
import { peekAny } from "../projection/write/WriteLockSqlite.ts";
import { ownLog } from "../publish/drain/SpoolDrainer.ts";
import * as SpoolSqlite from "../spool/SpoolSqlite.ts";

export interface Options {
  /** `bringInLine` for `up`, and for a command that begins the folder. */
  readonly may: "check" | "bringInLine";
  /** The server is run by us on this folder. */
  readonly isOwn: boolean;
  /** This process holds the folder: it writes down which stream it is, and copies aside what cannot be loaded. */
  readonly holdsFolder: boolean;
}

const asideText = (kept: StreamFiles.Aside): string => {
  if (kept._tag === "Kept") return `they are left as they are, with a copy in ${kept.folder}`;
  if (kept._tag === "Failed") return `they are left as they are; a copy could not be made (${kept.why})`;
  return `they are left as they are; for a copy of ${Output.bytes(kept.bytes)} the disk has not the room (${Output.bytes(kept.free)} free)`;
};

const unloadable = (bytes: number, kept: string): LogCondition => ({
  name: "streamUnloadable",
  message: `nats-server cannot load the stream ${defaultStream}: ${Output.bytes(bytes)} of its files lie there, and ${kept}.`,
  hint: "recollect heal makes the stream again from them and from the ledger; it says first what it would do. Until then reading goes on from the ledger, and publishing in the spool.",
  refusesAppends: true,
});

/** Last sequence that the database and the spool have seen of a stream; 0 for one that never held anything. */
const seenBefore = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem;
  const { database, spool } = yield* DataFolder;
  const there = (path: string) => fs.exists(path).pipe(Effect.orElseSucceed(() => true));
  const inDatabase = (yield* there(database))
    ? yield* peekAny(database).pipe(
        Effect.map((checkpoint) => checkpoint.sequence),
        // A damaged database held something.
        Effect.orElseSucceed(() => 1),
      )
    : 0;
  if (inDatabase > 0 || !(yield* there(spool))) return inDatabase;
  return yield* SpoolSqlite.make({ file: spool, target: ownLog }).pipe(
    Effect.flatMap(({ newestEnd }) => newestEnd),
    Effect.map((end) => end?.sequence ?? 0),
    Effect.orElseSucceed(() => 0),
    Effect.scoped,
  );
});

/** Meaning, to this folder, of a server without the stream; undefined where none is known. */
export const missing = Effect.fn("main.missingStream")(function* (options: Pick<Options, "isOwn" | "holdsFolder">) {
  const { aside, natsStore } = yield* DataFolder;
  const bytes = StreamFiles.bytesOf(natsStore, defaultStream);
  if (bytes > 0 && options.isOwn) {
    const kept = options.holdsFolder
      ? asideText(StreamFiles.keepAside({ natsStore, stream: defaultStream, aside }))
      : "they are left as they are";
    return unloadable(bytes, kept);
  }
  const known = yield* StoreRecord.read();
  if (bytes > 0 || known._tag !== "None" || (yield* seenBefore) > 0) return StreamGuard.gone(defaultStream);
  return undefined;
});

/** True when the folder knows of a stream: then a command only checks. */
export const isKnown = Effect.gen(function* () {
  const { natsStore } = yield* DataFolder;
  const known = yield* StoreRecord.read();
  return known._tag !== "None" || StreamFiles.bytesOf(natsStore, defaultStream) > 0 || (yield* seenBefore) > 0;
});

/** Our own server has this folder's stream and no other; a foreign one is believed by what is written down. */
const expected = Effect.fnUntraced(function* (isOwn: boolean) {
  const known = yield* StoreRecord.read();
  if (known._tag === "Known") return known.record.identity;
  const { store } = yield* DataFolder;
  return known._tag === "Unreadable" && !isOwn ? StreamGuard.unknowable(store, "it is damaged") : undefined;
});

/** The guard of a connection to this folder's stream. */
export const make = Effect.fn("main.folderGuard")(function* (options: Options) {
  const context = yield* Effect.context<DataFolder | FileSystem.FileSystem>();
  const { holdsFolder } = options;
  const remember = (record: StoreRecord.StoreRecord) =>
    StoreRecord.write(record).pipe(
      Effect.catchTag("FolderUnusable", ({ message }) => Effect.logWarning(message)),
      Effect.provideContext(context),
    );
  return StreamGuard.make({
    may: options.may,
    isOwn: options.isOwn,
    identity: Effect.provideContext(expected(options.isOwn), context),
    missing: Effect.provideContext(missing(options), context),
    reached: Effect.map(Effect.provideContext(StoreRecord.read(), context), (known) =>
      known._tag === "Known" ? (known.record.reached ?? 0) : 0,
    ),
    noteReached: (reached, seen) => (holdsFolder ? remember({ ...seen, heldSomething: true, reached }) : Effect.void),
    remember: (seen) => (holdsFolder ? remember({ ...seen, heldSomething: true }) : Effect.void),
  });
});
