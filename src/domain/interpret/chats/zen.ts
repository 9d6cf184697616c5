/**
 * Zen (now PAL): a thread context around its turns.
 *
 * Room: domain.
 *
 * A turn's role `user` is the agent that calls the server, `assistant` the model it asked. `tool_name` is the tool a
 * turn was made with, not a call. `model_metadata` is `{usage, metadata}` or a workflow's own state.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, isObject, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import { describe } from "../describe.ts";
import { noted, notUnderstood } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { imageAt, partsOf, wordsOf } from "../parts.ts";
import { chatTokens } from "../tokens.ts";

const format = "zen";

const turn = (said: JsonObject, role: string, context: EntryContext): ReadonlyArray<Fact> => {
  const messageId = context.eventId;
  const provider = stringAt(said, "model_provider");
  const model = stringAt(said, "model_name");
  const parts: ReadonlyArray<Part> = [
    ...partsOf(said["content"]),
    ...wordsOf(said["files"]).map((path): Part => ({ type: "file", path })),
    ...wordsOf(said["images"]).map((image) => imageAt(image)),
  ];
  const facts: Array<Fact> = [
    { _tag: "MessageSaid", messageId, segment: "", role, parts, tool: stringAt(said, "tool_name"), provider, model },
  ];
  const usage = chatTokens(objectAt(said, "model_metadata")?.["usage"]);
  if (usage !== undefined) {
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${context.eventId}`,
      providerMessageId: messageId,
      messageId,
      provider,
      model,
      usage,
    });
  }
  return facts;
};

const frame = (thread: JsonObject, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const initial = objectAt(thread, "initial_context");
  const after = describe(facts, carry, {
    client: { name: format },
    tool: stringAt(thread, "tool_name"),
    model: stringAt(initial, "model"),
    cwd: stringAt(initial, "working_directory"),
    parentThreadId: stringAt(thread, "parent_thread_id"),
  });
  return {
    facts: [...facts, noted(arrayAt(thread, "turns").length === 0 ? "thread context" : "thread context with turns")],
    carry: after,
  };
};

export const zen: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
    const role = stringAt(entry, "role");
    if (context.place !== "frame" && role !== undefined) return { facts: turn(entry, role, context) };
    return context.place === "element"
      ? { facts: [notUnderstood(format, "turn without a role")] }
      : frame(entry, carry);
  },
};
