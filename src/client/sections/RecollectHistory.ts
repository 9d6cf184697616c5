/**
 * One history for programs that speak in promises: events of any type appended and read, and a state kept of them.
 *
 * Room: client.
 *
 * For what a program records that is no conversation: `x.<vendor>.<name>` events with any JSON, in a thread, a task or
 * a session. Checkpoints, agent state and foreign sessions stand on this.
 */
import { Data, Effect, Stream } from "effect";
import type { RecordedEvent } from "../../domain/Event.ts";
import type { History } from "../../domain/History.ts";
import { dataOf } from "../../log/Envelope.ts";
import { type Deciding, HistoryReading, type ReadEvent, type Reading } from "../../publish/HistoryReading.ts";
import { type AppendedAll, type AppendedEvent, Publisher, type Published } from "../../publish/Publisher.ts";
import type { TypeName } from "../../publish/write/NewEvent.ts";
import { asFunction, asList, asObject } from "../Given.ts";
import type { PromiseRunner } from "../PromiseRunner.ts";

/** An event as a program reads it: `data` is the body's JSON. */
export interface HistoryEvent {
  /** Position in the stream, and so in the history; of an event that waits it says nothing. */
  readonly sequence: number;
  /** True: accepted by this machine, and not in the log yet. */
  readonly isWaiting: boolean;
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  /** Epoch milliseconds, by the writer's clock and by the log's. */
  readonly occurredAt: number;
  readonly recordedAt: number;
  readonly source: string;
  readonly actor: string | undefined;
  readonly session: string | undefined;
  readonly correlationId: string | undefined;
  readonly causationId: string | undefined;
  readonly data: unknown;
}

export interface ReadOptions extends Reading {
  /** Only the last so many, in order. */
  readonly last?: number | undefined;
}

/** Fold of a history into a state. Pure: the given state stays unchanged. Declare it once, outside of calls. */
export interface EventFold<State> {
  readonly initial: State;
  readonly apply: (state: State, event: HistoryEvent) => State;
}

export interface FoldedState<State> {
  readonly state: State;
  /** Value of `expected` for an append that builds on this read; 0 when the log has nothing. */
  readonly sequence: number;
  /** Events in the state that the log does not have yet. */
  readonly waiting: number;
}

export interface AppendOptions {
  /** The last sequence of the history that the caller saw; rejects with `SequenceConflict` when another writer appended first. */
  readonly expected?: number | undefined;
}

/** As a program reads it. */
export const eventOf = ({ event, isWaiting }: ReadEvent): HistoryEvent => {
  const { actor, body, causationId, correlationId, id, occurredAt, recordedAt, schemaVersion, sequence } = event;
  const { session, source, type } = event;
  const about = { source, actor, session, correlationId, causationId };
  return { sequence, isWaiting, id, type, schemaVersion, occurredAt, recordedAt, ...about, data: dataOf(body) };
};

/** The fold over recorded events that belongs to a program's fold. Kept, because the state is found by its identity. */
const inner = new WeakMap<
  object,
  { readonly initial: unknown; readonly apply: (state: unknown, event: RecordedEvent) => unknown }
>();

const recordedFold = <State>(fold: EventFold<State>) => {
  asFunction(asObject(fold, "a fold").apply, "a fold's apply");
  const known = inner.get(fold) ?? {
    initial: fold.initial as unknown,
    apply: (state: unknown, event: RecordedEvent) =>
      fold.apply(state as State, eventOf({ event, isWaiting: false })) as unknown,
  };
  inner.set(fold, known);
  return known as { readonly initial: State; readonly apply: (state: State, event: RecordedEvent) => State };
};

/** A value that a program's function threw, on its way through. */
class Thrown extends Data.TaggedError("Thrown")<{ readonly thrown: unknown }> {}

export class RecollectHistory {
  readonly #runner: PromiseRunner;
  readonly #history: History;

  constructor(runner: PromiseRunner, history: History) {
    this.#runner = runner;
    this.#history = history;
  }

