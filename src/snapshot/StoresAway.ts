/**
 * Stores for reading a thread beside the log, over a connection that may be away: snapshots and whole histories.
 *
 * Room: snapshot.
 *
 * A read waits for the first attempt to connect as an append does: without its snapshot the first read of a process
 * would fold the whole history (50,000 messages: seconds instead of 15 ms). Away, a snapshot is a miss and a copy of a
 * history has nothing.
 */
import { Context, Effect, Layer, Stream } from "effect";
import type { LogUnavailable } from "../log/EventLog.ts";
import { SharedConnection } from "../log/connection/SharedConnection.ts";
import * as HistoryService from "./HistoryServiceNats.ts";
import { HistorySource, SourceUnavailable } from "./HistorySource.ts";
import { SnapshotKey } from "./SnapshotKey.ts";
import { SnapshotStore, SnapshotUnavailable } from "./SnapshotStore.ts";
import * as SnapshotStoreKv from "./SnapshotStoreKv.ts";

/** Nothing of it costs a round trip before a thread is read. */
const stores = Layer.merge(SnapshotStoreKv.layer(), HistoryService.layer);

const make = Effect.gen(function* () {
  const shared = yield* SharedConnection;
  const keyed = Layer.provide(stores, Layer.succeed(SnapshotKey, yield* SnapshotKey));
  const there = Effect.map(shared.over(keyed), ({ made }) => made);
  const ask = <A>(question: (store: SnapshotStore["Service"]) => Effect.Effect<A, SnapshotUnavailable>) =>
    there.pipe(
      Effect.mapError(
        ({ hint, reason }: LogUnavailable) =>
          new SnapshotUnavailable({ reason, ...(hint === undefined ? {} : { hint }) }),
      ),
      Effect.flatMap((made) => question(Context.get(made, SnapshotStore))),
    );
  const snapshots = SnapshotStore.of({
    get: (history) => ask((store) => store.get(history)),
    put: (state) => ask((store) => store.put(state)),
    replace: (state, revision) => ask((store) => store.replace(state, revision)),
    remove: (history) => ask((store) => store.remove(history)),
    checkpoint: ask((store) => store.checkpoint),
    putCheckpoint: (checkpoint) => ask((store) => store.putCheckpoint(checkpoint)),
    info: ask((store) => store.info),
  });
  const source = there.pipe(
    Effect.mapError(({ reason }) => new SourceUnavailable({ reason })),
    Effect.map((made) => Context.get(made, HistorySource)),
  );
  const histories: HistorySource = {
    reach: (history) => Effect.flatMap(source, (now) => now.reach(history)),
    read: (reading) => Stream.unwrap(Effect.map(source, (now) => now.read(reading))),
  };
  return Context.make(SnapshotStore, snapshots).pipe(Context.add(HistorySource, histories));
});

export const layer = Layer.effectContext(make);
