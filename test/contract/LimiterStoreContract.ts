/**
 * The promises of Effect's `RateLimiterStore` over a bucket, as one suite for every bucket.
 *
 * Time is the test's: the bucket's clock is ours and the distance to the server's, learnt once.
 */
import { assert } from "@effect/vitest";
import { Context, Duration, Effect, Fiber, Layer, Random, Result, type Scope } from "effect";
import { RateLimiter } from "effect/persistence";
import { TestClock } from "effect/testing";
import { type Bucket, Buckets } from "../../src/coordination/bucket/Bucket.ts";
import * as LimiterStore from "../../src/coordination/limits/LimiterStore.ts";

type Tester = (name: string, test: () => Effect.Effect<void, unknown, Buckets | Scope.Scope>) => void;

/** One process: its own memory of what it wrote. */
const process = Effect.map(Layer.build(LimiterStore.layer), (built) => Context.get(built, LimiterStore.Limiters));

/** What a process asks of its bucket, counted. */
const counting = Effect.gen(function* () {
  const buckets = yield* Buckets;
  const counts = { get: 0, replace: 0 };
  const limiters = yield* Effect.provideService(
    process,
    Buckets,
    Buckets.of({
      open: (settings) =>
        Effect.map(buckets.open(settings), (bucket): Bucket => ({
          ...bucket,
          get: (key) => Effect.suspend(() => (counts.get++, bucket.get(key))),
          // A round trip takes a moment, also to a bucket in memory.
          replace: (...all) =>
            Effect.andThen(
              Effect.yieldNow,
              Effect.suspend(() => (counts.replace++, bucket.replace(...all))),
            ),
        })),
    }),
  );
  return { limiters, counts };
});

const limiterOf = (store: RateLimiter.RateLimiterStore["Service"]) =>
  Effect.provideService(RateLimiter.make, RateLimiter.RateLimiterStore, store);

/** What Effect's limiter says: allowed or not, and every number of it. */
const said = Effect.fnUntraced(function* (effect: Effect.Effect<object, RateLimiter.RateLimiterError>) {
  const result = yield* Effect.result(effect);
  if (result._tag === "Failure") {
    const { reason } = result.failure;
    return reason._tag === "RateLimitExceeded"
      ? ["refused", Duration.toMillis(reason.retryAfter), reason.limit, reason.remaining]
      : [reason.message];
  }
  return Object.values(result.success).map((value) => (Duration.isDuration(value) ? Duration.toMillis(value) : value));
});

/** Equal but for what a clock of 13 digits before the point loses behind it. */
const assertSame = (ours: ReadonlyArray<unknown>, model: ReadonlyArray<unknown>, about: unknown) => {
  const rounded = (all: ReadonlyArray<unknown>) => all.map((one) => (typeof one === "number" ? 0 : one));
  assert.deepStrictEqual(rounded(ours), rounded(model), JSON.stringify(about));
  for (const [at, one] of ours.entries()) {
    if (typeof one === "number") assert.closeTo(one, Number(model[at]), 0.01, JSON.stringify(about));
  }
};

