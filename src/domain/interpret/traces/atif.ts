/**
 * ATIF trajectories (Agent Trajectory Interchange Format 1.0 to 1.7): an object around its `steps`.
 *
 * Room: domain.
 *
 * A step is a message of its source (`agent` is the assistant), with its calls and, in `observation`, their results: the
 * results are a message of role tool. `prompt_tokens` counts what was cached too. A sub-agent's trajectory stands inside its
 * parent's (`subagent_trajectories`) and is a thread below the parent's, or a file of its own: it counts once. A step that
 * was copied in as context spent nothing here.
 */
import { createHash } from "node:crypto";
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { amountAt, arrayAt, countAt, isObject, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import { twins } from "../copies.ts";
import { threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { idAt, jsonText, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { partsOf, wordsOf } from "../parts.ts";
import { documentInterpreter, withText } from "../documents.ts";

const format = "atif";

/** Name of a trajectory inside its parent's. */
export const nameInside = (frame: JsonObject): string | undefined =>
  idAt(frame, "trajectory_id") ?? idAt(frame, "session_id");

/** The thread above a sub-agent's, by its name. */
const parentOf = (frame: JsonObject, { threadId }: EntryContext): string | undefined => {
  const [, parent, own] = /^(.+)\/([^/]+)$/s.exec(threadId) ?? [];
  return own !== undefined && (own === nameInside(frame) || /^\d{1,4}$/.test(own)) ? parent : undefined;
};

const digestOf = (entry: JsonObject): string =>
  createHash("sha256").update(jsonText(entry), "utf16le").digest("hex").slice(0, 24);

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
  const isCopied = entry["is_copied_context"] === true;
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
    ...(isCopied
      ? []
      : calls.map((call) => toolCalled({ ...call, callKey: threadKey(context.threadId, call.callId), messageId }))),
    ...observed(entry, messageId, context).filter(({ _tag }) => !isCopied || _tag === "MessageSaid"),
  ];
  const metrics = isCopied ? undefined : objectAt(entry, "metrics");
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
  const session = stringAt(objectAt(carry, "described"), "session");
  return { facts: twins(facts, session === undefined ? undefined : `atif ${session} ${digestOf(entry)}`), carry };
};

export const atif: Interpreter = documentInterpreter({
  format,
  described: (frame, context) => {
    const agent = objectAt(frame, "agent");
    const parent = parentOf(frame, context);
    return {
      tool: stringAt(agent, "name"),
      client: { name: stringAt(agent, "name") ?? format, version: stringAt(agent, "version") ?? null },
      session: stringAt(frame, "session_id"),
      model: stringAt(agent, "model_name"),
      ...(parent === undefined ? {} : { parentThreadId: parent, relation: "sub-agent" as const }),
    };
  },
  element: withText("source", step),
});
