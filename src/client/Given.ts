/**
 * Arguments as a program gives them: what is no object at all is refused in words.
 *
 * Room: client.
 *
 * TypeScript sees such a slip; a program in JavaScript would be told of a fault of Recollect's.
 */
import { Schema } from "effect";
import { errorOf } from "./RecollectError.ts";

/** Arguments that a call does not take. Nothing was done. */
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>()("InvalidArgument", {
  message: Schema.String,
  hint: Schema.String,
}) {}

const invalid = (message: string, hint = "docs/publishing.md shows each call."): Error =>
  errorOf(new InvalidArgument({ message, hint }));

const named = (value: unknown): string => (value === null ? "null" : Array.isArray(value) ? "a list" : typeof value);

/** The value, when it is an object. Throws `InvalidArgument`. */
export const asObject = <T extends object>(value: T, call: string): T => {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw invalid(`${call} takes an object, and was given ${named(value)}.`);
};

/** The value, when it is a list. Throws `InvalidArgument`. */
export const asList = <T>(value: ReadonlyArray<T>, call: string): ReadonlyArray<T> => {
  if (Array.isArray(value)) return value;
  throw invalid(`${call} takes a list, and was given ${named(value)}.`);
};

/** The value, when it is a text. Throws `InvalidArgument`. */
export const asText = (value: string, call: string): string => {
  if (typeof value === "string") return value;
  throw invalid(`${call} takes a text, and was given ${named(value)}.`);
};

/** The value, when it is a function. Throws `InvalidArgument`. */
export const asFunction = <T extends (...given: never) => unknown>(value: T, call: string): T => {
  if (typeof value === "function") return value;
  throw invalid(`${call} takes a function, and was given ${named(value)}.`);
};

/** The value, when it can be gone through by `for await`. Throws `InvalidArgument`. */
export const asAsyncIterable = <T>(value: AsyncIterable<T>, call: string): AsyncIterable<T> => {
  if (typeof value?.[Symbol.asyncIterator] === "function") return value;
  throw invalid(`${call} takes an async iterable, and was given ${named(value)}.`);
};

/** The options, when each is one of these names. Throws `InvalidArgument`. */
export const asOptions = <T extends object>(value: T, names: ReadonlyArray<string>, call: string): T => {
  const strange = Object.keys(asObject(value, call)).filter((name) => !names.includes(name));
  if (strange.length === 0) return value;
  throw invalid(`${call} knows no option ${strange.join(", ")}.`, `It knows ${names.join(", ")}.`);
};
