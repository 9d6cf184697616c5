/**
 * Single flight over processes: of all that would do the same work at the same time, one does it.
 *
 * Room: coordination.
 *
 * A claim in a bucket, extended while the work goes on. The other processes poll it, because a watch costs the server a
 * consumer for each of them; when it is gone they look for the result, and the next one claims the work where there is
 * none. Best effort: while NATS is unreachable, and after `patienceMillis`, each does the work itself.
 */
import { Effect, Exit, Option, Scope } from "effect";
import { type Bucket, keyOf, type Settings } from "../bucket/Bucket.ts";
import type { BestEffort } from "./BestEffort.ts";
import type { Shared } from "./CacheSharing.ts";

/** A process that is silent for so long does the work no longer; the server's clock ends a value up to two seconds later. */
const claimMillis = 5_000;
const pollMillis = { first: 20, longest: 250 };

const settingsOf = (patienceMillis: number): Settings => ({
  name: "RECOLLECT_FLIGHTS",
  description: "Recollect: requests that are under way. May be deleted at any time; some are then made twice.",
  storage: "memory",
  ttlMillis: 60_000,
  maxBytes: 16 * 1024 * 1024,
  maxValueBytes: 1024,
  whenFull: "forget",
  patienceMillis,
});

export interface Work<A, E, R> {
  /** The result of another process, if there is one. */
  readonly look: Effect.Effect<A | undefined>;
  readonly work: Effect.Effect<A, E, R>;
  /** Gives the result to the other processes. */
  readonly share: (result: A) => Effect.Effect<unknown>;
  /** Longest wait for another process. */
  readonly patienceMillis: number;
}

export const make = Effect.fnUntraced(function* (options: {
  readonly there: BestEffort;
  readonly tenant: string;
  readonly patienceMillis: number;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}) {
  const { now, patienceMillis, tenant, there } = options;
  const scope = yield* Effect.scope;
  let current: { readonly of: Shared; readonly bucket: Bucket } | undefined;
  const bucketOf = Effect.fnUntraced(function* (shared: Shared) {
    if (current?.of === shared) return current.bucket;
    const bucket = yield* Scope.provide(shared.buckets.open(settingsOf(patienceMillis)), scope);
    current = { of: shared, bucket };
    return bucket;
  });
  const attempt = <A>(use: (bucket: Bucket) => Effect.Effect<A, unknown>) =>
    there.attempt((shared) => Effect.flatMap(bucketOf(shared), use));
  const claimed = (key: string, revision: number) =>
    attempt((bucket) => bucket.replace(key, Uint8Array.of(1), revision, { ttlMillis: claimMillis }));

  /** Does the work under a claim, and lets go of it behind the answer. */
  const underClaim = <A, E, R>(key: string, revision: number, { share, work }: Work<A, E, R>) => {
    let held: number | undefined = revision;
    const extending = Effect.gen(function* () {
      yield* Effect.sleep(claimMillis / 3);
      // Lost, or unreachable: then another process may do the same.
      held = held === undefined ? undefined : Option.getOrUndefined(yield* claimed(key, held));
    }).pipe(Effect.forever);
    const letGo = Effect.suspend(() =>
      held === undefined ? Effect.void : attempt((bucket) => bucket.remove(key, held)),
    );
    return Effect.scoped(Effect.andThen(Effect.forkScoped(extending), work)).pipe(
      Effect.onExit((exit) =>
        Effect.forkIn(Effect.andThen(Exit.isSuccess(exit) ? share(exit.value) : Effect.void, letGo), scope, {
          startImmediately: true,
        }),
      ),
    );
  };

  return {
    once: Effect.fnUntraced(function* <A, E, R>(name: string, doing: Work<A, E, R>): Effect.fn.Return<A, E, R> {
      const key = keyOf("flight", tenant, name);
      const unclaimed = Effect.tap(doing.work, (result) => Effect.forkIn(doing.share(result), scope));
      const until = now() + doing.patienceMillis;
      let revision = 0;
      for (let pause = pollMillis.first; now() < until;) {
        const mine = yield* claimed(key, revision);
        if (Option.isNone(mine)) break;
        if (mine.value !== undefined) return yield* underClaim(key, mine.value, doing);
        for (;;) {
          const other = yield* attempt((bucket) => bucket.get(key));
          if (Option.isNone(other) || now() >= until) return yield* unclaimed;
          revision = other.value.revision;
          if (other.value.value === undefined) break;
          yield* Effect.sleep(pause);
          pause = Math.min(pause * 2, pollMillis.longest);
        }
        const found = yield* doing.look;
        if (found !== undefined) return found;
      }
      return yield* unclaimed;
    }),
  };
});
