/**
 * Items of the OpenAI Agents SDK for JavaScript: what was said, thought, called and returned.
 *
 * Room: domain.
 *
 * The shape of Responses with names in camel case (`callId`, `function_call_result`). Read from @openai/agents-core 0.20.0.
 * Items carry no usage. An item without an id has its entry's event id.
 */
import type { Fact } from "../../Fact.ts";
import { isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { threadKey, toolCalled, toolReturned } from "../calls.ts";
import { idAt, noted, notUnderstood, thought } from "../facts.ts";
import type { EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { partsOf, thinkingText } from "../parts.ts";

const format = "openai-agents";

const said = (item: JsonObject, role: string, { eventId }: EntryContext): Interpretation => ({
  facts: [
    {
      _tag: "MessageSaid",
      messageId: idAt(item, "id") ?? eventId,
      segment: "",
      role,
      parts: partsOf(item["content"]),
      isMeta: role === "system",
    },
  ],
});

/** A string, a text block, or a list of blocks. */
const outputOf = (item: JsonObject): JsonValue | undefined => {
  const output = item["output"];
  return stringAt(output, "text") ?? output;
};

const called = (item: JsonObject, type: string, { eventId, threadId }: EntryContext): ReadonlyArray<Fact> => {
  const callId = idAt(item, "callId") ?? idAt(item, "id") ?? eventId;
  const callKey = threadKey(threadId, callId);
  const name = stringAt(item, "name") ?? type;
  const call = toolCalled({ callKey, callId, name, arguments: item["arguments"] ?? item["action"] });
  // A hosted tool's item holds its result.
  if (type !== "hosted_tool_call" || item["output"] === undefined) return [call];
  return [call, toolReturned({ callKey, callId, result: outputOf(item), failure: failureOf(item) })];
};

const failureOf = (item: JsonObject) => {
  const status = stringAt(item, "status");
  const isFailed = status === "failed" || status === "incomplete";
  return isFailed ? { type: status, message: stringAt(item["output"], "text") ?? status } : undefined;
};

const returned = (item: JsonObject, { threadId }: EntryContext): Fact => {
  const callId = idAt(item, "callId") ?? "";
  const callKey = threadKey(threadId, callId);
  return toolReturned({ callKey, callId, result: outputOf(item), failure: failureOf(item) });
};

const calls = new Set(["function_call", "hosted_tool_call", "computer_call", "shell_call", "apply_patch_call"]);

export const openaiAgents: Interpreter = {
  format,
  interpret: (entry, context) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
    const role = stringAt(entry, "role");
    const type = stringAt(entry, "type") ?? (role === undefined ? "item without a type" : "message");
    if (type === "message" && role !== undefined) return said(entry, role, context);
    if (type === "reasoning") return { facts: [thought(thinkingText(entry))] };
    if (calls.has(type)) return { facts: called(entry, type, context) };
    if (type.endsWith("_result") || type.endsWith("_output")) return { facts: [returned(entry, context)] };
    const isKnown = type === "compaction" || type === "unknown" || objectAt(entry, "providerData") !== undefined;
    return { facts: [isKnown ? noted(type) : notUnderstood(format, type)] };
  },
};
