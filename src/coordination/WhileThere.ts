/**
 * Asking what is shared, for those who can do without: with little patience, and not again at once after a failure.
 *
 * Room: coordination. In: CacheWire. Out: SharedFiles, ResponseCache.
 */
import { Effect, Option } from "effect";
import type { CacheWire, Shared } from "./CacheWire.ts";

/** Longer than this a cache is never waited for; what it spares takes less. */
const patienceMillis = 250;
/** How long nobody asks after a failure, so that a slow server costs one caller its patience and not each of them. */
const awayMillis = 1_000;

export interface WhileThere {
  /** None when nothing is shared now, or when it failed. `millis`: for what nobody waits for. */
  readonly attempt: <A>(
    work: (shared: Shared) => Effect.Effect<A, unknown>,
    millis?: number,
  ) => Effect.Effect<Option.Option<A>>;
  /** Attempts that failed. */
  readonly failures: () => number;
}

/** `now`: the caller's clock, epoch milliseconds. */
export const make = (wire: CacheWire["Service"], now: () => number): WhileThere => {
  let awayUntil = -Infinity;
  let failures = 0;
  return {
    attempt: <A>(work: (shared: Shared) => Effect.Effect<A, unknown>, millis = patienceMillis) =>
      Effect.suspend(() => {
        const shared = wire.shared();
        if (shared === undefined || now() < awayUntil) return Effect.succeed(Option.none<A>());
        return work(shared).pipe(
          Effect.timeout(millis),
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
