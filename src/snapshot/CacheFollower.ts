/**
 * Follower that keeps the cache of threads current: one for all, begun when it is first worth it.
 *
 * Room: snapshot.
 *
 * Decision: it begins when a thread is read for the second time, because a command that reads a thread once must not
 * pay for a consumer and for the events of all others; and it ends, and the cache with it, at the first event after
 * a minute without a read.
 */
import { Clock, Effect, Result, type Scope, Semaphore, Stream } from "effect";
import { isMisfit, type LogEntry } from "../domain/Event.ts";
import { elapsedUnsafe } from "../log/connection/Elapsed.ts";
import type { EventLog } from "../log/EventLog.ts";
import type { ThreadCache } from "./ThreadCache.ts";

/** A program that reads threads at all reads one a minute. */
const idleMillis = 60_000;
/** Pause after a failure, milliseconds; without a follower every read asks the log. */
const pauseMillis = 1_000;
/** Longest wait for the log's answer how far it reaches; then each thread is compared by itself. */
const patienceMillis = 250;
/** Time after a question, answered or not, in which no other one is asked. */
const restMillis = 100;

class NobodyReads {
  readonly _tag = "NobodyReads";
}

export interface CacheFollower {
  /**
   * A thread is read again: follow from now on, or go on following. Reads from memory need not be told: one of them asks
   * for a proof once a second.
   */
  readonly wanted: (now: number) => Effect.Effect<void>;
  /**
   * Asks the log how far it reaches, once for all who want to know. Where the follower is there, or when it comes there, all
   * that it has noted is true as of the question. Never fails: what is not proven is read.
   */
  readonly prove: Effect.Effect<void>;
}

export const make = Effect.fnUntraced(function* (options: {
  readonly cache: ThreadCache;
  readonly log: EventLog["Service"];
  readonly scope: Scope.Scope;
}) {
  const { cache, log, scope } = options;
  const clock = yield* Clock.Clock;
  const asking = yield* Semaphore.make(1);
  let wantedAt = 0;
  let askedAt = -Infinity;
  let isRunning = false;

  const noteAll = (entries: ReadonlyArray<LogEntry>) => {
    if (elapsedUnsafe(clock) - wantedAt >= idleMillis) {
      // At once: these events are in no state.
      cache.unfollow();
      return Effect.fail(new NobodyReads());
    }
    for (const entry of entries) if (!isMisfit(entry) && entry.history.kind === "thread") cache.note(entry);
    const last = entries.at(-1);
    if (last !== undefined) cache.reached(last.sequence);
    return Effect.void;
  };

  const followOnce = Effect.gen(function* () {
    const { lastSequence } = yield* log.info;
    cache.follow(lastSequence);
    yield* Stream.runForEachArray(log.follow({ after: lastSequence }), noteAll);
  });

  const keepFollowing = Effect.gen(function* () {
    for (;;) {
      const result = yield* Effect.result(followOnce);
      cache.unfollow();
      const why = Result.isFailure(result) ? result.failure : undefined;
      // Cached states may be of a stream that is no more, or of no further use.
      if (why?._tag === "LogDamaged" || why?._tag === "NobodyReads") cache.clear();
      if (why?._tag === "NobodyReads") return;
      yield* Effect.sleep(pauseMillis);
    }
  });

  const run = Effect.ensuring(
    keepFollowing,
    Effect.sync(() => {
      cache.unfollow();
      isRunning = false;
    }),
  );

  const self: CacheFollower = {
    wanted: (now) =>
      Effect.suspend(() => {
        wantedAt = now;
        if (isRunning) return Effect.void;
        isRunning = true;
        return Effect.asVoid(Effect.forkIn(run, scope));
      }),
    prove: Effect.suspend(() => {
      const now = elapsedUnsafe(clock);
      wantedAt = now;
      if (now - askedAt < restMillis) return Effect.void;
      askedAt = now;
      const question = cache.asks(now);
      return Effect.map(Effect.timeout(log.info, patienceMillis), ({ lastSequence }) =>
        cache.endsAt(lastSequence, question),
      );
    }).pipe(Effect.ignore, asking.withPermits(1)),
  };
  return self;
});
