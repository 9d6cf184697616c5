/**
 * SWE-agent's trajectory: an object around its `history`.
 *
 * Room: domain.
 *
 * Choices: the frame's `trajectory` tells the same words again and is not read; `info.model_stats` is the usage of the run
 * as a whole, for no message's. Where the model does not call tools but writes its command into its words (`action`), that
 * is a call, named by the command's first word, and the observation after it is its result, whatever role it has.
 */
import { cutText } from "../../secret/CutText.ts";
import type { Fact } from "../../Fact.ts";
import { amountAt, arrayAt, countAt, flagAt, isObject, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import { answerOldest, openCalls, threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { chatMessage } from "../chats/chatMessage.ts";
import { describe } from "../describe.ts";
import { noted, notUnderstood, parsed, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { wordsOf } from "../parts.ts";

const format = "swe-agent";

/** Longest name of a command, in UTF-16 units: it becomes a group in a report. */
const maxName = 40;

type Details = NonNullable<Parameters<typeof chatMessage>[3]>;

/** A step of the text protocol: what the model said, and the command that it asked for with it. */
const acted = (
  entry: JsonObject,
  context: EntryContext,
  carry: Carry,
  details: Details,
): Interpretation | undefined => {
  const action = stringAt(entry, "action")?.trim();
  if (entry["role"] !== "assistant" || action === undefined || action === "") return undefined;
  if (arrayAt(entry, "tool_calls").length > 0) return undefined;
  const callId = context.eventId;
  const callKey = threadKey(context.threadId, callId);
  const call = { callId, name: cutText(action.split(/\s/, 1)[0] ?? "", maxName), arguments: { action } };
  const told = chatMessage(entry, context, carry, details);
  const facts = told.facts.map((fact) =>
    fact._tag === "MessageSaid" ? { ...fact, parts: [...fact.parts, toolUse(call)] } : fact,
  );
  return {
    facts: [...facts, toolCalled({ ...call, callKey, messageId: context.eventId })],
    carry: openCalls(told.carry ?? carry, [{ callId, mark: "" }]),
  };
};

/** Answer of the environment to the command before it. */
const observed = (
  entry: JsonObject,
  context: EntryContext,
  carry: Carry,
  details: Details,
): Interpretation | undefined => {
  if (entry["role"] !== "user") return undefined;
  const { callId, carry: after } = answerOldest(carry);
  if (callId === undefined) return undefined;
  const content = entry["content"];
  const result = { type: "tool_result", callId, text: wordsOf(content).join("\n"), bytes: sizeOf(content) } as const;
  return {
    facts: [
      {
        _tag: "MessageSaid",
        messageId: context.eventId,
        segment: "",
        role: "user",
        parts: [{ ...result, isError: false }],
        author: details.author,
      },
      toolReturned({ callKey: threadKey(context.threadId, callId), callId, result: content }),
    ],
    carry: after,
  };
};

/** Tokens and cost of the whole run. A replay spends nothing. */
const spent = (frame: JsonObject, context: EntryContext, model: string | undefined): ReadonlyArray<Fact> => {
  const stats = objectAt(objectAt(frame, "info"), "model_stats");
  const input = countAt(stats, "tokens_sent") ?? 0;
  const output = countAt(stats, "tokens_received") ?? 0;
  const costUsd = amountAt(stats, "instance_cost") ?? amountAt(stats, "total_cost");
  if (input + output === 0 && (costUsd ?? 0) === 0) return [];
  const usageKey = `${context.threadId} run`;
  return [
    { _tag: "TokensUsed", usageKey, providerMessageId: context.eventId, model, usage: { input, output }, costUsd },
  ];
};

export const sweAgent: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
    const model = stringAt(objectAt(carry, "described"), "model");
    if (typeof entry["role"] === "string" && context.place !== "frame") {
      const details = {
        author: stringAt(entry, "agent"),
        model: entry["role"] === "assistant" ? model : undefined,
        isMeta: flagAt(entry, "is_demo"),
      };
      return details.isMeta
        ? chatMessage(entry, context, carry, details)
        : (acted(entry, context, carry, details) ??
            observed(entry, context, carry, details) ??
            chatMessage(entry, context, carry, details));
    }
    if (context.place === "element") return { facts: [notUnderstood(format, "message without a role")] };
    const facts: Array<Fact> = [];
    // Newer files write their configuration as JSON in a string.
    const config = entry["replay_config"];
    const agent = objectAt(typeof config === "string" ? parsed(config) : config, "agent");
    const after = describe(facts, carry, {
      title: stringAt(agent, "name"),
      model: stringAt(objectAt(agent, "model"), "name"),
    });
    facts.push(...spent(entry, context, stringAt(objectAt(after, "described"), "model")), noted("trajectory"));
    return { facts, carry: after };
  },
};
