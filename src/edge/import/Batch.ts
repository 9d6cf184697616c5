/**
 * Gathers new events of many threads and appends them together, all or none.
 *
 * Room: edge.
 *
 * Decision: a durable batch of 500 events costs about what one of 10 costs, so a batch is filled over files and
 * threads and written when it is full, never by a timer. Two importers of one thread meet as a `SequenceConflict`:
 * what the other wrote is read, dropped from this batch, and the rest goes on.
 */
import { Effect } from "effect";
import { fromContent } from "../../domain/EventId.ts";
import { isMisfit, type NewEvent, type RecordedEvent } from "../../domain/Event.ts";
import { keyOf } from "../../domain/History.ts";
import { bodyOf } from "../../log/Envelope.ts";
import {
  type Append,
  type Appended,
  type EventLog,
  maxEventsPerAppend,
  type SequenceConflict,
} from "../../log/EventLog.ts";
import { type Entry, eventOf, type Origin } from "./Entry.ts";
import { patience } from "./Patience.ts";
import type { ReportDraft } from "./Report.ts";
import { type FileThread, markAttribute, noteInLog, type ThreadState, type Threads } from "./Threads.ts";

/** A batch is written once it has this many bytes; the last entry may take it up to its own size (`isLarge`) above. */
const maxBatchBytes = 3 * 1024 * 1024;

/** Most conflicts of one batch with other writers. Each time the other has made progress, so this is never reached by two importers of finite files. */
const maxConflicts = 1000;

/** Says that a batch lost against another writer and must be tried again. */
const lost = "lost" as const;

interface Waiting {
  readonly state: ThreadState;
  readonly events: Array<NewEvent>;
  /** The file's thread that wrote last: its mark is true of everything before it. */
  writer: FileThread;
  /** Its events have their second ids already. */
  readonly isRenamed?: boolean;
}

/**
 * The id of an entry whose own id stands for something else in the log: the same on every machine, as the first one is, so
 * that whoever imports the transcript next knows it again.
 */
export const secondIdOf = (id: string): string => fromContent("the id is taken by other content", id);

const isSame = (event: NewEvent, found: RecordedEvent): boolean =>
  event.type === found.type && Buffer.compare(Buffer.from(bodyOf(event)), Buffer.from(found.body)) === 0;

/** The extension attribute by which an import knows again what it has written itself. */
const runAttribute = "importrun";

export class Batch {
  private readonly run: string;
  private readonly log: EventLog["Service"];
  private readonly threads: Threads;
  private readonly draft: ReportDraft;
  private waiting = new Map<string, Waiting>();
  private events = 0;
  private bytes = 0;
  /** Reason of the log's last refusal. */
  private reason = "";
  /** Entries that the log did not take. */
  refused = 0;

  constructor(options: {
    readonly log: EventLog["Service"];
    readonly threads: Threads;
    readonly draft: ReportDraft;
    /** Unlike that of any other import that may run now. */
    readonly run: string;
  }) {
    this.run = options.run;
    this.log = options.log;
    this.threads = options.threads;
    this.draft = options.draft;
  }

  get isFull(): boolean {
    return this.events >= maxEventsPerAppend || this.bytes >= maxBatchBytes;
  }

  /** Adds an entry that is small enough for its event. The caller flushes when the batch is full. */
  add(writer: FileThread, entry: Entry, id: string, origin: Origin): void {
    this.take(writer, entry, id, eventOf(entry, origin, id, undefined));
  }

  /** Puts a large entry into the object store and adds the reference. */
  readonly addLarge = Effect.fnUntraced(
    { self: this },
    function* (writer: FileThread, entry: Entry, id: string, origin: Origin) {
      const blob = yield* this.log.putBlob(entry.raw).pipe(Effect.retry(patience));
      this.take(writer, entry, id, eventOf(entry, origin, id, blob));
    },
  );

  /** Appends what waits. Afterwards nothing waits, and everything counted so far is on disk. */
  readonly flush = Effect.fnUntraced({ self: this }, function* () {
    for (let conflicts = 0; this.waiting.size > 0; conflicts++) {
      const waiting = [...this.waiting.values()];
      const appended = yield* this.append(waiting, conflicts);
      if (appended === lost) continue;
      this.clear();
      if (appended === undefined) yield* this.eachAlone(waiting, conflicts);
      else for (const [index, one] of waiting.entries()) yield* this.settled(one, appended[index]);
    }
  });

  /** Undefined: the log refuses something among them, and does not say which. */
  private readonly append = Effect.fnUntraced(
    { self: this },
    function* (waiting: ReadonlyArray<Waiting>, conflicts: number) {
      return yield* this.log.appendAll(waiting.map((one) => appendOf(one, this.run))).pipe(
        Effect.retry(patience),
        Effect.catchTag("SequenceConflict", (conflict) =>
          conflicts < maxConflicts ? Effect.map(this.meet(conflict), () => lost) : Effect.fail(conflict),
        ),
        Effect.catchTag("AppendRefused", ({ reason }) => {
          this.reason = reason;
          return Effect.succeed(undefined);
        }),
      );
    },
  );

