/**
 * Factory Droid: its session store (Anthropic-like messages) and its `stream-json` output, one object a line each.
 *
 * Room: domain.
 *
 * Choices: `completion.finalText` is what the model said last, a message of its own, and its usage is counted with it.
 * The two shapes are told apart by the line: only the store has a `message` object.
 */
import type { Fact } from "../../Fact.ts";
import { flagAt, isObject, type JsonObject, numberAt, objectAt, stringAt } from "../../Json.ts";
import { readBlocks } from "../blocks.ts";
import { type Failure, threadKey, toolCalled, toolReturned } from "../calls.ts";
import { describe } from "../describe.ts";
import { idAt, jsonText, nameOf, noted, notUnderstood, thought } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { partsOf } from "../parts.ts";
import { anthropicUsage, tokensBeside } from "../tokens.ts";

const format = "droid";

const notices: ReadonlySet<string> = new Set(["todo_state", "compaction_state", "session_end", "permission_request"]);

const opened = (line: JsonObject, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const after = describe(facts, carry, {
    client: { name: format, version: stringAt(line, "version") ?? null },
    title: stringAt(line, "sessionTitle") ?? stringAt(line, "title"),
    cwd: stringAt(line, "cwd"),
    model: stringAt(line, "model"),
    parentThreadId: stringAt(line, "parent"),
  });
  return { facts: [...facts, noted(nameOf(line["type"]))], carry: after };
};

/** A message of the session store. */
const stored = (line: JsonObject, said: JsonObject, context: EntryContext): ReadonlyArray<Fact> => {
  const messageId = idAt(line, "id") ?? context.eventId;
  const { parts, facts } = readBlocks(said["content"], {
    messageId,
    callKey: (callId, index) =>
      callId === "" ? `${context.threadId} ${context.eventId} ${index}` : threadKey(context.threadId, callId),
  });
  return [
    {
      _tag: "MessageSaid",
      messageId,
      segment: "",
      role: stringAt(said, "role") ?? "",
      parts,
      parentMessageId: stringAt(line, "parentId"),
      model: stringAt(said, "model"),
    },
    ...facts,
  ];
};

/** A message of the stream: its words stand on the line itself. */
const streamed = (
  line: JsonObject,
  role: string,
  text: string,
  context: EntryContext,
  carry: Carry,
): ReadonlyArray<Fact> => {
  const messageId = idAt(line, "id") ?? context.eventId;
  const model = role === "assistant" ? stringAt(objectAt(carry, "described"), "model") : undefined;
  const facts: Array<Fact> = [{ _tag: "MessageSaid", messageId, segment: "", role, parts: partsOf(text), model }];
  const usage = tokensBeside(line["usage"], anthropicUsage);
  if (usage !== undefined) {
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${context.eventId}`,
      providerMessageId: messageId,
      messageId,
      model,
      usage,
    });
  }
  return facts;
};

/** Failure in a result of the stream: its flag, or the exit code in its value. */
const failureOf = (line: JsonObject): Failure | undefined => {
  const value = line["value"];
  const message = typeof value === "string" ? value : (stringAt(value, "stderr") ?? jsonText(value));
  const exitCode = numberAt(value, "exitCode") ?? 0;
  if (exitCode !== 0) return { type: "exit_code", message };
  return flagAt(line, "isError") ? { type: "error", message } : undefined;
};

const tool = (line: JsonObject, type: string, context: EntryContext): Fact => {
  const callId = idAt(line, "toolCallId") ?? idAt(line, "id") ?? "";
  const callKey = threadKey(context.threadId, callId);
  if (type === "tool_result") return toolReturned({ callKey, callId, result: line["value"], failure: failureOf(line) });
  const name = stringAt(line, "toolName") ?? stringAt(line, "toolId") ?? "";
  return toolCalled({ callKey, callId, name, arguments: line["parameters"], messageId: idAt(line, "messageId") });
};

export const droid: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "line that is no object")] };
    const type = nameOf(entry["type"]);
    const said = objectAt(entry, "message");
    switch (type) {
      case "session_start":
      case "system":
        return opened(entry, carry);
      case "message":
        return {
          facts:
            said === undefined
              ? streamed(entry, stringAt(entry, "role") ?? "", stringAt(entry, "text") ?? "", context, carry)
              : stored(entry, said, context),
        };
      case "completion":
        return { facts: streamed(entry, "assistant", stringAt(entry, "finalText") ?? "", context, carry) };
      case "tool_call":
      case "tool_result":
        return { facts: [tool(entry, type, context)] };
      case "reasoning":
        return { facts: [thought(stringAt(entry, "text") ?? "")] };
      case "error":
        return { facts: [noted(type, stringAt(entry, "message"))] };
      default:
        return { facts: [notices.has(type) ? noted(type) : notUnderstood(format, type)] };
    }
  },
};
