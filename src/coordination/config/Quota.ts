/**
 * Quota of a tenant: how much it may write. An absent field has no bound.
 *
 * Room: coordination.
 */
import { Schema } from "effect";
import { maybe } from "../../domain/thread/Content.ts";

const count = (most: number) => Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: most }));

/** Most threads that a quota can allow: the daemon holds their ids in memory, some 100 bytes each. */
export const mostThreads = 200_000;

export const Quota = Schema.Struct({
  /** Bytes of events, and of parts kept beside them, in a day of UTC. */
  bytesPerDay: maybe(count(Number.MAX_SAFE_INTEGER)),
  /** Events in a minute: as many at once after a rest, then one after the other. */
  eventsPerMinute: maybe(count(1_000_000_000)),
  /** Threads that were ever begun: none is removed from the log. */
  threads: maybe(count(mostThreads)),
});
export type Quota = typeof Quota.Type;

/** A tenant's name: any printable text, as it is a line of lists. */
export const quotaName = /^[^\p{C}]+$/u;
