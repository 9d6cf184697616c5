/**
 * A message of Goose, as its lines and its database have it: text, thinking, tool requests and responses.
 *
 * Room: domain.
 *
 * A call's key is thread and id. A request whose `toolCall` is an error was never made, and is told as one that failed.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { type Failure, threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { idAt, jsonText, sizeOf } from "../facts.ts";
import type { EntryContext } from "../Interpreter.ts";
import { imageAt, partsOf, wordsOf } from "../parts.ts";

interface Read {
  readonly parts: ReadonlyArray<Part>;
  readonly facts: ReadonlyArray<Fact>;
}

const requested = (block: JsonObject, messageId: string, { threadId }: EntryContext): Read => {
  const callId = idAt(block, "id") ?? "";
  const asked = objectAt(block, "toolCall");
  const value = objectAt(asked, "value") ?? asked;
  // Goose names a tool by its extension first: `developer__shell`.
  const about = { callId, name: stringAt(value, "name") ?? "", arguments: value?.["arguments"] };
  const callKey = threadKey(threadId, callId);
  const called = toolCalled({ ...about, callKey, messageId });
  const error = stringAt(asked, "status") === "error" ? (stringAt(asked, "error") ?? "") : undefined;
  if (error === undefined) return { parts: [toolUse(about)], facts: [called] };
  const failure: Failure = { type: "error", message: error };
  return { parts: [toolUse(about)], facts: [called, toolReturned({ callKey, callId, result: error, failure })] };
};

const responded = (block: JsonObject, { threadId }: EntryContext): Read => {
  const callId = idAt(block, "id") ?? "";
  const answer = objectAt(block, "toolResult");
  const value = answer?.["value"];
  const content = isObject(value) ? value["content"] : value;
  const error = stringAt(answer, "error");
  const isError = stringAt(answer, "status") === "error" || (isObject(value) && value["isError"] === true);
  const text = error ?? wordsOf(content).join("\n");
  const failure: Failure | undefined = isError ? { type: "error", message: text } : undefined;
  const result: JsonValue | undefined = error ?? content;
  return {
    parts: [{ type: "tool_result", callId, text, isError, bytes: sizeOf(result) }],
    facts: [toolReturned({ callKey: threadKey(threadId, callId), callId, result, failure })],
  };
};

const block = (part: JsonValue, messageId: string, context: EntryContext): Read => {
  const type = stringAt(part, "type") ?? "";
  if (!isObject(part)) return { parts: partsOf([part]), facts: [] };
  switch (type) {
    case "toolRequest":
    case "frontendToolRequest":
      return requested(part, messageId, context);
    case "toolResponse":
      return responded(part, context);
    case "redactedThinking":
      return { parts: [{ type: "thinking", text: "", redacted: true }], facts: [] };
    case "image":
      return { parts: [imageAt(undefined, stringAt(part, "mimeType"))], facts: [] };
    case "toolConfirmationRequest":
    case "systemNotification":
    case "contextLengthExceeded":
      return { parts: [{ type: "other", kind: type, value: stringAt(part, "msg") ?? jsonText(part) }], facts: [] };
    default:
      return { parts: partsOf([part]), facts: [] };
  }
};

/** The parts and tool facts of a message's content. */
export const gooseContent = (content: ReadonlyArray<JsonValue>, messageId: string, context: EntryContext): Read => {
  const read = content.map((part) => block(part, messageId, context));
  return { parts: read.flatMap(({ parts }) => parts), facts: read.flatMap(({ facts }) => facts) };
};
