import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber } from "effect";
import { TestClock } from "effect/testing";
import * as BatchQueue from "../../src/projection/fold/BatchQueue.ts";
import { said } from "./StubLog.ts";

const some = (count: number, from = 1) => Array.from({ length: count }, (_, n) => said(from + n, "word"));
const limits = { events: 10, bytes: 100_000, fillMillis: 20 };

describe("the intake", () => {
  it.effect("gives a lone event at once, without waiting for others", () =>
    Effect.gen(function* () {
      const intake = BatchQueue.make(limits);
      const taking = yield* Effect.forkChild(intake.take(0));
      yield* intake.put(some(1));
      assert.lengthOf(yield* Fiber.join(taking), 1);
    }),
  );

  it.effect("waits for a whole batch while it is known to be coming, but not for ever", () =>
    Effect.gen(function* () {
      const intake = BatchQueue.make(limits);
      const full = yield* Effect.forkChild(intake.take(1000));
      for (let n = 1; n <= 10; n++) yield* intake.put(some(1, n));
      assert.lengthOf(yield* Fiber.join(full), 10);
      const late = yield* Effect.forkChild(intake.take(1000));
      yield* intake.put(some(3, 11));
      yield* TestClock.adjust(limits.fillMillis);
      assert.lengthOf(yield* Fiber.join(late), 3);
      const last = yield* Effect.forkChild(intake.take(2));
      yield* intake.put(some(2, 14));
      assert.lengthOf(yield* Fiber.join(last), 2);
    }),
  );

  it.effect("cuts batches by count and by bytes, and gives an event that is larger than a batch alone", () =>
    Effect.gen(function* () {
      const intake = BatchQueue.make(limits);
      const large = (sequence: number, size: number) => said(sequence, "x".repeat(size));
      yield* intake.put([...some(12), large(13, 60_000), large(14, 60_000), large(15, 200_000), ...some(1, 16)]);
      const taken: Array<ReadonlyArray<number>> = [];
      while (intake.first() !== undefined) taken.push((yield* intake.take(0)).map(({ sequence }) => sequence));
      assert.deepStrictEqual(taken.slice(1), [[11, 12, 13], [14], [15], [16]]);
    }),
  );

  it.effect("makes its source wait while too much is waiting", () =>
    Effect.gen(function* () {
      const intake = BatchQueue.make(limits);
      const putting = yield* Effect.forkChild(Effect.as(intake.put(some(40)), "put"));
      yield* Effect.yieldNow;
      assert.isUndefined(putting.pollUnsafe());
      yield* intake.take(0);
      assert.strictEqual(yield* Fiber.join(putting), "put");
    }),
  );

  it.effect("gives what had come before it tells why no more will", () =>
    Effect.gen(function* () {
      const intake = BatchQueue.make<string>(limits);
      yield* intake.put(some(3));
      intake.end("over");
      assert.lengthOf(yield* intake.take(1000), 3);
      assert.strictEqual(yield* Effect.flip(intake.take(1000)), "over");
    }),
  );
});
