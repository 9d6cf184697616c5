/**
 * Grok CLI: the lines of `chat_history.jsonl`, and the `summary.json` beside them.
 *
 * Room: domain.
 *
 * Choices: a `tool_result` line is a message of role tool; a `backend_tool_call` is a call and, when completed, its result.
 */
import type { Fact } from "../../Fact.ts";
import { arrayAt, isObject, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import { threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { describe } from "../describe.ts";
import { idAt, nameOf, noted, notUnderstood, sizeOf, thought } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { partsOf, thinkingText, wordsOf } from "../parts.ts";

const format = "grok";

const roles: ReadonlySet<string> = new Set(["system", "user", "assistant"]);

const message = (line: JsonObject, role: string, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const messageId = context.eventId;
  const model = stringAt(line, "model_id");
  const after = describe(facts, carry, { model });
  const calls = arrayAt(line, "tool_calls").flatMap((call, index) => {
    if (!isObject(call)) return [];
    const callId = idAt(call, "id") ?? "";
    const callKey =
      callId === "" ? `${context.threadId} ${context.eventId} ${index}` : threadKey(context.threadId, callId);
    return [{ callId, callKey, name: stringAt(call, "name") ?? "", arguments: call["arguments"] }];
  });
  facts.push({
    _tag: "MessageSaid",
    messageId,
    segment: "",
    role,
    parts: [...partsOf(line["content"]), ...calls.map(toolUse)],
    model,
    isMeta: line["synthetic_reason"] !== undefined,
  });
  for (const call of calls) facts.push(toolCalled({ ...call, messageId }));
  return { facts, carry: after };
};

const toolResult = (line: JsonObject, context: EntryContext): ReadonlyArray<Fact> => {
  const callId = idAt(line, "tool_call_id") ?? "";
  const content = line["content"];
  const text = wordsOf(content).join("\n");
  return [
    {
      _tag: "MessageSaid",
      messageId: context.eventId,
      segment: "",
      role: "tool",
      parts: [{ type: "tool_result", callId, text, isError: false, bytes: sizeOf(content) }],
    },
    toolReturned({ callKey: threadKey(context.threadId, callId), callId, result: content }),
  ];
};

/** A tool that xAI's side ran: its sources are the result. */
const backendCall = (line: JsonObject, context: EntryContext): ReadonlyArray<Fact> => {
  const kind = objectAt(line, "kind");
  const callId = idAt(kind, "id") ?? context.eventId;
  const callKey = threadKey(context.threadId, callId);
  const action = objectAt(kind, "action");
  const called = toolCalled({ callKey, callId, name: stringAt(kind, "tool_type") ?? "", arguments: action });
  const status = stringAt(kind, "status");
  if (status !== "completed" && status !== "failed") return [called];
  const failure = status === "failed" ? { type: status, message: status } : undefined;
  return [called, toolReturned({ callKey, callId, result: action?.["sources"], failure })];
};

const summary = (whole: JsonObject, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const info = objectAt(whole, "info");
  const after = describe(facts, carry, {
    client: { name: format },
    title: stringAt(whole, "generated_title") ?? stringAt(whole, "session_summary"),
    model: stringAt(whole, "current_model_id"),
    cwd: stringAt(info, "cwd"),
    branch: stringAt(whole, "head_branch"),
    session: idAt(info, "id"),
  });
  return { facts: [...facts, noted("summary")], carry: after };
};

export const grok: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
    const type = nameOf(entry["type"]);
    if (roles.has(type)) return message(entry, type, context, carry);
    if (type === "tool_result") return { facts: toolResult(entry, context) };
    if (type === "reasoning") return { facts: [thought(thinkingText(entry))] };
    if (type === "backend_tool_call") return { facts: backendCall(entry, context) };
    if (entry["type"] === undefined && objectAt(entry, "info") !== undefined) return summary(entry, carry);
    return { facts: [notUnderstood(format, type)] };
  },
};
