/**
 * The snapshotter: follows the log and keeps the snapshots of the threads that live.
 *
 * Room: snapshot.
 *
 * Promises: a thread is written once it was quiet for 250 ms, or each second while it is not, however many events it
 * has; following never waits for the store; memory is bounded (`DirtyThreads.ts`); NATS may go and come back; on stop
 * what is dirty is written, for at most five seconds.
 *
 * Decision: it resumes from its own checkpoint in the bucket, and without one from the end of the log. A thread whose
 * events it never saw is folded by its next reader, who writes the snapshot back: that costs time once, while folding
 * a large log from its start costs minutes for threads that may never be read. The checkpoint lives as long as a snapshot,
 * so it is lost only together with what it vouches for.
 */
import { Clock, Context, Effect, Latch, Layer, Result, Semaphore, Stream } from "effect";
import { isMisfit, type LogEntry } from "../domain/Event.ts";
import type { Sequence } from "../domain/History.ts";
import { elapsed, elapsedUnsafe } from "../log/connection/Elapsed.ts";
import { EventLog, isDamage } from "../log/EventLog.ts";
import { defaultLimits, DirtyThreads, type Entry, type Limits } from "./DirtyThreads.ts";
import { HistorySource } from "./HistorySource.ts";
import { replay } from "./Replay.ts";
import { SnapshotStore } from "./SnapshotStore.ts";

export interface Status {
  /** Last sequence of the log that was followed; undefined until the log was reached. */
  readonly followed: Sequence | undefined;
  /** Threads whose snapshot is behind, and all threads in memory. */
  readonly dirty: number;
  readonly threads: number;
  readonly stateBytes: number;
  /** Since the start: snapshots written, attempts that failed, dirty threads forgotten for want of room. */
  readonly written: number;
  readonly failed: number;
  readonly dropped: number;
}

export class Snapshotter extends Context.Service<
  Snapshotter,
  {
    readonly status: Effect.Effect<Status>;
    /** Writes what is dirty now, due or not, and the checkpoint. A snapshot that cannot be written stays dirty. */
    readonly flush: Effect.Effect<void>;
  }
>()("recollect/snapshot/Snapshotter") {}

/** Poll interval for due threads while any is dirty, milliseconds. */
const tickMillis = 50;
/** Reads and writes at once: enough to hide their latency, few enough to leave the server to others. */
const concurrency = 4;
const checkpointMillis = 5_000;
/** After a failure, doubled up to the longest. */
const firstPauseMillis = 250;
const longestPauseMillis = 15_000;
const drainMillis = 5_000;

const pauseAfter = (failures: number) =>
  Math.min(firstPauseMillis * 2 ** Math.min(failures - 1, 10), longestPauseMillis);

/** State that the parts of one snapshotter share. */
interface Shared {
  readonly log: EventLog["Service"];
  readonly source: HistorySource;
  readonly store: SnapshotStore["Service"];
  readonly clock: Clock.Clock;
  readonly threads: DirtyThreads;
  /** Open when there is something to write. */
  readonly news: Latch.Latch;
  followed: Sequence | undefined;
  /** Of the stream that is followed, epoch milliseconds. */
  created: number;
  checkpoint: Sequence;
  checkpointAt: number;
  written: number;
  failed: number;
}

/** Brings one thread's snapshot up to date; whether it succeeded. */
const write = Effect.fnUntraced(function* (shared: Shared, entry: Entry) {
  const { log, source, store, threads } = shared;
  if (!entry.isComplete) {
    const kept = entry.state === undefined ? (yield* store.get(entry.history)).state : undefined;
    const { state } = yield* replay({ log, source, history: entry.history, from: entry.state ?? kept });
    threads.loaded(entry, state);
    // A reader was here before, or this is a second look after a restart.
    if (kept !== undefined && state.lastSequence === kept.lastSequence && state.lastEventId === kept.lastEventId) {
      return threads.written(entry, state, yield* elapsed);
    }
    yield* put(shared, entry, state);
  } else if (entry.state !== undefined) {
    yield* put(shared, entry, entry.state);
  }
});

const put = Effect.fnUntraced(function* (shared: Shared, entry: Entry, state: NonNullable<Entry["state"]>) {
  if (state.lastSequence === 0) return;
  yield* shared.store.put(state);
  shared.written++;
  shared.threads.written(entry, state, yield* elapsed);
});

const writeSafely = (shared: Shared, entry: Entry) =>
  Effect.suspend(() => {
    entry.isBeingWritten = true;
    return write(shared, entry);
  }).pipe(
    Effect.ensuring(Effect.sync(() => (entry.isBeingWritten = false))),
    Effect.result,
    Effect.map((result) => {
      if (Result.isSuccess(result)) return true;
      shared.failed++;
      // This thread alone cannot be read, and not by trying again: the others must not wait behind it.
      if (!isDamage(result.failure)) return false;
      shared.threads.drop(entry);
      return true;
    }),
  );

/** Writes these threads; whether all succeeded. After a failure the rest waits: the store is hardly back for them. */
const writeAll = Effect.fnUntraced(function* (shared: Shared, entries: ReadonlyArray<Entry>) {
  let isWell = true;
  yield* Effect.forEach(
    entries,
    (entry) =>
      Effect.suspend(() => (isWell ? writeSafely(shared, entry) : Effect.succeed(false))).pipe(
        Effect.map((succeeded) => {
          isWell &&= succeeded;
        }),
      ),
    { concurrency, discard: true },
  );
  return isWell;
});

