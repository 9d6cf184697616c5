/**
 * From a state to today's: the events after it, folded. The one way in which a snapshot becomes the truth.
 *
 * Room: snapshot.
 *
 * A state may stand for the events before it only if its last event is still where it was: the read begins with that
 * event, and if another one stands there, or none (the stream was made anew, rolled back, restored), the history is
 * folded from its beginning. This costs one more event and no more round trips.
 */
import { Effect, Stream } from "effect";
import { shortId } from "../domain/Truncate.ts";
import type { RecordedEvent } from "../domain/Event.ts";
import type { History, Sequence } from "../domain/History.ts";
import * as Thread from "../domain/thread/Thread.ts";
import type { EventLog, LogUnavailable } from "../log/EventLog.ts";
import * as LargeEntry from "../log/read/LargeEntry.ts";
import type { HistorySource } from "./HistorySource.ts";
import * as WholeHistory from "./WholeHistory.ts";

export interface Replayed {
  readonly state: Thread.ThreadState;
  /** Events that had to be folded. */
  readonly folded: number;
  /** False when the state it began with was not of this stream, or when there was none. */
  readonly continued: boolean;
}

interface Request {
  readonly log: EventLog["Service"];
  /** Source of a history that must be folded from its beginning. */
  readonly source: HistorySource;
  readonly history: History;
  /** Start state; undefined for the whole history. */
  readonly from: Thread.ThreadState | undefined;
  /** The last sequence to fold; undefined for all there are. */
  readonly upTo?: Sequence | undefined;
}

/** Events of a history after a sequence, up to another. */
const events = (
  { log, history, upTo }: Omit<Request, "from">,
  after: Sequence,
): Stream.Stream<RecordedEvent, LogUnavailable> => {
  const all = log.read({ history, after });
  return upTo === undefined ? all : Stream.takeWhile(all, ({ sequence }) => sequence <= upTo);
};

/**
 * Does something with each event, its entry in place.
 *
 * A plain loop where no entry lies elsewhere, which is nearly always: an Effect for each event takes as long as the rest.
 */
export const eachPlaced = (
  log: EventLog["Service"],
  page: ReadonlyArray<RecordedEvent>,
  use: (event: RecordedEvent) => void,
): Effect.Effect<void, LogUnavailable> => {
  if (page.some(LargeEntry.mayRefer))
    return Effect.forEach(page, (event) => Effect.map(LargeEntry.placedOrAsItIs(log, event), use), { discard: true });
  return Effect.sync(() => page.forEach(use));
};

const fromBeginning = Effect.fnUntraced(function* (request: Request) {
  let state = Thread.empty(request.history);
  let folded = 0;
  const fold = (event: RecordedEvent) => {
    state = Thread.apply(state, event);
    folded++;
  };
  yield* Stream.runForEachArray(WholeHistory.read(request), (page) => eachPlaced(request.log, page, fold));
  return { state, folded, continued: false };
});

/** The state after the last event of the history, or after the last one up to `upTo`. */
export const replay = Effect.fnUntraced(function* (request: Request): Effect.fn.Return<Replayed, LogUnavailable> {
  const { from } = request;
  const beyond = from !== undefined && request.upTo !== undefined && from.lastSequence > request.upTo;
  if (from === undefined || from.lastSequence === 0 || beyond) return yield* fromBeginning(request);
  // A stream that lacks events behind the state cannot tell them alone: a copy may.
  const isWhole = Effect.as(request.log.whole(from.lastSequence), true);
  if (!(yield* Effect.orElseSucceed(isWhole, () => false))) return yield* fromBeginning(request);
  let state = from;
  let folded = 0;
  let isSame: boolean | undefined;
  const after = events(request, from.lastSequence - 1).pipe(
    Stream.takeWhile((event) => {
      isSame ??= event.sequence === from.lastSequence && shortId(event.id) === from.lastEventId;
      return isSame;
    }),
    Stream.filter((event) => event.sequence > from.lastSequence),
  );
  const fold = (event: RecordedEvent) => {
    state = Thread.apply(state, event);
    folded++;
  };
  yield* Stream.runForEachArray(after, (page) => eachPlaced(request.log, page, fold));
  if (isSame !== true) return yield* fromBeginning(request);
  return { state, folded, continued: true };
});
