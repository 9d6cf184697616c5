/**
 * Decisions on one value of a bucket that many processes share: asked together, decided one after another, written at once.
 *
 * Room: coordination.
 *
 * A process remembers the state it wrote last with its revision, decides on it, and replaces it: if another process wrote
 * first it reads, decides anew and replaces again. While a round trip is under way, whoever asks for the same key waits,
 * and all who waited are decided together. So a key costs each process at most one write at a time, however many ask,
 * and of many processes one always gets on. Who asks often takes a slice with its write and decides from it for a moment.
 */
import { Effect, Random, Semaphore } from "effect";
import { type Bucket, type BucketError, BucketUnavailable } from "../bucket/Bucket.ts";
import { reserved, settled } from "./LimitSlices.ts";
import type { Sliding, Step } from "./LimitMath.ts";

/**
 * How long a refusal is given from what is known, without asking. A state only ever gets fuller for the same moment,
 * except where another process gives back, so a refusal that is known is true, or was so a moment ago.
 */
const knownMillis = 100;

/** How often a decision is made anew because others wrote first. Each time one of them got on. */
const maxRounds = 200;

/**
 * Who has been writing for so long, each time so soon, goes on: it gets slices. A burst of a few calls does not, because
 * what it takes in advance and does not use others are refused for a moment.
 */
const busyMillis = 5;
const longestPauseMillis = 20;

/** Keys whose state a process remembers; those used longest ago cost a read more. */
const maxLanes = 10_000;

interface Known {
  readonly state: unknown;
  readonly revision: number;
  /** By the platform's monotonic clock. */
  readonly readAt: number;
}

/** A sliding window and how many are wanted of it: what may be decided from a slice. */
export interface Window {
  readonly tokens: number;
  readonly limit: number;
  readonly windowMillis: number;
}

export interface Question<State, Answer> {
  readonly key: string;
  readonly step: (state: State | undefined, now: number) => Step<State, Answer>;
  /** Default true: an answer that changes nothing holds for a moment without asking, as a refusal does. */
  readonly trusts?: boolean;
}

interface Asked {
  readonly step: (state: never, now: number) => Step<unknown, unknown>;
  readonly trusts: boolean;
  readonly window?: Window | undefined;
  outcome: { readonly answer: unknown } | { readonly error: BucketError } | undefined;
}

/** What this process took in advance, and what became of it. */
interface Held {
  readonly until: number;
  readonly tokens: number;
  readonly limit: number;
  readonly windowMillis: number;
  /** How many were taken of the limit, without this. */
  readonly before: number;
  used: number;
  usedAt: number;
}

interface Lane {
  readonly key: string;
  /** One at a time, from the first time on that somebody came while another was deciding: most lanes never see it. */
  turn: Semaphore.Semaphore | undefined;
  /** Somebody decides without a turn. */
  isAlone: boolean;
  waiting: Array<Asked>;
  /** A turn is under way: it may leave a slice. */
  isDeciding: boolean;
  known: Known;
  /** By the bucket's clock. */
  wroteAt: number;
  /** Since when each write came soon after the one before. */
  busySince: number;
  /** Until a write has settled it. */
  held: Held | undefined;
  /** True when `held` may be used: not while a write is under way that says how much of it was. */
  isOpen: boolean;
  /** Somebody waits for the end of `held`. */
  isAwaited: boolean;
}

const nothing: Known = { state: undefined, revision: 0, readAt: -Infinity };

/** All who waited, decided one after another on one state. */
const decideOn = (asked: ReadonlyArray<Asked>, from: unknown, now: number) => {
  let state = from;
  const answers = asked.map(({ step }) => {
    const { answer, next } = step(state as never, now);
    if (next !== undefined) state = next;
    return answer;
  });
  return { answers, state, isChanged: state !== from };
};

