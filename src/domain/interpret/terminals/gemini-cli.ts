/**
 * Gemini CLI's chat files: an object around its messages, the JSON lines of version 0.40, and the old `history` shape.
 *
 * Room: domain.
 *
 * Choices: `gemini` and `model` are the role assistant; `info`, `warning` and `error` are notices. A call and its result
 * stand in one message, so a call's key is thread, message and id. Its outcome is its `status`: a shell command that
 * exits with 1 has the status `success` there. Prompt tokens of tool use (`tool`) are input, as Gemini's own total has it,
 * and thoughts are counted beside output. `$rewindTo` leaves the message that it names and all after it.
 */
import { shortId } from "../../Truncate.ts";
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, countAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { type Failure, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { describe } from "../describe.ts";
import { idAt, jsonText, nameOf, noted, notUnderstood, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { memo } from "../memory.ts";
import { parentByName } from "../nested.ts";
import { imageAt, partsOf, wordsOf } from "../parts.ts";
import { goBack, pathOf } from "../paths.ts";
import { tokensInside } from "../tokens.ts";

const format = "gemini-cli";

const roles: Readonly<Record<string, string>> = {
  user: "user",
  gemini: "assistant",
  model: "assistant",
  system: "system",
};
const notices: ReadonlySet<string> = new Set(["info", "warning", "error", "quit", "about", "help", "stats"]);

const tokenNames = { input: "input", output: "output", cacheRead: "cached", reasoning: "thoughts" } as const;

/** One part of Gemini's own shape: text, a thought, inline bytes (left in the entry), a file. */
export const geminiPart = (part: JsonValue): ReadonlyArray<Part> => {
  const inline = objectAt(part, "inlineData");
  const file = objectAt(part, "fileData");
  const text = stringAt(part, "text");
  if (inline !== undefined) return [imageAt(undefined, stringAt(inline, "mimeType"))];
  if (file !== undefined)
    return [{ type: "file", path: stringAt(file, "fileUri") ?? "", mediaType: stringAt(file, "mimeType") ?? null }];
  if (text === undefined)
    return isObject(part) && Object.keys(part)[0] !== undefined && stringAt(part, "type") === undefined
      ? [{ type: "other", kind: Object.keys(part)[0] ?? "" }]
      : partsOf([part]);
  return isObject(part) && part["thought"] === true ? [{ type: "thinking", text }] : [{ type: "text", text }];
};

const thoughts = (message: JsonObject): ReadonlyArray<Part> =>
  arrayAt(message, "thoughts").flatMap((thought): ReadonlyArray<Part> => {
    const text = [stringAt(thought, "subject"), stringAt(thought, "description")]
      .filter((words) => words !== undefined && words !== "")
      .join(": ");
    return text === "" ? [] : [{ type: "thinking", text }];
  });

const words = (message: JsonObject): ReadonlyArray<Part> => {
  const content = message["content"] ?? message["parts"];
  return Array.isArray(content) ? (content as ReadonlyArray<JsonValue>).flatMap(geminiPart) : partsOf(content);
};

/** The readable text of a result: what each function response calls its output or its error. */
const resultText = (call: JsonObject): string =>
  arrayAt(call, "result")
    .flatMap((part) => {
      const response = objectAt(objectAt(part, "functionResponse"), "response");
      if (response === undefined) return wordsOf([part]);
      return [stringAt(response, "output") ?? stringAt(response, "error") ?? jsonText(response)];
    })
    .join("\n");

const callFacts = (
  call: JsonObject,
  index: number,
  messageId: string,
  context: EntryContext,
): { readonly parts: ReadonlyArray<Part>; readonly facts: ReadonlyArray<Fact> } => {
  const callId = idAt(call, "id") ?? "";
  const callKey = `${context.threadId} ${shortId(messageId)} ${callId === "" ? index : shortId(callId)}`;
  const name = stringAt(call, "name") ?? "";
  const status = stringAt(call, "status");
  const parts: Array<Part> = [toolUse({ callId, name, arguments: call["args"] })];
  const facts: Array<Fact> = [toolCalled({ callKey, callId, name, arguments: call["args"], messageId })];
  const result = call["result"];
  if (result === undefined && status !== "error" && status !== "cancelled") return { parts, facts };
  const text = typeof result === "string" ? result : resultText(call);
  const failure: Failure | undefined = status === "success" ? undefined : { type: status ?? "error", message: text };
  parts.push({ type: "tool_result", callId, text, isError: failure !== undefined, bytes: sizeOf(result) });
  facts.push(toolReturned({ callKey, callId, result, text, failure }));
  return { parts, facts };
};

const message = (said: JsonObject, role: string, context: EntryContext, carry: Carry): Interpretation => {
  const messageId = idAt(said, "id") ?? context.eventId;
  const model =
    stringAt(said, "model") ?? (role === "assistant" ? stringAt(objectAt(carry, "described"), "model") : undefined);
  const facts: Array<Fact> = [];
  const after = role === "assistant" ? describe(facts, carry, { model }) : carry;
  const calls = arrayAt(said, "toolCalls").flatMap((call, index) =>
    isObject(call) ? [callFacts(call, index, messageId, context)] : [],
  );
  facts.push({
    _tag: "MessageSaid",
    messageId,
    segment: "",
    role,
    path: pathOf(carry),
    parts: [...thoughts(said), ...words(said), ...calls.flatMap(({ parts }) => parts)],
    model,
  });
  for (const call of calls) facts.push(...call.facts);
  const counted = tokensInside(said["tokens"], tokenNames);
  if (counted !== undefined) {
    const ofTools = countAt(said["tokens"], "tool") ?? 0;
    const input = counted.input == null ? counted.input : counted.input + ofTools;
    const usage = { ...counted, ...(input === undefined ? {} : { input }), reasoningInOutput: false };
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${shortId(messageId)}`,
      providerMessageId: messageId,
      messageId,
      model,
      usage,
    });
  }
  return { facts, carry: after };
};

/** The summary with which the messages begin after a compression: they are written anew then, and whenever one is changed. */
const compressed = (set: JsonObject): string | undefined => {
  const [first] = arrayAt(set, "messages");
  const said = wordsOf(isObject(first) ? first["content"] : undefined).join("\n");
  return said.includes("<state_snapshot>") ? said : undefined;
};

/** The object around the messages, the first line of version 0.40, and its updates (`$set`). */
const frame = (around: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const set = objectAt(around, "$set") ?? around;
  const summary = objectAt(around, "$set") === undefined ? undefined : compressed(set);
  const isNew = summary !== undefined && memo(summary) !== carry["compressed"];
  if (isNew) facts.push({ _tag: "Compacted", summary });
  const after = describe(facts, carry, {
    client: objectAt(around, "$set") === undefined ? { name: format } : undefined,
    title: stringAt(set, "summary"),
    model: stringAt(objectAt(set, "meta"), "model"),
    session: stringAt(set, "sessionId"),
    ...(stringAt(set, "kind") === "subagent" ? parentByName(context.threadId) : {}),
  });
  facts.push(noted(objectAt(around, "$set") === undefined ? "conversation" : "update"));
  return { facts, carry: isNew ? { ...after, compressed: memo(summary) } : after };
};

export const geminiCli: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
    const type = stringAt(entry, "type") ?? stringAt(entry, "role");
    const rewoundTo = stringAt(entry, "$rewindTo");
    if (type === undefined && rewoundTo !== undefined) {
      const facts: Array<Fact> = [];
      const after = goBack(facts, carry, { from: rewoundTo, isInclusive: true });
      return { facts: [...facts, noted("rewind")], carry: after };
    }
    if (
      context.place === "frame" ||
      (type === undefined && (entry["$set"] !== undefined || entry["sessionId"] !== undefined))
    ) {
      return frame(entry, context, carry);
    }
    const role = Object.hasOwn(roles, type ?? "") ? roles[type ?? ""] : undefined;
    if (role !== undefined) return message(entry, role, context, carry);
    if (notices.has(type ?? "")) return { facts: [noted(nameOf(type), wordsOf(entry["content"]).join("\n"))] };
    return { facts: [notUnderstood(format, nameOf(type))] };
  },
};
