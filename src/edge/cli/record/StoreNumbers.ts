/**
 * The numbers of a store and what is wrong with it: made here, once, for `status`, `check` and whoever else shows them.
 *
 * Room: edge.
 */
import { Effect, Option } from "effect";
import type { DataFolder } from "../../../machine/DataFolder.ts";
import { diskSpace, lowPercent, sizeOf, veryLowPercent } from "../../../machine/DiskSpace.ts";
import { uses as quotaUses } from "../../../coordination/quotas/TenantQuotas.ts";
import { EventLog, type LogInfo } from "../../../log/EventLog.ts";
import { credentialsEnd } from "../../../log/connection/CredentialsEnd.ts";
import type { LogCondition } from "../../../log/connection/LogCondition.ts";
import { NatsConnection } from "../../../log/connection/NatsConnectionNats.ts";
import { replicasOf } from "../../../log/connection/ReplicasNats.ts";
import { skewOf } from "../../../log/connection/ServerClockNats.ts";
import * as ServerAccess from "../../../log/connection/ServerAccess.ts";
import type { Condition } from "../../../projection/ProjectorCondition.ts";
import { Query } from "../../../query/Query.ts";
import { SnapshotStore } from "../../../snapshot/SnapshotStore.ts";
import { Attach } from "../Attach.ts";
import { where } from "../Flags.ts";
import * as Output from "../Output.ts";
import type { Named } from "./Named.ts";
import { conditionsOf as spoolConditions, spoolTotals } from "../spool/Spool.ts";

/** A clock that is off by more than machines that keep time are. */
const clockOffMillis = 5_000;

const clockCondition = (skewMillis: number | undefined): ReadonlyArray<Named> => {
  if (skewMillis === undefined || Math.abs(skewMillis) < clockOffMillis) return [];
  const how = `${Output.duration(Math.abs(skewMillis))} ${skewMillis < 0 ? "ahead of" : "behind"}`;
  return [
    {
      name: "clockOff",
      field: null,
      message: `The clock of this machine is ${how} the log's.`,
      hint: "Set it, as by NTP: due times, pauses and schedules go by the log's clock, but events say when they happened by this one.",
    },
  ];
};

const streamOf = ({ bytes, created, firstSequence, lastSequence, messages }: LogInfo) => ({
  firstSequence,
  lastSequence,
  messages,
  bytes,
  created,
});

const conditionOf = ({ hint, message, name, ...rest }: LogCondition | Condition): Named => ({
  name,
  field: "field" in rest ? (rest.field ?? null) : null,
  message,
  hint,
});

type Folder = DataFolder["Service"];

const diskCondition = (root: string, disk: ReturnType<typeof diskSpace>): ReadonlyArray<Named> => {
  if (disk === undefined || disk.freePercent >= lowPercent) return [];
  const isUrgent = disk.freePercent < veryLowPercent;
  return [
    {
      name: isUrgent ? "diskNearlyFull" : "diskLow",
      field: null,
      message: `The disk that holds ${root} has ${disk.freePercent} % free, ${Output.bytes(disk.freeBytes)}.`,
      hint: "Make room: on a full disk nothing is appended, and publishers refuse what their spool cannot hold.",
    },
  ];
};

/** Numbers of a folder that need no server. */
export const machineNumbers = Effect.fnUntraced(function* ({ database, root, spool: spoolFile }: Folder) {
  const found = yield* spoolTotals(spoolFile);
  const spool = Option.getOrNull(found);
  const disk = diskSpace(root);
  const unreadable: ReadonlyArray<Named> = [
    {
      name: "spoolUnreadable",
      field: null,
      message: "The spool cannot be read.",
      hint: "See: recollect spool list",
    },
  ];
  const inSpool = spool === null ? unreadable : spoolConditions(spool).map((one) => ({ ...one, field: null }));
  return {
    spool,
    disk: disk ?? null,
    wal: { databaseBytes: sizeOf(`${database}-wal`), spoolBytes: sizeOf(`${spoolFile}-wal`) },
    conditions: [...inSpool, ...diskCondition(root, disk)],
  };
});

/** Gap of each projection behind the stream. */
const projectionsOf = Effect.fnUntraced(function* (lastSequence: number, now: number) {
  const log = yield* EventLog;
  const { projections } = yield* (yield* Query).status;
  return yield* Effect.forEach(projections, ({ checkpoint, deadLetters, name, version }) =>
    Effect.gen(function* () {
      const gap = Math.max(0, lastSequence - checkpoint);
      const oldest = gap === 0 ? undefined : yield* log.at(checkpoint + 1);
      const lagMillis = gap === 0 ? 0 : Math.max(0, now - (oldest?.recordedAt ?? now));
      return { name, version, checkpoint, gap, lagMillis, deadLetters };
    }),
  );
});

/** The JSON contract of `status --json` (`docs/cli.md`). `access`: how this process was given its credentials. */
export const numbersOf = Effect.fnUntraced(function* (folder: Folder, access: ServerAccess.Given | undefined) {
  const log = yield* EventLog;
  const query = yield* Query;
  const snapshots = yield* SnapshotStore;
  const connection = yield* NatsConnection;
  // A stream that cannot be used is a condition, and what the database has is worth saying all the same.
  const stream = yield* log.info.pipe(
    Effect.catchIf(
      (error) => error.condition !== undefined,
      () => Effect.succeed(undefined),
    ),
  );
  const models = yield* query.status;
  const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
  const projections = yield* projectionsOf(stream?.lastSequence ?? 0, now);
  const skewMillis = yield* skewOf(connection);
  const tasks = yield* query.waiting.numbers(now + (skewMillis ?? 0));
  const held = yield* Effect.option(snapshots.info);
  const { keys, bytes } = Option.getOrElse(held, () => ({ keys: 0, bytes: 0 }));
  const machine = yield* machineNumbers(folder);
  const find = ServerAccess.finder({ root: folder.root, given: access });
  const endsAt = credentialsEnd(yield* find(connection.url));
  // That the log was away when the projector last looked is known better here.
  const { condition, integrity } = models;
  const noted = [
    ...(condition === undefined || condition.name === "logAway" ? [] : [condition]),
    ...integrity.conditions.filter(({ name }) => name !== condition?.name),
  ];
  return {
    stream: stream === undefined ? null : streamOf(stream),
    replicas: (yield* replicasOf(connection)) ?? null,
    projections,
    snapshots: { keys, bytes, reachable: Option.isSome(held) },
    nats: {
      url: connection.url,
      version: connection.serverInfo().version,
      syncInterval: connection.syncInterval ?? null,
    },
    credentials: { endsAt: endsAt ?? null },
    spool: machine.spool,
    disk: machine.disk,
    wal: machine.wal,
    threads: models.threads,
    quotas: yield* Effect.orElseSucceed(quotaUses, () => []),
    tasks,
    clock: { aheadMillis: skewMillis === undefined ? null : -Math.round(skewMillis) },
    unknown: models.unknown,
    condition: models.condition ?? null,
    scrub: models.integrity.scrub,
    verified: models.integrity.verified ?? null,
    kept: models.integrity.kept,
    history: models.history,
    conditions: [
      ...[...connection.conditions(), ...noted].map(conditionOf),
      ...machine.conditions,
      ...clockCondition(skewMillis),
    ],
  };
});

/** Of the store that the command line names. */
export const gather = Effect.gen(function* () {
  const place = yield* where;
  return yield* numbersOf(yield* (yield* Attach).folder(place), place.access);
});

export type StoreNumbers = Effect.Success<typeof gather>;
export type MachineNumbers = Effect.Success<ReturnType<typeof machineNumbers>>;
