/**
 * Reads of histories before a drain writes to them: as little as is enough, many at a time.
 *
 * Room: publish.
 */
import { Effect } from "effect";
import { type History, keyOf } from "../../domain/History.ts";
import { type EventLog, isDamage, type LogUnavailable, type StreamEnd } from "../../log/EventLog.ts";
import type { Command } from "../../spool/Spool.ts";
import { afterAll } from "../delivery/StreamEndSeen.ts";
import { type Known, KnownThreads, mayBeLate, readTail, type Tail } from "../write/LateCommands.ts";

/**
 * Decision: so many are read at the same time, because of a log that answers in 150 ms the 500 of a batch then take
 * 2.4 s, which is within the time of a write. One after the other they would take 75 s, longer than a drain waits for
 * anything, and it would never come to an end.
 */
const readsAtOnce = 32;

export class DrainReadings {
  readonly #log: EventLog["Service"];
  readonly #threads = new KnownThreads();
  /** Identity of the target stream, and the lower bound of its end, as last known. */
  stream: StreamEnd | undefined;

  constructor(log: EventLog["Service"]) {
    this.#log = log;
  }

  /** Nothing waits any more. */
  clear(): void {
    this.#threads.clear();
  }

  /** Required knowledge: threads with possibly late commands, and if `looking` the ends of the others. */
  ahead(
    front: ReadonlyArray<Command>,
    { looking, of }: { readonly of: ReadonlyArray<Command>; readonly looking: boolean },
  ) {
    const tails = new Map<string, Tail>();
    const threads = new Map<string, Known>();
    /** Histories of a damaged stream. */
    const unreadable = new Set<string>();
    const late = new Set(front.filter(mayBeLate).map(({ history }) => keyOf(history)));
    const histories = new Map(front.map(({ history }) => [keyOf(history), history] as const));
    const readings = [...histories].flatMap(([key, history]) => {
      const reading = late.has(key)
        ? Effect.map(this.known(history, of), (known) => void threads.set(key, known))
        : looking
          ? Effect.map(this.#tail(history, of), (tail) => void tails.set(key, tail))
          : Effect.void;
      return [Effect.catchIf(reading, isDamage, () => Effect.sync(() => void unreadable.add(key)))];
    });
    return Effect.as(Effect.all(readings, { concurrency: readsAtOnce, discard: true }), { tails, threads, unreadable });
  }

  /** Statements of a thread since the first of its commands was accepted, if that is known; else all of them. */
  known(history: History, commands: ReadonlyArray<Command>): Effect.Effect<Known, LogUnavailable> {
    const own = commands.filter((command) => keyOf(command.history) === keyOf(history));
    // The end of one that was never tried is later than its acceptance.
    const isUnclear = own.some((command) => command.isNew === true && mayBeLate(command) !== undefined);
    const after = isUnclear ? undefined : afterAll(own);
    const from = after?.created === this.stream?.created ? after?.sequence : undefined;
    return this.#threads.upToDate({ log: this.#log, history, commands: own, from });
  }

  /** All that a thread has told. */
  wholly(history: History, commands: ReadonlyArray<Command>): Effect.Effect<Known, LogUnavailable> {
    return this.#threads.upToDate({ log: this.#log, history, commands });
  }

  /** Events of a history behind the point after which these commands can stand; without such a point all of them. */
  #tail(history: History, commands: ReadonlyArray<Command>): Effect.Effect<Tail, LogUnavailable> {
    const own = commands.filter((command) => keyOf(command.history) === keyOf(history));
    const after = afterAll(own);
    if (after === undefined || after.created !== this.stream?.created) return this.wholly(history, own);
    return readTail(this.#log, history, after.sequence);
  }
}
