/**
 * A whole history: from the cheap copy as far as that can be trusted, and from the log beyond.
 *
 * Room: snapshot.
 *
 * Promise: the events are those that reading the log from the beginning gives, whatever the copy is: absent, behind,
 * cut short, of another stream, with pages in disorder or of another history, or broken in the middle. Before any of it
 * is given on, its last event must stand in the log at the same sequence with the same id and time; and where it breaks
 * off or a page is wrong, the log goes on after the last good event. Where the copy has an event of this stream that the
 * stream has lost, and where only the log tells of a stretch in which the stream lacks events, the read fails. Invisible
 * here is an event that is missing in the middle of a copy that is in order: the projector never goes on over one, and
 * `recollect verify` looks for it.
 */
import { Effect, Stream } from "effect";
import { isMisfit, type RecordedEvent } from "../domain/Event.ts";
import { type History, keyOf, type Sequence } from "../domain/History.ts";
import { EventLog, LogUnavailable } from "../log/EventLog.ts";
import { HistorySource, type Reach } from "./HistorySource.ts";

export interface Request {
  readonly log: EventLog["Service"];
  readonly source: HistorySource;
  readonly history: History;
  /** The sequence to begin after. Default 0: the whole history. */
  readonly after?: Sequence | undefined;
  /** The last sequence wanted; undefined for all there are. */
  readonly upTo?: Sequence | undefined;
}

const withinLimit = (events: Stream.Stream<RecordedEvent, LogUnavailable>, upTo: Sequence | undefined) =>
  upTo === undefined ? events : Stream.takeWhile(events, ({ sequence }) => sequence <= upTo);

/** The log's own events after `after`. `proven`: nothing is missing before it, as far as a copy knows. */
const fromLog = ({ history, log, upTo }: Request, after: Sequence, proven: Sequence = after) =>
  Stream.unwrap(Effect.as(log.whole(proven), withinLimit(log.read({ history, after }), upTo)));

/** True for a copy of the very stream that the log has now. */
const isOf = ({ of, recordedAt }: Reach, created: number): boolean =>
  of === undefined ? recordedAt >= created : of.created === created;

/**
 * True when the log holds this very event.
 *
 * Nothing is ever removed from the stream, so an event of this stream that does not stand at its place any more is lost,
 * and what stands there was written over it: then the history is an error, and never a shorter one.
 */
export const isInLog = Effect.fnUntraced(function* ({ history, log }: Pick<Request, "history" | "log">, reach: Reach) {
  const found = yield* log.at(reach.sequence);
  if (found !== undefined && !isMisfit(found) && found.id === reach.eventId)
    return found.recordedAt === reach.recordedAt && keyOf(found.history) === keyOf(history);
  if (isOf(reach, (yield* log.info).created)) return yield* lost(history, reach);
  return false;
});

const lost = ({ id, kind }: History, { eventId, sequence }: Reach) =>
  new LogUnavailable({
    condition: "streamDamaged",
    reason: `the stream has lost events of the ${kind} ${id}: the ledger has ${eventId} at sequence ${sequence}`,
    hint: "recollect verify names each place; recollect heal puts back what the ledger has.",
  });

/** The copy up to its first fault, and the log after the last event that was good. */
const fromBoth = (request: Request, reach: Reach): Stream.Stream<RecordedEvent, LogUnavailable> => {
  const { history, source } = request;
  const key = keyOf(history);
  const upTo = Math.min(reach.sequence, request.upTo ?? reach.sequence);
  let last = request.after ?? 0;
  let isGood = true;
  const isOurs = (other: History) => other === history || keyOf(other) === key;
  /** A page with a fault is not passed on: what stands before the fault may be out of its place too. */
  const isGoodPage = (events: ReadonlyArray<RecordedEvent>): boolean => {
    let reached = last;
    isGood &&= events.every(({ history: of, sequence }) => {
      if (sequence <= reached || sequence > upTo || !isOurs(of)) return false;
      reached = sequence;
      return true;
    });
    if (isGood) last = reached;
    return isGood;
  };
  const copied = source.read({ history, after: last, upTo }).pipe(
    Stream.chunks,
    Stream.takeWhile(isGoodPage),
    Stream.flattenArray,
    Stream.catchTag("SourceUnavailable", ({ reason }) =>
      Stream.fromEffectDrain(Effect.logDebug(`A whole history is read on from the log: ${reason}`)),
    ),
  );
  const rest = Stream.suspend(() =>
    request.upTo !== undefined && request.upTo <= reach.sequence && last === upTo
      ? Stream.empty
      : fromLog(request, last, last < reach.sequence ? last : Math.max(last, reach.of?.sequence ?? 0)),
  );
  return Stream.concat(copied, rest);
};

export const read = (request: Request): Stream.Stream<RecordedEvent, LogUnavailable> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { after = 0, history, source } = request;
      const reach = yield* Effect.orElseSucceed(source.reach(history), () => undefined);
      if (reach === undefined || reach.sequence <= after) return fromLog(request, after);
      return (yield* isInLog(request, reach)) ? fromBoth(request, reach) : fromLog(request, after);
    }),
  );

/** The same with the log and the copy of whoever asks; from the log alone where he has no copy. */
export const events = (history: History, after: Sequence = 0): Stream.Stream<RecordedEvent, LogUnavailable, EventLog> =>
  Stream.unwrap(
    Effect.gen(function* () {
      return read({ log: yield* EventLog, source: yield* HistorySource, history, after });
    }),
  );
