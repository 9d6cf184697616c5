/**
 * The threads whose snapshots are behind, and the states of those that were written lately: in bounded memory.
 *
 * Room: snapshot.
 *
 * A plain mutable table, because it is touched for every event of the stream. A thread is first only marked: its state
 * is read when its snapshot is due, and from then on events are folded as they come, without reading anything again.
 * When memory is short, the thread that was quiet the longest loses its state first, and then its mark: its snapshot
 * stays behind until its next event or reader, which costs time and never truth.
 */
import type { RecordedEvent } from "../domain/Event.ts";
import { type History, keyOf, type Sequence } from "../domain/History.ts";
import { apply, type ThreadState } from "../domain/thread/Thread.ts";
import { mayRefer } from "../log/read/LargeEntry.ts";

export interface Limits {
  /** Threads in the table, with or without a state: about 0.5 KB each. */
  readonly threads: number;
  /** JSON bytes of the states held; on the heap they take two to three times as much. */
  readonly stateBytes: number;
  /** A thread that was quiet this long is written. */
  readonly idleMillis: number;
  /** A thread that is never quiet is written this often. */
  readonly busyMillis: number;
}

/**
 * Decision: seconds and not their quarter, because at 35 events a second in 20 threads each event had a snapshot written: 41 of
 * the 71 kB that it cost on disk. A reader finds that many more events behind it.
 */
export const defaultLimits: Limits = {
  threads: 4096,
  stateBytes: 32 * 1024 * 1024,
  idleMillis: 2_000,
  busyMillis: 5_000,
};

export interface Entry {
  readonly key: string;
  readonly history: History;
  /** State that was read or folded last. */
  state: ThreadState | undefined;
  /** True when `state` holds every event that was followed so far, so that the next one may be folded onto it. */
  isComplete: boolean;
  stateBytes: number;
  /** The last event of the thread that was followed. */
  noted: Sequence;
  /** The last event that is in the snapshot we wrote or found; 0 when we know of none. */
  saved: Sequence;
  /** The first event that may be missing in the snapshot; 0 when none is. */
  dirtyFrom: Sequence;
  dirtySince: number;
  touchedAt: number;
  isBeingWritten: boolean;
}

/** Metadata, carry and counters of an ordinary thread. */
const bareStateBytes = 4096;

/** Size of a state, in bytes of JSON. */
export const sizeOf = ({ window }: ThreadState): number => {
  let bytes = bareStateBytes;
  for (const { kept } of window.messages) bytes += kept;
  for (const { kept } of window.calls) bytes += kept;
  return bytes;
};

export class DirtyThreads {
  /** In the order in which they were last touched. */
  private readonly entries = new Map<string, Entry>();
  private readonly limits: Limits;
  private bytes = 0;
  private dirtyCount = 0;
  /** Dirty threads that were forgotten for want of room. */
  dropped = 0;

  constructor(limits: Limits) {
    this.limits = limits;
  }

  get size(): number {
    return this.entries.size;
  }

  get dirty(): number {
    return this.dirtyCount;
  }

  get stateBytes(): number {
    return this.bytes;
  }

  /** An event was followed. */
  note(event: RecordedEvent, now: number): void {
    const key = keyOf(event.history);
    const entry = this.entries.get(key) ?? {
      key,
      history: event.history,
      state: undefined,
      isComplete: false,
      stateBytes: 0,
      noted: 0,
      saved: 0,
      dirtyFrom: 0,
      dirtySince: now,
      touchedAt: now,
      isBeingWritten: false,
    };
    this.entries.delete(key);
    this.entries.set(key, entry);
    entry.noted = event.sequence;
    entry.touchedAt = now;
    if (entry.isComplete && entry.state !== undefined) {
      // An entry in the object store is put in place by the next read of the thread.
      if (mayRefer(event)) entry.isComplete = event.sequence <= entry.state.lastSequence;
      else this.setState(entry, apply(entry.state, event));
    }
    // A read sees further than the follower: what it brought home may be saved before it is followed.
    if (event.sequence > entry.saved) this.markDirty(entry, event.sequence, now);
    this.makeRoom();
  }

  /** Takes the state that was read for a thread; the events followed meanwhile decide whether it is complete. */
  loaded(entry: Entry, state: ThreadState): void {
    this.setState(entry, state);
    entry.isComplete = state.lastSequence >= entry.noted;
    this.makeRoom();
  }

  /** A state of the thread is in the store. */
  written(entry: Entry, state: ThreadState, now: number): void {
    entry.saved = state.lastSequence;
    if (!this.isHeld(entry) || entry.dirtyFrom === 0) return;
    if (entry.noted <= state.lastSequence) {
      entry.dirtyFrom = 0;
      this.dirtyCount--;
    } else {
      entry.dirtyFrom = state.lastSequence + 1;
      entry.dirtySince = now;
    }
  }

  /** Forgets a thread, dirty or not: its snapshot stays behind until its next event or reader. */
  drop(entry: Entry): void {
    if (!this.isHeld(entry)) return;
    this.setState(entry, undefined);
    this.entries.delete(entry.key);
    if (entry.dirtyFrom === 0) return;
    this.dirtyCount--;
    this.dropped++;
  }

  /** Dirty threads that are due at this time: quiet long enough, or waiting long enough. */
  due(now: number): ReadonlyArray<Entry> {
    const { idleMillis, busyMillis } = this.limits;
    return this.all((entry) => now - entry.touchedAt >= idleMillis || now - entry.dirtySince >= busyMillis);
  }

  /** Dirty threads that are not being written. */
  all(where: (entry: Entry) => boolean = () => true): ReadonlyArray<Entry> {
    const found: Array<Entry> = [];
    if (this.dirtyCount === 0) return found;
    for (const entry of this.entries.values()) {
      if (entry.dirtyFrom > 0 && !entry.isBeingWritten && where(entry)) found.push(entry);
    }
    return found;
  }

  /** Everything before this sequence is in the store; undefined when everything is. */
  firstMissing(): Sequence | undefined {
    let first: Sequence | undefined;
    for (const { dirtyFrom } of this.entries.values()) {
      if (dirtyFrom > 0 && (first === undefined || dirtyFrom < first)) first = dirtyFrom;
    }
    return first;
  }

  clear(): void {
    this.entries.clear();
    this.bytes = 0;
    this.dirtyCount = 0;
  }

  private isHeld(entry: Entry): boolean {
    return this.entries.get(entry.key) === entry;
  }

  private markDirty(entry: Entry, sequence: Sequence, now: number): void {
    if (entry.dirtyFrom > 0) return;
    entry.dirtyFrom = sequence;
    entry.dirtySince = now;
    this.dirtyCount++;
  }

  private setState(entry: Entry, state: ThreadState | undefined): void {
    const size = state === undefined ? 0 : sizeOf(state);
    if (this.isHeld(entry)) this.bytes += size - entry.stateBytes;
    entry.state = state;
    entry.stateBytes = size;
  }

  private makeRoom(): void {
    if (this.bytes > this.limits.stateBytes) {
      // A quarter at once, so that the search for the oldest is not repeated for every event.
      const enough = this.limits.stateBytes * 0.75;
      for (const entry of this.entries.values()) {
        this.setState(entry, undefined);
        entry.isComplete = false;
        if (this.bytes <= enough) break;
      }
    }
    for (const entry of this.entries.values()) {
      if (this.entries.size <= this.limits.threads) break;
      this.drop(entry);
    }
  }
}
