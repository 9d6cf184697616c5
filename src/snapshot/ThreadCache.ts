/**
 * The states of threads that were read lately, in bounded memory, and what is known of how true they still are.
 *
 * Room: snapshot.
 *
 * A plain mutable table, because a warm read is a look into it. A state may be served as it is only while all of this
 * holds: the log is followed, and every followed event of the thread is in the state; so is every event that this
 * process appended; and within the last second either the state was compared with the log, or the follower had reached the
 * log's end, so that a follower that died in silence, a lost connection or another stream is never believed for longer. The
 * state itself is compared with the log each minute. A state that may not be served is still
 * worth keeping: it needs one look at the history's end instead of a snapshot.
 */
import type { RecordedEvent } from "../domain/Event.ts";
import { type History, keyOf, type Sequence } from "../domain/History.ts";
import { apply, type ThreadState } from "../domain/thread/Thread.ts";
import { mayRefer } from "../log/read/LargeEntry.ts";
import { sizeOf } from "./DirtyThreads.ts";
import { RecentlyUsed } from "./RecentlyUsed.ts";

export interface Limits {
  /**
   * JSON bytes of the states held; on the heap they take two to three times as much. 16 MiB are 160 threads with a full
   * window or 4,000 short ones: more than one process talks in at once.
   */
  readonly stateBytes: number;
  /**
   * Time for which a state is believed without asking the log. Decision: one second. The question is one for all threads:
   * how far the log reaches, which is where the follower is or is not. One for each thread was asked before, 0.3 ms and more
   * each: 50 threads that are read in turns stood in line for it together, once a second, and made the slowest hundredth of
   * all reads.
   */
  readonly checkMillis: number;
  /** Time after which a thread's own end is compared with the log all the same. */
  readonly compareMillis: number;
  /** A snapshot is not read, and so not kept alive, while its thread is warm: once an hour, of the 24 it lives. */
  readonly coldMillis: number;
  /** Bound of events folded without a read: a busy thread that is not read any more costs no folding. */
  readonly unreadEvents: number;
}

export const defaultLimits: Limits = {
  stateBytes: 16 * 1024 * 1024,
  checkMillis: 1_000,
  compareMillis: 60_000,
  coldMillis: 3_600_000,
  unreadEvents: 32,
};

interface Held {
  readonly key: string;
  readonly history: History;
  state: ThreadState | undefined;
  /** True when `state` holds every event that was followed so far. */
  isComplete: boolean;
  /** The last event of the thread that was followed, and the last that this process appended. */
  noted: Sequence;
  appended: Sequence;
  /** Time of the question whose answer said that the state is the thread's last; and of the snapshot's read. */
  checkedAt: number;
  coldAt: number;
  /** Events folded since the last read. */
  unread: number;
}

/** A read under way. */
export interface Load {
  readonly held: Held;
  readonly epoch: number;
  readonly askedAt: number;
  /** State in memory, to be brought up to date; undefined when snapshot and tail must be read. */
  readonly from: ThreadState | undefined;
  /** True when the thread was read before. */
  readonly isAgain: boolean;
}

/** A question how far the log reaches: when it was asked, and where the follower was then. */
export interface Question {
  readonly askedAt: number;
  readonly from: Sequence;
}

export class ThreadCache {
  /** Weighed by their states. */
  private readonly threads: RecentlyUsed<Held>;
  private readonly limits: Limits;
  /** Number of this following; states of an older one have missed events. */
  private epoch = 0;
  private isFollowed = false;
  /** The last event that was followed, of any history. */
  private position: Sequence = 0;
  /** An answer how far the log reaches that the follower has not come up to yet. */
  private end: { readonly sequence: Sequence; readonly askedAt: number } | undefined;
  /** Time of the last question whose answer the follower has come up to. */
  private provenAt = -Infinity;

  constructor(limits: Partial<Limits> = {}) {
    this.limits = { ...defaultLimits, ...limits };
    this.threads = new RecentlyUsed(this.limits.stateBytes);
  }

  get size(): number {
    return this.threads.size;
  }

  get stateBytes(): number {
    return this.threads.bytes;
  }

  /** The thread's state, if it may be served as it is. */
  current(history: History, now: number): ThreadState | undefined {
    const held = this.provable(history, now);
    if (held === undefined) return undefined;
    if (now - Math.max(held.checkedAt, this.provenAt) >= this.limits.checkMillis) return undefined;
    held.unread = 0;
    this.threads.use(held.key);
    return held.state;
  }

  /** True when the thread's state may be served once the follower is known to be at the log's end. */
  isProvable(history: History, now: number): boolean {
    return this.provable(history, now) !== undefined;
  }

  /** A question how far the log reaches is asked now. */
  asks(now: number): Question {
    return { askedAt: now, from: this.position };
  }

