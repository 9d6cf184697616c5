/**
 * Cursor's agent transcripts: one message a line, without ids, times or results' calls.
 *
 * Room: domain.
 *
 * Choice: calls carry no id, so a result answers the call that has waited longest; a call's id is its entry and place.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, flagAt, isObject, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import { answerOldest, openCalls, threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { describe } from "../describe.ts";
import { idAt, nameOf, noted, notUnderstood, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { memo } from "../memory.ts";
import { partsOf, wordsOf } from "../parts.ts";

const format = "cursor";

const isCall = (type: string): boolean => type === "tool_use" || type === "tool_call" || type === "tool-call";
const isResult = (type: string): boolean => type === "tool_result" || type === "tool-result";

/** Yield of one block; `carry` holds the calls that wait. */
interface Read {
  readonly parts: ReadonlyArray<Part>;
  readonly facts: ReadonlyArray<Fact>;
  readonly carry: Carry;
}

const call = (block: JsonObject, index: number, context: EntryContext, carry: Carry): Read => {
  const callId = memo(idAt(block, "id") ?? `${context.eventId} ${index}`);
  const callKey = threadKey(context.threadId, callId);
  const name = stringAt(block, "name") ?? "";
  const args = block["input"] ?? block["args"] ?? block["arguments"];
  return {
    parts: [toolUse({ callId, name, arguments: args })],
    facts: [toolCalled({ callKey, callId, name, arguments: args, messageId: context.eventId })],
    carry: openCalls(carry, [{ callId, mark: "" }]),
  };
};

const result = (block: JsonObject, context: EntryContext, carry: Carry): Read => {
  const found = answerOldest(carry);
  const callId = found.callId ?? idAt(block, "tool_use_id") ?? "";
  const content = block["content"] ?? block["result"];
  const text = wordsOf(content).join("\n");
  const isError = flagAt(block, "is_error");
  return {
    parts: [{ type: "tool_result", callId, text, isError, bytes: sizeOf(content) }],
    facts: [
      toolReturned({
        callKey: threadKey(context.threadId, callId),
        callId,
        result: content,
        failure: isError ? { type: "error", message: text } : undefined,
      }),
    ],
    carry: found.carry,
  };
};

const message = (line: JsonObject, role: string, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const model = stringAt(line, "model");
  let after = describe(facts, carry, { model });
  const content = objectAt(line, "message")?.["content"];
  const parts: Array<Part> = [];
  const tools: Array<Fact> = [];
  for (const [index, block] of arrayAt(objectAt(line, "message"), "content").entries()) {
    const type = stringAt(block, "type") ?? "";
    if (!isObject(block) || !(isCall(type) || isResult(type))) {
      parts.push(...partsOf([block]));
      continue;
    }
    const read = isCall(type) ? call(block, index, context, after) : result(block, context, after);
    parts.push(...read.parts);
    tools.push(...read.facts);
    after = read.carry;
  }
  if (typeof content === "string") parts.push(...partsOf(content));
  facts.push({ _tag: "MessageSaid", messageId: context.eventId, segment: "", role, parts, model }, ...tools);
  return { facts, carry: after };
};

export const cursor: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "line that is no object")] };
    const role = stringAt(entry, "role");
    if (role !== undefined) return message(entry, role, context, carry);
    const type = nameOf(entry["type"]);
    return { facts: [type === "turn_ended" ? noted(type) : notUnderstood(format, type)] };
  },
};
