/**
 * A damaged JSON document, so that the records before and after the damage are read.
 *
 * Room: edge.
 *
 * One lost quote or bracket ends every parser. In a list of records (messages, conversations) the next record is found
 * again, because it begins as those before the damage do: with the same names in the same order. The damaged piece is
 * replaced by `0` and white space of its length, so that positions stay those of the file. Text around the
 * records is not mended: there is nothing to find it by.
 */
import { parseShown } from "../cut/CutLines.ts";
import { type Descend, isSpace, outlineOf, type Part } from "./JsonOutline.ts";

/** A damaged piece. It counts as one record. */
export interface Damage {
  /** Offset of its first byte in the document. */
  readonly start: number;
  /** The bytes as they came. */
  readonly raw: Buffer;
  /** True when nothing behind it could be read. */
  readonly isTail: boolean;
}

export interface Mended {
  /** The document with each damaged piece replaced. */
  readonly bytes: Buffer;
  readonly damages: ReadonlyArray<Damage>;
}

/** Damaged pieces of one document, and bytes that are looked through to find them. */
const mostDamages = 100;
const mostLooked = 1024 * 1024 * 1024;
/** Earlier records by whose beginnings the next one is found. */
export const mostSiblings = 64;
/** Longest beginning of a record that is looked at: up to its first list or object. */
export const headBytes = 256 * 1024;
/** Ends of a list that are tried behind its last record. */
const mostEnds = 2_000;

const [quote, backslash, comma, colon, space, openBrace, zero] = [...Buffer.from('"\\,: {0')] as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

const isList = ({ key, kind }: Part): boolean => kind === "array" || key === "mapping";
const closerOf = ({ kind }: Part): string => (kind === "array" ? "]" : "}");
const closersOf = (containers: ReadonlyArray<Part>): string => containers.toReversed().map(closerOf).join("");

/** The end of a string that begins at a quote; undefined where it does not end, or has a line break. */
const endOfString = (bytes: Buffer, from: number): number | undefined => {
  for (let at = from + 1; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === backslash) at++;
    else if (byte === quote) return at + 1;
    else if (byte < space) return undefined;
  }
  return undefined;
};

const afterSpace = (bytes: Buffer, from: number): number => {
  let at = from;
  while (at < bytes.length && isSpace(bytes[at] ?? 0)) at++;
  return at;
};

/** The names of an object's members up to the first that is a list or an object; undefined for what is no object. */
const headOf = (bytes: Buffer, from: number): string | undefined => {
  const names: Array<string> = [];
  let at = afterSpace(bytes, from + 1);
  while (at < Math.min(bytes.length, from + headBytes) && bytes[at] === quote) {
    const end = endOfString(bytes, at);
    if (end === undefined) return undefined;
    names.push(bytes.toString("utf8", at, end));
    at = afterSpace(bytes, end);
    if (bytes[at] !== colon) return undefined;
    at = afterSpace(bytes, at + 1);
    if (bytes[at] === quote) at = endOfString(bytes, at) ?? bytes.length;
    else while (/[-+.\w]/.test(String.fromCharCode(bytes[at] ?? 0))) at++;
    at = afterSpace(bytes, at);
    if (bytes[at] !== comma) break;
    at = afterSpace(bytes, at + 1);
  }
  return names.length === 0 ? undefined : names.join();
};

/** True when the text from a place on ends these containers, the last one first, and nothing stands behind them. */
const isEndOf = (bytes: Buffer, from: number, containers: ReadonlyArray<Part>): boolean => {
  const open = containers.map(closerOf);
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    if (byte === quote) {
      const end = endOfString(bytes, at);
      if (end === undefined) return false;
      at = end;
      continue;
    }
    const character = String.fromCharCode(byte);
    if (character === "{") open.push("}");
    else if (character === "[") open.push("]");
    else if ((character === "}" || character === "]") && open.pop() !== character) return false;
    at++;
    if (open.length === 0) return afterSpace(bytes, at) === bytes.length;
  }
  return false;
};

/** The first piece that is no JSON, and the recorded containers around it, root first. */
interface Bad {
  readonly path: ReadonlyArray<Part>;
  readonly start: number;
  /** It stands directly behind another record, without a comma. */
  readonly isBehind: boolean;
}

