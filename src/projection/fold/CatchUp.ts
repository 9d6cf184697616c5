/**
 * Catching up: folding a finite piece of the stream into a read model.
 *
 * Room: projection.
 *
 * A hole does not end it: what the stream lost is asked of `lost` (an older ledger may have it), and otherwise
 * stands in the ledger as a misfit that says so, with a dead letter. So nothing is passed over in silence.
 */
import { Clock, Effect, Stream } from "effect";
import { isMisfit, type LogEntry, type Misfit } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import { EventLog, LogDamaged, type LogUnavailable } from "../../log/EventLog.ts";
import { defaultLimits } from "./BatchQueue.ts";
import { incomingOfAll } from "./LargeEntries.ts";
import * as Pipeline from "./Pipeline.ts";
import type { ReadModel, StorageTrouble } from "../ReadModel.ts";

/** Stand-in for an entry that the stream has lost and no copy has. */
export const lostEntry = (sequence: Sequence): Misfit => ({
  sequence,
  recordedAt: 0,
  subject: "",
  problem: `the stream has lost what stood at sequence ${sequence}`,
  headers: {},
  body: new Uint8Array(),
});

export const isLost = (entry: LogEntry): boolean => isMisfit(entry) && entry.subject === "" && entry.recordedAt === 0;

/** A log that is away for longer ends a rebuild or a verification, which can be begun again. */
const awayMillis = 60_000;

/** Each entry after `after` up to `until`, in batches, without a number missing: `lost` speaks for what is not there. */
export const entriesUpTo = <E, R>(options: {
  readonly after: Sequence;
  readonly until: Sequence;
  readonly lost: (sequence: Sequence) => LogEntry;
  readonly use: (entries: ReadonlyArray<LogEntry>) => Effect.Effect<void, E, R>;
}): Effect.Effect<void, E | LogUnavailable | LogDamaged, R | EventLog> =>
  Effect.gen(function* () {
    const { until, lost, use } = options;
    const log = yield* EventLog;
    let reached = options.after;
    let waiting: Array<LogEntry> = [];
    let bytes = 0;
    const flush = Effect.suspend(() => {
      const entries = waiting;
      waiting = [];
      bytes = 0;
      return entries.length === 0 ? Effect.void : use(entries);
    });
    const add = Effect.fnUntraced(function* (entry: LogEntry) {
      waiting.push(entry);
      bytes += entry.body.byteLength;
      reached = entry.sequence;
      if (waiting.length >= defaultLimits.events || bytes >= defaultLimits.bytes) yield* flush;
    });
    const addAll = Effect.fnUntraced(function* (entries: ReadonlyArray<LogEntry>) {
      for (const entry of entries) {
        while (reached + 1 < entry.sequence && reached < until) yield* add(lost(reached + 1));
        if (entry.sequence === reached + 1 && entry.sequence <= until) yield* add(entry);
      }
    });
    while (reached < until) {
      // A follower begins where the stream begins, and waits at the end of one that holds nothing any more.
      const { firstSequence } = yield* log.info;
      while (reached < Math.min(firstSequence - 1, until)) yield* add(lost(reached + 1));
      if (reached >= until) break;
      const followed = log.follow({ after: reached, patienceMillis: awayMillis }).pipe(
        Stream.takeUntil((entry) => entry.sequence >= until),
        Stream.runForEachArray(addAll),
      );
      const damage = yield* followed.pipe(
        Effect.as(undefined),
        Effect.catchIf(
          (error): error is LogDamaged => error instanceof LogDamaged,
          (error) => Effect.succeed(error),
        ),
      );
      // A hole is at the next sequence. Anything else that is damaged is another stream, and no matter of holes.
      if (damage !== undefined && damage.sequence !== reached + 1) return yield* damage;
      const missing = damage === undefined ? 0 : Math.min(damage.through ?? damage.sequence, until);
      while (reached < missing) yield* add(lost(reached + 1));
    }
    yield* flush;
  });

/** Folds the stream into `model` from its checkpoint to `until`, and tells how far it is after each batch. */
export const catchUp = Effect.fn("projection.catchUp")(function* (options: {
  readonly model: ReadModel;
  readonly until: Sequence;
  readonly streamCreated: number;
  readonly lost: (sequence: Sequence) => LogEntry;
  readonly onProgress?: (sequence: Sequence) => Effect.Effect<void>;
}) {
  const { model, until, streamCreated, lost } = options;
  const { sequence: after } = yield* model.checkpoint;
  const pipeline = yield* Pipeline.make(model, (sequence) => options.onProgress?.(sequence) ?? Effect.void);
  const use = Effect.fnUntraced(function* (
    entries: ReadonlyArray<LogEntry>,
  ): Effect.fn.Return<void, StorageTrouble | LogUnavailable, EventLog> {
    const incoming = yield* incomingOfAll(entries);
    const now = yield* Clock.currentTimeMillis;
    yield* pipeline.put({ incoming, streamCreated, now });
    yield* Effect.yieldNow;
  });
  yield* entriesUpTo({ after, until, lost, use });
  yield* pipeline.done;
}, Effect.scoped);
