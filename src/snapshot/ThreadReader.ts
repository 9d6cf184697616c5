/**
 * Reading a thread: from memory while that is known to be true, else its snapshot and the events after it.
 *
 * Room: snapshot.
 *
 * Promises: the answer is that of folding the whole history, whether the snapshot is there, stale, deleted, damaged,
 * of another fold version or of another stream; with `atLeast` it holds the caller's own append; a thread that lost its
 * snapshot gets it back by being read.
 *
 * Freshness: the answer holds everything that was acknowledged to this process through the `EventLog` that this
 * layer gives. What others have appended it holds as soon as it has come down the tail: about a millisecond after their
 * acknowledgement, and after one second at the latest, also with a dead follower: once a second it is asked of the log
 * how far it reaches, for all threads at once. A reader that needs more gives `atLeast`.
 */
import { Clock, Context, Effect, Layer, Schema, Semaphore, Stream } from "effect";
import { defaultTenant, History, isHistory, Sequence } from "../domain/History.ts";
import type { RecordedEvent } from "../domain/Event.ts";
import { shortId } from "../domain/Truncate.ts";
import type { ThreadState } from "../domain/thread/Thread.ts";
import type { ThreadMessage } from "../domain/thread/ThreadMessage.ts";
import { elapsed, elapsedUnsafe } from "../log/connection/Elapsed.ts";
import { EventLog, type LogUnavailable } from "../log/EventLog.ts";
import * as Conversation from "./Conversation.ts";
import * as CacheFollower from "./CacheFollower.ts";
import { HistorySource } from "./HistorySource.ts";
import { replay } from "./Replay.ts";
import { type Snapshot, SnapshotStore } from "./SnapshotStore.ts";
import { type Limits, type Load, ThreadCache } from "./ThreadCache.ts";
import * as WholeHistory from "./WholeHistory.ts";

/** The thread does not reach the sequence that the caller says it has appended: not yet on this server, or never. */
export class ThreadBehind extends Schema.TaggedError<ThreadBehind>()("ThreadBehind", {
  history: History,
  atLeast: Sequence,
  actual: Sequence,
  hint: Schema.String,
}) {
  override get message() {
    return `Thread ${this.history.id} is at sequence ${this.actual}; ${this.atLeast} was asked for.`;
  }
}

interface Which {
  /** Default: the tenant of everyone who never asked for another. */
  readonly tenant?: string | undefined;
  /** As it was then: no event after this sequence. */
  readonly at?: Sequence | undefined;
}

export class ThreadReader extends Context.Service<
  ThreadReader,
  {
    /**
     * The thread, or undefined when it has no event (up to `at`).
     *
     * `atLeast` is the sequence of the caller's own append to this thread: the answer holds it, or it is `ThreadBehind`
     * after two seconds of asking again. It is of no use together with an earlier `at`.
     */
    readonly get: (
      threadId: string,
      options?: Which & { readonly atLeast?: Sequence | undefined },
    ) => Effect.Effect<ThreadState | undefined, LogUnavailable | ThreadBehind>;
    /** State in memory of a thread that was read here before, however old: for when the log is away. */
    readonly lastKnown: (threadId: string, options?: Pick<Which, "tenant">) => ThreadState | undefined;
    /**
     * The whole conversation, no message cut, in the order in which messages began. An unknown thread has none. `waiting`:
     * events that the caller knows to be on their way; those that the log does not have are at the end.
     */
    readonly messages: (
      threadId: string,
      options?: Which & { readonly waiting?: ReadonlyArray<RecordedEvent> | undefined },
    ) => Stream.Stream<ThreadMessage, LogUnavailable>;
  }
>()("recollect/snapshot/ThreadReader") {}

/** A snapshot that made us fold more than this is written anew, so that the next reader is quick. */
const manyFolded = 32;
/** Snapshots on their way back to the store; a reader that finds none free leaves it to the next one. */
const mostWriting = 8;
/** A replica is behind for milliseconds; a sequence that is not there after this long is not coming. */
const patienceMillis = 2_000;
const firstPauseMillis = 5;

