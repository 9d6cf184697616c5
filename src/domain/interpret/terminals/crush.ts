/**
 * Crush's database: rows of the tables sessions and messages, a message's parts as `{type, data}`.
 *
 * Room: domain.
 *
 * Tokens are not counted: a session's row holds those of its last call only, under names that read like sums. Its cost is
 * that of the whole session.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import {
  amountAt,
  arrayAt,
  flagAt,
  isObject,
  type JsonObject,
  type JsonValue,
  objectAt,
  stringAt,
} from "../../Json.ts";
import { threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { describe } from "../describe.ts";
import { idAt, nameOf, noted, notUnderstood, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { imageAt } from "../parts.ts";

const format = "crush";

interface Read {
  readonly parts: ReadonlyArray<Part>;
  readonly facts: ReadonlyArray<Fact>;
}

const only = (part: Part): Read => ({ parts: [part], facts: [] });

const called = (data: JsonObject, messageId: string, { threadId }: EntryContext): Read => {
  const callId = idAt(data, "id") ?? "";
  const about = { callId, name: stringAt(data, "name") ?? "", arguments: data["input"] };
  return {
    parts: [toolUse(about)],
    facts: [toolCalled({ ...about, callKey: threadKey(threadId, callId), messageId })],
  };
};

const returned = (data: JsonObject, { threadId }: EntryContext): Read => {
  const callId = idAt(data, "tool_call_id") ?? "";
  const text = stringAt(data, "content") ?? "";
  const isError = flagAt(data, "is_error");
  const failure = isError ? { type: "error", message: text } : undefined;
  return {
    parts: [{ type: "tool_result", callId, text, isError, bytes: sizeOf(text) }],
    facts: [toolReturned({ callKey: threadKey(threadId, callId), callId, result: text, failure })],
  };
};

const read = (part: JsonValue, messageId: string, context: EntryContext): Read => {
  const type = stringAt(part, "type") ?? "";
  const data = objectAt(part, "data") ?? {};
  switch (type) {
    case "text":
      return only({ type: "text", text: stringAt(data, "text") ?? "" });
    case "reasoning":
      return only({ type: "thinking", text: stringAt(data, "thinking") ?? "" });
    case "tool_call":
      return called(data, messageId, context);
    case "tool_result":
      return returned(data, context);
    case "image_url":
      return only(imageAt(stringAt(data, "url")));
    case "binary":
      return only({ type: "file", path: stringAt(data, "Path") ?? "", mediaType: stringAt(data, "MIMEType") ?? null });
    case "shell_command":
      return only({ type: "text", text: `$ ${stringAt(data, "command") ?? ""}\n${stringAt(data, "output") ?? ""}` });
    case "finish":
      return { parts: [], facts: [] };
    default:
      return only({ type: "other", kind: type === "" ? "part without a type" : type });
  }
};

const wordsIn = (parts: ReadonlyArray<Part>): string =>
  parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n");

const session = (row: JsonObject, { threadId }: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const parent = stringAt(row, "parent_session_id");
  const after = describe(facts, carry, {
    client: { name: format },
    title: stringAt(row, "title"),
    parentThreadId: parent,
    relation: parent === undefined ? undefined : "sub-agent",
  });
  const costUsd = amountAt(row, "cost");
  if (costUsd !== undefined && costUsd > 0)
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${threadId} session`,
      providerMessageId: "session",
      usage: {},
      costUsd,
    });
  return { facts: [...facts, noted("session")], carry: after };
};

const message = (row: JsonObject, role: string, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const model = stringAt(row, "model");
  const provider = stringAt(row, "provider");
  const after = role === "assistant" ? describe(facts, carry, { model, provider }) : carry;
  const messageId = idAt(row, "id") ?? context.eventId;
  const parts = arrayAt(row, "parts");
  const pieces = parts.map((part) => read(part, messageId, context));
  const finish = parts.find((part) => stringAt(part, "type") === "finish");
  // The summary is an answer of the model, and what the session goes on with. Its row is written again while it is streamed.
  if (row["is_summary_message"] === 1 && finish !== undefined)
    facts.push({ _tag: "Compacted", summary: wordsIn(pieces.flatMap((piece) => piece.parts)) });
  facts.push({
    _tag: "MessageSaid",
    messageId,
    segment: "",
    role,
    parts: pieces.flatMap((piece) => piece.parts),
    model: role === "assistant" ? model : undefined,
    provider: role === "assistant" ? provider : undefined,
    stopReason: stringAt(objectAt(finish, "data"), "reason"),
    // A person's own command to the shell.
    kind: parts.some((part) => stringAt(part, "type") === "shell_command") ? "command" : undefined,
  });
  for (const piece of pieces) facts.push(...piece.facts);
  return { facts, carry: after };
};

export const crush: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "row that is no object")] };
    const role = stringAt(entry, "role");
    if (entry["table"] === "sessions") return session(entry, context, carry);
    if (entry["table"] === "messages" && role !== undefined) return message(entry, role, context, carry);
    return { facts: [notUnderstood(format, nameOf(entry["table"]))] };
  },
};
