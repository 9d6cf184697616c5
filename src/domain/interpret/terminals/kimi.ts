/**
 * Kimi CLI's sessions: `wire.jsonl`, what the program was told as it happened, and `context.jsonl`, what the model sees.
 *
 * Room: domain.
 *
 * Choices:
 * - The wire is the witness; the context beside it repeats it in the shape of chat messages, is compacted, and counts
 *   only where there is no wire.
 * - A turn's words come in pieces (`ContentPart`, `ToolCallPart`): each is a segment of the message of its step. A call's
 *   arguments may come in pieces too; the pieces behind the first are in the entries alone.
 * - Counts of tokens are those of `StatusUpdate`, one for each message of the provider.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { countAt, flagAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { chatMessage } from "../chats/chatMessage.ts";
import { idAt, nameOf, noted, notUnderstood, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { partsOf, wordsOf } from "../parts.ts";

const format = "kimi";

const notices: ReadonlySet<string> = new Set([
  "TurnEnd",
  "StepInterrupted",
  "CompactionBegin",
  "CompactionEnd",
  "MCPLoadingBegin",
  "MCPLoadingEnd",
  "ToolCallPart",
  "ApprovalRequest",
  "ApprovalRequestResolved",
  "ApprovalResponse",
  "SubagentEvent",
  "ToolCallRequest",
  "QuestionRequest",
  "HookTriggered",
  "HookResolved",
]);

/** The answer that is being given: its id is that of the first piece since the last step or turn began. */
const answerOf = (carry: Carry, context: EntryContext): { readonly messageId: string; readonly carry: Carry } => {
  const open = stringAt(carry, "answer");
  return open === undefined || open === ""
    ? { messageId: context.eventId, carry: { ...carry, answer: context.eventId } }
    : { messageId: open, carry };
};

const piece = (parts: ReadonlyArray<Part>, context: EntryContext, carry: Carry, more: ReadonlyArray<Fact> = []) => {
  const { carry: after, messageId } = answerOf(carry, context);
  const said: Fact = { _tag: "MessageSaid", messageId, segment: context.eventId, role: "assistant", parts };
  return { facts: [said, ...more], carry: after } satisfies Interpretation;
};

const begun = (payload: JsonObject, context: EntryContext, carry: Carry): Interpretation => ({
  facts: [
    {
      _tag: "MessageSaid",
      messageId: context.eventId,
      segment: "",
      role: "user",
      parts: partsOf(payload["user_input"]),
    },
  ],
  carry: { ...carry, answer: "" },
});

const contentPart = (payload: JsonObject): ReadonlyArray<Part> =>
  stringAt(payload, "type") === "think"
    ? [{ type: "thinking", text: stringAt(payload, "think") ?? "" }]
    : partsOf([payload]);

const asked = (payload: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const callId = idAt(payload, "id") ?? context.eventId;
  const inner = objectAt(payload, "function");
  const about = { callId, name: stringAt(inner, "name") ?? "", arguments: inner?.["arguments"] };
  const { messageId } = answerOf(carry, context);
  const call = toolCalled({ ...about, callKey: threadKey(context.threadId, callId), messageId });
  return piece([toolUse(about)], context, carry, [call]);
};

const answered = (payload: JsonObject, context: EntryContext): ReadonlyArray<Fact> => {
  const callId = idAt(payload, "tool_call_id") ?? "";
  const value = objectAt(payload, "return_value") ?? objectAt(payload, "result");
  const output: JsonValue | undefined = value?.["output"];
  const isError = flagAt(value, "is_error");
  const text = wordsOf(output).join("\n") || (stringAt(value, "message") ?? "");
  const failure = isError ? { type: "error", message: text } : undefined;
  return [
    {
      _tag: "MessageSaid",
      messageId: context.eventId,
      segment: "",
      role: "tool",
      parts: [{ type: "tool_result", callId, text, isError, bytes: sizeOf(output) }],
    },
    toolReturned({ callKey: threadKey(context.threadId, callId), callId, result: output, failure }),
  ];
};

const counted = (payload: JsonObject, context: EntryContext): ReadonlyArray<Fact> => {
  const usage = objectAt(payload, "token_usage");
  const id = idAt(payload, "message_id") ?? context.eventId;
  if (usage === undefined) return [noted("StatusUpdate")];
  return [
    {
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${id}`,
      providerMessageId: id,
      usage: {
        input: countAt(usage, "input_other") ?? null,
        output: countAt(usage, "output") ?? null,
        cacheRead: countAt(usage, "input_cache_read") ?? null,
        cacheWrite: countAt(usage, "input_cache_creation") ?? null,
      },
    },
  ];
};

const wire = (message: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const type = nameOf(message["type"]);
  const payload = objectAt(message, "payload") ?? {};
  switch (type) {
    case "TurnBegin":
    case "SteerInput":
      return begun(payload, context, carry);
    case "StepBegin":
      return { facts: [noted(type)], carry: { ...carry, answer: "" } };
    case "ContentPart":
      return piece(contentPart(payload), context, carry);
    case "ToolCall":
      return asked(payload, context, carry);
    case "ToolResult":
      return { facts: answered(payload, context) };
    case "StatusUpdate":
      return { facts: counted(payload, context) };
    default:
      return { facts: [notices.has(type) ? noted(type) : notUnderstood(format, type)] };
  }
};

export const kimi: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "line that is no object")] };
    const message = objectAt(entry, "message");
    if (message !== undefined) return wire(message, context, carry);
    const role = stringAt(entry, "role");
    if (role?.startsWith("_") === true || entry["type"] === "metadata") return { facts: [noted(role ?? "metadata")] };
    if (role === undefined) return { facts: [notUnderstood(format, nameOf(entry["type"]))] };
    const told = chatMessage(entry, context, carry);
    return { ...told, facts: told.facts.map((fact): Fact => ({ ...fact, secondHand: true }) as Fact) };
  },
};