/** Writes the start position of a restart: everything up to there is in the store. */
const writeCheckpoint = Effect.fnUntraced(function* (shared: Shared) {
  const { followed, threads, created } = shared;
  if (followed === undefined) return;
  const missing = threads.firstMissing();
  const sequence = missing === undefined ? followed : Math.min(followed, missing - 1);
  shared.checkpointAt = yield* elapsed;
  if (sequence === shared.checkpoint) return;
  const result = yield* Effect.result(shared.store.putCheckpoint({ sequence, created }));
  if (Result.isSuccess(result)) shared.checkpoint = sequence;
});

/** Writes due threads for ever, and sleeps while there is nothing to do. */
const keepWriting = Effect.fnUntraced(function* (shared: Shared, one: Semaphore.Semaphore): Effect.fn.Return<never> {
  let failures = 0;
  for (;;) {
    yield* shared.news.await;
    yield* Effect.sleep(failures === 0 ? tickMillis : pauseAfter(failures));
    const now = yield* elapsed;
    const isWell = yield* one.withPermit(writeAll(shared, shared.threads.due(now)));
    failures = isWell ? 0 : failures + 1;
    const isIdle = shared.threads.dirty === 0;
    if (isWell && now - shared.checkpointAt >= checkpointMillis) yield* writeCheckpoint(shared);
    if (isIdle && shared.checkpoint === shared.followed) yield* shared.news.close;
  }
});

/** Nothing in here waits: a slow store slows no reader of the log. */
const noteAll = (shared: Shared, entries: ReadonlyArray<LogEntry>) => {
  const now = elapsedUnsafe(shared.clock);
  for (const entry of entries) {
    // A misfit belongs to no history, and tasks and sessions have no snapshot.
    if (!isMisfit(entry) && entry.history.kind === "thread") shared.threads.note(entry, now);
    shared.followed = entry.sequence;
  }
};

const beginAfter = Effect.fnUntraced(function* (shared: Shared, created: number, sequence: Sequence) {
  shared.threads.clear();
  shared.created = created;
  shared.followed = sequence;
  yield* shared.news.open;
});

/** After the checkpoint if there is one of this stream, else at the stream's end. */
const resume = Effect.fnUntraced(function* (shared: Shared) {
  const { created, lastSequence } = yield* shared.log.info;
  const checkpoint = yield* shared.store.checkpoint.pipe(
    Effect.catchTag("SnapshotUnavailable", () => Effect.succeed(undefined)),
  );
  const isOurs = checkpoint !== undefined && checkpoint.created === created && checkpoint.sequence <= lastSequence;
  shared.checkpoint = isOurs ? checkpoint.sequence : 0;
  yield* beginAfter(shared, created, isOurs ? checkpoint.sequence : lastSequence);
});

/** At the stream's end, whatever the checkpoint says: between the two may be the hole that stopped us. */
const beginAnew = Effect.fnUntraced(function* (shared: Shared) {
  const { created, lastSequence } = yield* shared.log.info;
  shared.checkpoint = 0;
  yield* beginAfter(shared, created, lastSequence);
});

const follow = (shared: Shared) =>
  shared.log.follow({ after: shared.followed ?? 0 }).pipe(
    Stream.runForEachArray((entries) =>
      Effect.andThen(
        Effect.sync(() => noteAll(shared, entries)),
        shared.news.open,
      ),
    ),
  );

/** Follows for ever. A log that is away is waited for; one that is not the one we knew is begun anew, at its end. */
const keepFollowing = Effect.fnUntraced(function* (shared: Shared): Effect.fn.Return<never> {
  let failures = 0;
  let begin = resume;
  for (;;) {
    const before = shared.followed;
    const result = yield* Effect.result(before === undefined ? begin(shared) : follow(shared));
    failures = Result.isSuccess(result) || shared.followed !== before ? 0 : failures + 1;
    if (Result.isSuccess(result)) continue;
    const { failure } = result;
    if (failure._tag === "LogDamaged") {
      yield* Effect.logError(`the snapshotter begins anew at the end of the log: ${failure.reason}`);
      shared.followed = undefined;
      begin = beginAnew;
    } else {
      yield* Effect.logWarning(`the snapshotter waits for the log: ${failure.reason}`);
    }
    yield* Effect.sleep(pauseAfter(failures + 1));
  }
});

export interface Options {
  readonly limits?: Partial<Limits> | undefined;
}

const make = Effect.fnUntraced(function* (options: Options) {
  const clock = yield* Clock.Clock;
  const shared: Shared = {
    log: yield* EventLog,
    source: yield* HistorySource,
    store: yield* SnapshotStore,
    clock,
    threads: new DirtyThreads({ ...defaultLimits, ...options.limits }),
    news: yield* Latch.make(false),
    followed: undefined,
    created: 0,
    checkpoint: 0,
    checkpointAt: elapsedUnsafe(clock),
    written: 0,
    failed: 0,
  };
  const one = yield* Semaphore.make(1);
  const flush = one
    .withPermit(Effect.suspend(() => writeAll(shared, shared.threads.all())))
    .pipe(Effect.andThen(writeCheckpoint(shared)));

  // Registered before the fibers, so that it runs when they have ended.
  yield* Effect.addFinalizer(() => Effect.interruptible(flush).pipe(Effect.timeoutOption(drainMillis)));
  yield* Effect.forkScoped(keepFollowing(shared));
  yield* Effect.forkScoped(keepWriting(shared, one));

  return Snapshotter.of({
    flush: flush.pipe(Effect.withSpan("snapshot.flush")),
    status: Effect.sync(() => ({
      followed: shared.followed,
      dirty: shared.threads.dirty,
      threads: shared.threads.size,
      stateBytes: shared.threads.stateBytes,
      written: shared.written,
      failed: shared.failed,
      dropped: shared.threads.dropped,
    })),
  });
});

export const layer = (options: Options = {}) => Layer.effect(Snapshotter, make(options));
