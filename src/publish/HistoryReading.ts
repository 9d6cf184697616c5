/**
 * One history as a program reads it: its events in order, with what this machine has accepted and the log does not have
 * yet, and folds of it that are kept between reads.
 *
 * Room: publish.
 *
 * Promises, each a test in `test/publish/HistoryReading.test.ts`:
 * - a process sees its own accepted writes in every read, once, behind what the log has;
 * - a fold that was read before costs what is new: one question to the log, and the events after it;
 * - what `decide` appends was decided on the history as it stood directly before it, whoever else writes to it;
 * - while the log is unreachable a read fails with `LogUnavailable`, and is never a shorter history.
 */
import { Context, Effect, Layer, Stream } from "effect";
import type { RecordedEvent } from "../domain/Event.ts";
import { type History, keyOf, type Sequence } from "../domain/History.ts";
import { decideAndAppend, type Known } from "../log/DecideAndAppend.ts";
import { type AppendRefused, EventLog, LogUnavailable } from "../log/EventLog.ts";
import { SharedConnection } from "../log/connection/SharedConnection.ts";
import { HistorySource } from "../snapshot/HistorySource.ts";
import { RecentlyUsed } from "../snapshot/RecentlyUsed.ts";
import * as WholeHistory from "../snapshot/WholeHistory.ts";
import type { Command } from "../spool/Spool.ts";
import { asRecorded, undelivered } from "../spool/Waiting.ts";
import { type AppendedEvent, Publisher } from "./Publisher.ts";
import type { InvalidEvent } from "./write/InvalidEvent.ts";

export interface Reading {
  /** Only events after this sequence. Default 0: from the first. */
  readonly after?: Sequence | undefined;
  /** Only events of these types. */
  readonly types?: ReadonlyArray<string> | undefined;
}

/** An event of the log, or one that this machine has accepted and the log does not have yet. */
export interface ReadEvent {
  readonly event: RecordedEvent;
  /** True: it waits for the log, and its sequence says nothing of where it will stand. */
  readonly isWaiting: boolean;
}

/**
 * Fold of a history into a state. Pure: `apply` returns the next state and leaves the one it was given as it is, because
 * that one is kept for the next read.
 */
export interface Fold<State> {
  readonly initial: State;
  readonly apply: (state: State, event: RecordedEvent) => State;
}

export interface Deciding {
  /**
   * Decides on the state that this process knows, before it asks the log: one question less, and read and decided again
   * when that was not the newest. Only for events whose ids are new: one that is there already would be taken for appended.
   */
  readonly guess?: boolean | undefined;
}

export interface Folded<State> {
  /** With what waits on this machine. */
  readonly state: State;
  /** The last sequence of the log in it: what to expect when appending. 0 when the log has nothing. */
  readonly sequence: Sequence;
  readonly waiting: number;
}

export class HistoryReading extends Context.Service<
  HistoryReading,
  {
    /** The events in order, then what waits. */
    readonly events: (history: History, reading?: Reading) => Stream.Stream<ReadEvent, LogUnavailable>;
    /** The state of a history. The fold is told by identity: pass the same object, and only what is new is read. */
    readonly folded: <State>(history: History, fold: Fold<State>) => Effect.Effect<Folded<State>, LogUnavailable>;
    /**
     * Appends what `decide` makes of the state, all or none, none when it makes nothing; decided again when another writer
     * was quicker, at most ten times in a row. Fails with `LogUnavailable` while events of the history wait on this
     * machine: those come first.
     */
    readonly decide: <State, E>(
      history: History,
      fold: Fold<State>,
      decide: (state: State) => Effect.Effect<ReadonlyArray<AppendedEvent>, E>,
      deciding?: Deciding,
    ) => Effect.Effect<Folded<State>, E | InvalidEvent | AppendRefused | LogUnavailable>;
  }
>()("recollect/publish/HistoryReading") {}

/** Histories whose state is kept for each fold. A program that goes through more reads the oldest again whole. */
const mostKept = 1_000;

interface Kept<State> {
  readonly state: State;
  readonly sequence: Sequence;
  /** The last event, and those before it that were still listed as waiting when they were read. */
  readonly lastEventId: string | undefined;
  readonly delivered: ReadonlySet<string>;
}

const none: ReadonlyArray<Command> = [];

const idsOf = (commands: ReadonlyArray<Command>): ReadonlySet<string> => new Set(commands.map(({ event }) => event.id));

const waits = ({ id, kind }: History) =>
  new LogUnavailable({
    reason: `events of the ${kind} ${id} wait on this machine, and come first`,
    hint: "Publish without deciding on what the log has, or wait until they are delivered: recollect spool",
  });

