/**
 * Qwen Code's chats: Gemini's messages inside lines like Claude Code's, one JSON object a line (0.0.14 to 0.21).
 *
 * Room: domain.
 *
 * Choices:
 * - A line is a message under its `uuid`; the role `model` is the assistant, a `tool_result` line the role tool.
 * - Calls are `functionCall` parts, results `functionResponse` parts; both carry the call's id, unique in its thread.
 * - `usageMetadata` counts cached tokens inside the prompt and thoughts beside the candidates, as Gemini does.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import type { TokenUsage } from "../../thread/Content.ts";
import { arrayAt, countAt, flagAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { type Failure, threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { describe } from "../describe.ts";
import { idAt, jsonText, nameOf, noted, notUnderstood, sizeOf } from "../facts.ts";
import { geminiPart } from "./gemini-cli.ts";
import { wordsOf } from "../parts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { tokensInside } from "../tokens.ts";

const format = "qwen";

const tokenNames = {
  input: "promptTokenCount",
  output: "candidatesTokenCount",
  cacheRead: "cachedContentTokenCount",
  reasoning: "thoughtsTokenCount",
} as const;

interface Read {
  readonly parts: ReadonlyArray<Part>;
  readonly facts: ReadonlyArray<Fact>;
}

const call = (asked: JsonObject, index: number, messageId: string, context: EntryContext): Read => {
  const callId = idAt(asked, "id") ?? `${context.eventId} ${index}`;
  const about = { callId, name: stringAt(asked, "name") ?? "", arguments: asked["args"] };
  const callKey = threadKey(context.threadId, callId);
  return { parts: [toolUse(about)], facts: [toolCalled({ ...about, callKey, messageId })] };
};

/** Answer of a tool; the reason of a failure stands in the response, or in `toolCallResult` of the line. */
const result = (answer: JsonObject, index: number, line: JsonObject, context: EntryContext): Read => {
  const callId = idAt(answer, "id") ?? `${context.eventId} ${index}`;
  const response = objectAt(answer, "response");
  const error = stringAt(response, "error");
  const isError = error !== undefined || stringAt(objectAt(line, "toolCallResult"), "status") === "error";
  const text = error ?? stringAt(response, "output") ?? jsonText(response ?? null);
  const failure: Failure | undefined = isError ? { type: "error", message: text } : undefined;
  return {
    parts: [{ type: "tool_result", callId, text, isError, bytes: sizeOf(response) }],
    facts: [toolReturned({ callKey: threadKey(context.threadId, callId), callId, result: response, failure })],
  };
};

const read = (part: JsonValue, index: number, line: JsonObject, messageId: string, context: EntryContext): Read => {
  const asked = objectAt(part, "functionCall");
  const answer = objectAt(part, "functionResponse");
  if (asked !== undefined) return call(asked, index, messageId, context);
  if (answer !== undefined) return result(answer, index, line, context);
  return { parts: geminiPart(part), facts: [] };
};

const roleOf = (line: JsonObject, type: string): string =>
  type === "tool_result"
    ? "tool"
    : type === "assistant" || objectAt(line, "message")?.["role"] === "model"
      ? "assistant"
      : type;

const said = (line: JsonObject, type: string, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const version = stringAt(line, "version");
  const after = describe(facts, carry, {
    client: version === undefined ? undefined : { name: "qwen-code", version },
    cwd: stringAt(line, "cwd"),
    branch: stringAt(line, "gitBranch"),
    session: stringAt(line, "sessionId"),
    model: stringAt(line, "model"),
  });
  const messageId = idAt(line, "uuid") ?? context.eventId;
  const model = stringAt(line, "model");
  const pieces = arrayAt(objectAt(line, "message"), "parts").map((part, index) =>
    read(part, index, line, messageId, context),
  );
  facts.push({
    _tag: "MessageSaid",
    messageId,
    segment: "",
    role: roleOf(line, type),
    parts: pieces.flatMap(({ parts }) => parts),
    parentMessageId: stringAt(line, "parentUuid"),
    model,
    cwd: stringAt(line, "cwd"),
    branch: stringAt(line, "gitBranch"),
    isSidechain: flagAt(line, "isSidechain") ? true : undefined,
  });
  for (const piece of pieces) facts.push(...piece.facts);
  const usage = tokensInside(line["usageMetadata"], tokenNames);
  if (usage !== undefined)
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${messageId}`,
      providerMessageId: messageId,
      messageId,
      model,
      usage: { ...usage, ...(thoughtsAreBeside(line, usage) ? { reasoningInOutput: false } : {}) },
    });
  return { facts, carry: after };
};

/** The providers behind Qwen Code differ: its own total says whether thoughts stand beside the output or inside it. */
const thoughtsAreBeside = (line: JsonObject, { input, output, reasoning }: TokenUsage): boolean =>
  (reasoning ?? 0) > 0 &&
  countAt(line["usageMetadata"], "totalTokenCount") === (input ?? 0) + (output ?? 0) + (reasoning ?? 0);

/** A record beside the messages: a compression, a title, the session that began this one, a rewind, a command. */
const system = (line: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const subtype = stringAt(line, "subtype") ?? "";
  const payload = objectAt(line, "systemPayload");
  const facts: Array<Fact> = [];
  const parent = stringAt(payload, "parentSessionId");
  const after = describe(facts, carry, {
    title: subtype === "custom_title" ? stringAt(payload, "customTitle") : undefined,
    model: subtype === "session_model" ? stringAt(payload, "modelId") : undefined,
    parentThreadId: subtype === "parent_session" ? parent : undefined,
    relation: subtype === "parent_session" && parent !== undefined ? "sub-agent" : undefined,
  });
  if (subtype === "chat_compression") {
    const [first] = arrayAt(payload, "compressedHistory");
    const summary = wordsOf(arrayAt(first, "parts")).join("\n");
    const tokensBefore = countAt(objectAt(payload, "info"), "originalTokenCount");
    facts.push({ _tag: "Compacted", summary: summary === "" ? undefined : summary, tokensBefore });
  }
  const words =
    subtype === "slash_command" && payload?.["phase"] === "invocation" ? stringAt(payload, "rawCommand") : undefined;
  if (words !== undefined)
    facts.push({
      _tag: "MessageSaid",
      messageId: idAt(line, "uuid") ?? context.eventId,
      segment: "",
      role: "user",
      kind: "command",
      parts: [{ type: "text", text: words }],
      parentMessageId: stringAt(line, "parentUuid"),
    });
  return { facts: [...facts, noted(`system ${subtype}`.trim())], carry: after };
};

export const qwen: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "line that is no object")] };
    const type = nameOf(entry["type"]);
    if (type === "system") return system(entry, context, carry);
    if (objectAt(entry, "message") !== undefined) return said(entry, type, context, carry);
    return { facts: [notUnderstood(format, type)] };
  },
};
