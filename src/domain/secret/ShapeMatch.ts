/**
 * True when a run of a text is a token of a known shape. Linear in the run's length.
 *
 * Room: domain.
 */
import { type Alphabet, longest, type Shape } from "./SecretShapes.ts";

const bit = { digit: 1, hexLetter: 2, lower: 4, upper: 8, separator: 16, base32Digit: 32 } as const;

/** Kind of each ASCII character. */
const kinds = ((): Uint8Array => {
  const table = new Uint8Array(128);
  const add = (characters: string, kind: number) => {
    for (let at = 0; at < characters.length; at++)
      table[characters.charCodeAt(at)] = (table[characters.charCodeAt(at)] ?? 0) | kind;
  };
  add("0123456789", bit.digit);
  add("234567", bit.base32Digit);
  add("abcdefABCDEF", bit.hexLetter);
  add("abcdefghijklmnopqrstuvwxyz", bit.lower);
  add("ABCDEFGHIJKLMNOPQRSTUVWXYZ", bit.upper);
  add("-_", bit.separator);
  return table;
})();

const alphabets: { readonly [_ in Alphabet]: number } = {
  alnum: bit.digit | bit.lower | bit.upper,
  word: bit.digit | bit.lower | bit.upper | bit.separator,
  hex: bit.digit | bit.hexLetter,
  upper: bit.digit | bit.upper,
  base32: bit.base32Digit | bit.upper,
};

const kindOf = (code: number): number => (code < 128 ? (kinds[code] ?? 0) : 0);
export const isDigit = (code: number): boolean => code >= 48 && code <= 57;

/** Shapes by their first two characters; those that need something before the run apart. */
export interface ShapeIndex {
  readonly byHead: ReadonlyMap<number, ReadonlyArray<Shape>>;
  readonly behind: ReadonlyArray<Shape & { readonly before: string }>;
}

const headOf = (text: string, at: number): number => text.charCodeAt(at) * 65_536 + text.charCodeAt(at + 1);

export const indexOf = (all: ReadonlyArray<Shape>): ShapeIndex => {
  const byHead = new Map<number, Array<Shape>>();
  const behind: Array<Shape & { readonly before: string }> = [];
  for (const one of all) {
    if (one.before !== undefined) {
      behind.push({ ...one, before: one.before });
      continue;
    }
    const head = headOf(one.prefix, 0);
    byHead.set(head, [...(byHead.get(head) ?? []), one]);
  }
  return { byHead, behind };
};

const isBase64 = (code: number): boolean =>
  (kindOf(code) & alphabets.word) !== 0 || code === 43 || code === 47 || code === 61;

/** End of what goes on behind the run. */
const onwards = (text: string, at: number, { dotted, isBase64: isOpen }: Shape): number => {
  let end = at;
  if (isOpen === true) while (end - at < longest && isBase64(text.charCodeAt(end))) end++;
  if (dotted === undefined || text.charCodeAt(end) !== 46) return end;
  let next = end + 1;
  while (next - end <= longest && (kindOf(text.charCodeAt(next)) & alphabets.word) !== 0) next++;
  return next - end - 1 >= dotted ? next : end;
};

/** The end of the token that begins at `start`, or -1. `end` is that of the run. */
const endAt = (text: string, start: number, end: number, one: Shape): number => {
  const { alphabet, digits = 0, least, most, prefix } = one;
  const first = start + prefix.length;
  if (end - first < least || !text.startsWith(prefix, start)) return -1;
  const allowed = alphabets[alphabet];
  const last = Math.min(end, first + most + 1);
  let at = first;
  let found = 0;
  for (; at < last; at++) {
    const code = text.charCodeAt(at);
    if ((kindOf(code) & allowed) === 0) break;
    if (isDigit(code)) found++;
  }
  const length = at - first;
  if (length < least || length > most || found < digits) return -1;
  return onwards(text, at, one);
};

export interface Shaped {
  readonly rule: string;
  readonly start: number;
  readonly end: number;
}

/** The token that a run begins with; `start` and `end` are the run's. */
export const shapedAt = (index: ShapeIndex, text: string, start: number, end: number): Shaped | undefined => {
  for (const one of index.byHead.get(headOf(text, start)) ?? []) {
    const to = endAt(text, start, end, one);
    if (to >= 0) return { rule: one.rule, start, end: to };
  }
  const before = text.charCodeAt(start - 1);
  if (before !== 46 && before !== 47 && before !== 58) return undefined;
  for (const one of index.behind) {
    const from = start - one.before.length;
    if (from < 0 || !text.startsWith(one.before, from)) continue;
    const to = endAt(text, start, end, one);
    if (to >= 0) return { rule: one.rule, start: from, end: to };
  }
  return undefined;
};
