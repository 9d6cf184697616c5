/**
 * Threads as an import knows them: entries that the log has, and the place of the next one.
 *
 * Room: edge.
 *
 * The last event of every appended run carries `importedto` = `<count>:<digest>:<held>`: the first `count` entries of
 * the file's thread were in the log with it, this is the digest of their ids, and the log then held `held` entries of
 * the thread. So a file that is imported again needs one look at the thread's last event, and not its whole history;
 * so does one that has grown, where `held` is `count`. Where the log holds more, a line beyond the mark may be one
 * that another file has brought, and the history is read.
 */
import { createHash, type Hash } from "node:crypto";
import { Effect, Stream } from "effect";
import type { RecordedEvent } from "../../domain/Event.ts";
import { type History, keyOf, type Sequence, thread } from "../../domain/History.ts";
import type { EventLog } from "../../log/EventLog.ts";
import { type Entry, idOf } from "./Entry.ts";
import { IdTable } from "./IdTable.ts";
import { patience } from "./Patience.ts";
import { Owners, ThreadTally } from "./Tally.ts";

/** The extension attribute of the mark. */
export const markAttribute = "importedto";

/** Bits of a thread's id table: the log has it (or will, with the batch being filled); this import has counted it. */
const inLog = 1;
const counted = 2;

export interface Mark {
  readonly count: number;
  readonly digest: string;
  /** Entries the log held of the thread, from whatever file; 0 in a mark that does not say. */
  readonly held: number;
}

export interface ThreadState {
  readonly history: History;
  /** The last sequence of the history that this import has seen. */
  sequence: Sequence;
  mark: Mark | undefined;
  readonly ids: IdTable;
  /** Number of the log's entries that `ids` holds, with those that wait to be appended; and of those it does not. */
  listed: number;
  unlisted: number;
  /** True when `ids` holds every entry the log has of this thread. */
  complete: boolean;
  /** The last event of the history, those that wait to be appended included. */
  lastId: string | undefined;
  /** Entries of the log that are elements of an array; exact when complete. */
  elements: number;
  /** True once the log refused some: then no mark says that a file is in it, and the next import looks for what is missing. */
  hasRefused: boolean;
  readonly tally: ThreadTally;
}

export const isInLog = (state: ThreadState, id: string): boolean => (state.ids.get(id) & inLog) !== 0;

/** Notes an entry as being in the log. */
export const noteInLog = (state: ThreadState, id: string, isElement: boolean): void => {
  const bits = state.ids.get(id);
  if ((bits & inLog) !== 0) return;
  state.ids.set(id, bits | inLog);
  state.listed++;
  if (isElement) state.elements++;
};

/** Counts the entry, once in an import. */
export const countOnce = (state: ThreadState, entry: Entry, id: string): void => {
  const bits = state.ids.get(id);
  if ((bits & counted) !== 0) return;
  state.ids.set(id, bits | counted);
  state.tally.see(entry, id, state.history.id);
};

/** One thread's entries in one file, in order: gives each its id and keeps the digest of all so far. */
export class FileThread {
  readonly state: ThreadState;
  count = 0;
  /** The id of the entry before the one that is being taken. */
  previousId: string | undefined;
  /** The first so many entries are known to be in the log by the mark. */
  verified = 0;
  /** The file changed while it was read: what the mark promised does not hold. */
  broken = false;
  private readonly occurrences = new IdTable();
  private readonly hash: Hash = createHash("sha256");

  constructor(state: ThreadState) {
    this.state = state;
  }

  /** The id of the next entry. */
  next(entry: Entry): string {
    const first = idOf(entry, this.state.history, 1);
    const occurrence = this.occurrences.increment(first);
    const id = occurrence === 1 ? first : idOf(entry, this.state.history, occurrence);
    this.count++;
    this.hash.update(id);
    return id;
  }

  /** The mark of the entries so far. 128 bits of the digest are enough: it is compared with one other, not searched. */
  mark(): string {
    return `${this.count}:${this.digest()}:${this.state.listed + this.state.unlisted}`;
  }

  /** True when the entries so far are exactly those of the log's mark. */
  isAtMark(): boolean {
    const { mark } = this.state;
    return mark !== undefined && mark.count === this.count && mark.digest === this.digest();
  }

  private digest(): string {
    return this.hash.copy().digest("hex").slice(0, 32);
  }
}

const markOf = (event: RecordedEvent | undefined): ThreadState["mark"] => {
  const found = /^(\d{1,12}):([0-9a-f]{32})(?::(\d{1,12}))?$/.exec(event?.extensions?.[markAttribute] ?? "");
  return found === null ? undefined : { count: Number(found[1]), digest: found[2] ?? "", held: Number(found[3] ?? 0) };
};

/**
 * True when a file needs no look at the thread's history: its first `verified` of `count` entries are those of the mark,
 * and beyond them it either ends or the log has nothing.
 */
export const isCovered = ({ mark }: ThreadState, verified: number, count: number): boolean =>
  verified > 0 && (verified === count || mark?.held === verified);

/** The same for a file that will grow: what comes after its beginning is no other file's only if the log has nothing more. */
export const isCoveredAlone = ({ mark }: ThreadState, verified: number): boolean =>
  verified > 0 && mark?.held === verified;

const isEntry = ({ type }: RecordedEvent): boolean => type === "thread.entry_recorded" || type === "source.described";

const elementMarker = Buffer.from('"place":"element"');

/** True when an entry's body, as `Entry.bodyOf` writes it, is that of an element. */
const isElement = (event: RecordedEvent): boolean =>
  Buffer.from(event.body.buffer, event.body.byteOffset, Math.min(event.body.byteLength, 80)).includes(elementMarker);

