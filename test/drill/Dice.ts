/**
 * A seeded source of randomness: the same seed, the same numbers, on every machine.
 */
export interface Dice {
  /** From 0 to less than 1. */
  readonly next: () => number;
  /** A whole number from `low` to `high`, both included. */
  readonly between: (low: number, high: number) => number;
  /** True with this probability. */
  readonly chance: (probability: number) => boolean;
  readonly pick: <A>(from: readonly [A, ...Array<A>]) => A;
  /** A UUID of version 4. */
  readonly uuid: () => string;
  /** A size in bytes, log-normal: half of them below `median`, `spread` decides how far the tail reaches. */
  readonly size: (options: { readonly median: number; readonly spread: number; readonly most: number }) => number;
}

/** Mulberry32: 32 bits of state are plenty for a drill, and it is the same everywhere. */
const mulberry = (seed: number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** `stream` gives independent dice of one seed, so that what one of them is asked does not change the others. */
export const dice = (seed: number, stream = 0): Dice => {
  const next = mulberry(Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b));
  const between = (low: number, high: number) => low + Math.floor(next() * (high - low + 1));
  const hex = (digits: number) => Array.from({ length: digits }, () => between(0, 15).toString(16)).join("");
  return {
    next,
    between,
    chance: (probability) => next() < probability,
    pick: (from) => from[between(0, from.length - 1)] ?? from[0],
    uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-${(8 + between(0, 3)).toString(16)}${hex(3)}-${hex(12)}`,
    size: ({ median, most, spread }) => {
      const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
      return Math.min(most, Math.round(median * Math.exp(spread * normal)));
    },
  };
};