  /** One thread that is refused refuses itself only: it is tried again under its second ids, and then reported. */
  private readonly eachAlone = Effect.fnUntraced(
    { self: this },
    function* (waiting: ReadonlyArray<Waiting>, conflicts: number) {
      for (const one of waiting) {
        const key = keyOf(one.state.history);
        // A conflict changes what waits of it.
        this.waiting.set(key, one);
        const appended = waiting.length === 1 ? undefined : yield* this.append([one], conflicts);
        if (appended === lost) continue;
        this.waiting.delete(key);
        if (appended !== undefined) yield* this.settled(one, appended[0]);
        else if (one.isRenamed === true) this.refuse(one);
        else this.rename(one);
      }
    },
  );

  private readonly settled = Effect.fnUntraced(
    { self: this },
    function* (one: Waiting, appended: Appended | undefined) {
      const { events, state } = one;
      if (appended === undefined || !appended.duplicate) {
        state.sequence = appended?.sequence ?? state.sequence;
        this.draft.eventsAppended += events.length;
        return;
      }
      const found = yield* this.log.at(appended.sequence).pipe(Effect.retry(patience));
      const last = events.at(-1);
      const isEvent = found !== undefined && !isMisfit(found);
      if (isEvent && last !== undefined && one.isRenamed !== true && !isSame(last, found)) return this.rename(one);
      state.sequence = appended.sequence;
      // It was sent again because the answer to it was lost. Counted as if it had been there before, 9,000 of 1,010,410
      // new entries were reported as duplicates.
      if (isEvent && found.extensions?.[runAttribute] === this.run) this.draft.eventsAppended += events.length;
      else this.draft.duplicates += events.length;
    },
  );

  /** Gives what waits of a thread its second ids. */
  private rename(one: Waiting): void {
    const events = one.events.map((event) => ({ ...event, id: secondIdOf(event.id) }));
    this.draft.renamed += events.length;
    this.waiting.set(keyOf(one.state.history), { ...one, events, isRenamed: true });
    this.events += events.length;
  }

  private refuse({ events, state }: Waiting): void {
    this.refused += events.length;
    state.hasRefused = true;
    // Refused events are not in the log, so the rest of a line cannot follow them.
    state.lastId = undefined;
    this.draft.refused.push({
      file: state.history.id,
      reason: `${events.length} entries are not taken by the log: ${this.reason}`,
    });
  }

  private take(writer: FileThread, entry: Entry, id: string, event: NewEvent): void {
    const { state } = writer;
    noteInLog(state, id, entry.place === "element");
    state.lastId = id;
    const key = keyOf(state.history);
    const waiting = this.waiting.get(key);
    if (waiting === undefined) this.waiting.set(key, { state, events: [event], writer });
    else {
      waiting.events.push(event);
      waiting.writer = writer;
    }
    this.events++;
    this.bytes += event.body.length;
  }

  /** Reads what another writer wrote, and drops from the batch what is in the log by now. */
  private readonly meet = Effect.fnUntraced({ self: this }, function* (conflict: SequenceConflict) {
    const key = keyOf(conflict.history);
    const waiting = this.waiting.get(key);
    if (waiting === undefined) return yield* conflict;
    const before = waiting.state.sequence;
    const written = yield* this.threads.catchUp(waiting.state, before);
    // A replica may not know yet what its leader refused for.
    if (waiting.state.sequence === before) yield* Effect.sleep("50 millis");
    // Another content under an entry's id is no reason to leave the entry out.
    const rest = waiting.events
      .filter(({ id }) => !written.entries.has(id))
      .map((event) => (written.others.has(event.id) ? { ...event, id: secondIdOf(event.id) } : event));
    this.draft.renamed += rest.filter((event) => !waiting.events.includes(event)).length;
    const dropped = waiting.events.length - rest.length;
    waiting.state.lastId = rest.at(-1)?.id ?? waiting.state.lastId;
    this.draft.duplicates += dropped;
    this.events -= dropped;
    if (rest.length === 0) this.waiting.delete(key);
    else this.waiting.set(key, { ...waiting, events: rest });
  });

  private clear(): void {
    this.waiting = new Map();
    this.events = 0;
    this.bytes = 0;
  }
}

const appendOf = ({ state, events, writer }: Waiting, run: string): Append => ({
  history: state.history,
  expected: state.sequence,
  events: events.map((event, index) =>
    index === events.length - 1
      ? {
          ...event,
          extensions: { ...(state.hasRefused ? {} : { [markAttribute]: writer.mark() }), [runAttribute]: run },
        }
      : event,
  ),
});
