/**
 * A page of a history's events.
 *
 * Room: edge.
 */
import { Effect, Stream } from "effect";
import type { Sequence } from "../../../domain/History.ts";
import type { ReadEvent } from "../../../publish/HistoryReading.ts";

export interface EventPage {
  readonly events: ReadonlyArray<ReadEvent>;
  /** Sequence to read the next page after. None on the last page. */
  readonly next: Sequence | undefined;
}

/**
 * The first `limit` events of the log, and the sequence of the last of them when the log has more. An event that waits on this
 * machine has no sequence to go on from: it does not count, and comes whole with the last page.
 */
export const eventPage = <E, R>(
  events: Stream.Stream<ReadEvent, E, R>,
  limit: number,
): Effect.Effect<EventPage, E, R> =>
  Effect.suspend(() => {
    let logged = 0;
    const withOneMore = Stream.takeUntil(events, ({ isWaiting }) => !isWaiting && ++logged > limit);
    return Effect.map(Stream.runCollect(withOneMore), (found) => {
      if (logged <= limit) return { events: found, next: undefined };
      const page = found.slice(0, limit);
      return { events: page, next: page.at(-1)?.event.sequence };
    });
  });
