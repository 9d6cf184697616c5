/**
 * From an address, or from nothing, to a publisher: which log is meant, and where commands wait for it.
 *
 * Room: publish.
 *
 * Connecting never fails because NATS is away, and it never waits for it: what is published then waits in the spool.
 */
import { Config, Effect, type FileSystem, Layer, Option } from "effect";
import * as StreamGuard from "../log/connection/StreamGuardNats.ts";
import { defaultStream } from "../log/connection/StreamNats.ts";
import * as DataFolder from "../machine/DataFolder.ts";
import * as Instance from "../machine/Instance.ts";
import * as KnownStreams from "../machine/KnownStreams.ts";
import * as StoreRecord from "../machine/StoreRecord.ts";
import { type Admit, admitting } from "../log/access/Admission.ts";
import { EventLog } from "../log/EventLog.ts";
import * as EventLogAway from "../log/EventLogAway.ts";
import { finder, type Given } from "../log/connection/ServerAccess.ts";
import * as SharedConnection from "../log/connection/SharedConnection.ts";
import * as LiveNats from "../log/live/LiveNats.ts";
import * as SnapshotKeyFile from "../snapshot/SnapshotKeyFile.ts";
import * as StoresAway from "../snapshot/StoresAway.ts";
import * as ThreadReader from "../snapshot/ThreadReader.ts";
import { Spool } from "../spool/Spool.ts";
import * as SpoolSqlite from "../spool/SpoolSqlite.ts";
import * as AnswerJournal from "./thread/AnswerJournal.ts";
import * as HistoryReading from "./HistoryReading.ts";
import * as StoragePolicyFile from "./storing/StoragePolicyFile.ts";
import * as Publisher from "./Publisher.ts";
import * as ThreadViews from "./thread/ThreadViews.ts";
import { answersIn, ownLog, targetOf } from "./drain/SpoolDrainer.ts";

/** Overrides of the data folder's settings for this process; see `spool.maxBytes` in docs/configuration.md. */
export interface SpoolOptions {
  /** Beyond it what is published with the log away is refused. */
  readonly maxFileBytes?: number | undefined;
  /** Age from which a waiting command is overdue, milliseconds. */
  readonly overdueMillis?: number | undefined;
}

export interface Options extends Publisher.Options {
  /** `nats://…`, several with commas. Default: `RECOLLECT_NATS_URL`, else the running instance of the data folder. */
  readonly url?: string | undefined;
  /** Default: `RECOLLECT_DATA`, else the XDG data folder. */
  readonly data?: string | undefined;
  /** Credentials for the server, as files. Default: `RECOLLECT_NATS_…`, else the data folder's own key. */
  readonly access?: Given | undefined;
  /** Bounds of the spool. */
  readonly spool?: SpoolOptions | undefined;
  /** Asked before each append: for a door that writes for others. Default: nothing is bounded. */
  readonly admit?: Admit | undefined;
}

const givenUrl = (options: Options) =>
  options.url === undefined
    ? Config.String("RECOLLECT_NATS_URL").pipe(Config.option, Effect.orDie)
    : Effect.succeed(Option.some(options.url));

/** The folder's names only: a publisher whose log is there needs no disk, so an unusable folder is no reason to fail. */
export const folderLayer = (options: Options) =>
  Layer.effect(DataFolder.DataFolder, Effect.flatMap(DataFolder.locate(options.data), DataFolder.at));

/** Unfinished answers of dead processes go into the spool before the publisher looks into it. */
const recovered = (journal: AnswerJournal.Options) =>
  Layer.effectDiscard(Spool.use((spool) => AnswerJournal.recover(journal, spool)));

/**
 * Identity of the stream: the folder's own by its `store.json`; at an address, the one that was seen there first. A
 * publisher changes nothing: where there is no stream, its commands wait.
 */
