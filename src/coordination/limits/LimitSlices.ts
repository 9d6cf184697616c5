/**
 * Slices: tokens of a sliding window that a process takes in advance, to decide for a moment without asking anybody. Pure.
 *
 * Room: coordination.
 *
 * The law stays: never more than the limit in any window. A slice counts as if all of it were taken at the last moment at
 * which it may be used, so whatever its process does with it, every window that holds a use also counts it. Settled, it
 * counts as what was used, at the moment of the last use, and the rest is there again.
 */
import { inserted, type Sliding, type Slice } from "./LimitMath.ts";

/** What a process did with its slice: `used` of the one that ends at `until`, last at `usedAt`. */
export interface Use {
  readonly until: number;
  readonly used: number;
  readonly usedAt: number;
}

/** A slice lives for a 64th of its window: that much later its tokens come back at worst, 1.6 % of the limit. */
const partsOfWindow = 64;
/** And no longer than this, because a limit that is changed holds at once. */
const longestMillis = 50;
/** Below it a clock of whole milliseconds says too little. */
const shortestMillis = 2;
/**
 * A smaller limit is given out one by one: that is at most so many writes a window, and nobody is refused for what a
 * process holds that the machine keeps from using it.
 */
const leastLimit = 500;
/** Of what is left a process takes at most this part, so that ten together leave more than half to those who come. */
const partOfRest = 16;
/** But what it uses up in so short a time nobody misses: of that it may take half of what is left. */
const soonMillis = 2;
/** Fewer than these save nothing. */
const fewest = 2;
/** Processes that hold a slice of one limit at a time; the others ask each time. More would make the state long. */
const maxSlices = 32;
/** Who is silent for so long after the end of its slice settles it no more. */
const silentMillis = 1_000;

const slicesOf = (state: Sliding): ReadonlyArray<Slice> => state.slices ?? [];

/**
 * The state without the slice of `who`, which counts as what was used of it. One that `use` does not know counts as used
 * up: of a write that nobody answered nobody knows, and what was forgotten may have been used.
 */
export const settled = (state: Sliding, who: string, use: Use | undefined): Sliding => {
  const mine = slicesOf(state).find(([holder]) => holder === who);
  if (mine === undefined) return state;
  const slices = slicesOf(state).filter(([holder]) => holder !== who);
  const [, until, tokens] = mine;
  const { used, usedAt } = use?.until === until ? use : { used: tokens, usedAt: until };
  return { taken: used > 0 ? inserted(state.taken, [usedAt, used]) : state.taken, slices };
};

/** Slices whose process is gone count as used, and make room for others. */
const withoutSilent = (state: Sliding, now: number): Sliding => {
  const isSilent = ([, until]: Slice) => until + silentMillis < now;
  return {
    taken: slicesOf(state)
      .filter(isSilent)
      .reduce((taken, [, until, tokens]) => inserted(taken, [until, tokens]), state.taken),
    slices: slicesOf(state).filter((slice) => !isSilent(slice)),
  };
};

export interface Demand {
  readonly who: string;
  readonly now: number;
  readonly limit: number;
  readonly windowMillis: number;
  /** How many were taken since this process wrote last, and in which time. */
  readonly granted: number;
  readonly tookMillis: number;
}

/** The state with the slice, if there is one; `count` is what was taken of the limit without it. */
export interface Reserved {
  readonly state: Sliding;
  readonly count: number;
  readonly slice?: Slice;
}

/**
 * As many in advance as will be wanted while the slice lives, if it goes on as it went since the last write: none for who
 * comes seldom, none where the limit is nearly used up, so what is scarce is given out one by one.
 */
export const reserved = (state: Sliding, demand: Demand): Reserved => {
  const { granted, limit, now, tookMillis, who, windowMillis } = demand;
  const millis = Math.floor(Math.min(windowMillis / partsOfWindow, longestMillis));
  const perMilli = granted / Math.max(1, tookMillis);
  const wanted = Math.floor(perMilli * millis);
  if (millis < shortestMillis || wanted < fewest || limit < leastLimit) return { state, count: 0 };
  const tidied = withoutSilent(state, now);
  const all = [...tidied.taken.map(([, some]) => some), ...slicesOf(tidied).map(([, , some]) => some)];
  const count = all.reduce((sum, some) => sum + some, 0);
  const left = limit - count;
  const soon = Math.min(Math.floor(perMilli * soonMillis), Math.floor(left / 2));
  const tokens = Math.min(wanted, Math.max(Math.floor(left / partOfRest), soon));
  if (tokens < fewest || slicesOf(tidied).length >= maxSlices) return { state, count };
  const slice: Slice = [who, now + millis, tokens];
  return { state: { taken: tidied.taken, slices: [...slicesOf(tidied), slice] }, count, slice };
};
