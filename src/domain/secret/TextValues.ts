/**
 * A text's characters as the finder sees them: runs of letters, digits, `_` and `-`, and values behind a separator.
 *
 * Room: domain.
 */
import { isDigit } from "./ShapeMatch.ts";

/** Shorter runs are words. */
export const leastRun = 16;
const longestValue = 4_096;
/** Without quotes: what is longer is no value that a person or a program would write so. */
const longestBareValue = 512;

const token = 1;
const runs = ((): Uint8Array => {
  const table = new Uint8Array(128);
  for (const character of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    table[character.charCodeAt(0)] = token;
  return table;
})();
export const isRun = (code: number): boolean => code < 128 && runs[code] === token;

export const dash = 45;
export const colon = 58;
export const equals = 61;
export const dot = 46;
export const space = 32;
export const quote = 34;
const apostrophe = 39;
export const backslash = 92;
export const slash = 47;
const percent = 37;
const newline = 10;
const carriage = 13;
export const isQuote = (code: number): boolean => code === quote || code === apostrophe || code === 96;

export const runEnd = (text: string, from: number): number => {
  let at = from;
  while (at < text.length && isRun(text.charCodeAt(at))) at++;
  return at;
};

/** Behind `\n`, `%3D`, `\u001b[32m`: characters of an escape that only look like the run's beginning. */
export const realStart = (text: string, start: number): number => {
  const before = text.charCodeAt(start - 1);
  const first = text[start] ?? "";
  if (before === backslash && "nrtbf".includes(first)) return start + 1;
  if (before === backslash && first === "u") return start + 5;
  if (before === percent) return start + 2;
  if (before !== 91) return start;
  let at = start;
  while (isDigit(text.charCodeAt(at))) at++;
  return at > start && text[at] === "m" ? at + 1 : start;
};

export const base64End = (text: string, from: number): number => {
  let at = from;
  while (at < text.length && at - from < longestValue) {
    const code = text.charCodeAt(at);
    if (!isRun(code) && code !== slash && code !== 43 && code !== equals && code !== dot && code !== 126) break;
    at++;
  }
  return at;
};

/** A value in quotes or not: where it stands. */
export interface Value {
  readonly start: number;
  readonly end: number;
  readonly isQuoted: boolean;
}

/** In quotes: up to the same quote, behind as many backslashes. */
const quotedValue = (text: string, start: number, close: number, slashes: number): Value | undefined => {
  const last = Math.min(text.length, start + longestValue);
  for (let at = start; at < last; at++) {
    const code = text.charCodeAt(at);
    if (code === newline) return undefined;
    if (code !== close) continue;
    let behind = 0;
    while (text.charCodeAt(at - 1 - behind) === backslash) behind++;
    if (behind <= slashes) return { start, end: at - behind, isQuoted: true };
  }
  // A text that was cut off in the middle of it.
  return last === text.length ? { start, end: last, isQuoted: true } : undefined;
};

const endsValue = (code: number): boolean =>
  code <= space ||
  isQuote(code) ||
  code === 44 ||
  code === 59 ||
  code === 38 ||
  code === 124 ||
  code === 60 ||
  code === 62 ||
  code === 92 ||
  code === 41 ||
  code === 93 ||
  code === 125;

export const bareValue = (text: string, start: number): Value => {
  const last = Math.min(text.length, start + longestBareValue);
  let end = start;
  while (end < last && !endsValue(text.charCodeAt(end))) end++;
  return { start, end, isQuoted: false };
};

/** Behind more of the same quote, which SQL doubles in a literal and Python triples; `from` where nothing stands in them. */
const behindQuotes = (text: string, from: number, quoted: number): number => {
  let at = from;
  while (at - from < 3 && text.charCodeAt(at) === quoted) at++;
  return at < text.length && !endsValue(text.charCodeAt(at)) ? at : from;
};

/** The value that begins at or behind `from`, after at most some spaces. */
export const valueAt = (text: string, from: number): Value | undefined => {
  let at = from;
  while (at - from < 4 && text.charCodeAt(at) === space) at++;
  let slashes = 0;
  while (text.charCodeAt(at + slashes) === backslash) slashes++;
  const first = text.charCodeAt(at + slashes);
  if (isQuote(first)) return quotedValue(text, behindQuotes(text, at + slashes + 1, first), first, slashes);
  return slashes > 0 ? undefined : bareValue(text, at);
};

/** The whole rest of a line, or of the text in quotes. */
export const restOfLine = (text: string, start: number): number => {
  const last = Math.min(text.length, start + longestValue);
  let end = start;
  while (end < last) {
    const code = text.charCodeAt(end);
    if (code === newline || code === carriage || isQuote(code) || code === backslash) break;
    end++;
  }
  return end;
};
