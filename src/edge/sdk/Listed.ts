/**
 * A list that a fold adds to: each state is a length of one array that they share.
 *
 * Room: edge.
 *
 * Decision: shared, because a fold must leave the state it was given as it is, and copying the list for each of 10,000
 * events is fifty million copies.
 */
export interface Listed<A> {
  readonly items: ReadonlyArray<A>;
  readonly length: number;
}

export const none: Listed<never> = { items: [], length: 0 };

/** The list with one more. Only who adds to the longest state adds in place; all others copy. */
export const added = <A>({ items, length }: Listed<A>, item: A): Listed<A> => {
  const isLongest = length > 0 && items.length === length;
  const own = isLongest ? (items as Array<A>) : items.slice(0, length);
  own.push(item);
  return { items: own, length: length + 1 };
};

/** The first so many. */
export const kept = <A>({ items, length }: Listed<A>, count: number): Listed<A> => ({
  items,
  length: Math.max(0, Math.min(length, count)),
});

export const toArray = <A>({ items, length }: Listed<A>): ReadonlyArray<A> =>
  items.length === length ? items : items.slice(0, length);
