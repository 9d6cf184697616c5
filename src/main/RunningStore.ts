/**
 * The store of a data folder, with its server: through the instance that runs it, or run by this process.
 *
 * Room: main.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, FileSystem, Layer, Option, Schedule } from "effect";
import type { Address, UpOptions, Where } from "../edge/cli/Attach.ts";
import { BadRequest } from "../edge/cli/Failure.ts";
import { EventLog } from "../log/EventLog.ts";
import { NatsConnection } from "../log/connection/NatsConnectionNats.ts";
import { splitUrls } from "../log/connection/NatsCredentialsNats.ts";
import * as ServerAccess from "../log/connection/ServerAccess.ts";
import * as DataFolder from "../machine/DataFolder.ts";
import * as Instance from "../machine/Instance.ts";
import * as Listen from "../machine/Listen.ts";
import { variable } from "../machine/UserFolders.ts";
import { claim, claimAlone } from "./Claim.ts";
import * as Daemon from "./DaemonWhenRun.ts";
import * as FolderGuard from "./FolderGuard.ts";
import { reading } from "./Layers.ts";
import * as Memory from "./Memory.ts";
import { natsUrlOf } from "./NatsUrl.ts";
import { querying } from "./Querying.ts";
import * as Standby from "./Standby.ts";

/** A database is made within 50 ms of a start, and rebuilt beside the one that is there. */
const databasePatienceMillis = 10_000;

/** The command line's own, else the environment's, else the folder's key for the folder's server. */
const accessOf = ({ access: given }: Where, root: string) => ServerAccess.finder({ root, given });

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

/** Waits for the database of a running store before the first question: a start makes it a moment later. */
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
  const isOwn = instance.server !== undefined;
  const syncInterval = isOwn ? "always" : undefined;
  const guard = yield* FolderGuard.make({ may: "check", isOwn, holdsFolder: false });
  const connection = { servers, name: "recollect command", syncInterval, access, guard };
  const store = Layer.provideMerge(Standby.layer(instance, access), reading({ ...connection, database }));
  return Layer.merge(store, querying(database));
});

export const runningStore = (where: Where) =>
  databaseThere.pipe(
    Layer.provideMerge(Layer.unwrap(claimedStore(where))),
    Layer.provide(DataFolder.layer(where)),
    Layer.provide(NodeServices.layer),
  );

/** The read models, brought up to date by a running store; as they lie there when its server cannot be reached. */
export const broughtUpToDate = (where: Where, folder: DataFolder.DataFolder["Service"]) =>
  Layer.unwrap(
    Effect.map(
      Effect.promise(() => import("./CatchUp.ts")),
      (CatchUp) =>
        CatchUp.broughtUpToDate(folder).pipe(
          Layer.provideMerge(runningStore(where)),
          Layer.catchTag("NatsUnusable", (trouble) => CatchUp.withoutLog(folder, trouble)),
        ),
    ),
  );

/** Runs the daemon until the scope closes; returns when everything is ready. */
export const up = Effect.fn("main.up")(function* (options: UpOptions) {
  const natsUrl = yield* natsUrlOf(options);
  const folder = DataFolder.layer(options).pipe(Layer.provide(NodeServices.layer));
  const { port, snapshotTtlMillis } = options;
  const named = (options.witness ?? (yield* variable("RECOLLECT_WITNESS"))).trim();
  const witness = named === "" ? undefined : named;
  const daemon = Layer.unwrap(
    Effect.gen(function* () {
      yield* claimAlone();
      const { root } = yield* DataFolder.DataFolder;
      yield* Listen.write(root, options.listen);
      return Daemon.layer({
        natsUrl,
        port,
        snapshotTtlMillis,
        witness,
        role: "daemon",
        access: accessOf(options, root),
        http:
          options.http === undefined ? undefined : { ...options.http, access: options.access, listen: options.listen },
      });
    }),
  );
  const ready = Layer.provideMerge(Layer.merge(databaseThere, Memory.givenBack), daemon);
  const context = yield* Layer.build(Layer.provideMerge(ready, Layer.merge(folder, NodeServices.layer)));
  return yield* Effect.gen(function* () {
    const { database, root } = yield* DataFolder.DataFolder;
    const { conditions, url } = yield* NatsConnection;
    // A stream that cannot be used is said, and what can be served without it is served.
    const info = yield* Effect.option(Effect.flatMap(EventLog, (log) => log.info));
    const isEmpty = Option.isSome(info) && info.value.lastSequence === 0;
    const instance = yield* Effect.option(Instance.find());
    const { http, https } = Option.getOrUndefined(Option.flatten(instance)) ?? {};
    return { nats: url, http, https, database, data: root, isEmpty, conditions: conditions() } satisfies Address;
  }).pipe(Effect.provide(context));
});
