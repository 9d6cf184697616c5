/**
 * Describing a thread sparingly: a fact only when something changed against what the thread's carry remembers.
 *
 * Room: domain.
 *
 * Transcripts repeat working directory, branch, version and model on every line; without this each line would
 * write the thread's row again.
 */
import type { Fact, ThreadDescribed } from "../Fact.ts";
import { isObject, type JsonValue, objectAt } from "../Json.ts";
import type { Carry } from "./Interpreter.ts";
import { memo } from "./memory.ts";

export type Fields = Pick<
  ThreadDescribed,
  "title" | "tool" | "client" | "provider" | "model" | "cwd" | "branch" | "session" | "parentThreadId" | "relation"
>;

/** Form in which a field is remembered; a program is one string. */
const remembered = (value: JsonValue | Fields["client"]): string =>
  typeof value === "string"
    ? memo(value)
    : isObject(value)
      ? memo(`${String(value["name"])} ${String(value["version"] ?? "")}`)
      : "";

/** Adds a description to `facts` when a field is new or has changed; returns what to remember. */
export const describe = (facts: Array<Fact>, carry: Carry, fields: Fields): Carry => {
  const known = objectAt(carry, "described") ?? {};
  let changed: Record<string, unknown> | undefined;
  let after: Record<string, JsonValue> | undefined;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === "") continue;
    const memory = remembered(value);
    if (known[name] === memory) continue;
    (changed ??= {})[name] = value;
    (after ??= { ...known })[name] = memory;
  }
  if (changed === undefined || after === undefined) return carry;
  facts.push({ _tag: "ThreadDescribed", ...(changed as Fields) });
  return { ...carry, described: after };
};
