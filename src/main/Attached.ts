/**
 * The way of commands to the store: the running instance of their data folder, or one of their own while they run.
 *
 * Room: main.
 *
 * The code that runs a store, or speaks with its server, is loaded when a command asks for it (`RunningStore`): a question to the
 * database needs a quarter of it.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, FileSystem, Layer, Option } from "effect";
import { Attach, type Need, type Obstacle, type Where } from "../edge/cli/Attach.ts";
import { NotFound } from "../edge/cli/Failure.ts";
import * as DataFolder from "../machine/DataFolder.ts";
import * as Instance from "../machine/Instance.ts";
import * as StoragePolicyFile from "../publish/storing/StoragePolicyFile.ts";
import { natsUrlOf } from "./NatsUrl.ts";
import { querying } from "./Querying.ts";
import type { Moment } from "../projection/AsOf.ts";
import * as ReadModels from "./ReadModels.ts";

const loadRunningStore = Effect.promise(() => import("./RunningStore.ts"));

/** Looked at before a command opens anything in it. */
const folderOf = (where: Where) =>
  DataFolder.locate(where.data).pipe(Effect.tap(DataFolder.assertFiles), Effect.flatMap(DataFolder.at));

/** True when anything was ever kept in the folder. A folder that may not be looked at is a failure, not a no. */
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
    hint: "Begin one with `recollect up` or `recollect import PATH`, or name another folder with --data DIR.",
  });

const store = (where: Where, need: Need) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const folder = yield* folderOf(where);
      const mayBegin = need === "any" || (yield* natsUrlOf(where)) !== undefined;
      if (!mayBegin && !(yield* exists(folder))) return yield* noStore(folder);
      return Layer.provideMerge((yield* loadRunningStore).runningStore(where), StoragePolicyFile.layer(folder.root));
    }),
  ).pipe(Layer.provide(NodeServices.layer));

/** As of then, of a database that this version made. Events added since the projector ran last are not in it. */
const earlier = Effect.fnUntraced(function* (moment: Moment, { database }: DataFolder.DataFolder["Service"]) {
  const { queryingAsOf } = yield* Effect.promise(() => import("./AsOf.ts"));
  return queryingAsOf(database, moment);
});

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
      const policy = StoragePolicyFile.layer(folder.root);
      if (where.asOf !== undefined) return Layer.merge(yield* earlier(where.asOf, folder), policy);
      if (yield* ReadModels.suffice({ folder, natsUrl, isRunning: Option.isSome(running) }))
        return Layer.merge(lies, policy);
      return Layer.merge((yield* loadRunningStore).broughtUpToDate(where, folder), policy);
    }),
  ).pipe(Layer.provide(NodeServices.layer));

const databaseAsItLies = (where: Where) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const folder = yield* folderOf(where);
      return (yield* exists(folder)) ? querying(folder.database) : yield* noStore(folder);
    }),
  ).pipe(Layer.provide(NodeServices.layer));

const obstacle = (error: unknown): Obstacle => error as Obstacle;

export const layer = Layer.succeed(
  Attach,
  Attach.of({
    store: (where, need) => store(where, need),
    readModels: (where) => readModels(where),
    databaseAsItLies: (where) => databaseAsItLies(where),
    // A FIFO, device or folder in the place of a file ends every command with the same error.
    folder: (where) => folderOf(where).pipe(Effect.orDie, Effect.provide(NodeServices.layer)),
    up: (options) =>
      Effect.mapError(
        Effect.flatMap(loadRunningStore, ({ up }) => up(options)),
        obstacle,
      ),
  }),
);
