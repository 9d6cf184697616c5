/**
 * Effect's rate limiter over a bucket: one count for all processes.
 *
 * Room: coordination. In: Bucket, Tokens. Out: Limits.
 *
 * Promises, each a test in `test/contract/LimiterStoreContract.ts`:
 * - every decision is one that a single process could have made, in some order: never a token too many;
 * - a decision costs one round trip when nobody else wrote, and none when what is known already refuses it;
 * - those of one process that ask at the same time share a round trip.
 *
 * A process remembers the state it wrote last with its revision, decides on it, and replaces it: if another process wrote
 * first it reads, decides anew and replaces again. While a round trip is under way, whoever asks for the same key waits,
 * and all who waited are decided together. So a key costs each process at most one write at a time, however many ask,
 * and of many processes one always gets on.
 *
 * Decision: no leases (taking tokens in advance for a process), because what a process holds in advance another one is
 * refused, and a limit of 100 a second shall give 100. And no counters of JetStream (`Nats-Incr`), because one counts and
 * cannot decide: a refused token would be counted, and a bucket that refills is no sum.
 */
import { Context, Duration, Effect, Layer, Semaphore } from "effect";
import { RateLimiter } from "effect/persistence";
import { type Bucket, type BucketError, Buckets, BucketUnavailable, keyOf, type Settings } from "./Bucket.ts";
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
} from "./Tokens.ts";

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

/**
 * How long a refusal is given from what is known, without asking. A state only ever gets fuller for the same moment,
 * except where another process gives back, so a refusal that is known is true, or was so a moment ago.
 */
const knownMillis = 100;

/** How often a decision is made anew because others wrote first. Each time one of them got on. */
const maxRounds = 200;

/** Keys whose state a process remembers; the one used longest ago costs a read more. */
const maxLanes = 10_000;

const utf8 = { encode: new TextEncoder(), decode: new TextDecoder() };

interface Known {
  readonly state: unknown;
  readonly revision: number;
  /** By the platform's monotonic clock. */
  readonly readAt: number;
}

interface Asked {
  readonly step: (state: never, now: number) => Step<unknown, unknown>;
  /** Whether an answer that changes nothing holds for a moment without asking: a refusal does. */
  readonly trusts: boolean;
  outcome: { readonly answer: unknown } | { readonly error: BucketError } | undefined;
}

interface Lane {
  readonly key: string;
  readonly turn: Semaphore.Semaphore;
  waiting: Array<Asked>;
  known: Known;
}

const nothing: Known = { state: undefined, revision: 0, readAt: -Infinity };

/** All who waited, decided one after another on one state. */
const decideAll = (asked: ReadonlyArray<Asked>, from: unknown, now: number) => {
  let state = from;
  const answers = asked.map(({ step }) => {
    const { answer, next } = step(state as never, now);
    if (next !== undefined) state = next;
    return answer;
  });
  return { answers, state, isChanged: state !== from };
};

const read = (bucket: Bucket, key: string) =>
  Effect.map(bucket.get(key), ({ revision, value }): Known => {
    const readAt = performance.now();
    if (value === undefined) return { state: undefined, revision, readAt };
    try {
      return { state: JSON.parse(utf8.decode.decode(value)), revision, readAt };
    } catch {
      // Not ours: it is written over.
      return { state: undefined, revision, readAt };
    }
  });

/**
 * After a second conflict in a row: a moment, each time longer and for everyone another. Of ten who try at once nine
 * try in vain; of ten who take turns hardly one. By the platform's timer, because a test's clock must not stop it.
 */
const stepAside = (round: number) =>
  Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, Math.random() * Math.min(2 ** round, 16))));

/** One state on which all of them are decided, and that no other process changed meanwhile. */
const decided = Effect.fnUntraced(function* (bucket: Bucket, lane: Lane, asked: ReadonlyArray<Asked>) {
  const isTrusted = asked.every(({ trusts }) => trusts) && performance.now() - lane.known.readAt <= knownMillis;
  for (let round = 0; round < maxRounds; round++) {
    const { answers, isChanged, state } = decideAll(asked, lane.known.state, yield* bucket.now);
    if (!isChanged && (isTrusted || round > 0)) return answers;
    if (isChanged) {
      const value = utf8.encode.encode(JSON.stringify(state));
      const revision = yield* bucket.replace(lane.key, value, lane.known.revision);
      if (revision !== undefined) {
        lane.known = { state, revision, readAt: performance.now() };
        return answers;
      }
    }
    if (round > 0) yield* stepAside(round);
    lane.known = yield* read(bucket, lane.key);
  }
  return yield* new BucketUnavailable({
    bucket: bucket.name,
    reason: `other processes wrote ${lane.key} ${maxRounds} times meanwhile`,
  });
});

/** Decides for everybody who waits in the lane, in one round trip unless another process writes as well. */
const drain = (bucket: Bucket, lane: Lane): Effect.Effect<void> => {
  const asked = lane.waiting;
  lane.waiting = [];
  return Effect.match(decided(bucket, lane, asked), {
    onSuccess: (answers) => asked.forEach((one, at) => (one.outcome = { answer: answers[at] })),
    onFailure: (error) => {
      // Nobody knows whether the last write happened: the next one reads.
      lane.known = nothing;
      for (const one of asked) one.outcome = { error };
    },
  });
};

const makeLanes = (bucket: Bucket) => {
  const lanes = new Map<string, Lane>();
  const laneOf = (key: string): Lane => {
    const found = lanes.get(key) ?? { key, turn: Semaphore.makeUnsafe(1), waiting: [], known: nothing };
    lanes.delete(key);
    lanes.set(key, found);
    const [oldest] = lanes.values();
    // One that somebody waits in stays: two lanes of a key would only disturb each other.
    if (lanes.size > maxLanes && oldest !== undefined && oldest.waiting.length === 0) lanes.delete(oldest.key);
    return found;
  };
  return <State, Answer>(
    key: string,
    step: (state: State | undefined, now: number) => Step<State, Answer>,
    trusts = true,
  ): Effect.Effect<Answer, BucketError> =>
    Effect.suspend(() => {
      const lane = laneOf(key);
      const mine: Asked = { step, trusts, outcome: undefined };
      lane.waiting.push(mine);
      // Whoever comes first decides for all who have come until then; the others find their answer.
      const turn = Effect.suspend(() => (mine.outcome === undefined ? drain(bucket, lane) : Effect.void));
      return Effect.andThen(
        lane.turn.withPermit(Effect.uninterruptible(turn)),
        Effect.suspend(() => {
          const { outcome } = mine;
          if (outcome === undefined) return Effect.die("a turn leaves an outcome");
          return "error" in outcome ? Effect.fail(outcome.error) : Effect.succeed(outcome.answer as Answer);
        }),
      );
    });
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
  const decide = makeLanes(bucket);
  const counted = <State, Answer>(
    key: string,
    step: (state: State | undefined, now: number) => Step<State, Answer>,
    trusts = true,
  ): Effect.Effect<Answer, RateLimiter.RateLimiterError> => Effect.mapError(decide(key, step, trusts), storeError);

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
      return counted(keyOf("sliding", key), (state: Sliding | undefined, now) =>
        takeSliding(state, now, { tokens, windowMillis, limit }),
      );
    },
  });
  return Limiters.of({ store, sliding, bucket });
});

export const layer = Layer.effect(Limiters, make);