  /**
   * Its answer. Once the follower is there, what it has noted is all that the log had when it was asked. A log that ends
   * before what was followed already is another one, or has lost its end.
   */
  endsAt(sequence: Sequence, { askedAt, from }: Question): void {
    if (!this.isFollowed) return;
    if (sequence < from) return this.doubt();
    this.end = { sequence, askedAt };
    this.prove();
  }

  /** Every event up to this one was noted. */
  reached(sequence: Sequence): void {
    this.position = sequence;
    this.prove();
  }

  private prove(): void {
    if (this.end === undefined || this.position < this.end.sequence) return;
    this.provenAt = this.end.askedAt;
    this.end = undefined;
  }

  private unprove(): void {
    this.provenAt = -Infinity;
    this.end = undefined;
  }

  private provable(history: History, now: number): Held | undefined {
    const held = this.threads.peek(keyOf(history));
    if (held === undefined || !this.isFollowed || !held.isComplete || held.state === undefined) return undefined;
    if (held.appended > held.state.lastSequence) return undefined;
    if (now - held.checkedAt >= this.limits.compareMillis) return undefined;
    return held;
  }

  /** The thread's state as it was last seen, however long ago. */
  lastKnown(history: History): ThreadState | undefined {
    return this.threads.peek(keyOf(history))?.state;
  }

  /** A read of the log begins: what is followed and appended from now on is compared with what it brings. */
  begin(history: History, now: number): Load {
    const key = keyOf(history);
    const found = this.threads.use(key);
    const held = found ?? {
      key,
      history,
      state: undefined,
      isComplete: false,
      noted: 0,
      appended: 0,
      checkedAt: -Infinity,
      coldAt: -Infinity,
      unread: 0,
    };
    if (found === undefined) this.threads.put(key, held, 0);
    const isCold = held.state === undefined || now - held.coldAt >= this.limits.coldMillis;
    return {
      held,
      epoch: this.epoch,
      askedAt: now,
      from: isCold ? undefined : held.state,
      isAgain: found?.state !== undefined,
    };
  }

  /** Takes the state that was read. */
  loaded(load: Load, state: ThreadState): void {
    const { held, epoch, askedAt, from } = load;
    if (!this.isHeld(held)) return;
    // A thread without events costs as much to hold as to ask for.
    if (state.lastSequence === 0) return this.forget(held);
    const known = held.state;
    if (known !== undefined && known.lastSequence > state.lastSequence) {
      // Either the follower was quicker than the answer, or the log holds less than it did.
      const isOvertaken = held.isComplete && from !== undefined && state.lastSequence >= from.lastSequence;
      if (!isOvertaken) return this.forget(held);
    } else {
      this.setState(held, state);
      held.isComplete = this.isFollowed && epoch === this.epoch && state.lastSequence >= held.noted;
    }
    held.checkedAt = askedAt;
    if (from === undefined) held.coldAt = askedAt;
    held.unread = 0;
  }

  /** The read came to nothing. */
  failed({ held }: Load): void {
    if (this.isHeld(held) && held.state === undefined) this.forget(held);
  }

  /** This process has appended to the thread. */
  appended(history: History, sequence: Sequence): void {
    const held = this.threads.peek(keyOf(history));
    if (held !== undefined) held.appended = Math.max(held.appended, sequence);
  }

  /** An event was followed. */
  note(event: RecordedEvent): void {
    const held = this.threads.peek(keyOf(event.history));
    if (held === undefined) return;
    held.noted = event.sequence;
    const { state } = held;
    if (!held.isComplete || state === undefined || event.sequence <= state.lastSequence) return;
    held.unread++;
    // An entry in the object store is put in place by the next read of the thread.
    if (mayRefer(event) || held.unread > this.limits.unreadEvents) held.isComplete = false;
    else this.setState(held, apply(state, event));
  }

  /** From now on every event after this one, the log's end as it is now, will be noted. */
  follow(after: Sequence): void {
    this.unfollow();
    this.isFollowed = true;
    this.position = after;
  }

  /** Events may be missed from now on. */
  unfollow(): void {
    this.isFollowed = false;
    this.unprove();
    this.epoch++;
    for (const held of this.threads.values()) held.isComplete = false;
  }

  /** Each thread is compared with the log before it is served again. */
  doubt(): void {
    this.unprove();
    for (const held of this.threads.values()) held.checkedAt = -Infinity;
  }

  /** The log is another one, or no reads come. */
  clear(): void {
    this.threads.clear();
  }

  private isHeld(held: Held): boolean {
    return this.threads.peek(held.key) === held;
  }

  private forget(held: Held): void {
    this.threads.delete(held.key);
  }

  private setState(held: Held, state: ThreadState): void {
    held.state = state;
    this.threads.resize(held.key, sizeOf(state));
  }
}