  get id(): string {
    return this.#history.id;
  }

  get tenant(): string {
    return this.#history.tenant;
  }

  /**
   * Appends one event, as everything is published: in the log, or with the log unreachable in this machine's spool.
   * Rejects with `InvalidEvent` when its type or data is refused.
   */
  publish(event: AppendedEvent): Promise<Published> {
    const published = Publisher.use((publisher) => {
      const given = { ...asObject(event, "publish"), history: this.#history };
      return publisher.publish<TypeName>(given as Parameters<Publisher["Service"]["publish"]>[0]);
    });
    return this.#runner.publish(published);
  }

  /**
   * Appends events to the log, all or none; resolves when they are on disk there. Never spooled: with the log unreachable
   * it rejects with `LogUnavailable`, and the same call with the same ids is safe afterwards. The same ids twice are one.
   */
  append(events: ReadonlyArray<AppendedEvent>, options: AppendOptions = {}): Promise<AppendedAll> {
    const appended = Publisher.use((publisher) => {
      for (const event of asList(events, "append")) asObject(event, "append");
      const { expected = "any" } = asObject(options, "append");
      return publisher.appendAll({ history: this.#history, events, expected });
    });
    return this.#runner.run(Effect.tap(appended, ({ sequence }) => Effect.sync(() => this.#runner.reached(sequence))));
  }

  /**
   * Appends what `choose` makes of the state, all or none, and nothing for an empty list; resolves with the state after it.
   * Decided anew when another writer was quicker, so it must be pure; what it throws, this rejects with. Never
   * spooled: rejects with `LogUnavailable` while the log is unreachable or events of this history wait on this machine.
   */
  decide<State>(
    fold: EventFold<State>,
    choose: (state: State) => ReadonlyArray<AppendedEvent>,
    deciding: Deciding = {},
  ): Promise<FoldedState<State>> {
    const tried = (state: State) => Effect.try({ try: () => choose(state), catch: (thrown) => new Thrown({ thrown }) });
    const decided = HistoryReading.use((reads) => {
      asFunction(choose, "decide");
      return reads.decide(this.#history, recordedFold(fold), tried, asObject(deciding, "decide"));
    });
    const counted = Effect.tap(decided, ({ sequence }) => Effect.sync(() => this.#runner.reached(sequence)));
    return this.#runner.run(counted).catch((error: unknown) => {
      throw error instanceof Thrown ? error.thrown : error;
    });
  }

  /** The bytes of a blob that an event refers to by its SHA-256, also of one that waits; undefined when they are lost. */
  blob(sha256: string): Promise<Uint8Array | undefined> {
    return this.#runner.run(Publisher.use((publisher) => publisher.blob(sha256)));
  }

  /** The events in order, with this machine's accepted ones behind them. Rejects with `LogUnavailable`. */
  async *events(reading: Reading = {}): AsyncGenerator<HistoryEvent, void> {
    const stream = Stream.unwrap(HistoryReading.use((reads) => Effect.succeed(reads.events(this.#history, reading))));
    yield* this.#runner.iterate(Stream.map(stream, eventOf));
  }

  /** The same as a list; `last` keeps the newest. */
  read({ last, ...reading }: ReadOptions = {}): Promise<ReadonlyArray<HistoryEvent>> {
    const events = Stream.unwrap(
      HistoryReading.use((reads) => Effect.succeed(reads.events(this.#history, reading))),
    ).pipe(Stream.map(eventOf));
    const wanted = last === undefined ? events : Stream.takeRight(events, last);
    return this.#runner.run(Stream.runCollect(wanted));
  }

  /** The state of the history by a fold. Read again, it costs one question to the log and the events that are new. */
  folded<State>(fold: EventFold<State>): Promise<FoldedState<State>> {
    return this.#runner.run(HistoryReading.use((reads) => reads.folded(this.#history, recordedFold(fold))));
  }
}