/**
 * Memory for the threads of one import. Above it the threads that were not met for longest are forgotten; met again,
 * they are looked up in the log again, and the report counts their messages a second time.
 */
const maxBytes = 512 * 1024 * 1024;
/** Bytes of a thread beside its ids. */
const threadBytes = 2048;

const weightOf = (state: ThreadState): number => state.ids.bytes + state.tally.bytes + threadBytes;

interface Totals {
  messages: number;
  repeated: number;
  toolCalls: number;
  unknown: number;
}

export class Threads {
  private readonly log: EventLog["Service"];
  private readonly states = new Map<string, ThreadState>();
  private readonly met = new IdTable();
  private asked = 0;
  private readonly owners = new Owners();
  private readonly forgotten = { messages: 0, repeated: 0, toolCalls: 0, unknown: 0 };

  constructor(log: EventLog["Service"]) {
    this.log = log;
  }

  /** True when a thread was met before and not every entry of it is known. */
  isPartlyKnown(history: History): boolean {
    return this.states.get(keyOf(history))?.complete === false;
  }

  /** A thread, with what its last event says unless it is known in full. Nothing of it may be waiting in a batch. */
  readonly open = Effect.fnUntraced({ self: this }, function* (history: History) {
    const key = keyOf(history);
    let state = this.states.get(key);
    if (state?.complete !== true) {
      const last = yield* this.log.last(history).pipe(Effect.retry(patience));
      state ??= {
        history,
        sequence: 0,
        mark: undefined,
        ids: new IdTable(),
        lastId: undefined,
        listed: 0,
        unlisted: 0,
        complete: false,
        elements: 0,
        hasRefused: false,
        tally: new ThreadTally(this.owners),
      };
      state.sequence = last?.sequence ?? 0;
      state.lastId = last?.id;
      state.mark = markOf(last);
      state.complete = last === undefined;
      state.unlisted = Math.max(0, (state.mark?.held ?? 0) - state.listed);
    }
    this.states.delete(key);
    this.states.set(key, state);
    return state;
  });

  /** A file has entries of this thread: it counts. */
  meet({ history }: ThreadState): void {
    if (history.kind === "thread") this.met.set(keyOf(history), 1);
  }

  /** Reads what the log has of a thread after what is known, and returns the ids that were read: of entries, and of others. */
  readonly catchUp = Effect.fnUntraced({ self: this }, function* (state: ThreadState, after: Sequence) {
    const entries = new Set<string>();
    const others = new Set<string>();
    // A read that breaks off is continued behind the last event it gave.
    let from = after;
    const rest = Stream.suspend(() => this.log.read({ history: state.history, after: from })).pipe(
      Stream.runForEach((event) =>
        Effect.sync(() => {
          from = event.sequence;
          (isEntry(event) ? entries : others).add(event.id);
          // Messages of our own publishers in the thread are no entries: no file can bring them again.
          if (isEntry(event)) noteInLog(state, event.id, isElement(event));
          state.sequence = event.sequence;
          state.lastId = event.id;
        }),
      ),
    );
    yield* rest.pipe(Effect.retry(patience));
    return { entries, others };
  });

  /** Makes sure that every entry the log has of a thread is known. */
  readonly complete = Effect.fnUntraced({ self: this }, function* (state: ThreadState) {
    if (state.complete) return;
    yield* this.catchUp(state, 0);
    state.complete = true;
    state.unlisted = 0;
  });

  /** True when it is time to `trim`: asked after every file, so it only looks at every 64th time. */
  get isHeavy(): boolean {
    this.asked = (this.asked + 1) % 64;
    return this.asked === 0 && this.bytes > maxBytes;
  }

  private get bytes(): number {
    let bytes = 0;
    for (const state of this.states.values()) bytes += weightOf(state);
    return bytes;
  }

  /** Forgets threads until the rest fits. To be called when nothing waits to be appended. */
  trim(): void {
    let { bytes } = this;
    for (const [key, state] of this.states) {
      if (bytes <= maxBytes) return;
      bytes -= weightOf(state);
      this.add(state, this.forgotten, () => false);
      this.states.delete(key);
    }
  }

  /** Totals of all files. */
  readonly totals = Effect.fnUntraced({ self: this }, function* () {
    const totals = { threads: this.met.size, ...this.forgotten };
    const before = yield* this.copiedFromBefore();
    for (const state of this.states.values()) this.add(state, totals, (key) => before.has(key));
    return totals;
  });

  /** Threads that were copied from, of which no file was in this import and the log has some. */
  private readonly copiedFromBefore = Effect.fnUntraced({ self: this }, function* () {
    const before = new Set<string>();
    const asked = new Set<string>();
    for (const { history, tally } of this.states.values()) {
      for (const { from } of tally.copies) {
        const parent = thread(from, history.tenant);
        const key = keyOf(parent);
        if (asked.has(key) || this.states.has(key)) continue;
        asked.add(key);
        if ((yield* this.log.last(parent).pipe(Effect.retry(patience))) !== undefined) before.add(key);
      }
    }
    return before;
  });

  private add({ history, tally }: ThreadState, totals: Totals, isInLogBefore: (key: string) => boolean): void {
    totals.messages += tally.messages;
    totals.repeated += tally.repeated;
    totals.toolCalls += tally.toolCalls;
    totals.unknown += tally.unknown;
    for (const { from, messageId } of tally.copies) {
      const key = keyOf(thread(from, history.tenant));
      const parent = this.states.get(key);
      if (parent?.tally.holds(messageId) ?? isInLogBefore(key)) totals.repeated++;
      else totals.messages++;
    }
  }
}
