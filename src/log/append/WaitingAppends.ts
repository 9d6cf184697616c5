/**
 * Appends that wait to be written, and which of them go next, alone or together.
 *
 * Room: log.
 *
 * Promises: appends of one history go in the order in which they came, and one that is on its way holds back the later
 * ones of its histories until it is settled. Plain code, because every append passes through here.
 */
import { type Cause, Exit } from "effect";
import type { Sequence } from "../../domain/History.ts";
import type { Checked } from "./AppendCheck.ts";
import type { AppendError, Appended } from "../EventLog.ts";

/** Part of an append, for one history. */
export interface Part {
  readonly checked: Checked;
  /** Sequence that the server is told to expect; undefined: none. */
  expected: Sequence | undefined;
  result: Appended | undefined;
}

/** Outcome of an append: a result for each of its parts. */
export type Settled = Exit.Exit<ReadonlyArray<Appended>, AppendError>;

/** An append on its way: all of its parts are written, or none. */
export class PendingAppend {
  readonly parts: ReadonlyArray<Part>;
  readonly events: number;
  readonly bytes: number;
  /** Time of the call, as `Elapsed` counts. */
  readonly since: number;
  /** False while it has to be found out whether it is in the log already. */
  isReady = false;
  #tell: ((settled: Settled) => void) | undefined;

  constructor(options: {
    readonly checked: ReadonlyArray<Checked>;
    readonly since: number;
    readonly tell: (settled: Settled) => void;
  }) {
    this.parts = options.checked.map((checked) => {
      const { expected } = checked.append;
      return { checked, expected: expected === "any" ? undefined : expected, result: undefined };
    });
    this.events = options.checked.reduce((sum, { wires }) => sum + wires.length, 0);
    this.bytes = options.checked.reduce((sum, { bytes }) => sum + bytes, 0);
    this.since = options.since;
    this.#tell = options.tell;
  }

  /** The parts that are not known to be in the log. */
  get open(): ReadonlyArray<Part> {
    return this.parts.filter(({ result }) => result === undefined);
  }

  /** No caller waits for it: it was settled, or its caller has gone. */
  get isOver(): boolean {
    return this.#tell === undefined;
  }

  /** Tells the caller what its parts came to. */
  succeed(): void {
    this.#settle(Exit.succeed(this.parts.flatMap(({ result }) => result ?? [])));
  }

  fail(cause: Cause.Cause<AppendError>): void {
    this.#settle(Exit.failCause(cause));
  }

  abandon(): void {
    this.#tell = undefined;
  }

  #settle(settled: Settled): void {
    const tell = this.#tell;
    this.#tell = undefined;
    tell?.(settled);
  }
}

/** Most of what is taken at once. */
export interface Most {
  readonly appends: number;
  readonly events: number;
  readonly bytes: number;
  /** True when appends of one history may be among them, to be written in order as one batch. */
  readonly sameHistory: boolean;
}

export class WaitingAppends {
  #waiting: Array<PendingAppend> = [];
  /** Appends on their way, by history. */
  readonly #onTheirWay = new Map<string, number>();

  /** Waiting appends, among them some whose callers have gone. */
  get size(): number {
    return this.#waiting.length;
  }

  add(append: PendingAppend): void {
    this.#waiting.push(append);
  }

  /** Takes the next ones. They hold back later ones of their histories until `release` or `putBack`. */
  take(most: Most): ReadonlyArray<PendingAppend> {
    const taken: Array<PendingAppend> = [];
    const skipped: Array<PendingAppend> = [];
    const among: Among = { held: new Set(), expected: new Map() };
    let events = 0;
    let bytes = 0;
    let next = 0;
    for (; next < this.#waiting.length && taken.length < most.appends; next++) {
      const append = this.#waiting[next];
      if (append === undefined || append.isOver) continue;
      if (!append.isReady || !this.#mayGo(append, among, most.sameHistory)) {
        for (const { checked } of append.parts) among.held.add(checked.subject);
        skipped.push(append);
        continue;
      }
      events += append.events;
      bytes += append.bytes;
      // One that is larger than all that may go at once goes alone.
      if (taken.length > 0 && (events > most.events || bytes > most.bytes)) break;
      for (const { checked, expected } of append.parts) {
        if (!among.expected.has(checked.subject)) among.expected.set(checked.subject, expected);
      }
      taken.push(append);
    }
    this.#waiting.splice(0, next, ...skipped);
    for (const append of taken) this.#count(append, 1);
    return taken;
  }

  /** Lets later appends of its histories go. */
  release(append: PendingAppend): void {
    this.#count(append, -1);
  }

  /** To be taken again, before all that wait. */
  putBack(appends: ReadonlyArray<PendingAppend>): void {
    for (const append of appends) this.#count(append, -1);
    this.#waiting.unshift(...appends);
  }

  /** Takes out those that have waited since before this time. */
  takeOlder(than: number): ReadonlyArray<PendingAppend> {
    const [first] = this.#waiting;
    if (first === undefined || first.since >= than) return [];
    const older = this.#waiting.filter(({ since }) => since < than);
    this.#waiting = this.#waiting.filter(({ since }) => since >= than);
    return older;
  }

  /**
   * True when nothing of its histories is before it, or only what may be followed in one batch. There only the first
   * message of a subject can expect something, so one that follows must expect nothing of its own: because the server
   * remembers its ids, or because it expects what the first one does.
   */
  #mayGo(append: PendingAppend, among: Among, sameHistory: boolean): boolean {
    return append.parts.every(({ checked: { append: asked, subject }, expected }) => {
      if (this.#onTheirWay.has(subject) || among.held.has(subject)) return false;
      if (!among.expected.has(subject)) return true;
      return (
        sameHistory && asked.expected === "any" && (expected === undefined || expected === among.expected.get(subject))
      );
    });
  }

  #count({ parts }: PendingAppend, by: number): void {
    for (const {
      checked: { subject },
    } of parts) {
      const count = (this.#onTheirWay.get(subject) ?? 0) + by;
      if (count > 0) this.#onTheirWay.set(subject, count);
      else this.#onTheirWay.delete(subject);
    }
  }
}

/** While some are taken: histories that are held back, and what the first of each taken history expects. */
interface Among {
  readonly held: Set<string>;
  readonly expected: Map<string, Sequence | undefined>;
}
