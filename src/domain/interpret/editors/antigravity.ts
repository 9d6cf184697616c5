/**
 * Antigravity's transcript: the steps of an agent, one a line.
 *
 * Room: domain.
 *
 * Choices: calls have no ids and no step names the call that asked for it, so calls have no results (outcome unknown);
 * a step of a tool (`LIST_DIRECTORY`, `RUN_COMMAND` and whatever comes) is a notice with its words.
 */
import type { Part } from "../../thread/Content.ts";
import { arrayAt, isObject, type JsonObject, stringAt } from "../../Json.ts";
import { threadKey, toolCalled, toolUse } from "../calls.ts";
import { idAt, noted, notUnderstood } from "../facts.ts";
import type { EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { partsOf, wordsOf } from "../parts.ts";

const format = "antigravity";

const roles: Readonly<Record<string, string>> = { USER_INPUT: "user", PLANNER_RESPONSE: "assistant" };

const message = (line: JsonObject, role: string, context: EntryContext): Interpretation => {
  const thinking = stringAt(line, "thinking");
  const calls = arrayAt(line, "tool_calls").flatMap((call, index) => {
    if (!isObject(call)) return [];
    const callId = idAt(call, "id") ?? `${context.eventId} ${index}`;
    return [
      {
        callId,
        callKey: threadKey(context.threadId, callId),
        name: stringAt(call, "name") ?? "",
        arguments: call["args"],
      },
    ];
  });
  const parts: ReadonlyArray<Part> = [
    ...(thinking === undefined || thinking === "" ? [] : [{ type: "thinking", text: thinking } as const]),
    ...partsOf(line["content"]),
    ...calls.map(toolUse),
  ];
  const messageId = context.eventId;
  return {
    facts: [
      { _tag: "MessageSaid", messageId, segment: "", role, parts },
      ...calls.map((call) => toolCalled({ ...call, messageId })),
    ],
  };
};

export const antigravity: Interpreter = {
  format,
  interpret: (entry, context) => {
    const type = stringAt(entry, "type");
    if (!isObject(entry) || type === undefined || entry["step_index"] === undefined) {
      return { facts: [notUnderstood(format, "line that is no step")] };
    }
    const role = Object.hasOwn(roles, type) ? roles[type] : undefined;
    if (role !== undefined) return message(entry, role, context);
    return { facts: [noted(`step ${type}`, wordsOf(entry["content"]).join("\n"))] };
  },
};
