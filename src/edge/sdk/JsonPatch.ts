/**
 * Patches from one JSON value to the next: a state that grows costs what is new, whatever its size.
 *
 * Room: edge.
 *
 * Lists are compared by their common beginning, objects key by key. A serialised object of LangChain (`lc`) is one thing:
 * it is replaced, never changed inside, so that whoever reads the patch sees whole messages.
 */
export type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [key: string]: Json };

export type Patch =
  /** The whole value. */
  | { readonly v: Json }
  /** The first `k` items stay, the next is changed by `i` where there is one, then come those of `a`. */
  | { readonly k: number; readonly i?: Patch; readonly a: ReadonlyArray<Json> }
  /** Keys that change, and keys that go. */
  | { readonly o: Readonly<Record<string, Patch>>; readonly d?: ReadonlyArray<string> };

const isList = (value: Json | undefined): value is ReadonlyArray<Json> => Array.isArray(value);

const isObject = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  typeof value === "object" && value !== null && !isList(value);

const isWhole = (value: { readonly [key: string]: Json }): boolean =>
  "lc" in value || ("__proto__" in value && Object.hasOwn(value, "__proto__"));

/** True when two values of JSON are equal; keys in any order. */
export const isEqual = (one: Json | undefined, other: Json | undefined): boolean => {
  if (one === other) return true;
  if (isList(one))
    return isList(other) && one.length === other.length && one.every((item, at) => isEqual(item, other[at]));
  if (!isObject(one) || !isObject(other)) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && isEqual(one[key], other[key]))
  );
};

const diffLists = (before: ReadonlyArray<Json>, after: ReadonlyArray<Json>): Patch => {
  let k = 0;
  while (k < before.length && k < after.length && isEqual(before[k], after[k])) k++;
  const [was, is] = [before[k], after[k]];
  const isChanged = isObject(was) && isObject(is) && !isWhole(was) && !isWhole(is);
  if (!isChanged) return { k, a: after.slice(k) };
  const i = diff(was, is);
  return i === undefined ? { k, a: after.slice(k) } : { k, i, a: after.slice(k + 1) };
};

/** The patch from one value to the next; undefined when they are the same. */
export const diff = (before: Json | undefined, after: Json): Patch | undefined => {
  if (isEqual(before, after)) return undefined;
  if (isList(before) && isList(after)) return diffLists(before, after);
  if (!isObject(before) || !isObject(after) || isWhole(before) || isWhole(after)) return { v: after };
  const changed = Object.entries(after).flatMap(([key, value]) => {
    const patch = diff(Object.hasOwn(before, key) ? before[key] : undefined, value);
    return patch === undefined ? [] : [[key, patch] as const];
  });
  const d = Object.keys(before).filter((key) => !Object.hasOwn(after, key));
  return { o: Object.fromEntries(changed), ...(d.length === 0 ? {} : { d }) };
};

/** The next value. Shares what is the same with the one before. */
export const patched = (before: Json | undefined, patch: Patch): Json => {
  if ("v" in patch) return patch.v;
  if ("k" in patch) {
    const list = isList(before) ? before : [];
    const next = list.slice(0, patch.k);
    if (patch.i !== undefined) next.push(patched(list[patch.k], patch.i));
    return next.concat(patch.a);
  }
  const object = isObject(before) ? before : {};
  const kept = Object.entries(object).filter(
    ([key]) => patch.d?.includes(key) !== true && !Object.hasOwn(patch.o, key),
  );
  const changed = Object.entries(patch.o).map(([key, inner]) => [key, patched(object[key], inner)] as const);
  return Object.fromEntries([...kept, ...changed]);
};
