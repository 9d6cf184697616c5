/**
 * Messages of the Vercel AI SDK (`UIMessage`): parts of text, thought, files and tools.
 *
 * Room: domain.
 *
 * A message is saved whole, and again when it has changed: the same id replaces it. Usage and model stand where the SDK's
 * documentation puts them, in the message's metadata. Read from ai 7.0.173.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, countAt, isObject, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import { threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { idAt, notUnderstood, resultText, sizeOf } from "../facts.ts";
import type { EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";

const format = "ai-sdk";

interface Told {
  readonly parts: ReadonlyArray<Part>;
  readonly facts: ReadonlyArray<Fact>;
}

const tool = (part: JsonObject, name: string, messageId: string, { threadId }: EntryContext): Told => {
  const callId = idAt(part, "toolCallId") ?? "";
  const callKey = threadKey(threadId, callId);
  const asked = { callId, name, arguments: part["input"] ?? part["rawInput"] };
  const state = stringAt(part, "state") ?? "";
  const called = toolCalled({ ...asked, callKey, messageId });
  if (state === "output-available") {
    const result = part["output"];
    const text = resultText(result) ?? "";
    return {
      parts: [toolUse(asked), { type: "tool_result", callId, text, isError: false, bytes: sizeOf(result) }],
      facts: [called, toolReturned({ callKey, callId, result })],
    };
  }
  if (state === "output-error" || state === "output-denied") {
    const message = stringAt(part, "errorText") ?? stringAt(objectAt(part, "approval"), "reason") ?? state;
    const failure = { type: state === "output-denied" ? "rejected" : "error", message };
    return {
      parts: [toolUse(asked), { type: "tool_result", callId, text: message, isError: true }],
      facts: [called, toolReturned({ callKey, callId, result: message, failure })],
    };
  }
  return { parts: [toolUse(asked)], facts: [called] };
};

/** A `data:` URL gives its media type, and leaves its bytes in the entry. */
const file = (part: JsonObject): Part => {
  const mediaType = stringAt(part, "mediaType") ?? null;
  const url = stringAt(part, "url");
  const own = url === undefined || url.startsWith("data:") ? undefined : url;
  if (mediaType?.startsWith("image/") === true)
    return own === undefined ? { type: "image", mediaType } : { type: "image", url: own, mediaType };
  return { type: "file", path: stringAt(part, "filename") ?? own ?? "", mediaType };
};

const partOf = (part: JsonObject, messageId: string, context: EntryContext): Told => {
  const type = stringAt(part, "type") ?? "";
  if (type === "text") return { parts: [{ type: "text", text: stringAt(part, "text") ?? "" }], facts: [] };
  if (type === "reasoning") return { parts: [{ type: "thinking", text: stringAt(part, "text") ?? "" }], facts: [] };
  if (type === "file") return { parts: [file(part)], facts: [] };
  if (type === "dynamic-tool") return tool(part, stringAt(part, "toolName") ?? "", messageId, context);
  if (type.startsWith("tool-")) return tool(part, type.slice("tool-".length), messageId, context);
  if (type === "step-start" || type === "") return { parts: [], facts: [] };
  return { parts: [{ type: "other", kind: type }], facts: [] };
};

const usageOf = (message: JsonObject, messageId: string, { threadId }: EntryContext): ReadonlyArray<Fact> => {
  const metadata = objectAt(message, "metadata");
  const usage = objectAt(metadata, "totalUsage") ?? objectAt(metadata, "usage");
  if (usage === undefined) return [];
  const input = objectAt(usage, "inputTokenDetails");
  const counts = {
    input: countAt(usage, "inputTokens") ?? null,
    output: countAt(usage, "outputTokens") ?? null,
    cacheRead: countAt(usage, "cachedInputTokens") ?? countAt(input, "cacheReadTokens") ?? null,
    cacheWrite: countAt(input, "cacheWriteTokens") ?? null,
    reasoning:
      countAt(usage, "reasoningTokens") ?? countAt(objectAt(usage, "outputTokenDetails"), "reasoningTokens") ?? null,
    cacheInInput: true,
  };
  if (counts.input === null && counts.output === null) return [];
  const model = stringAt(metadata, "model");
  const ids = { usageKey: `${threadId} ${messageId}`, providerMessageId: messageId, messageId };
  return [{ _tag: "TokensUsed", ...ids, model, usage: counts }];
};

const message = (entry: JsonObject, role: string, context: EntryContext): Interpretation => {
  const messageId = idAt(entry, "id") ?? context.eventId;
  const told = arrayAt(entry, "parts")
    .filter(isObject)
    .map((part) => partOf(part, messageId, context));
  const model = role === "assistant" ? stringAt(objectAt(entry, "metadata"), "model") : undefined;
  const parts = told.flatMap((one) => one.parts);
  return {
    facts: [
      { _tag: "MessageSaid", messageId, segment: "", role, parts, model, isMeta: role === "system" },
      ...told.flatMap((one) => one.facts),
      ...usageOf(entry, messageId, context),
    ],
  };
};

export const aiSdk: Interpreter = {
  format,
  interpret: (entry, context) => {
    const role = stringAt(entry, "role");
    return isObject(entry) && role !== undefined
      ? message(entry, role, context)
      : { facts: [notUnderstood(format, "entry that is no message")] };
  },
};