/** The same; on a state that is not ours, written by another program, as if there were none. */
const decideAll = (asked: ReadonlyArray<Asked>, from: unknown, now: number) => {
  if (from === undefined) return decideOn(asked, from, now);
  try {
    return decideOn(asked, from, now);
  } catch {
    return decideOn(asked, undefined, now);
  }
};

const read = (bucket: Bucket, key: string) =>
  Effect.map(bucket.get(key), ({ revision, value }): Known => {
    const readAt = performance.now();
    if (value === undefined) return { state: undefined, revision, readAt };
    try {
      return {
        state: JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("utf8")),
        revision,
        readAt,
      };
    } catch {
      // Not ours: it is written over.
      return { state: undefined, revision, readAt };
    }
  });

/**
 * After a second conflict in a row: a moment, each time longer and for everyone another. Of ten who try at once nine
 * try in vain; of ten who take turns hardly one. By the platform's timer, because a test's clock must not stop it.
 */
const stepAside = (round: number) =>
  Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, Math.random() * Math.min(2 ** round, 16))));

const leftOf = (held: Held | undefined): number => (held === undefined ? 0 : held.tokens - held.used);

/** How many were taken by those who asked and were not refused. */
const grantedOf = (asked: ReadonlyArray<Asked>, answers: ReadonlyArray<unknown>): number =>
  asked.reduce((sum, { window }, at) => {
    if (window === undefined || window.tokens < 0) return sum;
    const [count] = answers[at] as readonly [number];
    return count > window.limit ? sum : sum + window.tokens;
  }, 0);

/** The state to write, with a slice if those who asked will ask again soon. */
const withSlice = (options: {
  readonly lane: Lane;
  readonly who: string;
  readonly now: number;
  readonly state: unknown;
  readonly asked: ReadonlyArray<Asked>;
  readonly answers: ReadonlyArray<unknown>;
}): { readonly state: unknown; readonly held: Held | undefined } => {
  const { answers, asked, lane, now, state, who } = options;
  const last = asked.findLast(({ window }) => window !== undefined);
  const isBusy = now - lane.busySince >= busyMillis;
  if (last?.window === undefined || state === undefined || !isBusy) return { state, held: undefined };
  const { limit, windowMillis } = last.window;
  const granted = grantedOf(asked, answers) + (lane.held?.used ?? 0);
  // What was used up was used in less than the time since: the rest of it went by waiting.
  const until = lane.held !== undefined && leftOf(lane.held) === 0 ? lane.held.usedAt : now;
  const tookMillis = until - lane.wroteAt;
  const demand = { who, now, limit, windowMillis, granted, tookMillis };
  const { count, slice, state: next } = reserved(state as Sliding, demand);
  if (slice === undefined) return { state, held: undefined };
  const [, end, tokens] = slice;
  return { state: next, held: { until: end, tokens, limit, windowMillis, before: count, used: 0, usedAt: 0 } };
};

/** The state that is known, with what this process did since it wrote it. */
const startOf = (lane: Lane, who: string): unknown =>
  lane.held === undefined || lane.known.state === undefined
    ? lane.known.state
    : settled(lane.known.state as Sliding, who, lane.held);