export const guardOf = Effect.fnUntraced(function* (folder: DataFolder.DataFolder["Service"], target: string) {
  const context = yield* Effect.context<FileSystem.FileSystem>();
  const record = StoreRecord.read().pipe(
    Effect.provideService(DataFolder.DataFolder, folder),
    Effect.provideContext(context),
  );
  const seen = { spool: folder.spool, target };
  // A dial that goes on behind our end (`SharedConnection`) writes nothing into a folder that may be gone.
  let isClosed = false;
  yield* Effect.addFinalizer(() => Effect.sync(() => (isClosed = true)));
  const own = target === ownLog;
  const identity = own
    ? Effect.map(record, (known) => (known._tag === "Known" ? known.record.identity : undefined))
    : KnownStreams.identity(seen).pipe(
        Effect.catch(({ path, why }) => Effect.succeed(StreamGuard.unknowable(path, why))),
      );
  return () =>
    StreamGuard.make({
      may: "check",
      identity,
      reached: Effect.map(record, (known) => (own && known._tag === "Known" ? (known.record.reached ?? 0) : 0)),
      missing: Effect.map(identity, (known) => {
        if (known === undefined) return undefined;
        return typeof known === "object" ? known : StreamGuard.gone(defaultStream);
      }),
      remember: ({ identity: found }) =>
        Effect.suspend(() => (own || isClosed ? Effect.void : KnownStreams.remember({ ...seen, identity: found }))),
    });
});

/** Target log, its current address, and the folder whose spool waits for it. */
export const placeOf = Effect.fnUntraced(function* (options: Options) {
  const context = yield* Effect.context<Effect.Services<ReturnType<typeof Instance.find>>>();
  const folder = yield* DataFolder.DataFolder;
  const instance = Instance.find().pipe(
    Effect.map(Option.map(({ nats }) => nats)),
    Effect.orElseSucceed(Option.none<string>),
    Effect.provideContext(context),
  );
  const given = Option.filter(yield* givenUrl(options), (url) => url.trim() !== "");
  const name = options.source ?? "recollect";
  const target = yield* Option.match(given, {
    onNone: () => Effect.succeed(ownLog),
    onSome: (url) => Effect.map(instance, (own) => (Option.getOrUndefined(own) === url ? ownLog : targetOf(url))),
  });
  const guard = yield* guardOf(folder, target);
  const access = finder({ root: folder.root, given: options.access });
  const log = Option.match(given, {
    onNone: () => ({ address: instance, hint: "Start one with: recollect up", name, access, guard }),
    onSome: (url) => ({
      address: Effect.succeed(Option.some(url)),
      hint: `Start the server at ${targetOf(url)}.`,
      name,
      access,
      guard,
    }),
  });
  return { folder, target, log };
});

const admitted = (admit: Admit) =>
  Layer.effect(
    EventLog,
    Effect.map(EventLog, (log) => admitting(log, admit)),
  ).pipe(Layer.provide(EventLogAway.layer));

/** The log of a server that may be away, and what reading a thread needs beside it, over one connection. */
const logOf = (log: SharedConnection.Options, admit: Admit | undefined) =>
  Layer.merge(admit === undefined ? EventLogAway.layer : admitted(admit), StoresAway.layer).pipe(
    Layer.provideMerge(SharedConnection.layer({ ...log, essential: EventLogAway.essential })),
  );

/**
 * The connection, the log, the spool, the publisher, what reads threads, and what answers that are said bit by bit need.
 * Everything else that needs the server stands on the same connection (`SharedConnection`).
 */
export const layer = (options: Options = {}) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { folder, log, target } = yield* placeOf(options);
      const known = logOf(log, options.admit).pipe(Layer.provide(SnapshotKeyFile.layerExisting(folder.root)));
      const stores = Layer.merge(known, SpoolSqlite.layer({ ...options.spool, file: folder.spool, target }));
      const journal = { folder: answersIn(folder.root), target };
      const answers = Layer.merge(AnswerJournal.layer(journal), LiveNats.layerAway.pipe(Layer.provide(stores)));
      const ready = Layer.provideMerge(recovered(journal), Layer.provideMerge(ThreadReader.layer(), stores));
      const publisher = Layer.provideMerge(
        Layer.merge(ThreadViews.layer, HistoryReading.layer),
        Publisher.layer(options),
      );
      const policy = StoragePolicyFile.layer(folder.root);
      return Layer.merge(publisher, answers).pipe(Layer.provideMerge(ready), Layer.provideMerge(policy));
    }),
  ).pipe(Layer.provide(folderLayer(options)));
