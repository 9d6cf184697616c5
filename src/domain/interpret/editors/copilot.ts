/**
 * GitHub Copilot CLI's session events: one a line, `{type, data, id, timestamp, parentId}`.
 *
 * Room: domain.
 *
 * Choices: a request in a message and the start of its execution are one call. An entry's event id is its message id,
 * because lines with one id and different words exist. Only output tokens are told per message; the totals of
 * `session.shutdown` would count them again.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, countAt, flagAt, isObject, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import { threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { describe } from "../describe.ts";
import { idAt, nameOf, noted, notUnderstood, thought } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { partsOf, wordsOf } from "../parts.ts";

const format = "copilot";

const roles: Readonly<Record<string, string>> = {
  "user.message": "user",
  "assistant.message": "assistant",
  "system.message": "system",
};

/** Families of events that are notices, whatever follows the dot. */
const noticeFamilies: ReadonlySet<string> = new Set([
  "session",
  "assistant",
  "hook",
  "subagent",
  "system",
  "tool",
  "user",
  "skill",
  "permission",
  "abort",
]);

const attachments = (data: JsonObject): ReadonlyArray<Part> =>
  arrayAt(data, "attachments").flatMap((attachment): ReadonlyArray<Part> => {
    const path = stringAt(attachment, "path");
    return path === undefined ? [] : [{ type: "file", path }];
  });

const message = (data: JsonObject, role: string, context: EntryContext, carry: Carry): ReadonlyArray<Fact> => {
  const messageId = context.eventId;
  const model =
    stringAt(data, "model") ?? (role === "assistant" ? stringAt(objectAt(carry, "described"), "model") : undefined);
  const reasoning = stringAt(data, "reasoningText");
  const calls = arrayAt(data, "toolRequests").flatMap((request) => {
    const callId = idAt(request, "toolCallId");
    if (!isObject(request) || callId === undefined) return [];
    return [
      {
        callId,
        name: stringAt(request, "name") ?? "",
        server: stringAt(request, "mcpServerName"),
        arguments: request["arguments"],
      },
    ];
  });
  const facts: Array<Fact> = [
    {
      _tag: "MessageSaid",
      messageId,
      segment: "",
      role,
      parts: [
        ...(reasoning === undefined || reasoning === "" ? [] : [{ type: "thinking", text: reasoning } as const]),
        ...partsOf(data["content"]),
        ...attachments(data),
        ...calls.map(toolUse),
      ],
      model,
      isSidechain: data["parentToolCallId"] !== undefined,
    },
    ...calls.map((call) => toolCalled({ ...call, callKey: threadKey(context.threadId, call.callId), messageId })),
  ];
  const output = countAt(data, "outputTokens");
  if (output !== undefined) {
    const providerMessageId = idAt(data, "messageId") ?? messageId;
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${messageId}`,
      providerMessageId,
      messageId,
      model,
      usage: { output },
    });
  }
  return facts;
};

const execution = (data: JsonObject, type: string, context: EntryContext): Fact => {
  const callId = idAt(data, "toolCallId");
  if (callId === undefined) return notUnderstood(format, `${type} without a call id`);
  const callKey = threadKey(context.threadId, callId);
  if (type === "tool.execution_start") {
    return toolCalled({
      callKey,
      callId,
      name: stringAt(data, "toolName") ?? "",
      server: stringAt(data, "mcpServerName"),
      arguments: data["arguments"],
    });
  }
  const result = objectAt(data, "result");
  const error = objectAt(data, "error");
  const text = stringAt(error, "message") ?? wordsOf(result?.["content"]).join("\n");
  return toolReturned({
    callKey,
    callId,
    result: result?.["content"] ?? data["result"],
    failure: flagAt(data, "success") ? undefined : { type: stringAt(error, "code") ?? "error", message: text },
  });
};

const sessionEvent = (data: JsonObject, type: string, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const context = objectAt(data, "context");
  const version = stringAt(data, "copilotVersion");
  const after = describe(facts, carry, {
    client:
      type === "session.start" ? { name: stringAt(data, "producer") ?? format, version: version ?? null } : undefined,
    model: stringAt(data, "newModel") ?? stringAt(data, "selectedModel"),
    cwd: stringAt(context, "cwd"),
    branch: stringAt(context, "branch"),
    session: type === "session.start" ? stringAt(data, "sessionId") : undefined,
  });
  return { facts: [...facts, noted(type, stringAt(data, "message"))], carry: after };
};

export const copilot: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "line that is no object")] };
    const type = nameOf(entry["type"]);
    const data = objectAt(entry, "data");
    if (data === undefined) return { facts: [notUnderstood(format, `${type} without data`)] };
    const role = Object.hasOwn(roles, type) ? roles[type] : undefined;
    if (role !== undefined) return { facts: message(data, role, context, carry) };
    if (type === "tool.execution_start" || type === "tool.execution_complete")
      return { facts: [execution(data, type, context)] };
    if (type === "assistant.reasoning") return { facts: [thought(stringAt(data, "content") ?? "")] };
    if (type.startsWith("session.")) return sessionEvent(data, type, carry);
    return { facts: [noticeFamilies.has(type.split(".", 1)[0] ?? "") ? noted(type) : notUnderstood(format, type)] };
  },
};