/** One state on which all of them are decided, and that no other process changed meanwhile. */
const decided = Effect.fnUntraced(function* ({ bucket, who }: Shop, lane: Lane, asked: ReadonlyArray<Asked>) {
  const isTrusted = asked.every(({ trusts }) => trusts) && performance.now() - lane.known.readAt <= knownMillis;
  for (let round = 0; round < maxRounds; round++) {
    const now = yield* bucket.now;
    const start = startOf(lane, who);
    const { answers, isChanged, state } = decideAll(asked, start, now);
    const givesBack = start !== lane.known.state && leftOf(lane.held) > 0;
    if (!isChanged && !givesBack && (isTrusted || round > 0)) {
      // The bucket has forgotten it, or was made anew.
      if (start === lane.known.state) lane.held = undefined;
      return answers;
    }
    if (isChanged || givesBack) {
      const { held, state: next } = withSlice({ lane, who, now, state, asked, answers });
      const value = Buffer.from(JSON.stringify(next), "utf8");
      const revision = yield* bucket.replace(lane.key, value, lane.known.revision);
      if (revision !== undefined) {
        lane.known = { state: next, revision, readAt: performance.now() };
        if (now - lane.wroteAt > longestPauseMillis) lane.busySince = now;
        lane.wroteAt = now;
        lane.held = held;
        lane.isOpen = held !== undefined;
        return answers;
      }
    }
    if (round > 0) yield* stepAside(round);
    lane.known = yield* read(bucket, lane.key);
  }
  return yield* new BucketUnavailable({
    bucket: bucket.name,
    reason: `other processes wrote ${lane.key} ${maxRounds} times meanwhile`,
  });
});

/** Decides for everybody who waits in the lane, in one round trip unless another process writes as well. */
const drain = (shop: Shop, lane: Lane): Effect.Effect<void> => {
  const asked = lane.waiting;
  lane.waiting = [];
  lane.isOpen = false;
  lane.isDeciding = true;
  return Effect.match(decided(shop, lane, asked), {
    onSuccess: (answers) => {
      lane.isDeciding = false;
      for (const [at, one] of asked.entries()) one.outcome = { answer: answers[at] };
    },
    onFailure: (error) => {
      lane.isDeciding = false;
      // Nobody knows whether the last write happened: the next one reads.
      lane.known = nothing;
      for (const one of asked) one.outcome = { error };
    },
  });
};

/** Decides at once, where nobody does: whoever comes meanwhile waits for it. */
const alone = (shop: Shop, lane: Lane): Effect.Effect<void> => {
  lane.isAlone = true;
  return Effect.ensuring(
    drain(shop, lane),
    Effect.suspend(() => {
      lane.isAlone = false;
      return lane.turn === undefined ? Effect.void : lane.turn.resize(1);
    }),
  );
};

/** Waits for its turn: whoever comes first decides for all who have come until then; the others find their answer. */
const inTurn = (shop: Shop, lane: Lane, mine: Asked): Effect.Effect<void> => {
  // Who decides alone gives the only permit when that is done.
  lane.turn ??= Semaphore.makeUnsafe(lane.isAlone ? 0 : 1);
  const decides = Effect.suspend(() => (mine.outcome === undefined ? drain(shop, lane) : Effect.void));
  return lane.turn.withPermit(Effect.uninterruptible(decides));
};

/** Puts a question to the lane, and waits for its answer. */
const ask = (shop: Shop, lane: Lane, mine: Asked): Effect.Effect<unknown, BucketError> => {
  lane.waiting.push(mine);
  return Effect.andThen(
    // Looked at and taken in one step: nothing comes between.
    Effect.uninterruptibleMask((restore) =>
      lane.turn === undefined && !lane.isAlone ? alone(shop, lane) : restore(inTurn(shop, lane, mine)),
    ),
    Effect.suspend(() => {
      const { outcome } = mine;
      if (outcome === undefined) return Effect.die("a turn leaves an outcome");
      return "error" in outcome ? Effect.fail(outcome.error) : Effect.succeed(outcome.answer);
    }),
  );
};

/** From what was taken in advance, if it is of this limit as it is now and there is enough. */
const fromSlice = (lane: Lane, { limit, tokens, windowMillis }: Window, now: number) => {
  const { held } = lane;
  if (held === undefined || !lane.isOpen || tokens <= 0 || now > held.until) return undefined;
  if (held.limit !== limit || held.windowMillis !== windowMillis || leftOf(held) < tokens) return undefined;
  held.used += tokens;
  held.usedAt = Math.max(held.usedAt, now);
  return [held.before + held.used, windowMillis] as const;
};

