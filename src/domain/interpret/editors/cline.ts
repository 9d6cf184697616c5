/**
 * Cline, Roo Code and Kilo Code: the conversation with the provider, in Anthropic's messages, one file of a task's folder.
 *
 * Room: domain.
 *
 * The folder a task works in stands in the details of its environment, which the program adds to what a person says.
 * Usage, times and the task's words are in the file beside it (`cline-ui`). Since version 4 the conversation is an object
 * around its messages (`sessions/<id>/<id>.messages.json`), which have ids, times and usage of their own.
 */
import type { Fact } from "../../Fact.ts";
import { amountAt, countAt, isObject, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import { shortId } from "../../Truncate.ts";
import { anthropicMessages } from "../claude/anthropic-messages.ts";
import { describe } from "../describe.ts";
import { idAt, noted, notUnderstood } from "../facts.ts";
import type { EntryContext, Interpreter } from "../Interpreter.ts";
import { wordsOf } from "../parts.ts";

const format = "cline";

const folder = /# Current (?:Working|Workspace) Directory \(([^)\n]{1,1000})\)/;

/** Usage of an answer, once a message. */
const counted = (
  entry: JsonObject,
  metrics: JsonObject,
  model: string | undefined,
  { eventId, threadId }: EntryContext,
): Fact => {
  const messageId = idAt(entry, "id") ?? eventId;
  return {
    _tag: "TokensUsed",
    usageKey: `${threadId} ${shortId(messageId)}`,
    providerMessageId: messageId,
    messageId,
    provider: stringAt(objectAt(entry, "modelInfo"), "provider"),
    model,
    usage: {
      input: countAt(metrics, "inputTokens") ?? null,
      output: countAt(metrics, "outputTokens") ?? null,
      cacheRead: countAt(metrics, "cacheReadTokens") ?? null,
      cacheWrite: countAt(metrics, "cacheWriteTokens") ?? null,
    },
    costUsd: amountAt(metrics, "cost"),
  };
};

export const cline: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (isObject(entry) && context.place === "frame") {
      const about: Array<Fact> = [];
      const after = describe(about, carry, { client: { name: format }, session: stringAt(entry, "sessionId") });
      // Messages inside an object have ids of their own; those of a bare array are the provider's, if any.
      return { facts: [...about, noted("conversation")], carry: { ...after, framed: true } };
    }
    if (!isObject(entry) || typeof entry["role"] !== "string")
      return { facts: [notUnderstood(format, "message without a role")] };
    const facts: Array<Fact> = [];
    const info = objectAt(entry, "modelInfo");
    const model = stringAt(info, "modelId") ?? stringAt(info, "id");
    const cwd =
      entry["role"] === "user"
        ? wordsOf(entry["content"])
            .map((text) => folder.exec(text)?.[1])
            .find(Boolean)
        : undefined;
    const described = describe(facts, carry, { client: { name: format }, cwd, model });
    const metrics = objectAt(entry, "metrics");
    const { id: _id, ...rest } = entry;
    const said = carry["framed"] === true ? entry : rest;
    const told = anthropicMessages.interpret(model === undefined ? said : { ...said, model }, context, described);
    if (metrics !== undefined) facts.push(counted(entry, metrics, model, context));
    return { facts: [...facts, ...told.facts], carry: told.carry ?? described };
  },
};
