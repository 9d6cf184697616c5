/**
 * Late commands: whether one that waited can still stand in its thread, or a later writer came first.
 *
 * Room: publish.
 *
 * While a command waited, others may have written to its thread. Decision, for each kind of command:
 * - what is new merges, because threads are sums of what was said: messages, tool calls and their results, tags,
 *   openings, archivings, foreign entries. It comes after whatever others wrote;
 * - a message told again (its id was told before), when another writer has told the same message again at a later time:
 *   coming after it, the older words would stand in place of the newer ones. They go into a fork of the thread from
 *   just before the newer telling, so that both can be read;
 * - a title, when the thread was renamed at a later time: a fork for a title has no use, and its coming last would
 *   undo the newer one. It is set aside with the reason, for a person to deliver all the same (`recollect spool
 *   retry`) or to discard;
 * - a task's move: decided again on what the task has become (Write); set aside when it is not allowed any more;
 * - what expected a sequence is never spooled (Publisher).
 *
 * "Later" is by the writers' own clocks (`occurredAt`): which clock is right cannot be known, and either way nothing
 * is dropped.
 */
import { Effect, Stream } from "effect";
import * as EventId from "../../domain/EventId.ts";
import type { NewEvent, RecordedEvent } from "../../domain/Event.ts";
import { type History, keyOf, type Sequence, thread } from "../../domain/History.ts";
import { isObject } from "../../domain/Json.ts";
import type { EventLog, LogUnavailable } from "../../log/EventLog.ts";
import type { Command, SpooledCommand } from "../../spool/Spool.ts";

/** Statements of a command that a later one may change. */
interface Subject {
  /** The same for all that speak of the same thing: a message of the thread, or its title. */
  readonly key: string;
  readonly messageId: string | undefined;
}

const titleKey = "title";

