/**
 * Cheap source of whole histories: a second copy of the events, in the order of their histories.
 *
 * Room: snapshot.
 *
 * A history is scattered over the stream, and each block that holds one of its events is read whole: 0.1 ms an
 * event and more (5 ms where blocks are compressed). Decision: the copy is the ledger in SQLite and not pages of our own, because the ledger holds
 * every event with its bytes already and has an index by history; pages would be a third copy, at 2.5 stored bytes for
 * one of payload in all. A source is a cache of the stream and is believed only as far as `WholeHistory` can check it.
 */
import { Context, Effect, Schema, Stream } from "effect";
import type { RecordedEvent } from "../domain/Event.ts";
import type { History, Sequence } from "../domain/History.ts";
import type { StreamEnd } from "../log/EventLog.ts";

/** The copy cannot be read now. Go on with the log. */
export class SourceUnavailable extends Schema.TaggedError<SourceUnavailable>()("SourceUnavailable", {
  reason: Schema.String,
}) {
  override get message() {
    return this.reason;
  }
}

/** The last event of a history that a source has: what proves that its copy is of this stream. */
export interface Reach {
  readonly sequence: Sequence;
  readonly eventId: string;
  /** Epoch milliseconds, by the log's clock. */
  readonly recordedAt: number;
  /** The stream it is a copy of, by its creation, and how far: it has every event of the history up to there. */
  readonly of?: StreamEnd | undefined;
}

export interface HistorySource {
  /** End of its copy of the history; undefined when it has none of it, or not all of it up to there. */
  readonly reach: (history: History) => Effect.Effect<Reach | undefined, SourceUnavailable>;
  /** The events of the history after one sequence and up to another, in order, exactly as the log gives them. */
  readonly read: (options: {
    readonly history: History;
    readonly after: Sequence;
    readonly upTo: Sequence;
  }) => Stream.Stream<RecordedEvent, SourceUnavailable>;
  /** Their sequences alone, at most `limit`: cheaper than their contents, where a source can tell them. */
  readonly places?: (options: {
    readonly history: History;
    readonly after: Sequence;
    readonly upTo: Sequence;
    readonly limit: number;
  }) => Effect.Effect<ReadonlyArray<Sequence>, SourceUnavailable>;
}

/** A source that has nothing: everything comes from the log. */
export const none: HistorySource = { reach: () => Effect.succeed(undefined), read: () => Stream.empty };

export const HistorySource = Context.Reference<HistorySource>("recollect/snapshot/HistorySource", {
  defaultValue: () => none,
});
