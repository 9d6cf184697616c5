/**
 * Answers within a number of tokens: what fits is there, and what does not is said.
 *
 * Room: query.
 */
import { cutText } from "../../domain/secret/CutText.ts";
import { isObject, type JsonObject, type JsonValue } from "../../domain/Json.ts";
import { tokensIn } from "./Tokens.ts";

/** Tokens of an answer by default, and the bounds of what a caller may ask for. */
export const defaultTokens = 6_000;
export const fewestTokens = 300;
export const mostTokens = 20_000;

/** Tokens of `total`, `truncated` and `next`, and the braces around everything. */
const frameTokens = 80;

/** A text up to a length, and how much of it is not here. */
export const clip = (text: string, length: number): string => {
  if (text.length <= length) return text;
  const head = cutText(text, length);
  return `${head}… [+${text.length - head.length} characters]`;
};

const cutMark = /… \[\+(\d+) characters\]$/;

/** Clipped again: what is not here is counted from the whole. */
const clipAgain = (text: string, length: number): string => {
  const mark = cutMark.exec(text);
  if (mark === null) return clip(text, length);
  const head = text.slice(0, Math.min(length, mark.index)).toWellFormed();
  return `${head}… [+${mark.index - head.length + Number(mark[1])} characters]`;
};

const longest = (value: JsonValue): number => {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  return Math.max(0, ...Object.values(value).map(longest));
};

const withTextsOf = (value: JsonValue, length: number): JsonValue => {
  if (typeof value === "string") return value.length <= length ? value : clipAgain(value, length);
  if (Array.isArray(value)) return value.map((one) => withTextsOf(one, length));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withTextsOf(one, length)]));
};

/** The shortest text that is cut for room: an id is never. */
const shortest = 80;

export const sizeOf = (value: JsonValue): number => tokensIn(JSON.stringify(value));

/** The value with its longest texts cut until it fits; its small parts stay, whatever they take. */
export const shrunk = (value: JsonValue, tokens: number, size = sizeOf): JsonValue => {
  let smaller = value;
  for (let length = longest(value); length > shortest && size(smaller) > tokens;) {
    length = Math.max(shortest, Math.floor(length / 2));
    smaller = withTextsOf(smaller, length);
  }
  return smaller;
};

/** The most items, from the first, that fit beside the head. The first one is always there, shrunk if need be. */
export const fitting = <A extends JsonValue>(
  head: JsonObject,
  items: ReadonlyArray<A>,
  tokens: number,
): ReadonlyArray<JsonValue> => {
  let left = tokens - frameTokens - sizeOf(head);
  const taken: Array<JsonValue> = [];
  for (const item of items) {
    const size = sizeOf(item) + 1;
    if (size > left) {
      if (taken.length === 0) taken.push(shrunk(item, Math.max(shortest, left)));
      break;
    }
    left -= size;
    taken.push(item);
  }
  return taken;
};
