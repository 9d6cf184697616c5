/**
 * Everything that a program gets through one door, put together over one connection: for Effect users as layers, and
 * what the promises of `Recollect` are made of.
 *
 * Room: client.
 *
 * Each service stands on `SharedConnection`, which may be away: nothing fails or waits because NATS is not there yet.
 */
import { Effect, Layer } from "effect";
import * as BucketsAway from "../coordination/bucket/BucketsAway.ts";
import * as CacheSharing from "../coordination/cache/CacheSharingNats.ts";
import * as FileCache from "../coordination/cache/FileCache.ts";
import * as ResponseCache from "../coordination/cache/ResponseCache.ts";
import * as ConfigFile from "../coordination/config/ConfigFile.ts";
import * as Inbox from "../coordination/inbox/Inbox.ts";
import * as Limits from "../coordination/limits/Limits.ts";
import * as Presence from "../coordination/sessions/Presence.ts";
import * as Sessions from "../coordination/sessions/Sessions.ts";
import * as TaskQueueAway from "../coordination/tasks/queue/TaskQueueAway.ts";
import * as Tasks from "../coordination/tasks/Tasks.ts";
import * as Watch from "../coordination/watch/Watch.ts";
import * as ChannelsNats from "../log/live/ChannelsNats.ts";
import * as Connect from "../publish/Connect.ts";
import { ownLog } from "../publish/drain/SpoolDrainer.ts";
import { NoDatabase } from "./NoDatabase.ts";

export interface Options extends Connect.Options {
  /** Milliseconds for which a worker of this program may be silent. Default: as the queue has it, 30,000 in a new one. */
  readonly leaseMillis?: number | undefined;
  /** Configuration scope within the tenant. Default `default`. */
  readonly configScope?: string | undefined;
  /** Machine name that keeps cached paths of several machines apart. Default: the host name. */
  readonly machine?: string | undefined;
}

/** The publisher and what it stands on: connection, log, spool, threads, answers. */
export const core = Connect.layer;

/** Live sessions. Needs `core`. */
export const sessions = Sessions.layer.pipe(Layer.provide(Presence.layer().pipe(Layer.provide(BucketsAway.layer))));

/** Messages between agents. Needs `core`. */
export const inbox = Inbox.layer.pipe(Layer.provide(BucketsAway.layer));

/** Events as they happen, after the stored ones. Needs `core`. */
export const watch = Watch.layer;

/** Texts between programs, none kept. Needs `core`. */
export const channels = ChannelsNats.layer;

/** Tasks that workers share. Needs `core`; fails with `InvalidTask` for such a lease. */
export const tasks = (options: Options) => Tasks.layer(options).pipe(Layer.provide(TaskQueueAway.layer(options)));

/** The configuration of the data folder and the log. Needs `core`; fails with `ConfigRefused`. */
export const config = ({ configScope, ...options }: Options) =>
  ConfigFile.layerOf({ ...options, scope: configScope, who: options.actor ?? options.source });

/** May this be done now. Needs `core` and a configuration. */
export const limits = Limits.layer.pipe(Layer.provide(BucketsAway.layer));

/** Contents of files and answers that processes share. Needs `core` and a configuration. */
export const caches = ({ machine }: Options) =>
  Layer.merge(FileCache.layer({ machine }), ResponseCache.layer()).pipe(Layer.provide(CacheSharing.layerAway));

/**
 * Lists and SQL over the data folder's read models. Fails with `NoDatabase` for a log that is not the folder's own.
 *
 * Decision: loaded at its first use, because a worker asks nothing of them, and they are a tenth of the code of the door.
 */
export const query = (options: Options) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { folder, target } = yield* Connect.placeOf(options);
      if (target === ownLog) {
        const QuerySqlite = yield* Effect.promise(() => import("../query/QuerySqlite.ts"));
        return QuerySqlite.layer({ path: folder.database });
      }
      return yield* new NoDatabase({
        message: `The database of the log at ${target} is not in ${folder.root}.`,
        hint: "Ask on the machine that runs recollect up, or read a history by its id.",
      });
    }),
  ).pipe(Layer.provide(Connect.folderLayer(options)));

/** All of it. */
export const layer = (options: Options = {}) => {
  const configured = config(options);
  return Layer.mergeAll(
    sessions,
    inbox,
    watch,
    channels,
    tasks(options),
    Layer.provideMerge(Layer.merge(limits, caches(options)), configured),
  ).pipe(Layer.provideMerge(core(options)));
};
