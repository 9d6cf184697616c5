/**
 * How commands reach the store: the running instance of their data folder, or one of their own while they run.
 *
 * Room: main.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, FileSystem, Layer, Option, Schedule } from "effect";
import { type Address, Attach, type Need, type Obstacle, type UpOptions, type Where } from "../edge/cli/Attach.ts";
import { BadRequest, NotFound } from "../edge/cli/Failure.ts";
import { EventLog } from "../log/EventLog.ts";
import { NatsConnection } from "../log/connection/NatsConnectionNats.ts";
import { splitUrls } from "../log/connection/NatsCredentialsNats.ts";
import * as ServerAccess from "../log/connection/ServerAccess.ts";
import * as DataFolder from "../machine/DataFolder.ts";
import * as Instance from "../machine/Instance.ts";
import { variable } from "../machine/UserFolders.ts";
import { claim, claimAlone } from "./Claim.ts";
import * as Daemon from "./Daemon.ts";
import { querying, reading } from "./Layers.ts";
import * as Memory from "./Memory.ts";
import * as ReadModels from "./ReadModels.ts";
import * as Standby from "./Standby.ts";

/** A database is made within 50 ms of a start, and rebuilt beside the one that is there. */
const databasePatienceMillis = 10_000;

const natsUrlOf = Effect.fnUntraced(function* (where: Where) {
  const url = (where.natsUrl ?? (yield* variable("RECOLLECT_NATS_URL"))).trim();
  return url === "" ? undefined : url;
});

/** The command line's own, else the environment's, else the folder's key for the folder's server. */
const accessOf = ({ access: given }: Where, root: string) => ServerAccess.finder({ root, given });

const folderOf = (where: Where) => Effect.flatMap(DataFolder.locate(where.data), DataFolder.at);

/** Whether anything was ever kept in the folder. What may not be looked at is a failure, not a no. */
const exists = Effect.fnUntraced(function* (folder: DataFolder.DataFolder["Service"]) {
  const fs = yield* FileSystem.FileSystem;
  const there = (path: string) =>
    fs.exists(path).pipe(
      Effect.mapError(
        () =>
          new DataFolder.FolderUnusable({
            reason: "other",
            path: folder.root,
            message: `${folder.root} cannot be read by this user.`,
            hint: "Run this as the user it belongs to, or name another folder with --data DIR or RECOLLECT_DATA.",
          }),
      ),
    );
  return (yield* there(folder.natsStore)) || (yield* there(folder.database)) || (yield* there(folder.spool));
});

const noStore = ({ root }: DataFolder.DataFolder["Service"]) =>
  new NotFound({
    message: `There is no store in ${root} yet.`,
    hint: "Begin one with `npx recollect up` or `npx recollect import PATH`, or name another folder with --data DIR.",
  });

/** The same server, whichever of its names is written. */
const hosts = (url: string) => splitUrls(url).addresses.map((text) => text.replace("localhost", "127.0.0.1"));

/** A command that names one server, and a folder whose instance folds another: neither can be meant. */
const assertSameServer = (natsUrl: string | undefined, { nats, pid }: Instance.Instance) =>
  natsUrl === undefined || hosts(natsUrl).some((host) => hosts(nats).includes(host))
    ? Effect.void
    : new BadRequest({
        message: `The instance that runs on this data folder (process ${pid}) uses ${splitUrls(nats).url}, not ${splitUrls(natsUrl).url}.`,
        hint: "Leave the address out, or name another folder with --data DIR.",
      });

/** Whoever runs the store, its database is there before the first question: a start makes it a moment later. */
const databaseThere = Layer.effectDiscard(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem;
    const { database } = yield* DataFolder.DataFolder;
    yield* fs
      .exists(database)
      .pipe(
        Effect.repeat({ until: (there) => there, schedule: Schedule.spaced(10) }),
        Effect.timeoutOption(databasePatienceMillis),
        Effect.ignore,
      );
  }),
);