const historyOf = (threadId: string, { tenant = defaultTenant }: Which = {}): History => ({
  tenant,
  kind: "thread",
  id: threadId,
});

const noSnapshot: Snapshot = { state: undefined, revision: 0, isAgeing: false };

type Log = EventLog["Service"];

/** A log whose appends the cache knows of before their callers do. */
const tellingAppends = (log: Log, cache: ThreadCache): Log => ({
  ...log,
  append: (append) =>
    Effect.map(log.append(append), (appended) => {
      cache.appended(append.history, appended.sequence);
      return appended;
    }),
  appendAll: (appends) =>
    Effect.map(log.appendAll(appends), (all) => {
      for (const [index, { history }] of appends.entries()) cache.appended(history, all[index]?.sequence ?? 0);
      return all;
    }),
});

/**
 * Reads snapshot and tail, and gives the store what is worth keeping.
 *
 * Decision: the history's last event is asked for together with the snapshot, because a snapshot of a thread that has
 * been quiet for a second has nothing after it: one round trip instead of two. Where it has, the tail is a second one.
 * So is the end of the copy that the ledger is: a stream whose end was lost still gives a last event.
 */
const makeCold = Effect.gen(function* () {
  const log = yield* EventLog;
  const source = yield* HistorySource;
  const store = yield* SnapshotStore;
  const scope = yield* Effect.scope;
  const writing = yield* Semaphore.make(mostWriting);

  /** In the background: the answer does not wait for a cache. */
  const writeBack = (state: ThreadState, revision: number) =>
    store.replace(state, revision).pipe(Effect.ignore, writing.withPermitsIfAvailable(1), Effect.forkIn(scope));

  const snapshotOf = (history: History) =>
    store.get(history).pipe(Effect.catchTag("SnapshotUnavailable", () => Effect.succeed(undefined)));

  const past = Effect.fnUntraced(function* (history: History, upTo: Sequence) {
    const kept = yield* snapshotOf(history);
    return (yield* replay({ log, source, history, from: kept?.state, upTo })).state;
  });

  const now = Effect.fnUntraced(function* (history: History) {
    const reached = Effect.orElseSucceed(source.reach(history), () => undefined);
    const [kept, last, reach] = yield* Effect.all([snapshotOf(history), log.last(history), reached], {
      concurrency: 3,
    });
    // Never heard of, or lost by the stream: a copy may know.
    if (last === undefined) return (yield* replay({ log, source, history, from: undefined })).state;
    if (reach !== undefined && reach.sequence > last.sequence) yield* WholeHistory.isInLog({ history, log }, reach);
    const isItsEnd = reach?.sequence === last.sequence && reach.eventId === last.id;
    yield* log.whole(Math.max(last.sequence, isItsEnd ? (reach.of?.sequence ?? 0) : 0));
    const { state: from, revision, isAgeing, isForeign = false } = kept ?? noSnapshot;
    const { state, folded, continued } =
      from !== undefined && isLast(from, last)
        ? { state: from, folded: 0, continued: true }
        : yield* replay({ log, source, history, from });
    const isWorth = state.lastSequence > 0 && (!continued || folded > manyFolded || isAgeing);
    if (kept !== undefined && isWorth && !isForeign) yield* writeBack(state, revision);
    return state;
  });
  return { now, past };
});

/** True when the state is that after this event. */
const isLast = (state: ThreadState, { id, sequence }: RecordedEvent): boolean =>
  state.lastSequence === sequence && state.lastEventId === shortId(id);

