/**
 * Sequences as ranges: what a person reads and an event keeps of many places.
 *
 * Room: domain.
 */
import type { Sequence } from "./History.ts";
import type { SequenceRange } from "./StoreEvents.ts";

/** Adds a sequence that is higher than all before it. */
export const add = (ranges: Array<SequenceRange>, sequence: Sequence): void => {
  const last = ranges.at(-1);
  if (last !== undefined && last.last === sequence - 1) ranges[ranges.length - 1] = { ...last, last: sequence };
  else ranges.push({ first: sequence, last: sequence });
};

/** Number of sequences in them. */
export const count = (ranges: ReadonlyArray<SequenceRange>): number =>
  ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);

export const has = (ranges: ReadonlyArray<SequenceRange>, sequence: Sequence): boolean =>
  ranges.some(({ first, last }) => first <= sequence && sequence <= last);

/** The same places, in order, each once. */
export const union = (...lists: ReadonlyArray<ReadonlyArray<SequenceRange>>): ReadonlyArray<SequenceRange> => {
  const merged: Array<SequenceRange> = [];
  for (const range of lists.flat().toSorted((a, b) => a.first - b.first)) {
    const last = merged.at(-1);
    if (last === undefined || last.last + 1 < range.first) merged.push(range);
    else merged[merged.length - 1] = { first: last.first, last: Math.max(last.last, range.last) };
  }
  return merged;
};

/** `12, 20 to 22 and 5 more places`. */
export const text = (ranges: ReadonlyArray<SequenceRange>, most = 10): string => {
  const named = ranges.slice(0, most).map(({ first, last }) => (first === last ? `${first}` : `${first} to ${last}`));
  const more = ranges.length - named.length;
  return `${named.join(", ")}${more > 0 ? ` and ${more} more places` : ""}`;
};
