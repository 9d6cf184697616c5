/**
 * The promises of counts that processes share, as one suite for every bucket.
 *
 * Time is the test's: the bucket's clock is ours and the distance to the server's, learnt once.
 */
import { assert } from "@effect/vitest";
import { Effect, Fiber, Random, type Scope } from "effect";
import { TestClock } from "effect/testing";
import { type Bucket, Buckets } from "../../src/coordination/bucket/Bucket.ts";
import type { Limit } from "../../src/coordination/config/Limit.ts";
import * as LimitCounts from "../../src/coordination/limits/LimitCounts.ts";
import { taking } from "../../src/coordination/limits/LimitMath.ts";
import { bucketSettings } from "../../src/coordination/limits/Limits.ts";

type Tester = (name: string, test: () => Effect.Effect<void, unknown, Buckets | Scope.Scope>) => void;

/** One process: its own memory of what it wrote, and its questions to the bucket, counted. */
const process = Effect.gen(function* () {
  const bucket = yield* Effect.flatMap(Buckets, ({ open }) => open(bucketSettings));
  const trips = { get: 0, replace: 0 };
  const counting: Bucket = {
    ...bucket,
    get: (key) => Effect.suspend(() => (trips.get++, bucket.get(key))),
    // A round trip takes a moment, also to a bucket in memory.
    replace: (...all) =>
      Effect.andThen(
        Effect.yieldNow,
        Effect.suspend(() => (trips.replace++, bucket.replace(...all))),
      ),
  };
  const counts = LimitCounts.make(counting);
  return {
    bucket,
    trips,
    take: (key: string, limit: Limit, tokens = 1) => counts.decide(`slide.${key}`, taking(limit, tokens)),
  };
});

const sliding = (limit: number, windowMillis = 60_000): Limit => ({ per: [], limit, windowMillis });
const refilling = (limit: number, windowMillis = 60_000): Limit => ({
  ...sliding(limit, windowMillis),
  algorithm: "token-bucket",
});

const allowedOf = (decisions: ReadonlyArray<{ readonly isAllowed: boolean }>) =>
  decisions.filter(({ isAllowed }) => isAllowed).length;

const atOnce = <A, E>(times: number, one: Effect.Effect<A, E>) =>
  Effect.all(
    Array.from({ length: times }, () => one),
    { concurrency: "unbounded" },
  );

export const suite = (test: Tester) => {
  test("never takes more than the limit in any window that slides, and says when to come again", () =>
    Effect.gen(function* () {
      const { take } = yield* process;
      const taken: Array<number> = [];
      let now = 0;
      for (let at = 0; at < 200; at++) {
        const pick = yield* Random.nextIntBetween(0, 60);
        const { isAllowed, waitMillis } = yield* take("slides", sliding(20, 1_000));
        if (!isAllowed) {
          assert.isAbove(waitMillis, 0);
          assert.isAtMost(waitMillis, 1_000);
          yield* TestClock.adjust(waitMillis);
          now += waitMillis;
          assert.isTrue((yield* take("slides", sliding(20, 1_000))).isAllowed, "allowed after the wait");
        }
        taken.push(now);
        yield* TestClock.adjust(pick);
        now += pick;
      }
      for (const from of taken) {
        assert.isAtMost(taken.filter((at) => at >= from && at < from + 1_000).length, 20);
      }
      assert.lengthOf(taken, 200);
    }).pipe(Random.withSeed("slides")));

  test("costs one round trip a decision, also the first, and none for a refusal that is known", () =>
    Effect.gen(function* () {
      const { take, trips } = yield* process;
      for (let at = 1; at <= 5; at++) {
        yield* take("trips", sliding(5));
        assert.deepStrictEqual(trips, { get: 0, replace: at });
      }
      const refused = yield* Effect.forEach(Array.from({ length: 20 }), () => take("trips", sliding(5)));
      assert.strictEqual(allowedOf(refused), 0);
      assert.strictEqual(trips.replace, 5);
      // A refusal is read anew after a moment, because other processes may have given back.
      assert.isBelow(trips.get, 20);
    }));

  test("shares a round trip between all callers that ask at the same time", () =>
    Effect.gen(function* () {
      const { take, trips } = yield* process;
      assert.strictEqual(allowedOf(yield* atOnce(100, take("shared", refilling(60)))), 60);
      assert.isAtMost(trips.replace, 2);
      assert.isAtMost(trips.get, 1);
    }));

  test("decides on for the other callers when one goes away that is deciding, or waits for it", () =>
    Effect.gen(function* () {
      const { take } = yield* process;
      for (const [at, gone] of [[0], [1], [0, 1], [2], [1, 2]].entries()) {
        const one = take(`gone-${at}`, sliding(100));
        const asking = yield* Effect.forEach([0, 1, 2], () => Effect.forkChild(one, { startImmediately: true }));
        yield* Effect.forEach(gone, (of) => Fiber.interrupt(asking[of] as Fiber.Fiber<unknown, unknown>));
        const stayed = asking.filter((_, of) => !gone.includes(of));
        yield* Effect.forEach(stayed, (fiber) => Fiber.join(fiber));
        const { remaining } = yield* one;
        assert.isAtLeast(remaining, 96);
        assert.isAtMost(remaining, 100 - stayed.length - 1);
      }
    }));

  test("gives each of many processes its share of one limit, together exactly the limit", () =>
    Effect.gen(function* () {
      const processes = yield* Effect.forEach(Array.from({ length: 10 }), () => process);
      const decisions = yield* Effect.all(
        processes.flatMap(({ take }) => Array.from({ length: 30 }, () => take("together", sliding(100)))),
        { concurrency: "unbounded" },
      );
      assert.strictEqual(allowedOf(decisions), 100);
    }));

  test("gives back what was taken, and no more than that", () =>
    Effect.gen(function* () {
      const { take } = yield* process;
      for (const [name, limit] of Object.entries({ sliding: sliding(3), refilling: refilling(3) })) {
        const steps = yield* Effect.forEach([3, -2, 2, 1, -1_000, 3, 1], (tokens) =>
          Effect.map(take(`back-${name}`, limit, tokens), ({ isAllowed }) => isAllowed),
        );
        assert.deepStrictEqual(steps, [true, true, true, false, true, true, false], name);
      }
    }));

  test("decides anew on a state that another program wrote into the bucket, or that is no state at all", () =>
    Effect.gen(function* () {
      const { bucket, take } = yield* process;
      const one = take("foreign", sliding(2));
      yield* one;
      yield* bucket.put("slide.foreign", Buffer.from("{"));
      const decisions = yield* Effect.forEach([1, 2, 3], () => one);
      assert.strictEqual(allowedOf(decisions), 2);
      yield* bucket.remove("slide.foreign");
    }));
};
