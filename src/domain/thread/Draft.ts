/**
 * A draft: an answer that is still being said, put together from its deltas.
 *
 * Room: domain.
 *
 * A delta goes on with the part that is being said, or begins the next one. Tool calls may be told in turns, so theirs
 * are joined by call id. The cuts between deltas leave no trace: a draft is its parts.
 */
import { Schema } from "effect";
import { maybe, type Part } from "./Content.ts";
import { isObject } from "../Json.ts";

/** Next piece of an answer: words, a thought, or the arguments of a tool call as JSON text. */
export type Delta =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "thinking"; readonly text: string; readonly signature?: string | undefined }
  | {
      readonly type: "tool_use";
      readonly callId: string;
      readonly text: string;
      /** Said with the first delta of a call; later ones may leave them out. */
      readonly name?: string | undefined;
      readonly server?: string | undefined;
    };

/** Delta as a provider's stream gives it: `undefined` and `null`, of chunks without words, say nothing. */
export type GivenDelta = Delta | string | null | undefined;

const kinds: ReadonlySet<unknown> = new Set(["text", "thinking", "tool_use"]);
const isWord = (value: unknown): boolean => value == null || typeof value === "string";

/** True when a program that was not checked by its types says something that can be said. */
export const isDelta = (given: unknown): given is GivenDelta => {
  if (isWord(given)) return true;
  if (!isObject(given) || !kinds.has(given["type"]) || typeof given["text"] !== "string") return false;
  if (given["type"] === "tool_use" && typeof given["callId"] !== "string") return false;
  return isWord(given["name"]) && isWord(given["server"]) && isWord(given["signature"]);
};

/** One part of a draft; `text` of a tool call is its arguments so far. */
export const DraftPart = Schema.Struct({
  type: Schema.Literals(["text", "thinking", "tool_use"]),
  text: Schema.String,
  signature: maybe(Schema.String),
  callId: maybe(Schema.String),
  name: maybe(Schema.String),
  server: maybe(Schema.String),
});
export type DraftPart = typeof DraftPart.Type;

/** Place of a delta: its part, and the part's length before it, in UTF-16 units. */
export interface Place {
  readonly part: number;
  readonly offset: number;
}

/** Condition of an answer: still being said, broken off, or said to its end. */
export type Ending = "unfinished" | "aborted" | "complete";

/** JSON text that is whole: only an object's is, because nothing can follow its last brace. */
const wholeArguments = (text: string): unknown => {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

/** A call's arguments as its event holds them: none said is none given, and invalid JSON is kept as it is. */
const saidArguments = (text: string): unknown => {
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

/**
 * A tool is asked for only when its arguments are whole: a call that broke off in the middle was never made, so it is
 * kept as words of the message and is no call.
 */
const callPart = (part: DraftPart, ending: Ending): Part => {
  const { callId, name, server, text } = part;
  const call = {
    type: "tool_use",
    callId: callId ?? "",
    name: name ?? "",
    ...(server == null ? {} : { server }),
  } as const;
  if (ending === "complete") return { ...call, arguments: saidArguments(text) };
  const whole = wholeArguments(text);
  if (whole !== undefined) return { ...call, arguments: whole };
  const { type: _, ...asked } = call;
  return { type: "other", kind: "tool_use_unfinished", value: { ...asked, arguments: text } };
};

/** The parts of a message that stands like this. A part in which nothing was said is left out. */
export const partsOf = (parts: ReadonlyArray<DraftPart>, ending: Ending): ReadonlyArray<Part> =>
  parts.flatMap((part): ReadonlyArray<Part> => {
    if (part.type === "tool_use") return [callPart(part, ending)];
    if (part.type === "text") return part.text === "" ? [] : [{ type: "text", text: part.text }];
    const isSigned = part.signature != null;
    if (part.text === "" && !isSigned) return [];
    return [{ type: "thinking", text: part.text, ...(isSigned ? { signature: part.signature } : {}) }];
  });

/** Grows in place: an answer has thousands of deltas, and each costs what it says and no more. */
export class Draft {
  readonly #parts: Array<DraftPart>;
  #length = 0;

  constructor(parts: ReadonlyArray<DraftPart> = []) {
    this.#parts = [...parts];
    this.#length = parts.reduce((sum, { text }) => sum + text.length, 0);
  }

  get parts(): ReadonlyArray<DraftPart> {
    return this.#parts;
  }

  /** Length of what was said, in UTF-16 units. */
  get length(): number {
    return this.#length;
  }

  add(delta: Delta): Place {
    const open = this.#find(delta);
    const part = open < 0 ? this.#parts.length : open;
    const before = this.#parts[part];
    const text = before?.text ?? "";
    const { text: more, ...rest } = delta;
    const said = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    this.#parts[part] = { ...before, ...(said as Omit<DraftPart, "text">), text: text + more };
    this.#length += more.length;
    return { part, offset: text.length };
  }

  #find(delta: Delta): number {
    if (delta.type === "tool_use") {
      return this.#parts.findLastIndex(({ type, callId }) => type === "tool_use" && callId === delta.callId);
    }
    const last = this.#parts.length - 1;
    const open = this.#parts[last];
    // A signature closes a thought: what is thought after it is another one.
    const isSame = open?.type === delta.type && open.signature == null;
    return isSame ? last : -1;
  }
}
