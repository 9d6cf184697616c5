/**
 * State of a limit, and what taking tokens makes of it. Pure.
 *
 * Room: coordination.
 *
 * A step sees the state and the time, epoch milliseconds by one clock, and answers with a decision and the next state.
 * Taking fewer than no tokens gives back. A state that another program wrote in another shape counts as no state.
 */
import type { Limit } from "../config/Limit.ts";

/** Sliding window: when how many tokens were taken, oldest first. */
export type Sliding = ReadonlyArray<readonly [at: number, tokens: number]>;
/** Token bucket: how many tokens it held, and when. */
type TokenBucket = readonly [left: number, at: number];

export interface Decision {
  /** Undefined: the state stays as it is, as after a refusal; but of a clock that was set back the refusal writes that. */
  readonly next: Sliding | TokenBucket | undefined;
  readonly isAllowed: boolean;
  readonly remaining: number;
  /** Allowed: until all tokens are back, if nothing else takes any. Refused: until it is worth asking again. */
  readonly waitMillis: number;
}

export type Step = (state: unknown, now: number) => Decision;

/**
 * Moments that a sliding window tells apart. Of more, the two that are nearest to each other become one, at the later of
 * their times: tokens then come back a little late, never early, so the limit holds in every window.
 */
export const maxMoments = 64;

const isPair = (value: unknown): value is readonly [number, number] =>
  Array.isArray(value) && value.length === 2 && Number.isFinite(value[0]) && Number.isFinite(value[1]);

const isSliding = (state: unknown): state is Sliding => Array.isArray(state) && state.every(isPair);

const merged = (taken: Sliding): Sliding => {
  if (taken.length <= maxMoments) return taken;
  let nearest = 1;
  const gap = (at: number) => (taken[at]?.[0] ?? 0) - (taken[at - 1]?.[0] ?? 0);
  for (let at = 2; at < taken.length; at++) if (gap(at) < gap(nearest)) nearest = at;
  const [earlier, later] = [taken[nearest - 1], taken[nearest]];
  if (earlier === undefined || later === undefined) return taken;
  return [...taken.slice(0, nearest - 1), [later[0], earlier[1] + later[1]], ...taken.slice(nearest + 1)];
};

/** Most that clocks of processes differ by, milliseconds, where the window is shorter. */
const skewMillis = 1_000;

/**
 * A moment that is further ahead was written by a clock that has been set back since: it counts as now, because the limit
 * would else be full until the clock is there again.
 */
const isAhead = (at: number, now: number, { windowMillis }: Limit): boolean =>
  at > now + Math.max(windowMillis, skewMillis);

/** Without the last `tokens` that were taken. */
const givenBack = (taken: Sliding, tokens: number): Sliding => {
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
const slide =
  (tokens: number, setting: Limit): Step =>
  (state, now) => {
    const { limit, windowMillis } = setting;
    const held = isSliding(state) ? state.filter(([at]) => at > now - windowMillis) : [];
    const isSetBack = held.some(([at]) => isAhead(at, now, setting));
    const taken: Sliding = isSetBack ? held.map(([at, some]) => [Math.min(at, now), some]) : held;
    const count = taken.reduce((sum, [, some]) => sum + some, tokens);
    const remaining = Math.min(limit, Math.max(0, limit - count));
    if (tokens < 0) return { next: givenBack(taken, -tokens), isAllowed: true, remaining, waitMillis: windowMillis };
    if (count > limit) {
      let over = count - limit;
      const enough = taken.find(([, some]) => (over -= some) <= 0);
      const waitMillis = (enough?.[0] ?? now) + windowMillis - now;
      const next = isSetBack ? taken : undefined;
      return { next, isAllowed: false, remaining: limit - count + tokens, waitMillis };
    }
    const last = taken.at(-1);
    // A clock that is a little behind that of another process writes no earlier moment.
    const at = Math.max(now, last?.[0] ?? now);
    const next: Sliding =
      last?.[0] === at ? [...taken.slice(0, -1), [at, last[1] + tokens]] : merged([...taken, [at, tokens]]);
    return { next, isAllowed: true, remaining, waitMillis: at + windowMillis - now };
  };

/** `limit` tokens at once after a rest, then one every `windowMillis / limit`. */
const refill =
  (tokens: number, setting: Limit): Step =>
  (state, now) => {
    const { limit, windowMillis } = setting;
    const [before, written] = isPair(state) ? state : [limit, now];
    const isSetBack = isAhead(written, now, setting);
    const at = isSetBack ? now : written;
    const millisOf = (some: number) => (some * windowMillis) / limit;
    const there = Math.min(limit, before + Math.max(0, now - at) / millisOf(1));
    const left = there - tokens;
    // A fraction that is lost in the sum is no token that is missing.
    if (tokens > 0 && left < -1e-6) {
      const next: TokenBucket | undefined = isSetBack ? [before, at] : undefined;
      return { next, isAllowed: false, remaining: Math.floor(there), waitMillis: millisOf(-left) };
    }
    const next: TokenBucket = [Math.min(limit, Math.max(0, left)), Math.max(now, at)];
    return { next, isAllowed: true, remaining: Math.floor(next[0] + 1e-6), waitMillis: millisOf(limit - next[0]) };
  };

/** Takes so many tokens of a limit. */
export const taking = (limit: Limit, tokens: number): Step =>
  (limit.algorithm === "token-bucket" ? refill : slide)(tokens, limit);
