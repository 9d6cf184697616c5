/**
 * The parts that keep a store alive: nats-server supervised, snapshotter, projector, spool drained, task queue filled,
 * schedules kept, dead sessions ended, configuration obeyed, HTTP served.
 *
 * Room: main.
 */
import { Clock, Effect, FileSystem, Layer, Option, Stream } from "effect";
import * as ConfigFile from "../coordination/config/ConfigFile.ts";
import { Configuration } from "../coordination/config/Configuration.ts";
import * as TenantQuotas from "../coordination/quotas/TenantQuotas.ts";
import * as PresenceKv from "../coordination/sessions/PresenceKv.ts";
import * as SessionSweep from "../coordination/sessions/SessionSweep.ts";
import type * as ServerAccess from "../log/connection/ServerAccess.ts";
import * as ServerConf from "../log/access/ServerConf.ts";
import * as TenantService from "../log/access/TenantServiceNats.ts";
import { type Admit, always } from "../log/access/Admission.ts";
import * as TenantWrites from "../log/access/TenantWritesNats.ts";
import { Credentials } from "../log/connection/NatsCredentialsNats.ts";
import { fileOf } from "../machine/KeyFiles.ts";
import { DataFolder, folderTrouble } from "../machine/DataFolder.ts";
import * as OwnFile from "../machine/OwnFile.ts";
import * as FreePort from "../machine/nats/FreePort.ts";
import * as Instance from "../machine/Instance.ts";
import * as NatsBinary from "../machine/nats/NatsBinary.ts";
import { NatsProcess } from "../machine/nats/NatsProcess.ts";
import * as Nats from "../machine/nats/NatsProcess.ts";
import * as StoreRecord from "../machine/StoreRecord.ts";
import { policyFieldNames } from "../domain/audit/PolicySettings.ts";
import * as StoragePolicyFile from "../publish/storing/StoragePolicyFile.ts";
import * as SpoolDrainer from "../publish/drain/SpoolDrainer.ts";
import * as Scrubber from "../projection/verify/Scrubber.ts";
import { readModels } from "../../projections/all.ts";
import * as HistoryService from "../snapshot/HistoryServiceNats.ts";
import * as SnapshotStoreKv from "../snapshot/SnapshotStoreKv.ts";
import * as SpoolBounds from "../spool/SpoolBounds.ts";
import * as DiskWatch from "./DiskWatch.ts";
import * as FolderGuard from "./FolderGuard.ts";
import * as Following from "./Following.ts";
import { folding } from "./Folding.ts";
import * as HttpServing from "./http/HttpServing.ts";
import { reading } from "./Layers.ts";
import { queryingAside } from "./Querying.ts";
import * as TaskFilling from "./TaskFilling.ts";
import * as WrapReplay from "../edge/wrap/Replay.ts";
import * as TaskScheduling from "./TaskScheduling.ts";
import { version } from "../machine/Version.ts";

/** The port people know from NATS; taken only while it is free. */
const usualPort = 4222;
const host = "127.0.0.1";

export interface Options {
  /** An existing server; undefined: one of our own. */
  readonly natsUrl: string | undefined;
  /** Undefined: the port of last time, else 4222, else a free one. Only for a server of our own. */
  readonly port: number | undefined;
  /** Role in the data folder, for other processes: a daemon, or a command that runs the parts for as long as it works. */
  readonly role: "daemon" | "command";
  /** Time to live of snapshots from now on; absent: as before. */
  readonly snapshotTtlMillis?: number | undefined;
  /** A file outside of the folder that is told how far the record reaches. */
  readonly witness?: string | undefined;
  /** Source of credentials for an existing server. Default: in the address, else in the environment. */
  readonly access?: ServerAccess.Find | undefined;
  /** HTTP door of a daemon; absent: none. */
  readonly http?: HttpServing.Options | undefined;
}

/** The port of last time keeps the addresses that publishers have written down. None: any free one. */
const preferPort = Effect.gen(function* () {
  const folder = yield* DataFolder;
  const text = yield* OwnFile.text(`${folder.root}/port`).pipe(Effect.option);
  const last = Number(Option.getOrElse(text, () => ""));
  const wishes = [...(Number.isInteger(last) && last > 0 && last < 65_536 ? [last] : []), usualPort];
  for (const port of wishes) {
    if (yield* FreePort.isFree({ host, port })) return port;
  }
  return undefined;
});

