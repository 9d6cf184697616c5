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

const fold = (text: string): Folded => {
  if (ascii.test(text)) return { text: text.toLowerCase(), placeOf: (at) => at };
  const places: Array<number> = [];
  let folded = "";
  let place = 0;
  for (const character of text) {
    const plain = character.normalize("NFKD").replaceAll(/\p{M}/gu, "").toLowerCase();
    for (let unit = 0; unit < plain.length; unit++) places.push(place);
    folded += plain;
    place += character.length;
  }
  return { text: folded, placeOf: (at) => places[at] ?? text.length };
};

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);

/** As whole words, within words, or written as one (`get_user` in `getUser`). */
type Closeness = "whole" | "inside" | "joined";

/** The words of a term with anything but letters and digits between them. */
const patternOf = ({ isBeginning, text }: Term, how: Closeness): RegExp | undefined => {
  const words = fold(text).text.match(/[\p{L}\p{N}\p{Extended_Pictographic}]+/gu);
  if (words === null) return undefined;
  const inside = words.map(escaped).join(how === "joined" ? String.raw`[^\p{L}\p{N}]*` : String.raw`[^\p{L}\p{N}]+`);
  const [before, after] = how === "whole" ? [String.raw`(?<![\p{L}\p{N}])`, String.raw`(?![\p{L}\p{N}])`] : ["", ""];
  return new RegExp(`${before}${inside}${isBeginning ? "" : after}`, "gu");
};

type Mark = readonly [number, number];

/** More matches than these in one text change nothing about what is shown. */
const mostMarks = 200;

const found = (folded: Folded, pattern: RegExp): ReadonlyArray<Mark> => {
  const marks: Array<Mark> = [];
  for (const match of folded.text.matchAll(pattern)) {
    if (match[0] === "") continue;
    marks.push([folded.placeOf(match.index), folded.placeOf(match.index + match[0].length)]);
    if (marks.length === mostMarks) break;
  }
  return marks;
};

/** Places of each term in the text. */
export const marksOf = (text: string, terms: ReadonlyArray<Term>): ReadonlyArray<Mark> => {
  const folded = fold(text);
  return terms
    .flatMap((term) => {
      for (const how of ["whole", "inside", "joined"] as const) {
        const pattern = patternOf(term, how);
        const marks = pattern === undefined ? [] : found(folded, pattern);
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
  for (const [from] of marks) {
    const start = Math.max(0, Math.min(from - reach, text.length - width));
    const count = marks.filter((mark) => mark[0] >= start && mark[1] <= start + width).length;
    if (count > most) {
      most = count;
      best = [start, Math.min(text.length, start + width)];
    }
  }
  return best;
};

/** Not in the middle of a word, where one ends near. */
const toWords = (text: string, [from, to]: Mark, marks: ReadonlyArray<Mark>): Mark => {
  const first = marks.find((mark) => mark[0] >= from)?.[0] ?? from;
  const blank = from === 0 ? -1 : text.slice(from, Math.min(from + 20, first)).search(/\s/);
  const end = to === text.length ? -1 : text.slice(to - 20, to).search(/\s\S*$/);
  const last = marks.findLast((mark) => mark[1] <= to)?.[1] ?? 0;
  const cut = end < 0 ? to : Math.max(last, to - 20 + end);
  return [blank < 0 ? from : from + blank + 1, cut];
};

/** At most `width` units of a text around its marks, on one line. */
export const around = (text: string, marks: ReadonlyArray<Mark>, width: number): Snippet => {
  const [from, to] = toWords(text, windowOf(text, marks, width), marks);
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
