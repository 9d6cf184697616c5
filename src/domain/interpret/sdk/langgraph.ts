/**
 * Checkpoints of LangGraph: the messages that a state has beyond its parent's.
 *
 * Room: domain.
 *
 * A checkpoint says what its channels hold beyond those of its parent; messages of LangChain stand in it whole, as they
 * serialise (`lc: 1`, `type: "constructor"`). One without an id is not told: nothing would tell it from its copies. The same
 * id again replaces the message. Pending writes say what the next checkpoint says again, and nothing here. Read from
 * @langchain/core 1.4.0.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, countAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { idAt, noted, notUnderstood, sizeOf } from "../facts.ts";
import type { EntryContext, Interpreter } from "../Interpreter.ts";
import { partsOf, wordsOf } from "../parts.ts";

const format = "langgraph";

/** Depth in a state up to which messages are looked for, and their number. */
const deepest = 8;
const most = 1_000;

const roles: Readonly<Record<string, string>> = {
  HumanMessage: "user",
  AIMessage: "assistant",
  SystemMessage: "system",
  ToolMessage: "tool",
  FunctionMessage: "tool",
};

/** The role of a serialised message; undefined for anything else. */
const roleOf = (value: JsonObject): string | undefined => {
  if (value["lc"] !== 1 || value["type"] !== "constructor") return undefined;
  const id = arrayAt(value, "id");
  const name = id.at(-1);
  if (typeof name !== "string" || id.at(-2) !== "messages") return undefined;
  const plain = name.replace(/Chunk$/, "");
  if (plain === "ChatMessage") return stringAt(objectAt(value, "kwargs"), "role") ?? "user";
  return Object.hasOwn(roles, plain) ? roles[plain] : undefined;
};

interface Found {
  readonly role: string;
  readonly message: JsonObject;
}

const messagesIn = (value: JsonValue | undefined, found: Array<Found>, depth = 0): void => {
  if (typeof value !== "object" || value === null || depth > deepest || found.length >= most) return;
  if (!isObject(value)) {
    for (const item of value as ReadonlyArray<JsonValue>) messagesIn(item, found, depth + 1);
    return;
  }
  const role = roleOf(value);
  const message = objectAt(value, "kwargs");
  if (role !== undefined && message !== undefined) found.push({ role, message });
  else for (const inner of Object.values(value)) messagesIn(inner, found, depth + 1);
};

const usageOf = (message: JsonObject, messageId: string, model: string | undefined, { threadId }: EntryContext) => {
  const usage = objectAt(message, "usage_metadata");
  if (usage === undefined) return [];
  const input = objectAt(usage, "input_token_details");
  const counts = {
    input: countAt(usage, "input_tokens") ?? null,
    output: countAt(usage, "output_tokens") ?? null,
    cacheRead: countAt(input, "cache_read") ?? null,
    cacheWrite: countAt(input, "cache_creation") ?? null,
    reasoning: countAt(objectAt(usage, "output_token_details"), "reasoning") ?? null,
    cacheInInput: true,
  };
  const ids = { usageKey: `${threadId} ${messageId}`, providerMessageId: messageId, messageId };
  return [{ _tag: "TokensUsed" as const, ...ids, model, usage: counts }];
};

const said = ({ message, role }: Found, messageId: string, context: EntryContext): ReadonlyArray<Fact> => {
  const { threadId } = context;
  const meta = objectAt(message, "response_metadata");
  const model = role === "assistant" ? (stringAt(meta, "model_name") ?? stringAt(meta, "model")) : undefined;
  if (role === "tool") {
    const callId = idAt(message, "tool_call_id") ?? "";
    const text = wordsOf(message["content"]).join("\n");
    const isError = stringAt(message, "status") === "error";
    const bytes = sizeOf(message["content"]);
    const failure = isError ? { type: "error", message: text } : undefined;
    const callKey = threadKey(threadId, callId);
    return [
      {
        _tag: "MessageSaid",
        messageId,
        segment: "",
        role,
        parts: [{ type: "tool_result", callId, text, isError, bytes }],
      },
      toolReturned({ callKey, callId, result: message["content"], failure }),
    ];
  }
  const calls = arrayAt(message, "tool_calls").map((call) => ({
    callId: idAt(call, "id") ?? "",
    name: stringAt(call, "name") ?? "",
    arguments: isObject(call) ? call["args"] : undefined,
  }));
  const content = message["content"];
  const blocks = Array.isArray(content)
    ? (content as ReadonlyArray<JsonValue>).filter((block) => stringAt(block, "type") !== "tool_use")
    : content;
  const parts: ReadonlyArray<Part> = [...partsOf(blocks), ...calls.map(toolUse)];
  return [
    { _tag: "MessageSaid", messageId, segment: "", role, parts, model, author: stringAt(message, "name") },
    ...calls.map((call) => toolCalled({ ...call, callKey: threadKey(threadId, call.callId), messageId })),
    ...usageOf(message, messageId, model, context),
  ];
};

export const langgraph: Interpreter = {
  format,
  interpret: (entry, context) => {
    if (Array.isArray(entry)) return { facts: [noted("writes")] };
    if (!isObject(entry) || !isObject(entry["channels"]))
      return { facts: [notUnderstood(format, "entry that is no checkpoint")] };
    const found: Array<Found> = [];
    messagesIn(entry["channels"], found);
    const told = found.flatMap((one) => {
      const messageId = idAt(one.message, "id");
      return messageId === undefined ? [] : said(one, messageId, context);
    });
    return { facts: told.length === 0 ? [noted("checkpoint")] : told };
  },
};