const rememberPort = Effect.fnUntraced(function* (port: number) {
  const fs = yield* FileSystem.FileSystem;
  const { root } = yield* DataFolder;
  const path = `${root}/port`;
  yield* fs
    .writeFileString(path, `${port}\n`, { mode: 0o600 })
    .pipe(Effect.mapError((cause) => folderTrouble({ path, cause })));
});

/** A nats-server of our own, on the folder's store, that lets in who has a key. */
const ownServer = (port: number | undefined) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { root } = yield* DataFolder;
      const { configFile, host: address, ...access } = yield* ServerConf.prepare(root, { isStart: true });
      const preferredPort = port === undefined ? yield* preferPort : undefined;
      return Nats.layer({ port, preferredPort, configFile, access, host: address });
    }),
  ).pipe(Layer.provide(NatsBinary.layer));

/** The spool's bounds, where every process that uses the spool finds them, whether the log can be reached or not. */
const boundSpool = Effect.fnUntraced(function* (file: string) {
  const config = yield* Configuration;
  const said = Effect.gen(function* () {
    const maxFileBytes = yield* config.get("spool.maxBytes");
    const overdueMillis = yield* config.get("spool.overdueMillis");
    yield* Effect.try(() => SpoolBounds.write(file, { maxFileBytes, overdueMillis }));
  }).pipe(Effect.catch(({ cause }) => Effect.logWarning(`the spool's bounds cannot be written: ${String(cause)}`)));
  const values = Stream.merge(config.watch("spool.maxBytes"), config.watch("spool.overdueMillis"));
  yield* Effect.forkScoped(Stream.runForEach(values, () => said));
});

/** Writes the policy that was set at run time to where every process of the data folder finds it, with the log away too. */
const tellPolicy = Effect.fnUntraced(function* (root: string) {
  const config = yield* Configuration;
  const said = Effect.gen(function* () {
    const all = yield* config.explain();
    const ours = new Set<string>(policyFieldNames);
    const set = all.filter(
      ({ field, layer, problem }) => ours.has(field) && layer === "runtime" && problem === undefined,
    );
    const values = Object.fromEntries(set.map(({ field, value }) => [field, value]));
    yield* Effect.try(() => StoragePolicyFile.write(root, values));
  }).pipe(Effect.catch(({ cause }) => Effect.logWarning(`the policy cannot be written: ${String(cause)}`)));
  const changes = policyFieldNames.map((name) => Stream.map(config.watch(name), () => undefined));
  yield* Effect.forkScoped(Stream.runForEach(Stream.mergeAll(changes, { concurrency: "unbounded" }), () => said));
});

/**
 * Applies the configuration as soon as it changes: snapshots live as long as `snapshots.ttlMillis` says. A flag of this start
 * holds until the next change; an unchosen default leaves the bucket as it is.
 */
const configured = (
  { root, spool }: { readonly root: string; readonly spool: string },
  flagMillis: number | undefined,
) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const config = yield* Configuration;
      const obey = (ttlMillis: number) =>
        SnapshotStoreKv.setTtl(ttlMillis).pipe(
          Effect.catchTag("SnapshotUnavailable", ({ reason }) => Effect.logWarning(reason)),
        );
      const isChosen = Effect.map(
        config.explain("snapshots.ttlMillis"),
        ([found]) => flagMillis === undefined && found?.layer !== "default",
      );
      const values = Stream.mapEffect(Stream.zipWithIndex(config.watch("snapshots.ttlMillis")), ([ttlMillis, at]) =>
        Effect.flatMap(at > 0 ? Effect.succeed(true) : isChosen, (counts) => (counts ? obey(ttlMillis) : Effect.void)),
      );
      yield* Effect.forkScoped(Stream.runDrain(values));
      yield* boundSpool(spool);
      yield* tellPolicy(root);
    }),
  );

