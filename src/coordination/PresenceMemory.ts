/**
 * Presence in the memory of this process: for tests, and for a store without NATS.
 *
 * Room: coordination. In: Presence. Out: none.
 */
import { Clock, Effect, Layer } from "effect";
import { defaultLeaseMillis, type Found, keyOf, type Presence, PresenceBucket } from "./Presence.ts";

interface Row {
  /** Undefined for what was removed: its revision stays, as in a KV bucket. */
  readonly presence: Presence | undefined;
  readonly revision: number;
  readonly writtenAt: number;
}

const make = (leaseMillis: number) =>
  Effect.sync(() => {
    const rows = new Map<string, Row>();
    let revision = 0;

    const rowOf = (key: string, now: number): Row | undefined => {
      const row = rows.get(key);
      if (row === undefined || now - row.writtenAt < leaseMillis) return row;
      rows.delete(key);
      return undefined;
    };
    const foundOf = (row: Row | undefined): Found => ({
      present: row?.presence === undefined ? undefined : { ...row.presence, seenAt: row.writtenAt },
      revision: row?.revision ?? 0,
    });
    const write = (key: string, presence: Presence | undefined, writtenAt: number): number => {
      // Deleted first, so that the order of the map is that of the last writes.
      rows.delete(key);
      rows.set(key, { presence, revision: ++revision, writtenAt });
      return revision;
    };

    return PresenceBucket.of({
      leaseMillis,
      get: (of) => Effect.map(Clock.currentTimeMillis, (now) => foundOf(rowOf(keyOf(of), now))),
      put: (presence, expected) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const key = keyOf(presence);
          return (rowOf(key, now)?.revision ?? 0) === expected ? write(key, presence, now) : undefined;
        }),
      remove: (of) => Effect.map(Clock.currentTimeMillis, (now) => void write(keyOf(of), undefined, now)),
      list: Effect.map(Clock.currentTimeMillis, (now) =>
        [...rows.keys()].flatMap((key) => foundOf(rowOf(key, now)).present ?? []),
      ),
    });
  });

export const layer = (options: { readonly leaseMillis?: number | undefined } = {}) =>
  Layer.effect(PresenceBucket, make(options.leaseMillis ?? defaultLeaseMillis));
