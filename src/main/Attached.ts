/**
 * How commands reach the store: the running instance of their data folder, or one of their own while they run.
 *
 * Room: main. In: Daemon, Layers, machine. Out: main.
 */
import { Config, Effect, FileSystem, Layer, Option } from "effect";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Attach, type Address, type Obstacle, type UpOptions, type Where } from "../edge/cli/Attach.ts";
import { NotFound } from "../edge/cli/Failure.ts";
import { EventLog } from "../log/EventLog.ts";
import { NatsConnection } from "../log/NatsConnectionNats.ts";
import * as DataFolder from "../machine/DataFolder.ts";
import * as Instance from "../machine/Instance.ts";
import * as Daemon from "./Daemon.ts";
import { querying, reading } from "./Layers.ts";

const natsUrlOf = (where: Where) =>
  where.natsUrl === undefined
    ? Config.String("RECOLLECT_NATS_URL").pipe(
        Config.option,
        Effect.map(Option.filter((url) => url.trim() !== "")),
        Effect.map(Option.getOrUndefined),
        Effect.orDie,
      )
    : Effect.succeed(where.natsUrl);

/** The store of a folder: through its running daemon, else as its daemon for a while. */
const storeOf = Effect.fnUntraced(function* (where: Where) {
  const { database } = yield* DataFolder.DataFolder;
  const natsUrl = yield* natsUrlOf(where);
  const running = yield* Instance.find();
  if (Option.isNone(running)) return Daemon.layer({ natsUrl, port: undefined, name: "recollect command" });
  const servers = natsUrl ?? running.value.nats;
  const monitor = running.value.monitor;
  const syncInterval = servers === running.value.nats && monitor !== undefined ? "always" : undefined;
  return Layer.merge(reading({ servers, name: "recollect command", syncInterval }), querying(database));
});

const store = (where: Where) =>
  Layer.unwrap(storeOf(where)).pipe(Layer.provide(DataFolder.layer(where)), Layer.provide(NodeServices.layer));

const readModels = (where: Where) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const folder = yield* Effect.flatMap(DataFolder.locate(where.data), DataFolder.at);
      const exists = yield* fs.exists(folder.database).pipe(Effect.orElseSucceed(() => false));
      if (!exists) {
        return yield* new NotFound({
          message: `There is no store in ${folder.root} yet.`,
          hint: "Begin one with `npx recollect up` or `npx recollect import PATH`, or name another folder with --data DIR.",
        });
      }
      return querying(folder.database);
    }),
  ).pipe(Layer.provide(NodeServices.layer));

const up = Effect.fn("main.up")(function* (options: UpOptions) {
  const natsUrl = yield* natsUrlOf(options);
  const folder = DataFolder.layer(options).pipe(Layer.provide(NodeServices.layer));
  const daemon = Daemon.layer({ natsUrl, port: options.port, name: "recollect daemon" });
  const context = yield* Layer.build(Layer.provideMerge(daemon, Layer.merge(folder, NodeServices.layer)));
  const found = yield* Effect.gen(function* () {
    const { database, root } = yield* DataFolder.DataFolder;
    const { url } = yield* NatsConnection;
    const { lastSequence } = yield* Effect.flatMap(EventLog, (log) => log.info);
    return { nats: url, database, data: root, isEmpty: lastSequence === 0 } satisfies Address;
  }).pipe(Effect.provide(context));
  return found;
});

const obstacle = (error: unknown): Obstacle => error as Obstacle;

export const layer = Layer.succeed(
  Attach,
  Attach.of({
    store: (where) => store(where),
    readModels: (where) => readModels(where),
    folder: (where) =>
      DataFolder.locate(where.data).pipe(Effect.flatMap(DataFolder.at), Effect.provide(NodeServices.layer)),
    up: (options) => Effect.mapError(up(options), obstacle),
  }),
);