/** The store of a folder: through its running instance, else as its instance for a while. */
const claimedStore = Effect.fnUntraced(function* (where: Where) {
  const { database, root } = yield* DataFolder.DataFolder;
  const natsUrl = yield* natsUrlOf(where);
  const running = yield* claim();
  const access = accessOf(where, root);
  if (Option.isNone(running)) return Daemon.layer({ natsUrl, port: undefined, role: "command", access });
  const instance = running.value;
  yield* assertSameServer(natsUrl, instance);
  const servers = natsUrl ?? instance.nats;
  const syncInterval = instance.server === undefined ? undefined : "always";
  const connection = { servers, name: "recollect command", syncInterval, access };
  return Layer.mergeAll(reading({ ...connection, database }), querying(database), Standby.layer(instance, access));
});

const runningStore = (where: Where) =>
  databaseThere.pipe(
    Layer.provideMerge(Layer.unwrap(claimedStore(where))),
    Layer.provide(DataFolder.layer(where)),
    Layer.provide(NodeServices.layer),
  );

const store = (where: Where, need: Need) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const folder = yield* folderOf(where);
      const mayBegin = need === "any" || (yield* natsUrlOf(where)) !== undefined;
      if (!mayBegin && !(yield* exists(folder))) return yield* noStore(folder);
      return runningStore(where);
    }),
  ).pipe(Layer.provide(NodeServices.layer));

/** The database as it lies there; where it lacks what the store has, the store is started to bring it up to date. */
const readModels = (where: Where) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const folder = yield* folderOf(where);
      const natsUrl = yield* natsUrlOf(where);
      if (natsUrl === undefined && !(yield* exists(folder))) return yield* noStore(folder);
      const running = yield* Instance.find().pipe(
        Effect.provideService(DataFolder.DataFolder, folder),
        Effect.orElseSucceed(Option.none<Instance.Instance>),
      );
      const lies = querying(folder.database);
      if (yield* ReadModels.suffice({ folder, natsUrl, isRunning: Option.isSome(running) })) return lies;
      const broughtUpToDate = ReadModels.broughtUpToDate(folder).pipe(Layer.provideMerge(runningStore(where)));
      return Layer.catchTag(broughtUpToDate, "NatsUnusable", (trouble) => ReadModels.withoutLog(folder, trouble));
    }),
  ).pipe(Layer.provide(NodeServices.layer));

const up = Effect.fn("main.up")(function* (options: UpOptions) {
  const natsUrl = yield* natsUrlOf(options);
  const folder = DataFolder.layer(options).pipe(Layer.provide(NodeServices.layer));
  const { port, snapshotTtlMillis } = options;
  const daemon = Layer.unwrap(
    Effect.gen(function* () {
      yield* claimAlone();
      const { root } = yield* DataFolder.DataFolder;
      return Daemon.layer({ natsUrl, port, snapshotTtlMillis, role: "daemon", access: accessOf(options, root) });
    }),
  );
  const ready = Layer.provideMerge(Layer.merge(databaseThere, Memory.givenBack), daemon);
  const context = yield* Layer.build(Layer.provideMerge(ready, Layer.merge(folder, NodeServices.layer)));
  return yield* Effect.gen(function* () {
    const { database, root } = yield* DataFolder.DataFolder;
    const { url } = yield* NatsConnection;
    const { lastSequence } = yield* Effect.flatMap(EventLog, (log) => log.info);
    return { nats: url, database, data: root, isEmpty: lastSequence === 0 } satisfies Address;
  }).pipe(Effect.provide(context));
});

const obstacle = (error: unknown): Obstacle => error as Obstacle;

export const layer = Layer.succeed(
  Attach,
  Attach.of({
    store: (where, need) => store(where, need),
    readModels: (where) => readModels(where),
    folder: (where) => folderOf(where).pipe(Effect.provide(NodeServices.layer)),
    up: (options) => Effect.mapError(up(options), obstacle),
  }),
);
