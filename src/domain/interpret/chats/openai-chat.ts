/**
 * OpenAI chat-completions: a conversation object around its messages, tau-bench's form too, and request/response pairs.
 *
 * Room: domain.
 *
 * Choices: messages have no ids, so an entry's event id is its message id. A tool's answer carries no flag, so its
 * outcome is `ok`, also when its text begins with "Error". A frame that holds a response (`choices`) is the model's
 * message too, with its usage.
 */
import { shortId } from "../../Truncate.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { chatMessage, counted } from "./chatMessage.ts";
import { describe } from "../describe.ts";
import { idAt, noted, notUnderstood } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { chatTokens } from "../tokens.ts";

const format = "openai-chat";

/** Facts of a response: its messages and its usage. */
const responseFacts = (response: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const model = stringAt(response, "model") ?? stringAt(objectAt(carry, "described"), "model");
  const id = idAt(response, "id") ?? context.eventId;
  let after = carry;
  let messageId: string | undefined;
  for (const [index, choice] of arrayAt(response, "choices").entries()) {
    const message = objectAt(choice, "message");
    if (message === undefined) continue;
    const own = index === 0 ? id : `${id} ${index}`;
    messageId ??= own;
    const told = chatMessage(message, context, after, {
      messageId: own,
      model,
      stopReason: stringAt(choice, "finish_reason"),
    });
    facts.push(...told.facts);
    after = told.carry ?? after;
  }
  const usage = chatTokens(response["usage"]);
  if (usage !== undefined) {
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${shortId(id)}`,
      providerMessageId: id,
      messageId,
      model,
      usage,
    });
  }
  return { facts, carry: after };
};

/** The title of a conversation, where its object has one. */
const titleOf = (frame: JsonObject): string | undefined => stringAt(frame, "title") ?? stringAt(frame, "name");

const frameFacts = (frame: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const request = objectAt(frame, "request");
  const response = objectAt(frame, "response") ?? frame;
  const described = describe(facts, carry, {
    title: titleOf(frame),
    model: stringAt(frame, "model") ?? stringAt(response, "model") ?? stringAt(request, "model"),
    provider: stringAt(frame, "provider"),
  });
  const told = responseFacts(response, context, described);
  facts.push(...told.facts);
  if (facts.length === 0) facts.push(noted("conversation"));
  return { facts, carry: told.carry };
};

/** A message may carry its response's usage and model beside its words. */
const messageFacts = (message: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const known = message["role"] === "assistant" ? stringAt(objectAt(carry, "described"), "model") : undefined;
  const model = stringAt(message, "model") ?? known;
  const told = chatMessage(message, context, carry, { model, stopReason: stringAt(message, "finish_reason") });
  return counted(told, message, context, { model });
};

const isMessage = (entry: JsonObject): boolean =>
  typeof entry["role"] === "string" && !Array.isArray(entry["messages"]);

export const openaiChat: Interpreter = {
  format,
  interpret: (entry: JsonValue, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
    if (context.place === "frame") return frameFacts(entry, context, carry);
    if (isMessage(entry)) return messageFacts(entry, context, carry);
    return context.place === "element"
      ? { facts: [notUnderstood(format, "message without a role")] }
      : frameFacts(entry, context, carry);
  },
};
