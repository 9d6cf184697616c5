/** Who waits for a turn and for how long, at moments that no real spool offers. */
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber } from "effect";
import { TestClock } from "effect/testing";
import { elapsed } from "../../src/log/connection/Elapsed.ts";
import { longestTurnMillis, SpoolBackpressure } from "../../src/publish/delivery/SpoolBackpressure.ts";

const patienceMillis = 250;

/** Positions that wait, as the spool would tell them. */
class Positions {
  oldest = 1;
  newest = 0;

  readonly range = Effect.sync(() =>
    this.oldest > this.newest ? undefined : { oldest: this.oldest, newest: this.newest },
  );

  put(commands: number): void {
    this.newest += commands;
  }

  deliver(commands: number): void {
    this.oldest = Math.min(this.oldest + commands, this.newest + 1);
  }
}

const paceOf = (spool: Positions, isDirect = () => false) => new SpoolBackpressure({ spool, patienceMillis, isDirect });

/** A turn of somebody who has called just now. */
const turn = (pace: SpoolBackpressure) => Effect.flatMap(elapsed, (since) => pace.turn(1, since));

/** A spool in which so many wait, of which the log has just taken some, and callers know it. */
const delivered = Effect.fnUntraced(function* (waiting: number, taken: number, isDirect?: () => boolean) {
  const spool = new Positions();
  const pace = paceOf(spool, isDirect);
  spool.put(waiting);
  yield* turn(pace);
  yield* TestClock.adjust(20);
  spool.deliver(taken);
  return { spool, pace };
});

/** How many of so many callers, each with one command, get their turn at once; and those who wait. */
const ask = Effect.fnUntraced(function* (pace: SpoolBackpressure, callers: number) {
  const turned: Array<number> = [];
  const fibers = yield* Effect.forEach(Array.from({ length: callers }).keys().toArray(), (caller) =>
    Effect.forkChild(
      Effect.tap(turn(pace), () => Effect.sync(() => turned.push(caller))),
      { startImmediately: true },
    ),
  );
  yield* TestClock.adjust(0);
  return { turned, fibers };
});

describe("a caller who puts into the spool", () => {
  it.effect("waits for nothing while nothing is delivered", () =>
    Effect.gen(function* () {
      const spool = new Positions();
      const { turned } = yield* ask(paceOf(spool), 1_000);
      assert.lengthOf(turned, 1_000);
    }),
  );

  it.effect("waits when half of what was delivered has been put, and is let in by the next delivery, in order", () =>
    Effect.gen(function* () {
      const { pace, spool } = yield* delivered(1_000, 100);
      const { turned } = yield* ask(pace, 80);
      // One had its turn before the delivery.
      assert.lengthOf(turned, 49);
      yield* TestClock.adjust(100);
      assert.lengthOf(turned, 49);
      spool.deliver(20);
      yield* TestClock.adjust(20);
      assert.deepStrictEqual(turned, Array.from({ length: 59 }).keys().toArray());
    }),
  );

  it.effect("waits for a log that falls silent for as long as callers wait for the log, once", () =>
    Effect.gen(function* () {
      const { pace } = yield* delivered(1_000, 100);
      const { turned } = yield* ask(pace, 80);
      yield* TestClock.adjust(patienceMillis - 20);
      assert.lengthOf(turned, 49);
      yield* TestClock.adjust(30);
      assert.lengthOf(turned, 80);
      assert.lengthOf((yield* ask(pace, 1_000)).turned, 1_000);
    }),
  );

  it.effect("waits for two seconds at most, though more and more is delivered", () =>
    Effect.gen(function* () {
      const { pace, spool } = yield* delivered(10_000, 2);
      const { turned } = yield* ask(pace, 1_000);
      for (let millis = 0; millis < longestTurnMillis - 100; millis += 100) {
        spool.deliver(2);
        yield* TestClock.adjust(100);
      }
      assert.isBelow(turned.length, 100);
      yield* TestClock.adjust(100);
      assert.lengthOf(turned, 1_000);
    }),
  );

  it.effect("waits for two seconds in all, also when it has waited behind others of its history", () =>
    Effect.gen(function* () {
      const { pace, spool } = yield* delivered(10_000, 2);
      const since = yield* elapsed;
      yield* ask(pace, 1_000);
      for (let millis = 0; millis < longestTurnMillis; millis += 100) {
        spool.deliver(2);
        yield* TestClock.adjust(100);
      }
      const before = yield* ask(pace, 100);
      const fiber = yield* Effect.forkChild(pace.turn(1, since), { startImmediately: true });
      yield* TestClock.adjust(0);
      assert.isBelow(before.turned.length, 100);
      assert.isDefined(fiber.pollUnsafe());
    }),
  );

  it.effect("is let go at once by an interruption, which costs the others nothing", () =>
    Effect.gen(function* () {
      const { pace, spool } = yield* delivered(1_000, 4);
      const { fibers, turned } = yield* ask(pace, 4);
      assert.deepStrictEqual(turned, [0]);
      yield* Fiber.interruptAll(fibers.slice(1, 3));
      spool.deliver(10);
      yield* TestClock.adjust(20);
      assert.deepStrictEqual(turned, [0, 3]);
    }),
  );

  it.effect("is let go at once when callers are sent to the log, and when the publisher closes", () =>
    Effect.gen(function* () {
      let isDirect = false;
      for (const open of ["direct", "closing"]) {
        isDirect = false;
        const { pace } = yield* delivered(1_000, 100, () => isDirect);
        const { turned } = yield* ask(pace, 80);
        assert.lengthOf(turned, 49);
        if (open === "direct") isDirect = true;
        else pace.open();
        yield* TestClock.adjust(10);
        assert.lengthOf(turned, 80);
      }
    }),
  );

  it.effect("leaves so much to the drain that what waits becomes less, however many processes put", () =>
    Effect.gen(function* () {
      const spool = new Positions();
      spool.put(20_000);
      // Each of them puts five each millisecond: 40,000/s, where a log that answers in 150 ms takes 3,300/s.
      const callers = Array.from({ length: 8 }).flatMap(() => {
        const pace = paceOf(spool);
        return Array.from({ length: 5 }, () =>
          Effect.forever(
            Effect.andThen(
              turn(pace),
              Effect.delay(
                Effect.sync(() => spool.put(1)),
                1,
              ),
            ),
          ),
        );
      });
      const putting = yield* Effect.forkChild(Effect.all(callers, { concurrency: "unbounded", discard: true }));
      let answers = 0;
      for (; spool.newest - spool.oldest >= 500 && answers < 1_000; answers++) {
        spool.deliver(500);
        yield* TestClock.adjust(150);
      }
      yield* Fiber.interrupt(putting);
      assert.isBelow(answers, 1_000);
    }),
  );
});
