/**
 * Sessions of the coding agent pi: one JSON object a line.
 *
 * Room: domain.
 *
 * Choices: the role `toolResult` is our role tool. A message's id is its line's, or the event's where the line has none
 * (older versions). Usage is counted per line: a response id is absent in old files and repeated in new ones.
 */
import type { Part } from "../Content.ts";
import type { Fact } from "../Fact.ts";
import { amountAt, arrayAt, flagAt, isObject, type JsonObject, objectAt, stringAt } from "../Json.ts";
import { threadKey, toolCalled, toolReturned } from "./calls.ts";
import { describe } from "./describe.ts";
import { argumentsValue, idAt, nameOf, noted, notUnderstood, serverOf, sizeOf } from "./facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "./Interpreter.ts";
import { partsOf, wordsOf } from "./parts.ts";
import { tokensBeside } from "./tokens.ts";

const format = "pi";

const usageNames = { input: "input", output: "output", cacheRead: "cacheRead", cacheWrite: "cacheWrite" } as const;

const notices: ReadonlySet<string> = new Set([
  "thinking_level_change",
  "label",
  "custom",
  "branch_summary",
  "custom_message",
]);

const assistant = (
  said: JsonObject,
  messageId: string,
  context: EntryContext,
): { readonly parts: ReadonlyArray<Part>; readonly facts: ReadonlyArray<Fact> } => {
  const parts: Array<Part> = [];
  const facts: Array<Fact> = [];
  const content = said["content"];
  for (const [index, block] of arrayAt(said, "content").entries()) {
    if (stringAt(block, "type") !== "toolCall" || !isObject(block)) {
      parts.push(...partsOf([block]));
      continue;
    }
    const callId = idAt(block, "id") ?? "";
    const name = stringAt(block, "name") ?? "";
    const callKey =
      callId === "" ? `${context.threadId} ${context.eventId} ${index}` : threadKey(context.threadId, callId);
    parts.push({
      type: "tool_use",
      callId,
      name,
      server: serverOf(name) ?? null,
      arguments: argumentsValue(block["arguments"]),
    });
    facts.push(toolCalled({ callKey, callId, name, arguments: block["arguments"], messageId }));
  }
  if (typeof content === "string") parts.push(...partsOf(content));
  const usage = tokensBeside(said["usage"], usageNames);
  if (usage !== undefined) {
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${context.eventId}`,
      providerMessageId: idAt(said, "responseId") ?? messageId,
      messageId,
      provider: stringAt(said, "provider"),
      model: stringAt(said, "model"),
      usage,
      costUsd: amountAt(objectAt(said["usage"], "cost"), "total"),
    });
  }
  return { parts, facts };
};

const toolResult = (
  said: JsonObject,
  context: EntryContext,
): { readonly parts: ReadonlyArray<Part>; readonly facts: ReadonlyArray<Fact> } => {
  const callId = idAt(said, "toolCallId") ?? "";
  const text = wordsOf(said["content"]).join("\n");
  const isError = flagAt(said, "isError");
  return {
    parts: [{ type: "tool_result", callId, text, isError, bytes: sizeOf(said["content"]) }],
    facts: [
      toolReturned({
        callKey: threadKey(context.threadId, callId),
        callId,
        result: said["content"],
        failure: isError ? { type: "error", message: text } : undefined,
      }),
    ],
  };
};

/** A command the person ran themselves; its output stands with it and no model called it. */
const bash = (said: JsonObject): ReadonlyArray<Part> =>
  partsOf([`${stringAt(said, "command") ?? ""}\n${stringAt(said, "output") ?? ""}`.trim()]);

const message = (line: JsonObject, said: JsonObject, context: EntryContext): ReadonlyArray<Fact> => {
  const written = stringAt(said, "role") ?? "";
  const messageId = idAt(line, "id") ?? context.eventId;
  const { parts, facts } =
    written === "assistant"
      ? assistant(said, messageId, context)
      : written === "toolResult"
        ? toolResult(said, context)
        : { parts: written === "bashExecution" ? bash(said) : partsOf(said["content"]), facts: [] };
  return [
    {
      _tag: "MessageSaid",
      messageId,
      segment: "",
      role: written === "toolResult" ? "tool" : written,
      // A person's own command to the shell.
      kind: written === "bashExecution" ? "command" : undefined,
      parts,
      parentMessageId: stringAt(line, "parentId"),
      provider: stringAt(said, "provider"),
      model: stringAt(said, "model"),
      stopReason: stringAt(said, "stopReason"),
    },
    ...facts,
  ];
};

const session = (line: JsonObject, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const after = describe(facts, carry, {
    client: { name: format },
    cwd: stringAt(line, "cwd"),
    provider: stringAt(line, "provider"),
    model: stringAt(line, "modelId"),
    parentThreadId: stringAt(line, "parentSession"),
  });
  return { facts: [...facts, noted("session")], carry: after };
};

export const pi: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "line that is no object")] };
    const type = nameOf(entry["type"]);
    const said = objectAt(entry, "message");
    if (type === "message" && said !== undefined) return { facts: message(entry, said, context) };
    if (type === "session") return session(entry, carry);
    if (type === "model_change" || type === "session_info") {
      const facts: Array<Fact> = [];
      const after = describe(facts, carry, {
        provider: stringAt(entry, "provider"),
        model: stringAt(entry, "modelId"),
        title: stringAt(entry, "name"),
      });
      return { facts: [...facts, noted(type)], carry: after };
    }
    if (type === "compaction") return { facts: [noted(type, stringAt(entry, "summary"))] };
    return { facts: [notices.has(type) ? noted(type) : notUnderstood(format, type)] };
  },
};
