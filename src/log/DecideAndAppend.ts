/**
 * The one loop of reading, deciding and appending with the expected sequence, again after each conflict.
 *
 * Room: log.
 *
 * Promises, each a test in `test/log/DecideAndAppend.test.ts`:
 * - what is appended was decided on the history as it stood directly before it;
 * - an append whose answer was lost is found by its ids, and is not decided and written a second time;
 * - it ends: after so many conflicts in a row it is `LogUnavailable`.
 */
import { Effect, Result, Stream } from "effect";
import type { NewEvent, RecordedEvent } from "../domain/Event.ts";
import { type History, keyOf, type Sequence } from "../domain/History.ts";
import { backoff } from "./connection/Backoff.ts";
import { type AppendRefused, type EventLog, LogUnavailable } from "./EventLog.ts";

/** A state, and the last sequence of the history that is in it; 0 for none. */
export interface Known<State> {
  readonly state: State;
  readonly upTo: Sequence;
}

export interface Decided<State> extends Known<State> {
  /** False when there was nothing to add. */
  readonly isNew: boolean;
}

export interface Deciding<State, E> {
  readonly log: EventLog["Service"];
  readonly history: History;
  /** Known state to begin with. Later events are read when an append conflicts, or at once with `readsFirst`. */
  readonly known: Known<State>;
  readonly readsFirst?: boolean | undefined;
  readonly evolve: (state: State, event: RecordedEvent) => State;
  /** The events to add, none for nothing. Called again after each conflict; ids that stay the same are found again. */
  readonly decide: (state: State, upTo: Sequence) => Effect.Effect<ReadonlyArray<NewEvent>, E>;
  /** Id of an event that may be in the history already: then there is nothing to decide. */
  readonly id?: string | undefined;
  /** Number of retries while the log is unreachable, with growing pauses. Default 0. */
  readonly tries?: number | undefined;
}

/** Bound of conflicts in a row: of so many writers on one history one has won each time, so a writer is looping. */
const maxConflicts = 10;

const utf8 = new TextEncoder();

/** Events of one append as the log gives them back: they stand next to each other, `last` is the last one's sequence. */
const recorded = (events: ReadonlyArray<NewEvent>, history: History, last: Sequence): ReadonlyArray<RecordedEvent> =>
  events.map((event, index) => ({
    ...event,
    body: typeof event.body === "string" ? utf8.encode(event.body) : event.body,
    history,
    sequence: last - (events.length - 1 - index),
    recordedAt: event.occurredAt,
  }));

/** The state after an append that the log has acknowledged. */
export const afterAppend = <State>(
  { evolve, history }: Pick<Deciding<State, never>, "evolve" | "history">,
  state: State,
  events: ReadonlyArray<NewEvent>,
  last: Sequence,
): State => recorded(events, history, last).reduce(evolve, state);

/** Reads a history on from what is known of it; `found` is the sequence of the event of that id. */
export const readOn = <State>(
  { evolve, history, log }: Pick<Deciding<State, never>, "evolve" | "history" | "log">,
  from: Known<State>,
  id?: string,
): Effect.Effect<Known<State> & { readonly found: Sequence | undefined }, LogUnavailable> =>
  log.read({ history, after: from.upTo }).pipe(
    Stream.runFold(
      (): Known<State> & { readonly found: Sequence | undefined } => ({ ...from, found: undefined }),
      ({ found, state }, event) => ({
        state: evolve(state, event),
        upTo: event.sequence,
        found: event.id === id ? event.sequence : found,
      }),
    ),
  );

export const decideAndAppend = Effect.fnUntraced(function* <State, E>(
  deciding: Deciding<State, E>,
): Effect.fn.Return<Decided<State> & { readonly sequence: Sequence }, E | AppendRefused | LogUnavailable> {
  const { decide, history, log, tries = 0 } = deciding;
  /** A log that is away for a moment costs nothing: the same append with the same ids is safe. */
  const patiently = <A, F extends { readonly _tag: string }>(effect: Effect.Effect<A, F>) =>
    Effect.retry(effect, { schedule: backoff, times: tries, while: (error) => error._tag === "LogUnavailable" });
  let known = deciding.known;
  let sought = deciding.id;
  let reads = deciding.readsFirst === true;
  for (let conflicts = 0; conflicts < maxConflicts; conflicts++) {
    if (reads) {
      const { found, ...now } = yield* patiently(readOn(deciding, known, sought));
      known = now;
      if (found !== undefined) return { ...known, isNew: true, sequence: found };
    }
    const events = yield* decide(known.state, known.upTo);
    if (events.length === 0) return { ...known, isNew: false, sequence: known.upTo };
    const appended = yield* Effect.result(patiently(log.append({ history, events, expected: known.upTo })));
    if (Result.isSuccess(appended)) {
      const { sequence } = appended.success;
      return { state: afterAppend(deciding, known.state, events, sequence), upTo: sequence, isNew: true, sequence };
    }
    if (appended.failure._tag !== "SequenceConflict") return yield* appended.failure;
    sought = events.at(-1)?.id;
    reads = true;
  }
  return yield* new LogUnavailable({ reason: `${maxConflicts} writers in a row were quicker on ${keyOf(history)}` });
});
