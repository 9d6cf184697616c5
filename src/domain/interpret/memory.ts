/**
 * Memory of an interpreter in its carry, in a size that is known beforehand.
 *
 * Room: domain.
 *
 * A thread's fold takes a carry of at most 8 KiB and refuses a larger one, whatever is in the entries. So a remembered
 * text takes at most 100 bytes and a list at most 4,000: with the description (nine texts) that leaves a third unused.
 */
import { createHash } from "node:crypto";
import { headOf, jsonBytes } from "../Truncate.ts";
import { arrayAt, type JsonValue } from "../Json.ts";
import type { Carry } from "./Interpreter.ts";

/** Largest remembered text, in bytes of JSON: model names, ids and most paths stand as they are. */
const textBytes = 100;
/** Largest remembered list: about 50 calls that wait, with the usual ids. */
const listBytes = 4_000;

/** A text by which the same text is known again: itself, or its beginning and a digest of all of it. */
export const memo = (text: string): string =>
  text.length <= textBytes && jsonBytes(text) <= textBytes
    ? text
    : `${headOf(text, 60)}#${createHash("sha256").update(text, "utf16le").digest("hex").slice(0, 24)}`;

/** The newest of a list that fit; what is forgotten are the oldest. */
const newest = <T extends JsonValue>(list: ReadonlyArray<T>): ReadonlyArray<T> => {
  let bytes = 2;
  let from = list.length;
  while (from > 0) {
    bytes += jsonBytes(list[from - 1]) + 1;
    if (bytes > listBytes) break;
    from--;
  }
  return list.slice(from);
};

/** The carry with a list under a name; an empty list takes no room. */
export const withList = (carry: Carry, name: string, list: ReadonlyArray<JsonValue>): Carry => {
  const { [name]: _before, ...rest } = carry;
  return list.length === 0 ? rest : { ...rest, [name]: newest(list) };
};

export type Pair = readonly [string, string];

/** A list of pairs of strings; pairs and not an object, which would order ids that look like numbers. */
export const pairsAt = (carry: Carry, name: string): ReadonlyArray<Pair> =>
  arrayAt(carry, name).flatMap((pair): ReadonlyArray<Pair> => {
    if (!Array.isArray(pair)) return [];
    const [first, second] = pair as ReadonlyArray<JsonValue>;
    return typeof first === "string" && typeof second === "string" ? [[first, second]] : [];
  });
