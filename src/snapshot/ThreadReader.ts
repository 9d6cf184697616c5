/**
 * Reading a thread: its snapshot and the events after it, which together are always the truth.
 *
 * Room: snapshot. In: domain, log, SnapshotStore. Out: publish, edge.
 *
 * Promises: the answer is that of folding the whole history, whether the snapshot is there, stale, deleted, damaged,
 * of another fold version or of another stream; with `atLeast` it holds the caller's own append; a thread that lost its
 * snapshot gets it back by being read.
 */
import { Clock, Context, Effect, Layer, Schema, Semaphore, Stream } from "effect";
import { defaultTenant, History, Sequence } from "../domain/History.ts";
import type { ThreadState } from "../domain/Thread.ts";
import type { ThreadMessage } from "../domain/ThreadMessage.ts";
import { EventLog, type LogUnavailable } from "../log/EventLog.ts";
import * as Conversation from "./Conversation.ts";
import { replay } from "./Replay.ts";
import { type Snapshot, SnapshotStore } from "./SnapshotStore.ts";

/** The thread does not reach the sequence that the caller says it has appended: not yet on this server, or never. */
export class ThreadBehind extends Schema.TaggedError<ThreadBehind>()("ThreadBehind", {
  history: History,
  atLeast: Sequence,
  actual: Sequence,
  hint: Schema.String,
}) {}

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
    /** The whole conversation, no message cut, in the order in which messages began. An unknown thread has none. */
    readonly messages: (threadId: string, options?: Which) => Stream.Stream<ThreadMessage, LogUnavailable>;
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
/** A name that no history can have has no events, and no subject to look for them. */
const isHistory = Schema.is(History);

const noSnapshot: Snapshot = { state: undefined, revision: 0, isAgeing: false };

const make = Effect.gen(function* () {
  const log = yield* EventLog;
  const store = yield* SnapshotStore;
  const scope = yield* Effect.scope;
  const writing = yield* Semaphore.make(mostWriting);

  /** In the background: the answer does not wait for a cache. */
  const writeBack = (state: ThreadState, revision: number) =>
    store.replace(state, revision).pipe(Effect.ignore, writing.withPermitsIfAvailable(1), Effect.forkIn(scope));

  const latest = Effect.fnUntraced(function* (history: History, at: Sequence | undefined) {
    const kept = yield* store
      .get(history)
      .pipe(Effect.catchTag("SnapshotUnavailable", () => Effect.succeed(undefined)));
    const { state: from, revision, isAgeing } = kept ?? noSnapshot;
    const { state, folded, continued } = yield* replay({ log, history, from, upTo: at });
    const isWorth = state.lastSequence > 0 && (!continued || folded > manyFolded || isAgeing);
    if (kept !== undefined && at === undefined && isWorth) yield* writeBack(state, revision);
    return state;
  });

  /** Asks again, ever more slowly, until the thread reaches what the caller has appended. */
  const reaching = Effect.fnUntraced(function* (history: History, atLeast: Sequence, at: Sequence | undefined) {
    const started = yield* Clock.currentTimeMillis;
    for (let pause = firstPauseMillis; ; pause *= 2) {
      const state = yield* latest(history, at);
      if (state.lastSequence >= atLeast) return state;
      if ((yield* Clock.currentTimeMillis) - started >= patienceMillis) {
        const hint = "Give the sequence that appending to this thread returned.";
        return yield* new ThreadBehind({ history, atLeast, actual: state.lastSequence, hint });
      }
      yield* Effect.sleep(pause);
    }
  });

  return ThreadReader.of({
    get: Effect.fn("snapshot.read")(function* (threadId, options = {}) {
      const history = historyOf(threadId, options);
      if (!isHistory(history)) return undefined;
      const state = yield* reaching(history, options.atLeast ?? 0, options.at);
      return state.lastSequence === 0 ? undefined : state;
    }),
    messages: (threadId, options = {}) => {
      const history = historyOf(threadId, options);
      return isHistory(history) ? Conversation.messages({ log, history, upTo: options.at }) : Stream.empty;
    },
  });
});

export const layer = Layer.effect(ThreadReader, make);