const firstBad = (bytes: Buffer, path: ReadonlyArray<Part>, known: number): Bad | undefined => {
  const parts = path.at(-1)?.parts ?? [];
  for (const part of parts) {
    if (part.end > part.start && part.end <= known) continue;
    if (part.parts !== undefined) {
      const inside = firstBad(bytes, [...path, part], known);
      if (inside !== undefined) return inside;
    } else if (part.end <= part.start || parseShown(bytes.subarray(part.start, part.end)) === undefined)
      return { path, start: part.start, isBehind: false };
  }
  const here = path.at(-1);
  const isOpen = here !== undefined && here.end <= here.start;
  return isOpen ? { path, start: parts.at(-1)?.end ?? here.start + 1, isBehind: parts.length > 0 } : undefined;
};

/** Beginnings of the records of a list that stand before a place. */
const headsOf = (bytes: Buffer, list: Part, before: number): ReadonlySet<string> =>
  new Set(
    (list.parts ?? [])
      .filter(({ kind, start }) => kind === "object" && start < before)
      .slice(-mostSiblings)
      .flatMap(({ start }) => headOf(bytes, start) ?? []),
  );

/** Lists of the same name in the records before the one that a damage is in. */
const listsBefore = (path: ReadonlyArray<Part>, depth: number): ReadonlyArray<Part> =>
  (path[depth - 2]?.parts ?? [])
    .filter(({ start }) => start < (path[depth - 1]?.start ?? 0))
    .slice(-mostSiblings)
    .flatMap(({ parts = [] }) => parts.filter(({ key }) => key === path[depth]?.key));

/** The place of the name whose value stands at a place; undefined where no name stands there. */
const nameBefore = (bytes: Buffer, value: number): number | undefined => {
  let at = value - 1;
  while (isSpace(bytes[at] ?? 0)) at--;
  if (bytes[at] !== colon) return undefined;
  at--;
  while (isSpace(bytes[at] ?? 0)) at--;
  const begin = bytes[at] === quote ? bytes.lastIndexOf(quote, at - 1) : -1;
  return begin === -1 ? undefined : begin;
};

/** The next record of one of the lists around a damage: where it begins, and the depth of its list. */
const nextRecord = (bytes: Buffer, { path, start }: Bad) => {
  const lists = path.flatMap((list, depth) => {
    if (!isList(list)) return [];
    const own = headsOf(bytes, list, path[depth + 1]?.start ?? start);
    const others = own.size > 0 ? [] : listsBefore(path, depth).flatMap((one) => [...headsOf(bytes, one, start)]);
    return [{ depth, list, heads: new Set([...own, ...others]) }];
  });
  if (lists.every(({ heads }) => heads.size === 0)) return undefined;
  for (let at = bytes.indexOf(openBrace, start + 1); at !== -1; at = bytes.indexOf(openBrace, at + 1)) {
    const head = headOf(bytes, at);
    const found = head === undefined ? undefined : lists.findLast(({ heads }) => heads.has(head));
    if (found === undefined) continue;
    const begin = found.list.kind === "object" ? nameBefore(bytes, at) : at;
    if (begin !== undefined && begin > start) return { at: begin, depth: found.depth };
  }
  return undefined;
};

/** The end of the last list around a damage, and the depth of that list. */
const endOfList = (bytes: Buffer, { path, start }: Bad) => {
  const depth = path.findLastIndex(isList);
  const list = path[depth];
  if (list === undefined) return undefined;
  const containers = path.slice(0, depth + 1);
  const closer = closerOf(list);
  let at = bytes.indexOf(closer, start);
  for (let tries = 0; at !== -1 && tries < mostEnds; tries++, at = bytes.indexOf(closer, at + 1))
    if (isEndOf(bytes, at, containers)) return { at, depth };
  return undefined;
};

interface Gap {
  readonly start: number;
  readonly end: number;
  /** Text in its place. */
  readonly text: string;
}

/**
 * The gap from a damage to where reading goes on, in the list of this depth: the record there is left out as a whole, or,
 * when the damage stands in a list inside of it, from the damage on.
 */
