/**
 * States of limits in a bucket that processes share: decided one after another, as a single process would.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/LimitCountsContract.ts`:
 * - every decision is one that a single process could have made, in some order: never a token too many;
 * - a decision costs one round trip when no other process wrote, and none when what was read within 100 ms refuses it;
 * - callers of one process that ask for one key at the same time share a round trip.
 *
 * A process remembers the state that it wrote last with its revision, decides on it and replaces it; where another
 * process wrote first, it reads and decides anew. So a key costs each process one write at a time, and of many
 * processes one always gets on.
 *
 * Decision: no tokens taken in advance, because a limit below 500 a window gains nothing by them, and above it they took
 * 250 lines to let ten processes make 35,000 decisions a second on one key in place of 1,140. No counters of JetStream
 * (`Nats-Incr`), because a counter counts and cannot decide: a refused token would be counted.
 */
import { Deferred, Effect } from "effect";
import { type Bucket, type BucketError, BucketUnavailable } from "../bucket/Bucket.ts";
import type { Decision, Step } from "./LimitMath.ts";

/**
 * Time for which a refusal follows from what is known, without asking. At one moment a state only gets fuller, unless
 * another process gives back.
 */
const knownMillis = 100;
/** Attempts of a decision while other processes write first; each time one of them got on. */
const maxRounds = 200;
/** Keys whose state a process remembers; beyond them all are read once more. */
const maxKnown = 10_000;

interface Asked {
  readonly step: Step;
  readonly answer: Deferred.Deferred<Decision, BucketError>;
}

interface Counter {
  readonly key: string;
  waiting: Array<Asked>;
  isDeciding: boolean;
  state: unknown;
  revision: number;
  /** By the monotonic clock, as `refusesUntil`. */
  readAt: number;
  refusesUntil: number;
}

/** JSON, or undefined for what is none. */
export const stateIn = (value: Uint8Array | undefined): unknown => {
  if (value === undefined) return undefined;
  try {
    return JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
};

/**
 * Random pause after a second conflict in a row: of ten processes that retry at once nine fail again. By the platform's
 * timer, because a test's clock must not stop it.
 */
const stepAside = (round: number) =>
  Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, Math.random() * Math.min(2 ** round, 16))));

const forget = (counter: Counter): void => {
  counter.state = undefined;
  counter.revision = 0;
  counter.readAt = -Infinity;
};

/** Decides all that were asked, on one state that no other process changed meanwhile. */
const decideAll = Effect.fnUntraced(function* (bucket: Bucket, counter: Counter, asked: ReadonlyArray<Asked>) {
  const { key } = counter;
  for (let round = 0; round < maxRounds; round++) {
    const now = yield* bucket.now;
    let { state } = counter;
    const decisions = asked.map(({ step }) => {
      const decision = step(state, now);
      state = decision.next ?? state;
      return decision;
    });
    if (state === counter.state) {
      if (round > 0 || performance.now() - counter.readAt <= knownMillis) return decisions;
    } else {
      const revision = yield* bucket.replace(key, Buffer.from(JSON.stringify(state), "utf8"), counter.revision);
      if (revision !== undefined) {
        Object.assign(counter, { state, revision, readAt: performance.now() });
        return decisions;
      }
    }
    if (round > 0) yield* stepAside(round);
    const { revision, value } = yield* bucket.get(key);
    Object.assign(counter, { state: stateIn(value), revision, readAt: performance.now() });
  }
  const reason = `other processes wrote ${key} ${maxRounds} times meanwhile`;
  return yield* new BucketUnavailable({ bucket: bucket.name, reason });
});

/** Answers all callers that wait, and lets those that came meanwhile go on. */
const decideWaiting = (bucket: Bucket, counter: Counter): Effect.Effect<void> =>
  Effect.suspend(() => {
    const asked = counter.waiting;
    counter.waiting = [];
    counter.isDeciding = true;
    return Effect.match(decideAll(bucket, counter, asked), {
      onSuccess: (decisions) => {
        const last = decisions.at(-1);
        counter.refusesUntil = last?.isAllowed === false ? performance.now() + last.waitMillis : -Infinity;
        for (const [at, { answer }] of asked.entries()) {
          const decision = decisions[at];
          if (decision !== undefined) Deferred.doneUnsafe(answer, Effect.succeed(decision));
        }
      },
      onFailure: (error) => {
        // The last write may have happened: the next decision reads.
        forget(counter);
        for (const { answer } of asked) Deferred.doneUnsafe(answer, Effect.fail(error));
      },
    });
  }).pipe(
    Effect.andThen(
      Effect.suspend(() => {
        counter.isDeciding = counter.waiting.length > 0;
        return counter.isDeciding
          ? Effect.asVoid(Effect.forkDetach(Effect.uninterruptible(decideWaiting(bucket, counter))))
          : Effect.void;
      }),
    ),
  );

export const make = (bucket: Bucket) => {
  const counters = new Map<string, Counter>();
  const counterOf = (key: string): Counter => {
    const known = counters.get(key);
    if (known !== undefined) return known;
    if (counters.size >= maxKnown) counters.clear();
    const counter: Counter = {
      key,
      waiting: [],
      isDeciding: false,
      state: undefined,
      revision: 0,
      readAt: -Infinity,
      refusesUntil: -Infinity,
    };
    counters.set(key, counter);
    return counter;
  };
  return {
    decide: (key: string, step: Step): Effect.Effect<Decision, BucketError> =>
      Effect.suspend(() => {
        const counter = counterOf(key);
        const answer = Deferred.makeUnsafe<Decision, BucketError>();
        counter.waiting.push({ step, answer });
        if (counter.isDeciding) return Deferred.await(answer);
        return Effect.andThen(Effect.uninterruptible(decideWaiting(bucket, counter)), Deferred.await(answer));
      }),
    /** True when the last answer was a refusal whose time is not over. */
    refuses: (key: string): boolean => (counters.get(key)?.refusesUntil ?? -Infinity) > performance.now(),
  };
};
