/**
 * The batch queue: what has come from the log and waits to be applied, bounded by count and bytes.
 *
 * Room: projection.
 *
 * A batch is whatever is waiting, so a lone event is applied at once; while it is written, more come. A reader that
 * knows how far the log reaches waits until a whole batch is there: those events are sure to come, and a commit
 * costs one fsync however many it holds.
 */
import { Effect, Latch } from "effect";
import { isMisfit, type LogEntry } from "../../domain/Event.ts";

export interface Limits {
  /**
   * Most events in a batch: at some 25 µs each, the process answers others again after 25 ms. Decision: 1,000, because
   * what a batch costs beside its rows (commit, fsync, full-text segments) is paid half as often as with 500; from 500
   * to 2,000 the writer's time for small events fell by a quarter.
   */
  readonly events: number;
  /** Most bytes of bodies in a batch, unless one event alone is larger. */
  readonly bytes: number;
  /** Longest wait for a batch to fill while events are known to be on their way, milliseconds. */
  readonly fillMillis: number;
}

export const defaultLimits: Limits = { events: 1000, bytes: 4 * 1024 * 1024, fillMillis: 20 };

/** Bodies and the few hundred bytes of attributes around each. */
const sizeOf = (entry: LogEntry): number => entry.body.byteLength + 512 + (isMisfit(entry) ? entry.subject.length : 0);

export interface BatchQueue<E = never> {
  /** Adds what came, and waits while more than a few batches are waiting. */
  readonly put: (entries: ReadonlyArray<LogEntry>) => Effect.Effect<void>;
  /** Nothing more will come: `take` fails with the reason when it has given all that had come before. */
  readonly end: (reason: E) => void;
  /** The next batch: at least one entry, as soon as there is one; `expected` are known to be on their way. */
  readonly take: (expected: number) => Effect.Effect<ReadonlyArray<LogEntry>, E>;
  /** The entry that waits longest. */
  readonly first: () => LogEntry | undefined;
}

export const make = <E = never>(limits: Limits = defaultLimits): BatchQueue<E> => {
  let waiting: Array<LogEntry> = [];
  let bytes = 0;
  const arrived = Latch.makeUnsafe(false);
  const filled = Latch.makeUnsafe(false);
  const room = Latch.makeUnsafe(true);
  let ended: { readonly reason: E } | undefined;
  let wanted = Number.POSITIVE_INFINITY;

  const settle = () => {
    const enough = ended !== undefined || waiting.length >= wanted || bytes >= limits.bytes;
    if (enough) filled.openUnsafe();
    else filled.closeUnsafe();
    if (ended !== undefined || waiting.length > 0) arrived.openUnsafe();
    else arrived.closeUnsafe();
    if (waiting.length < 4 * limits.events && bytes < 4 * limits.bytes) room.openUnsafe();
    else room.closeUnsafe();
  };

  const cut = (): ReadonlyArray<LogEntry> => {
    let count = 0;
    let size = 0;
    for (const entry of waiting) {
      const next = size + sizeOf(entry);
      if (count > 0 && (count >= limits.events || next > limits.bytes)) break;
      count += 1;
      size = next;
    }
    const taken = waiting.slice(0, count);
    waiting = waiting.slice(count);
    bytes -= size;
    settle();
    return taken;
  };

  return {
    put: (entries) =>
      Effect.suspend(() => {
        for (const entry of entries) {
          waiting.push(entry);
          bytes += sizeOf(entry);
        }
        settle();
        return room.await;
      }),
    end: (reason) => {
      ended ??= { reason };
      settle();
    },
    take: Effect.fnUntraced(function* (expected: number) {
      wanted = Math.min(limits.events, expected);
      settle();
      yield* arrived.await;
      if (waiting.length === 0 && ended !== undefined) return yield* Effect.fail(ended.reason);
      if (wanted > 1) yield* Effect.timeoutOption(filled.await, limits.fillMillis);
      return cut();
    }),
    first: () => waiting[0],
  };
};
