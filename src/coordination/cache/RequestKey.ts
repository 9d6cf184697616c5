/**
 * The key of a request: its canonical form, and its hash; and an answer as JSON. Pure.
 *
 * Room: coordination.
 *
 * The form is that of RFC 8785: JSON without spaces, members in the order of their names as UTF-16, numbers and strings as
 * ECMAScript writes them. So the order in which a program wrote its parameters does not matter, and everything else does.
 * A value that JSON has no word for is refused, and not left out: two requests that differ in it would be one.
 */
import { Result, Schema } from "effect";
import { createHash } from "node:crypto";

/** The request can have no key: too large, too deep, or no JSON. Nothing was asked. */
export class RequestRefused extends Schema.TaggedError<RequestRefused>()("RequestRefused", {
  name: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}

/** Largest request, in UTF-16 units of its form: a conversation of a million tokens is some 4 MB. */
export const maxRequestLength = 8 * 1024 * 1024;
/** Deepest nesting: what is deeper is a cycle, or meant to end the stack. */
export const maxRequestDepth = 64;
/** Longest name of a tool or model, in characters: it is a column, a key and a word on the command line. */
export const maxNameLength = 200;

/** The answer is no plain JSON, so no later caller could be given the same. It was asked for, and is not kept. */
export class AnswerRefused extends Schema.TaggedError<AnswerRefused>()("AnswerRefused", {
  name: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}

class Unwritable {
  readonly why: string;

  constructor(why: string) {
    this.why = why;
  }
}

const whyOf = (error: unknown): string => (error instanceof Unwritable ? error.why : String(error));

/** Throws for what JSON has no word for, or would make one and the same of: a map, a set, an error. */
const checkWritable = (value: unknown): void => {
  const kind = typeof value;
  if (kind === "bigint" || kind === "function" || kind === "symbol") throw new Unwritable(`it holds a ${kind}`);
  if (kind === "number" && !Number.isFinite(value)) throw new Unwritable(`it holds ${String(value)}`);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return;
  const shape = Object.prototype.toString.call(value);
  if (shape !== "[object Object]") throw new Unwritable(`it holds a ${shape.slice("[object ".length, -1)}`);
};

const write = (value: unknown, depth: number): string | undefined => {
  if (depth > maxRequestDepth) throw new Unwritable(`it is nested more than ${maxRequestDepth} deep`);
  if (typeof value === "object" && value !== null && "toJSON" in value && typeof value.toJSON === "function") {
    return write(value.toJSON(), depth + 1);
  }
  checkWritable(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => write(item, depth + 1) ?? "null").join(",")}]`;
  const members = Object.entries(value)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([name, member]) => {
      const text = write(member, depth + 1);
      return text === undefined ? [] : [`${JSON.stringify(name)}:${text}`];
    });
  return `{${members.join(",")}}`;
};

/** An answer as JSON, by the rules of requests: what has `toJSON` as that says, members that are undefined left out. */
export const jsonOf = (name: string, value: unknown): Result.Result<string, AnswerRefused> => {
  const checked = (_: string, member: unknown) => {
    checkWritable(member);
    return member;
  };
  try {
    return Result.succeed(JSON.stringify(value ?? null, checked));
  } catch (error) {
    const message = `The answer of ${name.slice(0, maxNameLength)} cannot be given again: ${whyOf(error)}.`;
    const hint = "Answer with plain JSON, for example Object.fromEntries(map) in place of a map.";
    return Result.fail(new AnswerRefused({ name: name.slice(0, maxNameLength), message, hint }));
  }
};

export interface Request {
  /** Kind and name of what answers. */
  readonly kind: "tool" | "model";
  readonly name: string;
  /** Everything that the answer depends on: model, messages and parameters, or a tool's arguments. Any JSON. */
  readonly request: unknown;
}

/** SHA-256 in lower-case hexadecimal. Equal for equal requests, and only for them. */
export const keyOf = ({ kind, name, request }: Request): Result.Result<string, RequestRefused> => {
  const refuse = (why: string) =>
    Result.fail(
      new RequestRefused({
        name: name.slice(0, maxNameLength),
        message: `This request cannot be cached: ${why}.`,
        hint: "Ask without the cache.",
      }),
    );
  if (name === "" || name.length > maxNameLength) return refuse(`a name has 1 to ${maxNameLength} characters`);
  try {
    const text = write(request, 0) ?? "null";
    if (text.length > maxRequestLength)
      return refuse(`it has ${text.length} characters; ${maxRequestLength} are possible`);
    const form = `${JSON.stringify([kind, name])}${text}`;
    return Result.succeed(createHash("sha256").update(form).digest("hex"));
  } catch (error) {
    return refuse(whyOf(error));
  }
};
