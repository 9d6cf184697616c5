/**
 * Best effort: asks what is shared with little patience, and not again at once after a failure.
 *
 * Room: coordination.
 */
import { Effect, Option } from "effect";
import type { CacheSharing, Shared } from "./CacheSharing.ts";

/** Patience with the buckets of caches: what they spare takes less. */
export const defaultPatienceMillis = 250;
/** Time without questions after a failure: a slow server costs one caller its patience, and not each of them. */
const awayMillis = 1_000;

export interface BestEffort {
  /**
   * None when nothing is shared now, or when it failed. `millis` bounds what is more than a request to a bucket, which has
   * its own patience: a timer more costs a hit a tenth of its time.
   */
  readonly attempt: <A>(
    work: (shared: Shared) => Effect.Effect<A, unknown>,
    millis?: number,
  ) => Effect.Effect<Option.Option<A>>;
  /** Attempts that failed. */
  readonly failures: () => number;
}

/** `now`: milliseconds of a monotonic clock (`Elapsed`). */
export const make = (wire: CacheSharing["Service"], now: () => number): BestEffort => {
  let awayUntil = -Infinity;
  let failures = 0;
  return {
    attempt: <A>(work: (shared: Shared) => Effect.Effect<A, unknown>, millis?: number) =>
      Effect.suspend(() => {
        const shared = wire.shared();
        if (shared === undefined || now() < awayUntil) return Effect.succeed(Option.none<A>());
        const bounded = millis === undefined ? work(shared) : Effect.timeout(work(shared), millis);
        return bounded.pipe(
          Effect.match({
            onSuccess: Option.some,
            onFailure: () => {
              failures++;
              awayUntil = now() + awayMillis;
              return Option.none<A>();
            },
          }),
        );
      }),
    failures: () => failures,
  };
};
