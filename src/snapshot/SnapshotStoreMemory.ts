/**
 * Snapshots in the memory of this process: for tests, and for a store without NATS.
 *
 * Room: snapshot.
 */
import { Clock, Effect, Layer } from "effect";
import * as SnapshotStore from "./SnapshotStore.ts";

export interface Options {
  readonly ttlMillis?: number | undefined;
}

interface Row {
  /** Undefined for what was removed: its revision stays, as in a KV bucket. */
  readonly bytes: Uint8Array | undefined;
  readonly revision: number;
  readonly writtenAt: number;
}

const make = (options: Options) =>
  Effect.sync(() => {
    const ttlMillis = options.ttlMillis ?? SnapshotStore.defaultTtlMillis;
    const rows = new Map<string, Row>();
    let revision = 0;

    /** The row of a key, unless its life is over. */
    const rowOf = Effect.fnUntraced(function* (key: string) {
      const now = yield* Clock.currentTimeMillis;
      const row = rows.get(key);
      if (row === undefined || now - row.writtenAt < ttlMillis) return { row, now };
      rows.delete(key);
      return { row: undefined, now };
    });

    const write = (key: string, bytes: Uint8Array | undefined) =>
      Effect.map(Clock.currentTimeMillis, (writtenAt) => {
        rows.set(key, {
          bytes: bytes === undefined ? undefined : Uint8Array.from(bytes),
          revision: ++revision,
          writtenAt,
        });
      });

    return SnapshotStore.SnapshotBucket.of({
      get: (key) =>
        Effect.map(rowOf(key), ({ row, now }) => ({
          bytes: row?.bytes,
          revision: row?.revision ?? 0,
          isAgeing: row !== undefined && now - row.writtenAt > ttlMillis / 2,
        })),
      put: write,
      replace: (key, bytes, expected) =>
        Effect.flatMap(rowOf(key), ({ row }) =>
          (row?.revision ?? 0) === expected ? Effect.as(write(key, bytes), true) : Effect.succeed(false),
        ),
      remove: (key) => write(key, undefined),
      info: Effect.sync(() => {
        const held = [...rows].filter(([key, row]) => row.bytes !== undefined && key !== SnapshotStore.checkpointKey);
        return { keys: held.length, bytes: held.reduce((sum, [, row]) => sum + (row.bytes?.byteLength ?? 0), 0) };
      }),
    });
  });

/** Store and bucket, the bucket for tests that plant damage. */
export const layer = (options: Options = {}) =>
  SnapshotStore.layer.pipe(Layer.provideMerge(Layer.effect(SnapshotStore.SnapshotBucket, make(options))));