const make = Effect.gen(function* () {
  const log = yield* EventLog;
  const source = yield* HistorySource;
  const publisher = yield* Publisher;
  const connections = yield* SharedConnection;
  let kept = new WeakMap<object, RecentlyUsed<Kept<unknown>>>();
  // A read over another connection may have been of another stream.
  let ahead = new WeakMap<object, RecentlyUsed<Known<unknown>>>();
  yield* connections.each(() =>
    Effect.sync(() => {
      kept = new WeakMap();
      ahead = new WeakMap();
    }),
  );

  const logged = (history: History, after: Sequence) =>
    after === 0 ? WholeHistory.read({ log, source, history }) : log.read({ history, after });

  /** The event before the first one wanted, so that what waits is known to be behind it. */
  const eventBefore = (commands: ReadonlyArray<Command>, after: Sequence) =>
    commands.length === 0 || after === 0
      ? Effect.succeed(undefined)
      : Effect.map(log.at(after), (entry) => (entry !== undefined && "id" in entry ? entry.id : undefined));

  const events = (history: History, { after = 0, types }: Reading = {}): Stream.Stream<ReadEvent, LogUnavailable> =>
    Stream.unwrap(
      Effect.gen(function* () {
        // First, so that what is delivered meanwhile is in both and not in neither.
        const commands = yield* publisher.waitingFor(history);
        const listed = idsOf(commands);
        const met = new Set([yield* eventBefore(commands, after)]);
        let sequence = after;
        const isWanted = ({ event }: ReadEvent) => types === undefined || types.includes(event.type);
        const recorded = logged(history, after).pipe(
          Stream.map((event): ReadEvent => {
            ({ sequence } = event);
            if (listed.has(event.id)) met.add(event.id);
            return { event, isWaiting: false };
          }),
        );
        const waiting = Stream.suspend(() =>
          Stream.fromIterable(
            asRecorded(
              undelivered(commands, (id) => met.has(id)),
              sequence,
            ),
          ).pipe(Stream.map((event): ReadEvent => ({ event, isWaiting: true }))),
        );
        return Stream.filter(Stream.concat(recorded, waiting), isWanted);
      }),
    );

  /**
   * States after appends of this process. Not for reads: the time of an append by the log's clock is known to who reads it.
   */
  const aheadOf = <State>(fold: Fold<State>) => {
    const known = ahead.get(fold) ?? new RecentlyUsed<Known<unknown>>(mostKept);
    ahead.set(fold, known);
    return known as RecentlyUsed<Known<State>>;
  };
  const decided = <State>(
    mine: RecentlyUsed<Known<State>>,
    key: string,
    { state, upTo }: Known<State>,
  ): Folded<State> => {
    mine.put(key, { state, upTo }, 1);
    return { state, sequence: upTo, waiting: 0 };
  };

  const keptOf = <State>(fold: Fold<State>) => {
    const known = kept.get(fold) ?? new RecentlyUsed<Kept<unknown>>(mostKept);
    kept.set(fold, known);
    return known as RecentlyUsed<Kept<State>>;
  };

  const folded = Effect.fn("publish.folded")(function* <State>(history: History, fold: Fold<State>) {
    const commands = yield* publisher.waitingFor(history);
    const key = keyOf(history);
    const states = keptOf(fold);
    const listed = idsOf(commands);
    const nothing: Kept<State> = { state: fold.initial, sequence: 0, lastEventId: undefined, delivered: new Set() };
    let known = states.use(key) ?? nothing;
    const met = new Set([...known.delivered].filter((id) => listed.has(id)));
    yield* Stream.runForEachArray(logged(history, known.sequence), (read) =>
      Effect.sync(() => {
        for (const event of read) {
          if (listed.has(event.id)) met.add(event.id);
          const state = fold.apply(known.state, event);
          known = { state, sequence: event.sequence, lastEventId: event.id, delivered: met };
        }
      }),
    );
    states.put(key, known, 1);
    const waiting =
      commands.length === 0 ? none : undelivered(commands, (id) => id === known.lastEventId || met.has(id));
    const state = asRecorded(waiting, known.sequence).reduce(fold.apply, known.state);
    return { state, sequence: known.sequence, waiting: waiting.length } satisfies Folded<State>;
  });

  const decide = Effect.fn("publish.decide")(function* <State, E>(
    history: History,
    fold: Fold<State>,
    choose: (state: State) => Effect.Effect<ReadonlyArray<AppendedEvent>, E>,
    { guess = false }: Deciding = {},
  ) {
    // Earlier accepted commands come first: a decision without them would be one on an older state.
    if ((yield* publisher.waitingFor(history)).length > 0) return yield* waits(history);
    const key = keyOf(history);
    const mine = aheadOf(fold);
    const deciding = { log, history, evolve: fold.apply };
    const prepared = (held: State) => Effect.flatMap(choose(held), (chosen) => publisher.prepare(history, chosen));
    if (guess) {
      // A newer event in the log refutes the append, and is read then; a decision to append nothing, or a refusal, is refuted
      // by none. An unknown history is most often a new one.
      const known = mine.use(key) ?? { state: fold.initial, upTo: 0 };
      const tried = (held: State) =>
        Effect.flatMap(
          Effect.orElseSucceed(choose(held), (): ReadonlyArray<AppendedEvent> => []),
          (chosen) => publisher.prepare(history, chosen),
        );
      const guessed = yield* decideAndAppend({ ...deciding, known, decide: tried });
      if (guessed.isNew) return decided(mine, key, guessed);
    }
    const { sequence: upTo, state } = yield* folded(history, fold);
    return decided(mine, key, yield* decideAndAppend({ ...deciding, known: { state, upTo }, decide: prepared }));
  });

  return HistoryReading.of({ events, folded, decide });
});

export const layer = Layer.effect(HistoryReading, make);
