/**
 * Cutting values down to a size that is known beforehand, and never into half a character.
 *
 * Room: domain.
 *
 * Sizes are bytes of JSON in UTF-8, quotes and escapes included, because that is what a stored value takes:
 * a control character is one code unit and six bytes.
 */
import { createHash } from "node:crypto";
import { utf8Length } from "./Json.ts";
import { cutAt } from "./secret/CutText.ts";

/** Bytes of a value as JSON in UTF-8; 0 for what JSON leaves out. */
export const jsonBytes = (value: unknown): number => {
  const json = JSON.stringify(value) as string | undefined;
  return json === undefined ? 0 : utf8Length(json);
};

/**
 * The same value as JSON gives it back, in memory of its own. The stored and the held value are then equal to the
 * last digit (JSON has no -0 and no Infinity), and a short slice does not keep the megabyte it was cut from alive.
 */
export const own = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** The same, and the bytes of JSON it takes: one writing for both. */
export const ownSized = <T>(value: T): { readonly owned: T; readonly bytes: number } => {
  const json = JSON.stringify(value);
  return { owned: JSON.parse(json) as T, bytes: utf8Length(json) };
};

/** True when a text fits whatever it says: a code unit takes at most six bytes, and there are two quotes. Most texts do. */
const surelyFits = (text: string, bytes: number): boolean => text.length * 6 + 2 <= bytes;

/** The first `length` code units, one less where the cut would fall into a surrogate pair. */
const firstUnits = (text: string, length: number): string => {
  const last = text.charCodeAt(length - 1);
  const splits = length < text.length && last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, splits ? length - 1 : length);
};

/** The beginning of a text, at most `bytes` large as JSON, without half a secret at its end. A text that fits is itself. */
export const headOf = (text: string, bytes: number): string => {
  if (surelyFits(text, bytes)) return text;
  // Each unit takes a byte or more, so nothing beyond this length can fit.
  let length = Math.min(text.length, Math.max(0, bytes - 2));
  while (length > 0) {
    const head = firstUnits(text, length);
    const size = jsonBytes(head);
    if (size <= bytes) return head.length === text.length ? head : firstUnits(text, cutAt(text, head.length));
    length = Math.min(length - 1, Math.floor((length * bytes) / size));
  }
  return "";
};

/** Ids up to this size stand as they are: twice what a thread id may have, for ids made of several. */
const wholeIdBytes = 512;

/** An id that names the same thing and is short: a huge one becomes its beginning and its SHA-256. */
export const shortId = (id: string): string =>
  surelyFits(id, wholeIdBytes) || (id.length <= wholeIdBytes && jsonBytes(id) <= wholeIdBytes)
    ? id
    : `${headOf(id, 128)}#${createHash("sha256").update(id, "utf16le").digest("hex")}`;

/** The keys that say something. Stored values have no key with `undefined`: JSON would lose it. */
export type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** By a loop, because every message is described this way: entries made and put together again took six times as long. */
export const present = <T extends object>(value: T): Present<T> => {
  const kept: Partial<T> = {};
  for (const key in value) if (value[key] !== undefined) kept[key] = value[key];
  return kept as unknown as Present<T>;
};
