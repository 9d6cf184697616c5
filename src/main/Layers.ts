/**
 * The rooms put together on one NATS connection.
 *
 * Room: main.
 */
import { Effect, Layer } from "effect";
import * as EventLogNats from "../log/EventLogNats.ts";
import { refusedStream } from "../log/connection/NatsUnusable.ts";
import * as NatsConnection from "../log/connection/NatsConnectionNats.ts";
import * as HistorySource from "../query/HistorySourceSqlite.ts";
import * as HistoryService from "../snapshot/HistoryServiceNats.ts";
import * as SnapshotStore from "../snapshot/SnapshotStore.ts";
import { dirname } from "node:path";
import * as SnapshotKeyFile from "../snapshot/SnapshotKeyFile.ts";
import * as SnapshotStoreKv from "../snapshot/SnapshotStoreKv.ts";
import * as ThreadReader from "../snapshot/ThreadReader.ts";

/** Calls back at every loss of the connection, not only the next. */
const always = (link: NatsConnection.Link) => (callback: () => void) => {
  const again = () => {
    callback();
    link.onLost(again);
  };
  link.onLost(again);
};

const threads = Layer.unwrap(
  Effect.map(NatsConnection.NatsConnection, ({ link }) => ThreadReader.layer({ onLost: always(link) })),
);

export interface Reading extends NatsConnection.Options {
  /**
   * Cheap source of whole histories: the database with the ledger, there yet or not.
   * Undefined: the process that has it and answers on this server.
   */
  readonly database?: string | undefined;
  /** Time to live of snapshots from now on; absent: as before. */
  readonly snapshotTtlMillis?: number | undefined;
}

/** A server that has another stream, or will not tell, is not used at all; one that lost ours serves what else it has. */
const believed = Layer.effectDiscard(
  Effect.flatMap(NatsConnection.NatsConnection, ({ link }) => {
    const { refused } = link;
    if (refused === undefined || refused.name === "streamMissing" || refused.name === "streamUnloadable")
      return Effect.void;
    return Effect.fail(refusedStream(refused));
  }),
);

/** Log, snapshots and thread reader over one connection. */
export const reading = ({ database, snapshotTtlMillis, ...connection }: Reading) =>
  threads.pipe(
    Layer.provideMerge(database === undefined ? HistoryService.layer : HistorySource.layer({ path: database })),
    Layer.provideMerge(SnapshotStore.layer),
    Layer.provideMerge(SnapshotStoreKv.layer({ ttlMillis: snapshotTtlMillis })),
    Layer.provide(database === undefined ? Layer.empty : SnapshotKeyFile.layer(dirname(database))),
    Layer.provideMerge(EventLogNats.layer()),
    Layer.provideMerge(believed),
    Layer.provideMerge(NatsConnection.layer(connection)),
  );