const gapTo = ({ isBehind, path, start }: Bad, end: number, depth: number): Gap => {
  const inner = path.at(-1);
  const record = path[depth + 1];
  if (inner === undefined || record === undefined || isList(inner)) {
    const lead = isBehind ? ",0" : "0";
    return { start, end, text: `${lead}${closersOf(path.slice(depth + 1))}` };
  }
  return { start: record.start, end, text: "0" };
};

const gapOf = (bytes: Buffer, bad: Bad): (Gap & { readonly isTail: boolean }) | undefined => {
  const next = nextRecord(bytes, bad);
  if (next !== undefined) {
    const gap = gapTo(bad, next.at, next.depth);
    return { ...gap, text: `${gap.text},`, isTail: false };
  }
  const end = endOfList(bytes, bad);
  if (end !== undefined) return { ...gapTo(bad, end.at, end.depth), isTail: false };
  const depth = bad.path.findLastIndex(isList);
  if (depth === -1) return undefined;
  const gap = gapTo(bad, bytes.length, depth);
  return { ...gap, text: `${gap.text}${closersOf(bad.path.slice(0, depth + 1))}`, isTail: true };
};

/** The bytes of a gap without the white space and the comma behind them. */
const rawOf = (bytes: Buffer, { end, start }: Pick<Gap, "end" | "start">): Buffer => {
  let to = end;
  while (to > start + 1 && isSpace(bytes[to - 1] ?? 0)) to--;
  if (to > start + 1 && bytes[to - 1] === comma) to--;
  while (to > start + 1 && isSpace(bytes[to - 1] ?? 0)) to--;
  return Buffer.from(bytes.subarray(start, to));
};

/** The pieces of a damaged record that goes on over the next ones; `heads` are the beginnings of others of its list. */
export const piecesOf = (bytes: Buffer, heads: ReadonlySet<string>): ReadonlyArray<Damage> => {
  const starts = [0];
  for (let at = bytes.indexOf(openBrace, 1); at !== -1; at = bytes.indexOf(openBrace, at + 1)) {
    const head = headOf(bytes, at);
    if (head !== undefined && heads.has(head)) starts.push(at);
  }
  return starts.map((start, nth) => {
    const end = starts[nth + 1] ?? bytes.length;
    return { start, raw: rawOf(bytes, { start, end }), isTail: false };
  });
};

/** The beginnings of records, by which others of their list are found. */
export const headsIn = (records: ReadonlyArray<Buffer>): ReadonlySet<string> =>
  new Set(records.flatMap((bytes) => headOf(bytes, 0) ?? []));

/** The document without its damage; undefined where it cannot be told what is damaged, or nothing is. */
export const mend = (given: Buffer, descend: Descend): Mended | undefined => {
  let bytes = Buffer.from(given);
  const damages: Array<Damage> = [];
  const most = Math.min(mostDamages, Math.ceil(mostLooked / given.length));
  let known = 0;
  while (damages.length <= most) {
    const { isFull, problem, roots } = outlineOf(bytes, descend);
    const [root, second] = roots;
    if (root?.parts === undefined || second !== undefined || isFull) return undefined;
    if (problem === undefined) return damages.length === 0 ? undefined : { bytes, damages };
    const bad = firstBad(bytes, [root], known);
    const gap = bad === undefined ? undefined : gapOf(bytes, bad);
    if (gap === undefined) return undefined;
    const { end, isTail, start, text } = gap;
    if (text.length > end - start) {
      if (!isTail) return undefined;
      bytes = Buffer.concat([bytes, Buffer.alloc(text.length - (end - start), space)]);
    }
    const at = start + text.indexOf(String.fromCharCode(zero));
    damages.push({ start: at, raw: rawOf(given, { ...gap, start: at }), isTail });
    bytes.fill(space, start, bytes.length === given.length ? end : bytes.length);
    bytes.write(text, start, "latin1");
    if (text.endsWith(",")) {
      // The comma stands before the next record, as it did.
      bytes[start + text.length - 1] = space;
      bytes[end - 1] = comma;
    }
    known = start;
  }
  return undefined;
};
