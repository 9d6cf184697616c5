import { assert, describe, it } from "@effect/vitest";
import type { RecordedEvent } from "../../src/domain/Event.ts";
import { thread } from "../../src/domain/History.ts";
import * as Thread from "../../src/domain/thread/Thread.ts";
import { defaultLimits, DirtyThreads, type Entry } from "../../src/snapshot/DirtyThreads.ts";
import { recorded, sayNew } from "./ThreadWorld.ts";

/** Five events of one thread, sequences 5, 8, 11, 14, 17. */
const events = recorded(Array.from({ length: 5 }, () => sayNew()));
const foldTo = (count: number) => Thread.fold(Thread.empty(thread("t")), events.slice(0, count));

const noted = (threads: DirtyThreads, count: number, now = 0): Entry => {
  for (const event of events.slice(0, count)) threads.note(event, now);
  const [entry] = threads.all();
  if (entry === undefined) throw new Error("a thread that was noted is dirty");
  return entry;
};

describe("the table of dirty threads", () => {
  it("does not write again what a read saw before the follower did", () => {
    const threads = new DirtyThreads(defaultLimits);
    const entry = noted(threads, 1);
    threads.loaded(entry, foldTo(5));
    threads.written(entry, foldTo(5), 0);
    for (const event of events) threads.note(event, 10);
    assert.strictEqual(threads.dirty, 0);
    assert.isUndefined(threads.firstMissing());
  });

  it("folds no event onto a state that misses one before it", () => {
    const threads = new DirtyThreads(defaultLimits);
    const entry = noted(threads, 3);
    // What a replica that is behind had to say.
    threads.loaded(entry, foldTo(1));
    threads.note(events[3] as RecordedEvent, 10);
    assert.deepStrictEqual(entry.state, foldTo(1));
    threads.written(entry, foldTo(1), 20);
    assert.strictEqual(threads.dirty, 1);
    assert.strictEqual(threads.firstMissing(), 6);
    threads.loaded(entry, foldTo(4));
    threads.note(events[4] as RecordedEvent, 30);
    assert.deepStrictEqual(entry.state, foldTo(5));
  });

  it("folds no entry that lies in the object store: its thread is read again", () => {
    const threads = new DirtyThreads(defaultLimits);
    const entry = noted(threads, 1);
    threads.loaded(entry, foldTo(1));
    const [, event] = events;
    const body = Buffer.from(JSON.stringify({ format: "claude-code", blob: { sha256: "0".repeat(64), bytes: 9 } }));
    threads.note({ ...(event as RecordedEvent), type: "thread.entry_recorded", body }, 10);
    assert.deepStrictEqual(entry.state, foldTo(1));
    assert.isFalse(entry.isComplete);
  });

  it("knows the first event that no snapshot has, whatever came after it", () => {
    const threads = new DirtyThreads(defaultLimits);
    noted(threads, 5);
    assert.strictEqual(threads.firstMissing(), events[0]?.sequence);
  });

  it("reads a thread again whose state found no room", () => {
    const threads = new DirtyThreads({ ...defaultLimits, stateBytes: 1 });
    const entry = noted(threads, 1);
    threads.loaded(entry, foldTo(1));
    assert.isUndefined(entry.state);
    assert.isFalse(entry.isComplete);
    assert.strictEqual(threads.dirty, 1);
  });

  it("is due when it was quiet or waits too long, and not while it is being written", () => {
    const threads = new DirtyThreads(defaultLimits);
    const entry = noted(threads, 1, 0);
    assert.strictEqual(threads.due(1_999).length, 0);
    assert.strictEqual(threads.due(2_000).length, 1);
    threads.note(events[1] as RecordedEvent, 4_900);
    assert.strictEqual(threads.due(4_999).length, 0);
    assert.strictEqual(threads.due(5_000).length, 1);
    entry.isBeingWritten = true;
    assert.strictEqual(threads.due(5_000).length, 0);
  });

  it("stays dirty for what came while it was being written", () => {
    const threads = new DirtyThreads(defaultLimits);
    const entry = noted(threads, 1);
    threads.loaded(entry, foldTo(1));
    const state = foldTo(1);
    threads.note(events[1] as RecordedEvent, 5);
    threads.written(entry, state, 10);
    assert.strictEqual(threads.dirty, 1);
    threads.written(entry, foldTo(2), 20);
    assert.strictEqual(threads.dirty, 0);
  });
});
