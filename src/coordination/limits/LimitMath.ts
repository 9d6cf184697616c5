/**
 * What a limit's state is and what taking tokens makes of it: the arithmetic of Effect's rate limiter as pure steps. Pure.
 *
 * Room: coordination.
 *
 * A step sees the state and the time and answers with the next state, or with none when nothing changes: a refusal changes
 * nothing. Windows and buckets are Effect's own (`effect/persistence/RateLimiter`, `layerStoreMemory`), and
 * `test/coordination/LimiterStore.test.ts` holds both side by side; the sliding window is ours, behind the same method.
 *
 * Taking fewer than no tokens gives back.
 */

/** Times in epoch milliseconds by the bucket's clock. */
export interface Window {
  readonly count: number;
  readonly expiresAt: number;
}

export interface TokenBucket {
  readonly tokens: number;
  readonly lastRefill: number;
}

/** Tokens that a process took in advance: who, until when it may use them, how many. See `LimitSlices`. */
export type Slice = readonly [who: string, until: number, tokens: number];

type Moment = readonly [at: number, tokens: number];

/** When how many were taken, oldest first. */
export interface Sliding {
  readonly taken: ReadonlyArray<Moment>;
  readonly slices?: ReadonlyArray<Slice> | undefined;
}

/** `next` undefined: the state stays as it is, and whoever takes more than this is refused as well. */
export interface Step<State, Answer> {
  readonly next: State | undefined;
  readonly answer: Answer;
}

export const takeWindow = (
  state: Window | undefined,
  now: number,
  options: { readonly tokens: number; readonly refillMillis: number; readonly limit: number | undefined },
): Step<Window, readonly [count: number, ttl: number]> => {
  const { limit, refillMillis, tokens } = options;
  const { count, expiresAt } = state === undefined || state.expiresAt <= now ? { count: 0, expiresAt: now } : state;
  if (limit !== undefined && count + tokens > limit) {
    return { next: undefined, answer: [count + tokens, expiresAt - now] };
  }
  const next = { count: Math.max(0, count + tokens), expiresAt: expiresAt + refillMillis * tokens };
  return { next, answer: [next.count, next.expiresAt - now] };
};

export const takeBucket = (
  state: TokenBucket | undefined,
  now: number,
  options: {
    readonly tokens: number;
    readonly refillMillis: number;
    readonly limit: number;
    readonly allowOverflow: boolean;
  },
): Step<TokenBucket, readonly [remaining: number, elapsedMillis: number]> => {
  const { allowOverflow, limit, refillMillis, tokens } = options;
  let { lastRefill, tokens: there } = state ?? { tokens: limit, lastRefill: now };
  const refilled = Math.floor((now - lastRefill) / refillMillis);
  if (refilled > 0) {
    there = Math.min(limit, there + refilled);
    lastRefill += refilled * refillMillis;
  }
  if (there >= limit) lastRefill = now;
  const remaining = there - tokens;
  const answer = [remaining, Math.max(0, now - lastRefill)] as const;
  // What a refusal refilled is computed again from the same times, so it needs no writing.
  if (remaining < 0 && !allowOverflow) return { next: undefined, answer };
  return { next: { tokens: Math.min(remaining, limit), lastRefill }, answer };
};

/**
 * Moments that a sliding window tells apart. Where there are more, the two that are nearest to each other become one, at
 * the later of their times: tokens then come back a little late, never early, so the limit holds in every window.
 */
export const maxMoments = 64;

const merged = (taken: Sliding["taken"]): Sliding["taken"] => {
  if (taken.length <= maxMoments) return taken;
  let nearest = 1;
  const gap = (at: number) => (taken[at]?.[0] ?? 0) - (taken[at - 1]?.[0] ?? 0);
  for (let at = 2; at < taken.length; at++) if (gap(at) < gap(nearest)) nearest = at;
  const [earlier, later] = [taken[nearest - 1], taken[nearest]];
  if (earlier === undefined || later === undefined) return taken;
  return [...taken.slice(0, nearest - 1), [later[0], earlier[1] + later[1]] as const, ...taken.slice(nearest + 1)];
};

/** With one more moment, in its place. */
export const inserted = (taken: Sliding["taken"], moment: Moment): Sliding["taken"] => {
  const after = taken.findLastIndex(([at]) => at <= moment[0]) + 1;
  return merged([...taken.slice(0, after), moment, ...taken.slice(after)]);
};

/** Without the last `tokens` that were taken. */
const givenBack = (taken: Sliding["taken"], tokens: number): Sliding["taken"] => {
  const kept = [...taken];
  for (let left = tokens; left > 0;) {
    const last = kept.pop();
    if (last === undefined) break;
    const [at, count] = last;
    if (count > left) kept.push([at, count - left]);
    left -= count;
  }
  return kept;
};

