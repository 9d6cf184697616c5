/**
 * Effect's rate limiter over a bucket: one count for all processes.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/LimiterStoreContract.ts`:
 * - every decision is one that a single process could have made, in some order: never a token too many;
 * - a decision costs one round trip when nobody else wrote, none when what is known already refuses it, and far less than
 *   one for who asks a sliding window all the time;
 * - those of one process that ask at the same time share a round trip.
 *
 * Decision: who asks often takes a slice of a sliding window in advance (`LimitSlices`), because on one key every write of
 * another process is a conflict: ten processes with one caller each got 1,140 decisions a second out of one key, for 3
 * round trips each, and get 35,000 for 0.06. Token buckets have none, because what is taken in advance from a bucket that
 * goes on filling lets more through at once than it may. No counters of JetStream (`Nats-Incr`), because one counts and cannot decide: a refused
 * token would be counted, what is given back would let another in too early, a bucket that refills is no sum, and a window
 * that slides as exactly would need 64 counters read anew all the time; a slice needs less than one round trip a decision.
 */
import { Context, Duration, Effect, Layer } from "effect";
import { RateLimiter } from "effect/persistence";
import { type Bucket, type BucketError, Buckets, keyOf, type Settings } from "../bucket/Bucket.ts";
import * as LimitDecisions from "./LimitDecisions.ts";
import {
  type Adaptive,
  learn,
  type Sliding,
  type Step,
  takeAdaptive,
  takeBucket,
  takeSliding,
  takeWindow,
  type TokenBucket,
  type Window,
} from "./LimitMath.ts";

const day = 86_400_000;

/**
 * In memory, because a limit's state is worth nothing after a restart. 64 MiB hold the state of some 200,000 keys; then
 * those that were used longest ago are forgotten, and count from nothing.
 */
export const bucketSettings: Settings = {
  name: "RECOLLECT_LIMITS",
  description: "Recollect: how much of each limit was used. May be deleted at any time; limits then begin anew.",
  storage: "memory",
  ttlMillis: 31 * day,
  maxBytes: 64 * 1024 * 1024,
  maxValueBytes: 16 * 1024,
  whenFull: "forget",
};

const storeError = (error: BucketError) =>
  new RateLimiter.RateLimiterError({
    reason: new RateLimiter.RateLimitStoreError({ message: error.reason, cause: error }),
  });

/** Two forms of Effect's rate limiter over one bucket. */
export class Limiters extends Context.Service<
  Limiters,
  {
    /** Windows and buckets as Effect has them: for `RateLimiter.layer` and everything built on it. */
    readonly store: RateLimiter.RateLimiterStore["Service"];
    /** The same, but its windows slide: never more than the limit in any window. They refuse and cannot delay. */
    readonly sliding: RateLimiter.RateLimiterStore["Service"];
    readonly bucket: Bucket;
  }
>()("recollect/coordination/Limiters") {}

const make = Effect.gen(function* () {
  const bucket = yield* Effect.flatMap(Buckets, ({ open }) => open(bucketSettings));
  const { decide, decideWindow } = yield* LimitDecisions.make(bucket);
  const counted = <State, Answer>(
    key: string,
    step: (state: State | undefined, now: number) => Step<State, Answer>,
    trusts = true,
  ): Effect.Effect<Answer, RateLimiter.RateLimiterError> => Effect.mapError(decide({ key, step, trusts }), storeError);

  const store = RateLimiter.RateLimiterStore.of({
    fixedWindow: ({ key, limit, refillRate, tokens }) => {
      const refillMillis = Duration.toMillis(refillRate);
      return counted(keyOf("window", key), (state: Window | undefined, now) =>
        takeWindow(state, now, { tokens, refillMillis, limit }),
      );
    },
    tokenBucket: ({ allowOverflow, key, limit, refillRate, tokens }) => {
      const refillMillis = Duration.toMillis(refillRate);
      return counted(keyOf("bucket", key), (state: TokenBucket | undefined, now) =>
        takeBucket(state, now, { tokens, refillMillis, limit, allowOverflow }),
      );
    },
    adaptiveConsume: ({ fallbackWindow, key, tokens }) => {
      const fallbackWindowMillis = Duration.toMillis(fallbackWindow);
      const step = (state: Adaptive | undefined, now: number) =>
        takeAdaptive(state, now, { tokens, fallbackWindowMillis });
      const taken = counted(keyOf("adaptive", key), step, false);
      return Effect.map(taken, ({ delayMillis, epoch, phase }) => ({
        delay: Duration.millis(delayMillis),
        epoch,
        phase,
      }));
    },
    adaptiveFeedback: ({ epoch, key, retryAfter, status, tokens }) => {
      if (status !== 429 || retryAfter === undefined) return Effect.void;
      const retryAfterMillis = Duration.toMillis(retryAfter);
      const step = (state: Adaptive | undefined, now: number) => learn(state, now, { tokens, epoch, retryAfterMillis });
      return counted(keyOf("adaptive", key), step, false);
    },
  });

  const sliding = RateLimiter.RateLimiterStore.of({
    ...store,
    fixedWindow: ({ key, limit, refillRate, tokens }) => {
      if (limit === undefined) {
        const message = "A sliding window refuses and cannot delay.";
        return Effect.fail(
          new RateLimiter.RateLimiterError({ reason: new RateLimiter.RateLimitStoreError({ message }) }),
        );
      }
      const windowMillis = Duration.toMillis(refillRate) * limit;
      const window = { tokens, windowMillis, limit };
      const step = (state: Sliding | undefined, now: number) => takeSliding(state, now, window);
      return Effect.mapError(decideWindow({ key: keyOf("sliding", key), step }, window), storeError);
    },
  });
  return Limiters.of({ store, sliding, bucket });
});

export const layer = Layer.effect(Limiters, make);
