/**
 * The piece of a text around what was found in it.
 *
 * Room: query.
 *
 * Found by the words as they were asked for: without regard to case and accents, as whole words where they stand so,
 * else within a word (`user` in `getUserById`).
 */
import type { Term } from "./SearchText.ts";

export interface Snippet {
  readonly text: string;
  /** Places of the words in it, in UTF-16 units: from, to. */
  readonly marks: ReadonlyArray<readonly [number, number]>;
}

/** Text without case and accents, and for each unit the place in the original. */
interface Folded {
  readonly text: string;
  readonly placeOf: (at: number) => number;
}

// oxlint-disable-next-line eslint/no-control-regex -- all of ASCII
const ascii = /^[\u0000-\u007f]*$/;
// oxlint-disable-next-line eslint/no-control-regex -- all that is not ASCII
const beyondAscii = /[^\u0000-\u007f]/gu;

/** Character by character only beyond ASCII: a text of a mebibyte costs what its few other characters do. */
const fold = (text: string): Folded => {
  if (ascii.test(text)) return { text: text.toLowerCase(), placeOf: (at) => at };
  /** Beginnings of pieces, in the folded text and in the original. A piece of ASCII goes on unit by unit. */
  const begins: Array<number> = [0];
  const places: Array<number> = [0];
  let folded = "";
  let from = 0;
  for (const { 0: character, index } of text.matchAll(beyondAscii)) {
    folded += text.slice(from, index).toLowerCase();
    begins.push(folded.length);
    places.push(index);
    folded += character.normalize("NFKD").replaceAll(/\p{M}/gu, "").toLowerCase();
    from = index + character.length;
    begins.push(folded.length);
    places.push(from);
  }
  folded += text.slice(from).toLowerCase();
  const placeOf = (at: number): number => {
    let low = 0;
    let high = begins.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((begins[middle] ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    const place = places[low] ?? 0;
    // Odd pieces are one character, whatever it is folded to.
    return low % 2 === 1 ? place : Math.min(text.length, place + at - (begins[low] ?? 0));
  };
  return { text: folded, placeOf };
};

/** A text as an expression that finds it. */
export const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);

/** As whole words, within words, or written as one (`get_user` in `getUser`). */
type Closeness = "whole" | "inside" | "joined";

/** The words of a term with anything but letters and digits between them. */
const patternOf = (words: ReadonlyArray<string>, how: Closeness): RegExp => {
  const between = how === "joined" ? String.raw`[^\p{L}\p{N}]*` : String.raw`[^\p{L}\p{N}]+`;
  return new RegExp(words.map(escaped).join(between), "gu");
};

type Mark = readonly [number, number];

/** More matches than these in one text change nothing about what is shown. */
const mostMarks = 200;

const endsInWord = /[\p{L}\p{N}]$/u;
const beginsInWord = /^[\p{L}\p{N}]/u;

/** True when a match is no part of a longer word; that of a beginning may go on behind it. */
const isWhole = (text: string, [from, to]: Mark, isBeginning: boolean): boolean =>
  !endsInWord.test(text.slice(Math.max(0, from - 2), from)) &&
  (isBeginning || !beginsInWord.test(text.slice(to, to + 2)));

/**
 * Places of a term in a folded text.
 *
 * The letters beside a match are looked at after it and not by the expression, which V8 then finds by its first letters.
 */
const found = (folded: Folded, words: ReadonlyArray<string>, how: Closeness, isBeginning: boolean) => {
  const marks: Array<Mark> = [];
  const add = (from: number, to: number): void => {
    if (to > from && (how !== "whole" || isWhole(folded.text, [from, to], isBeginning)))
      marks.push([folded.placeOf(from), folded.placeOf(to)]);
  };
  const [only = ""] = words;
  if (words.length === 1) {
    for (let at = folded.text.indexOf(only); at >= 0; at = folded.text.indexOf(only, at + only.length)) {
      add(at, at + only.length);
      if (marks.length === mostMarks) break;
    }
    return marks;
  }
  for (const match of folded.text.matchAll(patternOf(words, how))) {
    add(match.index, match.index + match[0].length);
    if (marks.length === mostMarks) break;
  }
  return marks;
};

/** Places of each term in the text, in order. */
export const marksOf = (text: string, terms: ReadonlyArray<Term>): ReadonlyArray<Mark> => {
  const folded = fold(text);
  return terms
    .flatMap((term): ReadonlyArray<Mark> => {
      const words = fold(term.text).text.match(/[\p{L}\p{N}\p{Extended_Pictographic}]+/gu);
      if (words === null) return [];
      for (const how of ["whole", "inside", "joined"] as const) {
        const marks = found(folded, words, how, term.isBeginning);
        if (marks.length > 0) return marks;
      }
      return [];
    })
    .toSorted((left, right) => left[0] - right[0]);
};

/** The window of the text that shows most of the marks, the first of such. */
const windowOf = (text: string, marks: ReadonlyArray<Mark>, width: number): Mark => {
  const reach = Math.floor(width / 3);
  let best: Mark = [0, Math.min(text.length, width)];
  let most = 0;
  let first = 0;
  let last = 0;
  for (const [from] of marks) {
    const start = Math.max(0, Math.min(from - reach, text.length - width));
    while (first < marks.length && (marks[first]?.[0] ?? 0) < start) first++;
    last = Math.max(first, last);
    while (last < marks.length && (marks[last]?.[1] ?? 0) <= start + width) last++;
    if (last - first > most) {
      most = last - first;
      best = [start, Math.min(text.length, start + width)];
    }
  }
  return best;
};

/** Not in the middle of a word, where one ends near. */
const toWords = (text: string, [from, to]: Mark, marks: ReadonlyArray<Mark>): Mark => {
  const first = marks.find((mark) => mark[0] >= from)?.[0] ?? from;
  const blank = from === 0 ? -1 : text.slice(from, Math.min(from + 20, first)).search(/\s/);
  const before = Math.max(from, to - 20);
  const end = to === text.length ? -1 : text.slice(before, to).search(/\s\S*$/);
  const last = marks.findLast((mark) => mark[1] <= to)?.[1] ?? 0;
  const cut = end < 0 ? to : Math.max(last, before + end);
  return [blank < 0 ? from : from + blank + 1, cut];
};

/** True for a place within a character of two units. */
const isInPair = (text: string, at: number): boolean => at > 0 && (text.charCodeAt(at) & 0xfc00) === 0xdc00;

/** At most `width` units of a text around its marks, on one line. */
export const around = (text: string, marks: ReadonlyArray<Mark>, width: number): Snippet => {
  const window = toWords(text, windowOf(text, marks, width), marks);
  const from = window[0] + (isInPair(text, window[0]) ? 1 : 0);
  const to = Math.max(from, window[1] - (isInPair(text, window[1]) ? 1 : 0));
  const inside = marks.filter((mark) => mark[0] >= from && mark[1] <= to);
  let shown = from > 0 ? "…" : "";
  const placed: Array<Mark> = [];
  let at = from;
  const put = (until: number) => {
    const piece = text.slice(at, until).replaceAll(/\s+/g, " ");
    shown += shown === "" || shown.endsWith(" ") ? piece.replace(/^ /, "") : piece;
    at = until;
  };
  for (const [start, end] of inside) {
    if (start < at) continue;
    put(start);
    const begun = shown.length;
    put(end);
    placed.push([begun, shown.length]);
  }
  put(to);
  return { text: `${shown.trimEnd()}${to < text.length ? "…" : ""}`, marks: placed };
};

/** With a bracket before and behind each mark. */
export const bracketed = ({ marks, text }: Snippet): string => {
  let shown = "";
  let at = 0;
  for (const [from, to] of marks) {
    shown += `${text.slice(at, from)}[${text.slice(from, to)}]`;
    at = to;
  }
  return shown + text.slice(at);
};
