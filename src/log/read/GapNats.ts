/**
 * Gaps of the stream: where one begins and ends, and whether a history was read whole.
 *
 * Room: log.
 *
 * Found out on nats-server 2.15.1: a message that fails its checksum is skipped by consumers and by reads in order, with
 * no word; a compressed block that cannot be read makes a consumer deliver nothing for ever (only heartbeats), and a read
 * in order answers 404 as if the stream ended there. Each single sequence answers 404 at once. The index still counts
 * what cannot be read.
 */
import { Effect } from "effect";
import type { Sequence } from "../../domain/History.ts";
import { elapsed } from "../connection/Elapsed.ts";
import { LogDamaged, LogUnavailable } from "../EventLog.ts";
import type { HistoryRead } from "./HistoryReadNats.ts";

/** Sequences that are asked at once; a damaged block answers each in 10 ms, because it is read again each time. */
const atOnce = 32;
/** Time for finding the end of a gap, milliseconds. A longer gap is reported in pieces, each proven. */
const patienceMillis = 4_000;

/**
 * The last sequence of the gap that begins at `first`, as far as it was proven in time: everything from `first` to there
 * was asked for by itself and is not there.
 */
export const lastMissing = Effect.fn("log.gapEnd")(function* (
  read: HistoryRead,
  first: Sequence,
  end: Sequence,
): Effect.fn.Return<Sequence, LogUnavailable> {
  const next = yield* read.next(first);
  // Messages are skipped one by one: what is between is missing, all of it.
  if (next !== undefined) return Math.max(first, next.sequence - 1);
  const began = yield* elapsed;
  for (let from = first; from <= end; from += atOnce) {
    const sequences = Array.from({ length: Math.min(atOnce, end - from + 1) }, (_, index) => from + index);
    const found = yield* Effect.forEach(sequences, (sequence) => read.at(sequence), { concurrency: atOnce });
    const there = found.findIndex((message) => message !== undefined);
    if (there >= 0) return Math.max(first, from + there - 1);
    if ((yield* elapsed) - began > patienceMillis) return from + sequences.length - 1;
  }
  return end;
});

const plural = (first: Sequence, last: Sequence): string =>
  first === last ? `sequence ${first} is` : `sequences ${first} to ${last} are`;

/** The error for a gap that begins at `first`. */
export const damage = Effect.fnUntraced(function* (read: HistoryRead, first: Sequence, end: Sequence) {
  const last = yield* lastMissing(read, first, end);
  const goesOn = last < end ? ", and the stream goes on after that" : ", at the end of the stream";
  return new LogDamaged({ sequence: first, through: last, reason: `${plural(first, last)} missing${goesOn}` });
});

/** A history of which the server counts more events than it can read. */
export const unreadable = (options: { readonly subject: string; readonly after: Sequence; readonly count: number }) =>
  new LogUnavailable({
    condition: "streamDamaged",
    reason: `the stream is damaged: ${options.count === 1 ? "an event" : `${options.count} events`} of ${options.subject} behind sequence ${options.after} cannot be read`,
    hint: "recollect verify names each place; recollect heal puts back what the ledger has.",
  });

/** A stream that lacks events behind a sequence. Of which history they were is not known without a copy. */
const lacking = (after: Sequence, missing?: number) =>
  new LogUnavailable({
    condition: "streamDamaged",
    reason: `the stream lacks ${missing === undefined ? "events" : missing === 1 ? "an event" : `${missing} events`} behind sequence ${after}: no history can be read whole from it alone`,
    hint: "recollect verify names each place; recollect heal puts back what the ledger has.",
  });

/** Questions about a stream that others append to meanwhile; a busy one is asked again. */
const countings = 5;

/** Fails where the server counts fewer events behind `after` than there are numbers to the end. */
export const proveWhole = Effect.fnUntraced(function* (options: {
  readonly read: HistoryRead;
  readonly learn: Effect.Effect<{ readonly lastSequence: Sequence }, LogUnavailable>;
  readonly after: Sequence;
  /** The last sequence that was ever seen. */
  readonly reached: Sequence;
}) {
  const { after, learn, reached, read } = options;
  for (let attempt = 1; ; attempt++) {
    const { lastSequence } = yield* learn;
    // A user of one tenant may not ask for all of them.
    const there = yield* Effect.catchIf(
      read.countBehind(after),
      ({ denied }) => denied !== undefined,
      () => lacking(after),
    );
    const missing = Math.max(lastSequence, reached) - after - there;
    if (missing <= 0 && (yield* learn).lastSequence === lastSequence) return;
    if (missing > 0) return yield* lacking(after, missing);
    // Events that came in between would stand for missing ones.
    if (attempt >= countings) return yield* lacking(after);
  }
});

/** The beginning of the stream is gone, and with it that of any history. */
export const removed = (first: Sequence) =>
  new LogUnavailable({
    condition: "streamDamaged",
    reason: `the stream begins at sequence ${first}: the events before it were removed or lost`,
    hint: "recollect verify names each place; recollect heal puts back what the ledger has.",
  });
