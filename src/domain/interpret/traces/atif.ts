/**
 * ATIF trajectories (Agent Trajectory Interchange Format 1.0 to 1.7): an object around its `steps`.
 *
 * Room: domain.
 *
 * A step is a message of its source (`agent` is the assistant), with its calls and, in `observation`, their results: the
 * results are a message of role tool. `prompt_tokens` counts what was cached too.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { amountAt, arrayAt, countAt, isObject, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import { threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { idAt, jsonText, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { partsOf, wordsOf } from "../parts.ts";
import { documentInterpreter, withText } from "../documents.ts";

const format = "atif";

const observed = (step: JsonObject, messageId: string, { threadId }: EntryContext): ReadonlyArray<Fact> => {
  const results = arrayAt(objectAt(step, "observation"), "results").map((one) => {
    const content = isObject(one) ? one["content"] : undefined;
    const text =
      wordsOf(content).join("\n") || (typeof content === "string" || content == null ? "" : jsonText(content));
    return { callId: idAt(one, "source_call_id") ?? "", content, text };
  });
  if (results.length === 0) return [];
  const parts = results.map(({ callId, content, text }): Part => ({
    type: "tool_result",
    callId,
    text,
    isError: false,
    bytes: sizeOf(content),
  }));
  return [
    { _tag: "MessageSaid", messageId: `${messageId} observed`, segment: "", role: "tool", parts },
    ...results
      .filter(({ callId }) => callId !== "")
      .map(({ callId, content }) => toolReturned({ callKey: threadKey(threadId, callId), callId, result: content })),
  ];
};

const step = (entry: JsonObject, source: string, context: EntryContext, carry: Carry): Interpretation => {
  const messageId = `step ${String(entry["step_id"] ?? context.eventId)}`;
  const known = stringAt(objectAt(carry, "described"), "model");
  const model = source === "agent" ? (stringAt(entry, "model_name") ?? known) : undefined;
  const thought = stringAt(entry, "reasoning_content");
  const calls = arrayAt(entry, "tool_calls").map((call) => ({
    callId: idAt(call, "tool_call_id") ?? "",
    name: stringAt(call, "function_name") ?? "",
    arguments: isObject(call) ? call["arguments"] : undefined,
  }));
  const facts: Array<Fact> = [
    {
      _tag: "MessageSaid",
      messageId,
      segment: "",
      role: source === "agent" ? "assistant" : source,
      parts: [
        ...(thought === undefined || thought === "" ? [] : [{ type: "thinking", text: thought } as const]),
        ...partsOf(entry["message"]),
        ...calls.map(toolUse),
      ],
      model,
    },
    ...calls.map((call) => toolCalled({ ...call, callKey: threadKey(context.threadId, call.callId), messageId })),
    ...observed(entry, messageId, context),
  ];
  const metrics = objectAt(entry, "metrics");
  const input = countAt(metrics, "prompt_tokens");
  const output = countAt(metrics, "completion_tokens");
  if (input !== undefined || output !== undefined)
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${messageId}`,
      providerMessageId: messageId,
      messageId,
      model,
      usage: {
        input: input ?? null,
        output: output ?? null,
        cacheRead: countAt(metrics, "cached_tokens") ?? null,
        cacheInInput: true,
      },
      costUsd: amountAt(metrics, "cost_usd"),
    });
  return { facts, carry };
};

export const atif: Interpreter = documentInterpreter({
  format,
  described: (frame) => {
    const agent = objectAt(frame, "agent");
    return {
      tool: stringAt(agent, "name"),
      client: { name: stringAt(agent, "name") ?? format, version: stringAt(agent, "version") ?? null },
      session: stringAt(frame, "session_id"),
      model: stringAt(agent, "model_name"),
    };
  },
  element: withText("source", step),
});
