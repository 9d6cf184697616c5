/**
 * Small builders that every interpreter uses: notices, argument text, sizes, a server's name.
 *
 * Room: domain.
 */
import type { Noted, NotUnderstood, ThreadDescribed } from "../Fact.ts";
import { cutText } from "../secret/CutText.ts";
import { isObject, type JsonValue, stringAt, utf8Length } from "../Json.ts";
import { wordsOf } from "./parts.ts";

/** Longest error message in a fact, in UTF-16 units: enough to recognise an error; the whole of it is in the entry. */
const maxErrorLength = 500;
/** Longest name of something not understood: it becomes a group in a report. */
const maxNameLength = 100;

export const errorText = (text: string): string => cutText(text, maxErrorLength);

/** The entry is known and says nothing that is counted; `text` when a reader may want its words. */
export const noted = (kind: string, text?: string): Noted =>
  text === undefined || text === "" ? { _tag: "Noted", kind } : { _tag: "Noted", kind, text };

/** Thoughts of a model outside of any message. */
export const thought = (text: string): Noted => noted("thinking", text);

export const notUnderstood = (format: string, what: string): NotUnderstood => ({
  _tag: "NotUnderstood",
  what: `${format} ${cutText(what, maxNameLength)}`,
});

/** The id at `key`. An empty one names nothing, so it is none. */
export const idAt = (value: unknown, key: string): string | undefined => {
  const found = stringAt(value, key);
  return found === "" ? undefined : found;
};

/** The kind of an entry that has no name for itself. */
export const nameOf = (value: JsonValue | undefined): string =>
  typeof value === "string" && value !== "" ? value : "entry without a type";

/** A thread description that is not weighed against what is known: rare lines only; else use `describe`. */
export const threadDescribed = (fields: Omit<ThreadDescribed, "_tag">): ThreadDescribed => ({
  _tag: "ThreadDescribed",
  ...fields,
});

/**
 * JSON text of a value that came out of JSON; a missing one is `null`. `JSON.stringify` recurses, so a value nested
 * some ten thousand levels deep may end the stack: such a one is named and stays readable in its entry.
 */
export const jsonText = (value: JsonValue | undefined, shown?: (key: string, value: unknown) => unknown): string => {
  try {
    return JSON.stringify(value ?? null, shown);
  } catch {
    return '"nested too deep to be written"';
  }
};

/** Size of a value, bytes: a string counts as its own bytes, nothing as 0, anything else as its JSON. */
export const sizeOf = (value: JsonValue | undefined): number =>
  value === undefined || value === null ? 0 : utf8Length(typeof value === "string" ? value : jsonText(value));

/** Shorter bytes are left: they cost less than to look for them. */
const leastBytes = 256;

const isBytes = (key: string, value: unknown): value is string =>
  typeof value === "string" &&
  value.length > leastBytes &&
  (value.startsWith("data:") || ((key === "data" || key === "blob") && /^[A-Za-z0-9+/]{64}/.test(value)));

/** JSON text without the bytes of images and files, which are left in the entry. */
const jsonWithoutBytes = (value: JsonValue): string => {
  const text = jsonText(value);
  return text.length > leastBytes && /"(?:data|blob)":"|"data:/.test(text)
    ? jsonText(value, (key, one) => (isBytes(key, one) ? `[${one.length} characters]` : one))
    : text;
};

/** The readable form of a result: its texts, or its JSON where it has none. */
export const resultText = (result: JsonValue | undefined): string | undefined => {
  if (result === undefined || result === null) return undefined;
  if (typeof result === "string") return result;
  const content = isObject(result) ? (result["content"] ?? result["output"]) : result;
  if (typeof content === "string") return content;
  const words = wordsOf(content);
  return words.length > 0 ? words.join("\n") : jsonWithoutBytes(result);
};

/** The value of a JSON text, or undefined when it is none. */
export const parsed = (text: string): JsonValue | undefined => {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
};

/** Arguments of a call as a value: some formats write them as JSON in a string; a string that is no JSON stays one. */
export const argumentsValue = (written: JsonValue | undefined): JsonValue =>
  typeof written === "string" ? (parsed(written) ?? (written === "null" ? null : written)) : (written ?? null);

/** Arguments of a call as JSON text: valid JSON in a string is kept to the letter. */
export const argumentsText = (written: JsonValue | undefined): string =>
  typeof written === "string" && parsed(written) !== undefined ? written : jsonText(written);

/** The MCP server in a name like `mcp__server__tool`, or in a namespace like `mcp__server`. */
export const serverOf = (name: string): string | undefined => /^mcp__(.+?)(?:__|$)/.exec(name)?.[1];
