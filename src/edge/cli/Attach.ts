/**
 * The way of a command to the store: the running instance of a data folder, or one of its own for as long as it runs.
 *
 * Room: edge.
 */
import { Context, type Effect, type Layer, type Scope } from "effect";
import type { Given } from "../../log/connection/ServerAccess.ts";
import type { EventLog } from "../../log/EventLog.ts";
import type { LogCondition } from "../../log/connection/LogCondition.ts";
import type { DataFolder } from "../../machine/DataFolder.ts";
import type { Listen } from "../../machine/Listen.ts";
import type { NatsConnection } from "../../log/connection/NatsConnectionNats.ts";
import type { StoragePolicy } from "../../publish/storing/StoragePolicy.ts";
import type { Query } from "../../query/Query.ts";
import type { SnapshotStore } from "../../snapshot/SnapshotStore.ts";
import type { ThreadReader } from "../../snapshot/ThreadReader.ts";

/** The store that is meant: its data folder and its NATS server, both as given on the command line. */
export interface Where {
  /** Undefined: `RECOLLECT_DATA`, else the XDG data folder. */
  readonly data: string | undefined;
  /** Undefined: `RECOLLECT_NATS_URL`, else the instance's own server. */
  readonly natsUrl: string | undefined;
  /** Credentials for that server; absent: those of the environment, else the key of the data folder. */
  readonly access?: Given | undefined;
  /** The read models as of then: a sequence of the stream, or a time in epoch milliseconds. Absent: as they are now. */
  readonly asOf?: { readonly sequence: number } | { readonly time: number } | undefined;
}

/** Anything that can stand in the way: its message is a sentence, its hint says what to do. */
export interface Obstacle {
  readonly _tag: string;
  readonly message: string;
}

/** Services of an attached command. */
export type Store = EventLog | Query | ThreadReader | SnapshotStore | NatsConnection | StoragePolicy;

/**
 * Store that a command can do with: `any`, also one that begins with it, or one that is `there` already, so that a
 * slip in `--data` does not make a new one.
 */
export type Need = "any" | "there";

/** Addresses of a store. */
export interface Address {
  readonly nats: string;
  /** Undefined when nothing is served over HTTP. */
  readonly http: string | undefined;
  /** Undefined when other machines are not served. */
  readonly https: string | undefined;
  readonly database: string;
  readonly data: string;
  /** True when nothing was ever written to it. */
  readonly isEmpty: boolean;
  /** Conditions of the stream of record. */
  readonly conditions: ReadonlyArray<LogCondition>;
}

export interface UpOptions extends Where {
  /** Undefined: the port this folder had last time, else 4222, else a free one. */
  readonly port: number | undefined;
  /** Time to live of snapshots from now on; undefined: as before, 24 hours in a new store. */
  readonly snapshotTtlMillis: number | undefined;
  /** A file outside of the folder, or a bucket of another server, that is told how far the record reaches; undefined: `RECOLLECT_WITNESS`, if any. */
  readonly witness: string | undefined;
  /** HTTP door; undefined: none. A `port` that is undefined: that of last time, else 4280, else a free one. */
  readonly http: { readonly port: number | undefined } | undefined;
  /** Reached from other machines, under TLS; undefined: from this one only. */
  readonly listen: Listen | undefined;
}

export class Attach extends Context.Service<
  Attach,
  {
    /**
     * The whole store. A running instance of the folder is used, and replaced when it ends before the command does;
     * where none runs, nats-server, snapshotter and projector are started for the life of the layer, and other
     * commands use them.
     */
    readonly store: (where: Where, need: Need) => Layer.Layer<Store, Obstacle>;
    /**
     * The read models only: a file, and no NATS unless the file lacks what the store has. Fails with a sentence when
     * there is no store yet.
     */
    readonly readModels: (where: Where) => Layer.Layer<Query | StoragePolicy, Obstacle>;
    /** The read models as they lie there: starts nothing, and may be behind. Fails when there is no store yet. */
    readonly databaseAsItLies: (where: Where) => Layer.Layer<Query, Obstacle>;
    /** Paths of the folder's files; opens none of them. */
    readonly folder: (where: Where) => Effect.Effect<DataFolder["Service"]>;
    /** Runs the daemon until the scope closes; returns when everything is ready. */
    readonly up: (options: UpOptions) => Effect.Effect<Address, Obstacle, Scope.Scope>;
  }
>()("recollect/edge/cli/Attach") {}
