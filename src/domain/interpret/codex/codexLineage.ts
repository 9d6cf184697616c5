/**
 * Names that a Codex rollout shares with the one it was forked from.
 *
 * Room: domain.
 *
 * A fork or a sub-agent's file begins with a copy of its parent's lines, written anew: other times, no ids. So a message
 * without an id is named by what was said before it: the chain of the person's prompts, and in a turn the words
 * themselves and how often they came. A copy has the names of its original, whatever else was left out (a sub-agent is
 * given no thoughts and no calls), and the first prompt of the fork's own ends that.
 *
 * A resumed session may write its whole history into its file once more, behind its `session_meta` (openai/codex#29531): where
 * the first prompt follows at once, or the line is the very same, the chain begins again.
 */
import { createHash } from "node:crypto";
import { arrayAt, type JsonObject, numberAt, stringAt } from "../../Json.ts";
import type { Carry } from "../Interpreter.ts";
import { withList } from "../memory.ts";
import { wordsOf } from "../parts.ts";

/**
 * Time from its beginning in which a file still holds copies, milliseconds: they are written in one go. A prompt that is sent again in
 * the fork by hand, to have another answer, comes later and is the fork's own.
 */
const copyingMillis = 10_000;

const digest = (...texts: ReadonlyArray<string>): string => {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${text.length}:`).update(text, "utf16le");
  return hash.digest("hex").slice(0, 24);
};

/** Lineage of the thread, from its first line on. */
export const descend = (carry: Carry, from: string | undefined, at: number | undefined): Carry =>
  from === undefined ? carry : { ...carry, from, ...(at === undefined ? {} : { begun: at }) };

/** The thread that a line said then may be copied from. */
export const originOf = (carry: Carry, at: number | undefined): string | undefined => {
  const begun = numberAt(carry, "begun");
  return at !== undefined && begun !== undefined && at > begun + copyingMillis ? undefined : stringAt(carry, "from");
};

const unchained = (carry: Carry): Carry => withList({ ...carry, turn: "", tokenTotal: "" }, "said", []);

/** A `session_meta` of the thread itself, said at that time; a second one may begin the history again. */
export const beginAgain = (carry: Carry, at: number): Carry => {
  const first = numberAt(carry, "metaAt");
  if (first === undefined) return { ...carry, metaAt: at };
  return first === at ? unchained(carry) : { ...carry, again: at };
};

/** The carry before a prompt: without its chain where this is the thread's first prompt, written once more. */
const atPrompt = (carry: Carry, said: string, at: number): Carry => {
  const { again, ...rest } = carry;
  if (typeof again !== "number") return carry;
  const isCopy = at <= again + copyingMillis && digest("", said) === stringAt(carry, "firstPrompt");
  return isCopy ? unchained(rest) : rest;
};

/** A name for a message without one. A prompt of a person lengthens the chain. */
export const nameMessage = (
  item: JsonObject,
  carry: Carry,
  { at, isPrompt }: { readonly isPrompt: boolean; readonly at: number },
): { readonly messageId: string; readonly carry: Carry } => {
  const words = wordsOf(item["content"]).join("\n");
  const said = digest(stringAt(item, "role") ?? "", words === "" ? JSON.stringify(item["content"] ?? null) : words);
  if (isPrompt) {
    const before = atPrompt(carry, said, at);
    const turn = stringAt(before, "turn") ?? "";
    const messageId = digest(turn, said);
    const first = turn === "" ? { firstPrompt: messageId } : {};
    return { messageId, carry: withList({ ...before, ...first, turn: messageId }, "said", []) };
  }
  const turn = stringAt(carry, "turn") ?? "";
  const before = arrayAt(carry, "said");
  const name = said.slice(0, 8);
  const nth = before.filter((one) => one === name).length;
  return { messageId: digest(turn, said, String(nth)), carry: withList(carry, "said", [...before, name].slice(-100)) };
};

/** A name for a count that has none: what was counted in all, at this point of the conversation. */
export const nameCount = (total: string, carry: Carry): string => digest(stringAt(carry, "turn") ?? "", total);