const parts = Effect.fnUntraced(function* (
  options: Options,
  address: { readonly nats: string; readonly server?: "own" },
) {
  const { database, root, spool } = yield* DataFolder;
  const isOwn = options.natsUrl === undefined;
  const syncInterval = isOwn ? "always" : undefined;
  const { access } = options;
  const key = address.server === "own" ? { credentials: Credentials.NKeyFile({ path: fileOf(root, "daemon") }) } : {};
  const startedAt = yield* Clock.currentTimeMillis;
  const { role } = options;
  // A command that begins the folder does what `up` would; on a folder that is known it changes nothing.
  const may = role === "daemon" || !(yield* FolderGuard.isKnown) ? "bringInLine" : "check";
  const guard = yield* FolderGuard.make({ may, isOwn, holdsFolder: true });
  const door = options.http === undefined ? undefined : yield* HttpServing.listening(options.http);
  const connection = {
    servers: address.nats,
    name: `recollect ${role}`,
    syncInterval,
    access,
    guard,
    isWholeStore: true,
    ...key,
  };
  const announced = Layer.effectDiscard(
    Effect.flatMap(StoreRecord.identity, (identity) =>
      Instance.publish({
        pid: process.pid,
        role,
        ...address,
        database,
        startedAt,
        version,
        ...(identity === undefined ? {} : { identity }),
        ...(door === undefined ? {} : { http: door.inside.url }),
        ...(door?.outside === undefined ? {} : { https: door.outside.url }),
      }),
    ),
  );
  const drained = SpoolDrainer.layer({ file: spool, url: address.nats });
  const swept = SessionSweep.running.pipe(Layer.provide(PresenceKv.layer()));
  const replayed = role === "daemon" ? WrapReplay.layer(root) : Layer.empty;
  const scheduled = TaskScheduling.layer(root);
  const followed = Following.layer(root);
  const scrubbed =
    role === "daemon"
      ? Scrubber.layer({ path: database, projections: readModels, witness: options.witness })
      : Layer.empty;
  const diskSeen = role === "daemon" ? Layer.effectDiscard(Effect.forkScoped(DiskWatch.watch(root))) : Layer.empty;
  const obeyed = configured({ root, spool }, options.snapshotTtlMillis);
  // Quotas bound what tenants write through the daemon; a command writes for this user alone.
  const doors = (admit: Admit) =>
    Layer.mergeAll(
      HttpServing.layer(door, { data: root, url: options.natsUrl, access: options.http?.access, admit }),
      TenantService.serve(admit),
      TenantWrites.serve(root, admit),
    );
  const bounded = Layer.unwrap(Effect.map(TenantQuotas.TenantQuotas, ({ admit }) => doors(admit))).pipe(
    Layer.provide(TenantQuotas.layer),
  );
  // One configuration for all of them: each follows the log.
  const configurable =
    role === "daemon"
      ? Layer.mergeAll(bounded, TaskFilling.layer, scheduled, followed, obeyed).pipe(
          Layer.provide(ConfigFile.layer({ folder: root, who: "recollect up" })),
        )
      : Layer.merge(doors(always), TaskFilling.layer);
  return Layer.mergeAll(
    announced,
    configurable,
    drained,
    swept,
    HistoryService.serve,
    scrubbed,
    replayed,
    diskSeen,
  ).pipe(
    Layer.provideMerge(folding(database)),
    Layer.provideMerge(reading({ ...connection, database, snapshotTtlMillis: options.snapshotTtlMillis })),
    Layer.provideMerge(queryingAside(database)),
    Layer.provideMerge(StoragePolicyFile.layer(root)),
  );
});

/**
 * A running store: everything a command may use, until the scope closes. The caller has claimed the folder (Claim):
 * two daemons on one folder would end each other's server.
 */
export const layer = (options: Options) => {
  if (options.natsUrl !== undefined) return Layer.unwrap(parts(options, { nats: options.natsUrl }));
  const own = Effect.gen(function* () {
    const server = yield* NatsProcess;
    yield* rememberPort(server.port);
    return yield* parts(options, { nats: server.url, server: "own" });
  });
  return Layer.unwrap(own).pipe(Layer.provide(ownServer(options.port)));
};