/** Brings what memory holds up to date, or reads the thread cold; memory then has it. */
const makeLatest = Effect.fnUntraced(function* (cache: ThreadCache, clock: Clock.Clock) {
  const log = yield* EventLog;
  const source = yield* HistorySource;
  const cold = yield* makeCold;
  const follower = yield* CacheFollower.make({ cache, log, scope: yield* Effect.scope });

  const load = Effect.fnUntraced(function* (given: Load) {
    const { from, held } = given;
    if (given.isAgain) yield* follower.wanted(given.askedAt);
    const state =
      from === undefined
        ? yield* cold.now(held.history)
        : (yield* replay({ log, source, history: held.history, from })).state;
    cache.loaded(given, state);
    return state;
  });
  return {
    past: cold.past,
    now: (history: History) =>
      Effect.suspend(() => {
        const given = cache.begin(history, elapsedUnsafe(clock));
        return Effect.ensuring(
          load(given),
          Effect.sync(() => cache.failed(given)),
        );
      }),
    /** State in memory, where that is known to be the thread's last. */
    warm: (history: History) => cache.current(history, elapsedUnsafe(clock)),
    /** The same of a state that only a proof is wanting to. */
    proven: (history: History) =>
      cache.isProvable(history, elapsedUnsafe(clock))
        ? Effect.map(follower.prove, () => cache.current(history, elapsedUnsafe(clock)))
        : Effect.undefined,
  };
});

export interface Options {
  readonly cache?: Partial<Limits> | undefined;
  /** Calls back when the connection to the log is lost: nothing is believed then that was not asked for again. */
  readonly onLost?: ((callback: () => void) => void) | undefined;
}

const make = Effect.fnUntraced(function* (settings: Options) {
  const log = yield* EventLog;
  const source = yield* HistorySource;
  const clock = yield* Clock.Clock;
  const cache = new ThreadCache(settings.cache);
  const latest = yield* makeLatest(cache, clock);
  settings.onLost?.(() => cache.doubt());

  /** Asks again, ever more slowly, until the thread reaches what the caller has appended. */
  const reaching = Effect.fnUntraced(function* (history: History, atLeast: Sequence, at: Sequence | undefined) {
    const started = yield* elapsed;
    for (let pause = firstPauseMillis; ; pause *= 2) {
      const state = yield* at === undefined ? latest.now(history) : latest.past(history, at);
      if (state.lastSequence >= atLeast) return state;
      if ((yield* elapsed) - started >= patienceMillis) {
        const hint = "Give the sequence that appending to this thread returned.";
        return yield* new ThreadBehind({ history, atLeast, actual: state.lastSequence, hint });
      }
      yield* Effect.sleep(pause);
    }
  });

  // Without a span, which takes 0.03 ms of 0.33; a look into memory takes two microseconds, and a span three times that.
  const read = Effect.fnUntraced(function* (history: History, atLeast: Sequence, at: Sequence | undefined) {
    // A name that no history can have has no events, and no subject to look for them.
    if (!isHistory(history)) return undefined;
    const state = yield* reaching(history, atLeast, at);
    return state.lastSequence === 0 ? undefined : state;
  });

  const reader = ThreadReader.of({
    get: (threadId, options = {}) =>
      Effect.suspend(() => {
        const history = historyOf(threadId, options);
        const { at, atLeast = 0 } = options;
        if (at !== undefined) return read(history, atLeast, at);
        const reaches = (state: ThreadState | undefined) => state !== undefined && state.lastSequence >= atLeast;
        const warm = latest.warm(history);
        if (reaches(warm)) return Effect.succeed(warm);
        return Effect.flatMap(latest.proven(history), (state) =>
          reaches(state) ? Effect.succeed(state) : read(history, atLeast, at),
        );
      }),
    lastKnown: (threadId, options) => cache.lastKnown(historyOf(threadId, options)),
    messages: (threadId, options = {}) => {
      const history = historyOf(threadId, options);
      return isHistory(history)
        ? Conversation.messages({ log, source, history, upTo: options.at, waiting: options.waiting })
        : Stream.empty;
    },
  });
  return Context.make(ThreadReader, reader).pipe(Context.add(EventLog, tellingAppends(log, cache)));
});

/**
 * The reader, and the log it reads, given back: what is appended through this one is never missing in an answer.
 */
export const layer = (options: Options = {}): Layer.Layer<ThreadReader | EventLog, never, EventLog | SnapshotStore> =>
  Layer.effectContext(make(options));
