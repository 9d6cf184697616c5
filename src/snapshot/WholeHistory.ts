/**
 * A whole history: from the cheap copy as far as that can be trusted, and from the log beyond.
 *
 * Room: snapshot. In: domain, log, HistorySource. Out: Replay, Conversation.
 *
 * Promise: the events are those that reading the log from the beginning gives, whatever the copy is: absent, behind,
 * cut short, of another stream, in disorder, of another history, or broken in the middle. Before any of it is given
 * on, its last event must stand in the log at the same sequence with the same id and time; and where it breaks off or
 * its order is wrong, the log goes on after the last good event. What nobody can see here is an event that is missing
 * in the middle of a copy that is in order: the projector never goes on over one, and `recollect verify` looks for it.
 */
import { Effect, Stream } from "effect";
import { isMisfit, type RecordedEvent } from "../domain/Event.ts";
import { type History, keyOf, type Sequence } from "../domain/History.ts";
import type { EventLog, LogUnavailable } from "../log/EventLog.ts";
import type { HistorySource, Reach } from "./HistorySource.ts";

export interface Request {
  readonly log: EventLog["Service"];
  readonly source: HistorySource;
  readonly history: History;
  /** The last sequence wanted; undefined for all there are. */
  readonly upTo?: Sequence | undefined;
}

const withinLimit = (events: Stream.Stream<RecordedEvent, LogUnavailable>, upTo: Sequence | undefined) =>
  upTo === undefined ? events : Stream.takeWhile(events, ({ sequence }) => sequence <= upTo);

const fromLog = ({ history, log, upTo }: Request, after: Sequence) => withinLimit(log.read({ history, after }), upTo);

/** Whether the log holds this very event. */
const isInLog = Effect.fnUntraced(function* ({ history, log }: Request, reach: Reach) {
  const found = yield* log.at(reach.sequence);
  return (
    found !== undefined &&
    !isMisfit(found) &&
    found.id === reach.eventId &&
    found.recordedAt === reach.recordedAt &&
    keyOf(found.history) === keyOf(history)
  );
});

/** The copy up to its first fault, and the log after the last event that was good. */
const fromBoth = (request: Request, reach: Reach): Stream.Stream<RecordedEvent, LogUnavailable> => {
  const { history, source } = request;
  const key = keyOf(history);
  const upTo = Math.min(reach.sequence, request.upTo ?? reach.sequence);
  let last = 0;
  let isGood = true;
  const good = (events: ReadonlyArray<RecordedEvent>) => {
    const faulty = events.findIndex((event) => {
      if (event.sequence <= last || event.sequence > upTo || keyOf(event.history) !== key) return true;
      last = event.sequence;
      return false;
    });
    isGood &&= faulty < 0;
    return faulty < 0 ? events : events.slice(0, faulty);
  };
  const copied = source.read({ history, after: 0, upTo }).pipe(
    Stream.chunks,
    Stream.takeWhile(() => isGood),
    Stream.map(good),
    Stream.flattenIterable,
    Stream.catchTag("SourceUnavailable", ({ reason }) =>
      Stream.fromEffectDrain(Effect.logDebug(`A whole history is read on from the log: ${reason}`)),
    ),
  );
  const rest = Stream.suspend(() =>
    request.upTo !== undefined && request.upTo <= reach.sequence && last === upTo
      ? Stream.empty
      : fromLog(request, last),
  );
  return Stream.concat(copied, rest);
};

export const read = (request: Request): Stream.Stream<RecordedEvent, LogUnavailable> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const reach = yield* Effect.orElseSucceed(request.source.reach(request.history), () => undefined);
      if (reach === undefined || reach.sequence < 1) return fromLog(request, 0);
      return (yield* isInLog(request, reach)) ? fromBoth(request, reach) : fromLog(request, 0);
    }),
  );