/** `limit` tokens in any `windowMillis`, whenever the window begins. */
export const takeSliding = (
  state: Sliding | undefined,
  now: number,
  options: { readonly tokens: number; readonly windowMillis: number; readonly limit: number },
): Step<Sliding, readonly [count: number, ttl: number]> => {
  const { limit, tokens, windowMillis } = options;
  const taken = (state?.taken ?? []).filter(([at]) => at > now - windowMillis);
  const slices = state?.slices?.filter(([, until]) => until > now - windowMillis) ?? [];
  const kept = slices.length === 0 ? {} : { slices };
  const held = slices.map(([, until, some]): Moment => [until, some]);
  const count = [...taken, ...held].reduce((sum, [, some]) => sum + some, 0);
  if (tokens < 0) {
    const next = { taken: givenBack(taken, -tokens), ...kept };
    return { next, answer: [Math.max(0, count + tokens), windowMillis] };
  }
  if (count + tokens > limit) {
    let after = count + tokens;
    let until = windowMillis;
    for (const [at, some] of [...taken, ...held].toSorted(([one], [other]) => one - other)) {
      after -= some;
      until = at + windowMillis - now;
      if (after <= limit) break;
    }
    // What others hold in advance may come back sooner.
    const open = held.filter(([end]) => end >= now);
    const mayComeBack = open.reduce((sum, [, some]) => sum + some, 0);
    const soonest = Math.min(...open.map(([end]) => end + 1 - now));
    const wait = count + tokens - mayComeBack <= limit ? Math.min(until, soonest) : until;
    return { next: undefined, answer: [count + tokens, wait] };
  }
  const last = taken.at(-1);
  // A clock that is a little behind another's writes no earlier moment.
  const at = Math.max(now, last?.[0] ?? now);
  const next =
    last?.[0] === at
      ? [...taken.slice(0, -1), [at, last[1] + tokens] as const]
      : merged([...taken, [at, tokens] as const]);
  return { next: { taken: next, ...kept }, answer: [count + tokens, at + windowMillis - now] };
};

/** See Effect's `AdaptivePhase`; inactive is no state. */
export interface Adaptive {
  readonly phase: "cooldown" | "learning" | "learned";
  readonly epoch: number;
  readonly cooldownUntil: number;
  readonly learningStartedAt: number;
  readonly observedTokens: number;
  readonly learnedLimit: number;
  readonly learnedWindowMillis: number;
  readonly expiresAt: number;
}

const graceMillis = 60_000;
const longestWindowMillis = 3_600_000;

const clamped = (millis: number): number =>
  Number.isNaN(millis) || millis <= 0 ? 1 : Math.min(millis, longestWindowMillis);

const living = (state: Adaptive | undefined, now: number) =>
  state === undefined || state.expiresAt <= now ? undefined : state;

type Adapted = { readonly delayMillis: number; readonly epoch: number; readonly phase: Adaptive["phase"] | "inactive" };

export const takeAdaptive = (
  given: Adaptive | undefined,
  now: number,
  options: { readonly tokens: number; readonly fallbackWindowMillis: number },
): Step<Adaptive, Adapted> => {
  const { fallbackWindowMillis, tokens } = options;
  const state = living(given, now);
  if (state === undefined) return { next: undefined, answer: { delayMillis: 0, epoch: 0, phase: "inactive" } };
  const { epoch, phase } = state;
  if (phase === "cooldown") {
    const delayMillis = state.cooldownUntil - now;
    if (delayMillis > 0) return { next: undefined, answer: { delayMillis, epoch, phase } };
    const next = {
      ...state,
      phase: "learning" as const,
      epoch: epoch + 1,
      learningStartedAt: now,
      observedTokens: tokens,
      expiresAt: now + fallbackWindowMillis + graceMillis,
    };
    return { next, answer: { delayMillis: 0, epoch: next.epoch, phase: next.phase } };
  }
  if (phase === "learning") {
    const next = { ...state, observedTokens: state.observedTokens + tokens };
    return { next, answer: { delayMillis: 0, epoch, phase } };
  }
  const refillMillis = state.learnedWindowMillis / state.learnedLimit;
  const isOver = state.cooldownUntil <= now;
  const observedTokens = (isOver ? 0 : state.observedTokens) + tokens;
  const cooldownUntil = (isOver ? now : state.cooldownUntil) + refillMillis * tokens;
  const elapsed = observedTokens * refillMillis - (cooldownUntil - now);
  const windows = Math.floor((observedTokens - 1) / state.learnedLimit);
  const delayMillis = Math.max(0, windows * state.learnedWindowMillis - elapsed);
  return { next: { ...state, observedTokens, cooldownUntil }, answer: { delayMillis, epoch, phase } };
};

const cooling = (epoch: number, cooldownUntil: number): Adaptive => ({
  phase: "cooldown",
  epoch,
  cooldownUntil,
  learningStartedAt: 0,
  observedTokens: 0,
  learnedLimit: 0,
  learnedWindowMillis: 0,
  expiresAt: cooldownUntil + graceMillis,
});

/** What a refusal by the other side (429 with a time to wait) teaches. */
export const learn = (
  given: Adaptive | undefined,
  now: number,
  options: { readonly tokens: number; readonly epoch: number; readonly retryAfterMillis: number },
): Step<Adaptive, void> => {
  const retryAfterMillis = clamped(options.retryAfterMillis);
  const cooldownUntil = now + retryAfterMillis;
  const state = living(given, now);
  const to = (next: Adaptive | undefined) => ({ next, answer: undefined });
  if (state === undefined) return to(options.epoch === 0 ? cooling(0, cooldownUntil) : undefined);
  if (state.epoch !== options.epoch) return to(undefined);
  if (state.phase === "cooldown") {
    const until = Math.max(state.cooldownUntil, cooldownUntil);
    return to({ ...state, cooldownUntil: until, expiresAt: until + graceMillis });
  }
  const accepted = state.observedTokens - options.tokens;
  if (state.phase === "learned" || accepted <= 0) return to(cooling(state.epoch, cooldownUntil));
  const learnedWindowMillis = clamped(now - state.learningStartedAt + retryAfterMillis);
  return to({
    ...state,
    phase: "learned",
    epoch: state.epoch + 1,
    cooldownUntil: state.learningStartedAt + learnedWindowMillis,
    observedTokens: accepted,
    learnedLimit: accepted,
    learnedWindowMillis,
    expiresAt: now + learnedWindowMillis + graceMillis,
  });
};