export const suite = (test: Tester) => {
  test("decides what Effect's own store in memory decides, over hundreds of random moments and questions", () =>
    Effect.gen(function* () {
      const limiter = yield* Effect.flatMap(process, ({ store }) => limiterOf(store));
      const effects = Context.get(yield* Layer.build(RateLimiter.layerStoreMemory), RateLimiter.RateLimiterStore);
      const model = yield* limiterOf(effects);
      let epoch = 0;
      for (let at = 0; at < 300; at++) {
        const pick = yield* Random.nextIntBetween(0, 100);
        const tokens = (pick % 3) + 1;
        const algorithm = pick % 5 < 2 ? ("fixed-window" as const) : ("token-bucket" as const);
        const onExceeded = pick % 7 === 0 ? ("delay" as const) : ("fail" as const);
        const options = { key: `model ${algorithm}`, window: 1_000, limit: 8, tokens, algorithm, onExceeded };
        assertSame(yield* said(limiter.consume(options)), yield* said(model.consume(options)), [at, options]);
        const adaptive = { key: "model", tokens, fallbackLimit: 8, fallbackWindow: Duration.seconds(1) };
        const adapted = yield* limiter.adaptiveConsume(adaptive);
        assertSame(yield* said(Effect.succeed(adapted)), yield* said(model.adaptiveConsume(adaptive)), [at, adaptive]);
        epoch = adapted.epoch;
        if (pick % 11 === 0) {
          const feedback = { key: "model", epoch, tokens, status: 429, retryAfter: Duration.millis(pick * 10) };
          yield* limiter.adaptiveFeedback(feedback);
          yield* model.adaptiveFeedback(feedback);
        }
        yield* TestClock.adjust(pick % 4 === 0 ? pick * 7 : pick);
      }
    }).pipe(Random.withSeed("limits")));

  test("never takes more than the limit in any window that slides, and says when to come again", () =>
    Effect.gen(function* () {
      const { sliding } = yield* process;
      const limiter = yield* limiterOf(sliding);
      const taken: Array<number> = [];
      let now = 0;
      for (let at = 0; at < 400; at++) {
        const pick = yield* Random.nextIntBetween(0, 60);
        const result = yield* Effect.result(limiter.consume({ key: "slides", window: 1_000, limit: 20, tokens: 1 }));
        if (result._tag === "Success") taken.push(now);
        else if (result.failure.reason._tag === "RateLimitExceeded") {
          const millis = Duration.toMillis(result.failure.reason.retryAfter);
          assert.isAbove(millis, 0);
          assert.isAtMost(millis, 1_000);
          // Whoever comes again then is let in.
          yield* TestClock.adjust(millis);
          now += millis;
          yield* limiter.consume({ key: "slides", window: 1_000, limit: 20, tokens: 1 });
          taken.push(now);
        }
        yield* TestClock.adjust(pick);
        now += pick;
      }
      for (const from of taken) {
        const inWindow = taken.filter((at) => at >= from && at < from + 1_000).length;
        assert.isAtMost(inWindow, 20);
      }
      assert.isAbove(taken.length, 200);
    }).pipe(Random.withSeed("slides")));

  test("costs one round trip a decision, also the first, and none for a refusal that is known", () =>
    Effect.gen(function* () {
      const { counts, limiters } = yield* counting;
      const limiter = yield* limiterOf(limiters.sliding);
      const options = { key: "trips", window: 60_000, limit: 5 };
      for (let at = 1; at <= 5; at++) {
        yield* limiter.consume(options);
        assert.deepStrictEqual(counts, { get: 0, replace: at });
      }
      for (let at = 0; at < 20; at++) yield* Effect.flip(limiter.consume(options));
      assert.strictEqual(counts.replace, 5);
      // A refusal is looked at anew now and then, because others may have given back.
      assert.isBelow(counts.get, 20);
    }));

  test("costs far less than a round trip a decision for who asks all the time, and gives back what it did not use", () =>
    Effect.gen(function* () {
      const { counts, limiters } = yield* counting;
      const limiter = yield* limiterOf(limiters.sliding);
      const options = { key: "often", window: 1_000, limit: 1_000 };
      for (let at = 0; at < 200; at++) {
        yield* limiter.consume(options);
        yield* TestClock.adjust(at % 2);
      }
      assert.isBelow(counts.replace, 50);
      yield* TestClock.adjust(100);
      // A server takes a moment of its own.
      yield* Effect.repeat(limiters.bucket.entries("sliding.often"), {
        until: ([entry]) => Buffer.from(entry?.value ?? []).includes('"slices":[]'),
      });
      const other = yield* Effect.flatMap(process, ({ sliding }) => limiterOf(sliding));
      const { remaining } = yield* other.consume(options);
      assert.strictEqual(remaining, 799);
    }));

  test("lets go of a slice that the bucket has forgotten", () =>
    Effect.gen(function* () {
      const { counts, limiters } = yield* counting;
      const limiter = yield* limiterOf(limiters.sliding);
      const options = { key: "forgotten", window: 1_000, limit: 1_000 };
      for (let at = 0; at < 100; at++) {
        yield* limiter.consume(options);
        yield* TestClock.adjust(at % 2);
      }
      yield* limiters.bucket.remove("sliding.forgotten");
      yield* TestClock.adjust(100);
      const { remaining } = yield* limiter.consume(options);
      assert.strictEqual(remaining, 999);
      const asked = { ...counts };
      for (let at = 0; at < 100; at++) yield* Effect.yieldNow;
      assert.deepStrictEqual(counts, asked);
    }));

  test("never takes more than the limit in any window, nor under 98 % of it, while many ask more than it gives", () =>
    Effect.gen(function* () {
      const limit = 600;
      const seconds = 3;
      const limiters = yield* Effect.forEach(Array.from({ length: 6 }), () =>
        Effect.flatMap(process, ({ sliding }) => limiterOf(sliding)),
      );
      const options = { key: "crowd", window: 1_000, limit };
      const taken: Array<number> = [];
      for (let now = 0; now < seconds * 1_000; now += 4) {
        for (let ask = 0; ask < 8; ask++) {
          // Some ask often and some seldom, and one falls silent with what it holds.
          const pick = Math.floor((yield* Random.next) ** 2 * limiters.length);
          const limiter = limiters[pick];
          if (limiter === undefined || (pick === 0 && now > 1_500)) continue;
          if (Result.isSuccess(yield* Effect.result(limiter.consume(options)))) taken.push(now);
        }
        yield* TestClock.adjust(4);
      }
      const most = taken.map((from) => taken.filter((at) => at >= from && at < from + 1_000).length);
      assert.isAtMost(Math.max(...most), limit);
      assert.isAtLeast(taken.length, 0.98 * limit * seconds);
    }).pipe(Random.withSeed("crowd")));

  test("shares a round trip between all who ask at the same time", () =>
    Effect.gen(function* () {
      const { counts, limiters } = yield* counting;
      const limiter = yield* limiterOf(limiters.store);
      const options = { key: "shared", window: 60_000, limit: 60, algorithm: "token-bucket" } as const;
      const results = yield* Effect.all(
        Array.from({ length: 100 }, () => Effect.result(limiter.consume(options))),
        { concurrency: "unbounded" },
      );
      assert.lengthOf(
        results.filter(({ _tag }) => _tag === "Success"),
        60,
      );
      assert.isAtMost(counts.replace, 2);
      assert.isAtMost(counts.get, 1);
    }));

  test("decides on for others when somebody goes away who is deciding, or waits for it", () =>
    Effect.gen(function* () {
      const { limiters } = yield* counting;
      const limiter = yield* limiterOf(limiters.sliding);
      for (const [at, gone] of [[0], [1], [0, 1], [2], [1, 2]].entries()) {
        const consume = limiter.consume({ key: `gone ${at}`, window: 60_000, limit: 100 });
        const asking = yield* Effect.forEach([0, 1, 2], () => Effect.forkChild(consume, { startImmediately: true }));
        yield* Effect.forEach(gone, (one) => Fiber.interrupt(asking[one] as Fiber.Fiber<unknown, unknown>));
        const stayed = asking.filter((_, one) => !gone.includes(one));
        yield* Effect.forEach(stayed, (fiber) => Fiber.join(fiber));
        const { remaining } = yield* consume;
        assert.isAtLeast(remaining, 96);
        assert.isAtMost(remaining, 100 - stayed.length - 1);
      }
    }));

  test("gives each of many processes its share of one limit, together exactly the limit", () =>
    Effect.gen(function* () {
      const limiters = yield* Effect.forEach(Array.from({ length: 10 }), () =>
        Effect.flatMap(process, ({ sliding }) => limiterOf(sliding)),
      );
      const options = { key: "together", window: 60_000, limit: 100 };
      const results = yield* Effect.all(
        limiters.flatMap((limiter) => Array.from({ length: 30 }, () => Effect.result(limiter.consume(options)))),
        { concurrency: "unbounded" },
      );
      assert.lengthOf(
        results.filter(({ _tag }) => _tag === "Success"),
        100,
      );
    }));

  test("gives back what was taken, and no more than that", () =>
    Effect.gen(function* () {
      const { sliding, store } = yield* process;
      for (const [name, { algorithm, from }] of Object.entries({
        sliding: { from: sliding, algorithm: "fixed-window" },
        bucket: { from: store, algorithm: "token-bucket" },
        window: { from: store, algorithm: "fixed-window" },
      } as const)) {
        const limiter = yield* limiterOf(from);
        const options = { key: `back ${name}`, window: 60_000, limit: 3, algorithm };
        const take = (tokens: number) => limiter.consume({ ...options, tokens });
        yield* take(3);
        yield* take(-2);
        yield* take(2);
        yield* Effect.flip(take(1));
        yield* take(-1_000);
        yield* take(3);
        yield* Effect.flip(take(1));
      }
    }));

  test("decides anew on a state that somebody else wrote into the bucket, or that is no state at all", () =>
    Effect.gen(function* () {
      const { bucket, sliding } = yield* process;
      const limiter = yield* limiterOf(sliding);
      const options = { key: "foreign", window: 60_000, limit: 2 };
      yield* limiter.consume(options);
      const [entry] = yield* bucket.entries("sliding.foreign");
      assert.isDefined(entry);
      yield* bucket.put("sliding.foreign", Buffer.from("{"));
      yield* limiter.consume(options);
      yield* limiter.consume(options);
      yield* Effect.flip(limiter.consume(options));
      yield* bucket.remove("sliding.foreign");
    }));
};
