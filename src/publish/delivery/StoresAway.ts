/**
 * What reading a thread needs beside the log, over a connection that may be away: snapshots and whole histories.
 *
 * Room: publish.
 *
 * Both are caches, so nobody waits for a first connection because of one: away, a snapshot is a miss and a copy of a
 * history has nothing.
 */
import { Effect, Stream } from "effect";
import type { LogUnavailable } from "../../log/EventLog.ts";
import { type HistorySource, SourceUnavailable } from "../../snapshot/HistorySource.ts";
import { SnapshotStore, SnapshotUnavailable } from "../../snapshot/SnapshotStore.ts";

export interface Stores {
  readonly snapshots: SnapshotStore["Service"];
  readonly source: HistorySource;
}

/** `current` fails while there is no connection. */
export const storesOf = (current: Effect.Effect<Stores, LogUnavailable>): Stores => {
  const ask = <A>(question: (store: SnapshotStore["Service"]) => Effect.Effect<A, SnapshotUnavailable>) =>
    current.pipe(
      Effect.mapError(
        ({ hint, reason }) => new SnapshotUnavailable({ reason, ...(hint === undefined ? {} : { hint }) }),
      ),
      Effect.flatMap(({ snapshots }) => question(snapshots)),
    );
  const sourceNow = current.pipe(
    Effect.mapError(({ reason }) => new SourceUnavailable({ reason })),
    Effect.map(({ source }) => source),
  );
  return {
    snapshots: SnapshotStore.of({
      get: (history) => ask((store) => store.get(history)),
      put: (state) => ask((store) => store.put(state)),
      replace: (state, revision) => ask((store) => store.replace(state, revision)),
      remove: (history) => ask((store) => store.remove(history)),
      checkpoint: ask((store) => store.checkpoint),
      putCheckpoint: (checkpoint) => ask((store) => store.putCheckpoint(checkpoint)),
      info: ask((store) => store.info),
    }),
    source: {
      reach: (history) => Effect.flatMap(sourceNow, (now) => now.reach(history)),
      read: (reading) => Stream.unwrap(Effect.map(sourceNow, (now) => now.read(reading))),
    },
  };
};
