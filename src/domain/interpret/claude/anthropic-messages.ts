/**
 * The Anthropic Messages API as it is: a request's object around its messages, and a response.
 *
 * Room: domain.
 *
 * Choices: a message of a request has no id, so an entry's event id is its message id; a response has one, with its
 * usage. A frame's `system` is a message of role system; a frame that holds a `response`, or is one, is a message too.
 * A call is known by the provider's id, as in Claude Code's transcripts.
 */
import type { Fact } from "../../Fact.ts";
import { isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { readBlocks } from "../blocks.ts";
import { describe } from "../describe.ts";
import { idAt, noted, notUnderstood } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { partsOf } from "../parts.ts";
import { anthropicUsage, tokensBeside } from "../tokens.ts";

const format = "anthropic-messages";

const message = (said: JsonObject, context: EntryContext, carry: Carry): ReadonlyArray<Fact> => {
  const role = stringAt(said, "role") ?? "";
  const own = idAt(said, "id");
  const messageId = own ?? context.eventId;
  const model =
    stringAt(said, "model") ?? (role === "assistant" ? stringAt(objectAt(carry, "described"), "model") : undefined);
  const { parts, facts } = readBlocks(said["content"], {
    messageId,
    callKey: (callId, index) => (callId === "" ? `${context.threadId} ${context.eventId} ${index}` : callId),
  });
  const usage = tokensBeside(said["usage"], anthropicUsage);
  const counted: ReadonlyArray<Fact> =
    usage === undefined
      ? []
      : [{ _tag: "TokensUsed", usageKey: `${messageId} `, providerMessageId: messageId, messageId, model, usage }];
  return [
    { _tag: "MessageSaid", messageId, segment: "", role, parts, model, stopReason: stringAt(said, "stop_reason") },
    ...facts,
    ...counted,
  ];
};

/** A response of the API: a message that says of itself what it is. */
const isResponse = (value: JsonValue | undefined): value is JsonObject =>
  isObject(value) && value["type"] === "message" && typeof value["role"] === "string";

const frame = (around: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const request = objectAt(around, "request") ?? around;
  const after = describe(facts, carry, {
    title: stringAt(around, "title"),
    model: stringAt(request, "model"),
    provider: stringAt(around, "provider"),
  });
  const system = partsOf(request["system"]);
  if (system.length > 0) {
    facts.push({
      _tag: "MessageSaid",
      messageId: `${context.eventId} system`,
      segment: "",
      role: "system",
      parts: system,
    });
  }
  const response = [around["response"], around].find(isResponse);
  if (response !== undefined) facts.push(...message(response, context, after));
  if (facts.length === 0) facts.push(noted("conversation"));
  return { facts, carry: after };
};

export const anthropicMessages: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
    if (context.place !== "frame" && typeof entry["role"] === "string")
      return { facts: message(entry, context, carry) };
    return context.place === "element"
      ? { facts: [notUnderstood(format, "message without a role")] }
      : frame(entry, context, carry);
  },
};
