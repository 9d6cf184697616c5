/**
 * One message of the OpenAI chat shape, which many tools write with small changes of their own.
 *
 * Room: domain.
 *
 * A call's key is thread, id and the message that asked: ids are used again for other calls inside one conversation
 * (tau-bench: 1,024 calls, 955 pairs of thread and id). A result joins the nearest call before it that waits under its id.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact, MessageSaid } from "../../Fact.ts";
import { amountAt, arrayAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { answerCall, type Failure, openCalls, threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { idAt, notUnderstood, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { memo } from "../memory.ts";
import { partsOf, wordsOf } from "../parts.ts";
import { chatTokens } from "../tokens.ts";

interface Asked {
  readonly callId: string;
  readonly name: string;
  readonly arguments: JsonValue | undefined;
}

/** A call as OpenAI (`function: {name, arguments}`, `custom`), tau2 (`name`) and Inspect (`function: "name"`) write it. */
const askedBy = (call: JsonValue): Asked => {
  const inner = objectAt(call, "function") ?? objectAt(call, "custom") ?? call;
  return {
    callId: idAt(call, "id") ?? "",
    name: stringAt(inner, "name") ?? stringAt(call, "function") ?? "",
    arguments: isObject(inner) ? (inner["arguments"] ?? inner["input"]) : undefined,
  };
};

/** All calls of a message. The deprecated `function_call` has no id: the function's name stands for it. */
const callsOf = (message: JsonObject): ReadonlyArray<Asked> => {
  const asked = arrayAt(message, "tool_calls").map(askedBy);
  const single = objectAt(message, "function_call");
  return single === undefined ? asked : [...asked, { ...askedBy(single), callId: stringAt(single, "name") ?? "" }];
};

/** The ids a tool's message answers: one as a rule, a list with SWE-agent, the call's own id with tau2. */
const answeredBy = (message: JsonObject): ReadonlyArray<string> => {
  const several = arrayAt(message, "tool_call_ids").flatMap((id) => (typeof id === "string" ? [id] : []));
  if (several.length > 0) return several;
  return [idAt(message, "tool_call_id") ?? idAt(message, "id") ?? stringAt(message, "name") ?? ""];
};

/** Text, thinking and what was refused or spoken: everything of a message but its tools. */
const saidIn = (message: JsonObject): ReadonlyArray<Part> => {
  const thinking = wordsOf(message["reasoning_content"] ?? message["reasoning"]).map((text): Part => ({
    type: "thinking",
    text,
  }));
  const refusal = stringAt(message, "refusal");
  const transcript = stringAt(objectAt(message, "audio"), "transcript");
  return [
    ...thinking,
    ...partsOf(message["content"]),
    ...(refusal === undefined ? [] : [{ type: "text", text: refusal } as const]),
    ...(transcript === undefined ? [] : [{ type: "text", text: transcript } as const]),
  ];
};

type Details = Pick<MessageSaid, "author" | "kind" | "provider" | "model" | "stopReason" | "isMeta"> & {
  readonly messageId?: string | undefined;
  readonly role?: string | undefined;
  /** Failure of the tool whose message this is. The shape itself has no word for it. */
  readonly failure?: Failure | undefined;
  readonly durationMillis?: number | undefined;
};

/** A message that carries its response's usage beside its words. */
export const counted = (
  told: Interpretation,
  message: JsonObject,
  { eventId, threadId }: EntryContext,
  { model, spender }: { readonly model: string | undefined; readonly spender?: "agent" | "user" | undefined },
): Interpretation => {
  const usage = chatTokens(message["usage"]);
  const costUsd = amountAt(message, "cost");
  if (usage === undefined) return told;
  const ids = { usageKey: `${threadId} ${eventId}`, providerMessageId: eventId, messageId: eventId };
  return { ...told, facts: [...told.facts, { _tag: "TokensUsed", ...ids, model, spender, usage, costUsd }] };
};

/** The interpreter of a log that is a frame around its messages. */
export const framed = (
  format: string,
  {
    message,
    frame,
  }: Record<"message" | "frame", (entry: JsonObject, context: EntryContext, carry: Carry) => Interpretation>,
): Interpreter => ({
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
    if (typeof entry["role"] === "string" && context.place !== "frame") return message(entry, context, carry);
    return context.place === "element"
      ? { facts: [notUnderstood(format, "message without a role")] }
      : frame(entry, context, carry);
  },
});

/** The facts of one chat message; `details` is what a format knows beside the shape. */
export const chatMessage = (
  message: JsonObject,
  context: EntryContext,
  carry: Carry,
  details: Details = {},
): Interpretation => {
  const role = details.role ?? stringAt(message, "role") ?? "";
  const messageId = details.messageId ?? context.eventId;
  const asked = callsOf(message);
  const uses = new Map<string, number>();
  const keyed = asked.map((call) => {
    const earlier = uses.get(call.callId) ?? 0;
    uses.set(call.callId, earlier + 1);
    const mark = `${memo(messageId)}${earlier === 0 ? "" : ` ${earlier}`}`;
    return { ...call, mark, callKey: `${threadKey(context.threadId, call.callId)} ${mark}` };
  });
  const facts: Array<Fact> = [];
  const answers = role === "tool" || role === "function" ? answeredBy(message) : [];
  const text = wordsOf(message["content"]).join("\n");
  const { failure, durationMillis, messageId: _id, role: _role, ...rest } = details;
  const parts: ReadonlyArray<Part> =
    answers.length > 0
      ? answers.map((callId) => ({
          type: "tool_result",
          callId,
          text,
          isError: failure !== undefined,
          bytes: sizeOf(message["content"]),
        }))
      : [...saidIn(message), ...keyed.map(toolUse)];
  facts.push({ _tag: "MessageSaid", messageId, segment: "", role, parts, author: stringAt(message, "name"), ...rest });
  for (const call of keyed) facts.push(toolCalled({ ...call, messageId }));
  let after = openCalls(carry, keyed);
  for (const callId of answers) {
    const found = answerCall(after, callId);
    after = found.carry;
    const key = threadKey(context.threadId, callId);
    const callKey = found.mark === undefined ? key : `${key} ${found.mark}`;
    facts.push(toolReturned({ callKey, callId, result: message["content"], failure, durationMillis }));
  }
  return { facts, carry: after };
};