const fieldOf = (body: string | Uint8Array, name: string): string | undefined => {
  try {
    const data: unknown = JSON.parse(typeof body === "string" ? body : Buffer.from(body).toString("utf8"));
    const value = isObject(data) ? data[name] : undefined;
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
};

const subjectOf = ({ body, type }: Pick<NewEvent, "body" | "type">): Subject | undefined => {
  if (type === "thread.renamed") return { key: titleKey, messageId: undefined };
  if (type !== "thread.message_appended") return undefined;
  const messageId = fieldOf(body, "messageId");
  return messageId === undefined ? undefined : { key: `message ${messageId}`, messageId };
};

/**
 * Undefined for what always merges: also a message under its own event's id, which cannot have been told before, and
 * what a person wants delivered although it was late.
 */
export const mayBeLate = (command: Command & Partial<SpooledCommand>): Subject | undefined => {
  const { event, history } = command;
  if (history.kind !== "thread" || command.isInsisted === true) return undefined;
  const subject = subjectOf(event);
  return subject?.messageId === event.id ? undefined : subject;
};

/** One event that speaks of a subject. */
interface Telling {
  readonly id: string;
  readonly sequence: Sequence;
  /** The event of the history before it; 0 for its first. Not to be relied on for the first of a part. */
  readonly before: Sequence;
  readonly occurredAt: number;
  readonly source: string;
}

/** A part of a history: from behind a sequence, 0 for all of it, up to where it was read. */
interface Part {
  readonly from: Sequence;
  readTo: Sequence;
}

/** Question to a thread: whether it has these events, and its statements on the same subjects. */
interface Wanted {
  readonly ids: ReadonlySet<string>;
  readonly keys: ReadonlySet<string>;
}

const wantedBy = (commands: ReadonlyArray<Command>): Wanted => ({
  ids: new Set(commands.map(({ event }) => event.id)),
  keys: new Set(commands.flatMap(({ event }) => subjectOf(event)?.key ?? [])),
});

/** Statements of a thread in a part that reaches to its end. */
export interface Known extends Part {
  /** Of a part with too many events: nothing else is known of it. */
  only: Wanted | undefined;
  /** The last event of the thread, in this part or, if that has none, before it. */
  upTo: Sequence;
  readonly ids: Set<string>;
  readonly tellings: Map<string, Array<Telling>>;
}

/** The ids in the last part of a history, and where it ends. */
export type Tail = Pick<Known, "ids" | "upTo">;

/** Reads a part on to the end of its history, and returns the last event's sequence. */
const readOn = Effect.fnUntraced(function* (
  log: EventLog["Service"],
  history: History,
  part: Part,
  note: (event: RecordedEvent, before: Sequence) => void,
): Effect.fn.Return<Sequence, LogUnavailable> {
  for (;;) {
    yield* Stream.runForEach(log.read({ history, after: part.readTo }), (event) =>
      Effect.sync(() => {
        note(event, part.readTo);
        part.readTo = event.sequence;
      }),
    );
    if (part.from === 0 || part.readTo > part.from) return part.readTo;
    const last = (yield* log.last(history))?.sequence ?? 0;
    // One that was written between the two questions has not been looked at.
    if (last <= part.readTo) return last;
  }
});

/** Events of a history behind a sequence. */
export const readTail = Effect.fnUntraced(function* (
  log: EventLog["Service"],
  history: History,
  from: Sequence,
): Effect.fn.Return<Tail, LogUnavailable> {
  const ids = new Set<string>();
  const upTo = yield* readOn(log, history, { from, readTo: from }, ({ id }) => void ids.add(id));
  return { ids, upTo };
});

const isWithin = ({ ids, keys }: Wanted, of: Wanted): boolean =>
  ids.values().every((id) => of.ids.has(id)) && keys.values().every((key) => of.keys.has(key));

const narrow = (known: Known, wanted: Wanted): void => {
  known.only = wanted;
  for (const id of known.ids) if (!wanted.ids.has(id)) known.ids.delete(id);
  for (const key of known.tellings.keys()) if (!wanted.keys.has(key)) known.tellings.delete(key);
};

/** Statements on messages and titles of threads that were written to while we were away; the most recent ones. */
export class KnownThreads {
  readonly #threads = new Map<string, Known>();
  readonly #mostEvents: number;

  /** An event takes some 300 bytes: 30 MB at most, and only until the spool is empty. */
  constructor(mostEvents = 100_000) {
    this.#mostEvents = mostEvents;
  }

  clear(): void {
    this.#threads.clear();
  }

  /**
   * Knowledge of a thread behind a sequence, or from earlier on, read on to its end: all of it, or if that is too
   * much, what these commands of it ask for.
   */
  readonly upToDate: (options: {
    readonly log: EventLog["Service"];
    readonly history: History;
    readonly commands: ReadonlyArray<Command>;
    readonly from?: Sequence | undefined;
  }) => Effect.Effect<Known, LogUnavailable> = Effect.fnUntraced(
    { self: this },
    function* (this: KnownThreads, { commands, from = 0, history, log }) {
      const wanted = wantedBy(commands);
      const kept = this.#threads.get(keyOf(history));
      const isEnough =
        kept !== undefined && kept.from <= from && (kept.only === undefined || isWithin(wanted, kept.only));
      // Kept from the start, so that a reading which takes too long is gone on with.
      const known: Known = isEnough
        ? kept
        : { from, readTo: from, upTo: 0, only: undefined, ids: new Set(), tellings: new Map() };
      this.#keep(keyOf(history), known);
      known.upTo = yield* readOn(log, history, known, (event, before) => {
        this.#note(known, event, before);
        if (known.only === undefined && known.ids.size > this.#mostEvents) narrow(known, wanted);
      });
      return known;
    },
  );

  #note({ ids, only, tellings }: Known, event: RecordedEvent, before: Sequence): void {
    if (only?.ids.has(event.id) !== false) ids.add(event.id);
    const subject = subjectOf(event);
    if (subject === undefined || only?.keys.has(subject.key) === false) return;
    const { id, occurredAt, sequence, source } = event;
    const told = tellings.get(subject.key) ?? [];
    told.push({ id, sequence, before, occurredAt, source });
    tellings.set(subject.key, told);
  }

  #keep(key: string, known: Known): void {
    this.#threads.delete(key);
    this.#threads.set(key, known);
    let total = 0;
    for (const { ids } of this.#threads.values()) total += ids.size;
    for (const [oldest, { ids }] of this.#threads) {
      if (total <= this.#mostEvents || oldest === key) break;
      this.#threads.delete(oldest);
      total -= ids.size;
    }
  }
}

/** Its words go into `into`, whose first event is `opening`. */
export interface Forks {
  readonly _tag: "Forks";
  readonly into: History;
  readonly opening: NewEvent;
  readonly reason: string;
}

type Meeting =
  /** No later writer. */
  | { readonly _tag: "Merges" }
  /** An earlier delivery of this very command. */
  | { readonly _tag: "There" }
  | Forks
  | { readonly _tag: "Late"; readonly reason: string };

const said = ({ occurredAt, sequence, source }: Telling): string =>
  `at ${new Date(occurredAt).toISOString()} by ${source} (sequence ${sequence})`;

/**
 * The fork for a message that lost against `winner`. Its id follows from the two, so that delivering again finds the
 * same one, and all older tellings that meet the same winner lie in it together.
 */
const forkOf = ({ event, history }: Pick<Command, "event" | "history">, subject: Subject, winner: Telling) => {
  const id = EventId.fromContent("recollect.fork", keyOf(history), subject.key, winner.id);
  const { actor, correlationId, occurredAt, session, source, traceparent } = event;
  const opening: NewEvent = {
    id: EventId.fromContent("recollect.forked", keyOf(history), id),
    type: "thread.forked",
    schemaVersion: 1,
    occurredAt,
    source,
    actor,
    session,
    correlationId,
    causationId: winner.id,
    traceparent,
    body: JSON.stringify({ fromThreadId: history.id, ...(winner.before > 0 ? { atSequence: winner.before } : {}) }),
  };
  return { into: thread(id, history.tenant), opening };
};

/** Decides, on what is known of the command's thread. Only for what `mayBeLate`. */
export const meet = ({ event, history }: Command, subject: Subject, known: Known): Meeting => {
  if (known.ids.has(event.id)) return { _tag: "There" };
  const tellings = known.tellings.get(subject.key) ?? [];
  // The first of them in the log, which stays the first whatever comes later: so a repetition decides the same.
  const winner = tellings.find(({ occurredAt }) => occurredAt > event.occurredAt);
  if (winner === undefined) return { _tag: "Merges" };
  if (subject.messageId === undefined) {
    return { _tag: "Late", reason: `the thread ${history.id} was renamed later, ${said(winner)}` };
  }
  const { into, opening } = forkOf({ event, history }, subject, winner);
  const reason = `the message ${subject.messageId} of thread ${history.id} was told later, ${said(winner)}`;
  return { _tag: "Forks", into, opening, reason };
};
