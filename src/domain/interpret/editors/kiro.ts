/**
 * Kiro CLI's conversations (Amazon Q Developer CLI before): a JSON object around its `history`, an element a turn.
 *
 * Room: domain.
 *
 * A turn is the person's message, or results of tools, and the model's answer to it; older ones are a pair in an array.
 * Both messages are known by the entry, the answer by its `message_id` where it has one. No tokens are counted.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { describe } from "../describe.ts";
import { idAt, jsonText, nameOf, noted, notUnderstood, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";

const format = "kiro";

const textOf = (piece: JsonValue): string => {
  const text = stringAt(piece, "Text") ?? stringAt(piece, "text");
  return text ?? jsonText(isObject(piece) ? (piece["Json"] ?? piece["json"] ?? piece) : piece);
};

const results = (
  content: JsonObject,
  { threadId }: EntryContext,
): { readonly parts: ReadonlyArray<Part>; readonly facts: ReadonlyArray<Fact> } => {
  const parts: Array<Part> = [];
  const facts: Array<Fact> = [];
  for (const one of arrayAt(content, "tool_use_results")) {
    const callId = idAt(one, "tool_use_id") ?? "";
    const text = arrayAt(one, "content").map(textOf).join("\n");
    const isError = /error/i.test(stringAt(one, "status") ?? "");
    const failure = isError ? { type: "error", message: text } : undefined;
    parts.push({ type: "tool_result", callId, text, isError, bytes: sizeOf(text) });
    facts.push(toolReturned({ callKey: threadKey(threadId, callId), callId, result: text, failure }));
  }
  return { parts, facts };
};

const asked = (user: JsonObject, context: EntryContext): ReadonlyArray<Fact> => {
  const content = objectAt(user, "content");
  const prompt =
    stringAt(objectAt(content, "Prompt"), "prompt") ?? stringAt(objectAt(content, "CancelledToolUses"), "prompt");
  const answered = objectAt(content, "ToolUseResults") ?? objectAt(content, "CancelledToolUses");
  const read = answered === undefined ? { parts: [], facts: [] } : results(answered, context);
  const words: ReadonlyArray<Part> = prompt === undefined || prompt === "" ? [] : [{ type: "text", text: prompt }];
  const parts = [...words, ...read.parts];
  if (parts.length === 0) return [noted("turn without a prompt")];
  const role = words.length === 0 ? "tool" : "user";
  return [{ _tag: "MessageSaid", messageId: `${context.eventId} asked`, segment: "", role, parts }, ...read.facts];
};

const answered = (assistant: JsonObject, model: string | undefined, context: EntryContext): ReadonlyArray<Fact> => {
  const answer = objectAt(assistant, "Response") ?? objectAt(assistant, "ToolUse");
  if (answer === undefined) return [noted("turn without an answer")];
  const messageId = idAt(answer, "message_id") ?? `${context.eventId} answered`;
  const text = stringAt(answer, "content") ?? "";
  const calls = arrayAt(answer, "tool_uses").map((call) => ({
    callId: idAt(call, "id") ?? "",
    name: stringAt(call, "name") ?? stringAt(call, "orig_name") ?? "",
    arguments: isObject(call) ? (call["args"] ?? call["orig_args"]) : undefined,
  }));
  const words: ReadonlyArray<Part> = text === "" ? [] : [{ type: "text", text }];
  return [
    { _tag: "MessageSaid", messageId, segment: "", role: "assistant", parts: [...words, ...calls.map(toolUse)], model },
    ...calls.map((call) => toolCalled({ ...call, callKey: threadKey(context.threadId, call.callId), messageId })),
  ];
};

const turn = (
  entry: JsonValue,
): { readonly user?: JsonObject | undefined; readonly assistant?: JsonObject | undefined } => {
  if (isObject(entry)) return { user: objectAt(entry, "user"), assistant: objectAt(entry, "assistant") };
  const [user, assistant] = Array.isArray(entry) ? (entry as ReadonlyArray<JsonValue>) : [];
  return { user: isObject(user) ? user : undefined, assistant: isObject(assistant) ? assistant : undefined };
};

const frame = (around: JsonObject, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const after = describe(facts, carry, {
    client: { name: format },
    session: stringAt(around, "conversation_id"),
    model: stringAt(objectAt(around, "model_info"), "model_id") ?? stringAt(around, "model"),
    cwd: stringAt(objectAt(around, "row"), "key"),
  });
  return { facts: [...facts, noted("conversation")], carry: after };
};

export const kiro: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (isObject(entry) && context.place === "frame") return frame(entry, carry);
    const { assistant, user } = turn(entry);
    if (user === undefined && assistant === undefined)
      return { facts: [notUnderstood(format, isObject(entry) ? nameOf(entry["type"]) : "turn without messages")] };
    const facts: Array<Fact> = [];
    const state = objectAt(objectAt(user, "env_context"), "env_state");
    const after = describe(facts, carry, { cwd: stringAt(state, "current_working_directory") });
    const model = stringAt(objectAt(entry, "request_metadata"), "model_id");
    if (user !== undefined) facts.push(...asked(user, context));
    if (assistant !== undefined) facts.push(...answered(assistant, model, context));
    return { facts, carry: after };
  },
};