/** Changes nothing itself: what is left of a slice goes back with it. */
const settling = (): Asked => ({
  step: () => ({ next: undefined, answer: undefined }),
  trusts: true,
  outcome: undefined,
});

/** Gives back what was not used of a slice when its time is over, as long as slices are taken. */
const awaitEnd = (shop: Shop, lane: Lane) =>
  Effect.gen(function* () {
    while (leftOf(lane.held) > 0) {
      const restMillis = (lane.held?.until ?? 0) + 1 - (yield* shop.bucket.now);
      if (restMillis > 0) yield* Effect.sleep(restMillis);
      else yield* ask(shop, lane, settling());
    }
  }).pipe(
    // What cannot be given back counts as used.
    Effect.ignore,
    Effect.andThen(Effect.sync(() => void (lane.isAwaited = false))),
  );

interface Shop {
  readonly bucket: Bucket;
  /** This process, among those that share the bucket. */
  readonly who: string;
}

/** How long a process that ends takes to give back what it holds. */
const farewellMillis = 250;

export const make = Effect.fnUntraced(function* (bucket: Bucket) {
  const scope = yield* Effect.scope;
  const shop: Shop = { bucket, who: (yield* Random.nextIntBetween(0, 36 ** 8)).toString(36) };
  /** Used lately, and before that: a map that loses its oldest key each time looks at all that it has lost. */
  let young = new Map<string, Lane>();
  let old = new Map<string, Lane>();
  const age = () => {
    // One that is at work or holds a slice stays: two lanes of a key would not know of each other's.
    const busy = [...old].filter(
      ([, { held, isAlone, isDeciding, waiting }]) => waiting.length > 0 || isAlone || isDeciding || leftOf(held) > 0,
    );
    old = young;
    young = new Map(busy);
  };
  const laneOf = (key: string): Lane => {
    const known = young.get(key);
    if (known !== undefined) return known;
    const lane = old.get(key) ?? {
      key,
      turn: undefined,
      isAlone: false,
      waiting: [],
      isDeciding: false,
      known: nothing,
      wroteAt: -Infinity,
      busySince: Infinity,
      held: undefined,
      isOpen: false,
      isAwaited: false,
    };
    old.delete(key);
    young.set(key, lane);
    if (young.size > maxLanes / 2) age();
    return lane;
  };

  yield* Effect.addFinalizer(() => {
    const holding = [...young.values(), ...old.values()].filter(({ held }) => leftOf(held) > 0);
    const all = Effect.forEach(holding, (lane) => Effect.ignore(ask(shop, lane, settling())), { concurrency: 16 });
    return Effect.ignore(Effect.timeoutOption(all, farewellMillis));
  });

  const decide = <State, Answer>({ key, step, trusts = true }: Question<State, Answer>) =>
    Effect.suspend(() => ask(shop, laneOf(key), { step, trusts, outcome: undefined })) as Effect.Effect<
      Answer,
      BucketError
    >;

  /** The same for a sliding window, from a slice where there is one. */
  const decideWindow = Effect.fnUntraced(function* <Answer extends readonly [count: number, ttl: number]>(
    question: Question<Sliding, Answer>,
    window: Window,
  ): Effect.fn.Return<readonly [count: number, ttl: number], BucketError> {
    const { key, step, trusts = true } = question;
    let lane = laneOf(key);
    if (lane.isOpen) {
      const now = yield* bucket.now;
      // It may have been forgotten meanwhile.
      lane = laneOf(key);
      const fromHeld = fromSlice(lane, window, now);
      if (fromHeld !== undefined) return fromHeld;
    }
    const answer = yield* ask(shop, lane, { step, trusts, window, outcome: undefined });
    if (!lane.isAwaited && leftOf(lane.held) > 0) {
      lane.isAwaited = true;
      yield* Effect.forkIn(awaitEnd(shop, lane), scope);
    }
    return answer as Answer;
  });
  return { decide, decideWindow };
});
