import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import type { LogEntry } from "../../src/domain/Event.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as CatchUp from "../../src/projection/fold/CatchUp.ts";
import { defaultLimits } from "../../src/projection/fold/BatchQueue.ts";
import { said, type StubLog, stubLog } from "./StubLog.ts";

const some = (...sequences: ReadonlyArray<number>) => sequences.map((sequence) => said(sequence, "word"));

/** The batches in which a piece of the stream is given; `lost` sequences are negative. */
const batchesOf = Effect.fnUntraced(function* (log: StubLog, after: number, until: number) {
  const batches: Array<ReadonlyArray<number>> = [];
  const numberOf = (entry: LogEntry) => (CatchUp.isLost(entry) ? -entry.sequence : entry.sequence);
  yield* CatchUp.entriesUpTo({
    after,
    until,
    lost: CatchUp.lostEntry,
    use: (entries) => Effect.sync(() => void batches.push(entries.map(numberOf))),
  }).pipe(Effect.provideService(EventLog, log.service));
  return batches;
});

describe("a finite piece of the stream", () => {
  it.live("is given in order and no further, and what is missing at its beginning or within is spoken for", () =>
    Effect.gen(function* () {
      const log = stubLog(some(3, 4, 7, 8, 9));
      assert.deepStrictEqual(yield* batchesOf(log, 0, 8), [[-1, -2, 3, 4, -5, -6, 7, 8]]);
      assert.deepStrictEqual(yield* batchesOf(log, 7, 8), [[8]]);
      assert.deepStrictEqual(yield* batchesOf(log, 0, 2), [[-1, -2]]);
    }),
  );

  it.live("is cut by count and by bytes, and its rest is given too", () =>
    Effect.gen(function* () {
      const many = stubLog(some(...Array.from({ length: defaultLimits.events + 1 }, (_, at) => at + 1)));
      const counted = yield* batchesOf(many, 0, defaultLimits.events + 1);
      assert.deepStrictEqual(
        counted.map(({ length }) => length),
        [defaultLimits.events, 1],
      );
      const large = [1, 2, 3].map((sequence) => said(sequence, "x".repeat(defaultLimits.bytes)));
      assert.deepStrictEqual(yield* batchesOf(stubLog(large), 0, 3), [[1], [2], [3]]);
    }),
  );

  it.live("is not read on over where another stream has come in its place", () =>
    Effect.gen(function* () {
      // The stream is another one after the first batch, and the rest is asked of it.
      const until = defaultLimits.events + 200;
      const log = stubLog(some(...Array.from({ length: until }, (_, at) => at + 1)));
      const reading = CatchUp.entriesUpTo({
        after: 0,
        until,
        lost: CatchUp.lostEntry,
        use: () => Effect.sync(() => void (log.created += 1)),
      }).pipe(Effect.provideService(EventLog, log.service));
      assert.deepInclude(yield* Effect.flip(reading), { _tag: "LogDamaged", reason: "another stream" });
    }),
  );
});
