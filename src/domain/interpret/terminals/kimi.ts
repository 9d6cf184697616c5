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
 * - A sub-agent has a wire of its own, `subagents/<agent>/wire.jsonl`, and its calls and tokens stand in its parent's wire too
 *   (`SubagentEvent`): they count in its own where that is here. Older versions have them in the parent's alone, words
 *   included.
 * - A fork begins with copies of its session's lines, times included: they count once.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import {
  countAt,
  flagAt,
  isObject,
  type JsonObject,
  type JsonValue,
  numberAt,
  objectAt,
  stringAt,
} from "../../Json.ts";
import { threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { chatMessage } from "../chats/chatMessage.ts";
import { copiedFrom, movedKeys, twins } from "../copies.ts";
import { describe } from "../describe.ts";
import { idAt, nameOf, noted, notUnderstood, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { memo } from "../memory.ts";
import { parentByName } from "../nested.ts";
import { partsOf, wordsOf } from "../parts.ts";

const format = "kimi";

const notices: ReadonlySet<string> = new Set([
  "TurnEnd",
  "StepInterrupted",
  "StepRetry",
  "CompactionBegin",
  "MCPLoadingBegin",
  "MCPLoadingEnd",
  "ToolCallPart",
  "ApprovalRequest",
  "ApprovalRequestResolved",
  "ApprovalResponse",
  "ToolCallRequest",
  "QuestionRequest",
  "QuestionResponse",
  "HookTriggered",
  "HookResolved",
  "HookRequest",
  "HookResponse",
  "Notification",
  "PlanDisplay",
  "BtwBegin",
  "BtwEnd",
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

/** Sub-agents whose open answers are remembered. */
const mostAgents = 8;

/** Events of a sub-agent in its parent's wire. */
const ofSubAgent = (payload: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const event = objectAt(payload, "event") ?? {};
  const agent = idAt(payload, "agent_id");
  const answers = objectAt(carry, "inside") ?? {};
  const key = memo(agent ?? idAt(payload, "parent_tool_call_id") ?? idAt(payload, "task_tool_call_id") ?? "");
  const told = wire(event, context, { answer: answers[key] ?? "" });
  const inner = told.facts.map((fact): Fact =>
    fact._tag === "MessageSaid" || fact._tag === "TokensUsed" ? { ...fact, isSidechain: true } : fact,
  );
  // One sub-agent at a time, as a rule; of several at once the newest few are remembered.
  const kept = Object.entries(answers).filter(([name]) => name !== key);
  const inside = Object.fromEntries([
    ...kept.slice(1 - mostAgents),
    [key, told.carry?.["answer"] ?? answers[key] ?? ""],
  ]);
  const after: Carry = { ...carry, inside };
  if (agent === undefined) return { facts: inner, carry: after };
  const there = `${context.threadId}/${agent}`;
  return {
    facts: copiedFrom(
      inner.map((fact) =>
        fact._tag === "MessageSaid"
          ? noted("SubagentEvent", fact.parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n"))
          : fact,
      ),
      movedKeys(context.threadId, there),
    ),
    carry: after,
  };
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
    case "SubagentEvent":
      return ofSubAgent(payload, context, carry);
    case "CompactionEnd":
      return { facts: [{ _tag: "Compacted" }, noted(type)] };
    default:
      return { facts: [notices.has(type) ? noted(type) : notUnderstood(format, type)] };
  }
};

/** Name of a line in every session that it was copied into. Times are of microseconds. */
const lineName = (line: JsonObject, message: JsonObject): string | undefined => {
  const at = numberAt(line, "timestamp");
  const payload = objectAt(message, "payload");
  const own = idAt(payload, "id") ?? idAt(payload, "tool_call_id") ?? "";
  return at === undefined ? undefined : `kimi ${at} ${nameOf(message["type"])} ${memo(own)}`;
};

export const kimi: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "line that is no object")] };
    const message = objectAt(entry, "message");
    if (message !== undefined) {
      const told = wire(message, context, carry);
      return { ...told, facts: twins(told.facts, lineName(entry, message)) };
    }
    if (entry["type"] === "metadata") {
      const facts: Array<Fact> = [];
      const after = describe(facts, carry, parentByName(context.threadId));
      return { facts: [...facts, noted("metadata")], carry: after };
    }
    const role = stringAt(entry, "role");
    if (role?.startsWith("_") === true) return { facts: [noted(role)] };
    if (role === undefined) return { facts: [notUnderstood(format, nameOf(entry["type"]))] };
    const told = chatMessage(entry, context, carry);
    return { ...told, facts: told.facts.map((fact): Fact => ({ ...fact, secondHand: true }) as Fact) };
  },
};
