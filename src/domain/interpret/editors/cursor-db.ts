/**
 * Cursor's database: a composer is a conversation, a bubble a message of it (type 1 the person's, 2 the model's).
 *
 * Room: domain.
 *
 * Choices:
 * - A message is known by its `bubbleId`; a bubble that is rewritten while it is streamed replaces what it said.
 * - A bubble is one tool call at most (`toolFormerData`), with its result once it has one.
 * - Older composers hold their bubbles themselves (`conversation`); they are read from there.
 * - A count of tokens that is 0 was never taken.
 * - Cost is that of the composer by model (`usageData`, in cents), which its row sums up as it goes on.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import {
  amountAt,
  arrayAt,
  countAt,
  isObject,
  type JsonObject,
  type JsonValue,
  objectAt,
  stringAt,
} from "../../Json.ts";
import { type Failure, threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { describe } from "../describe.ts";
import { argumentsValue, idAt, nameOf, noted, notUnderstood, parsed, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";

const format = "cursor-db";

interface Read {
  readonly parts: ReadonlyArray<Part>;
  readonly facts: ReadonlyArray<Fact>;
}

const failed: ReadonlySet<string> = new Set(["error", "cancelled", "rejected"]);

const tool = (data: JsonObject, messageId: string, context: EntryContext): Read => {
  const callId = idAt(data, "toolCallId") ?? messageId;
  const callKey = threadKey(context.threadId, callId);
  const given = data["rawArgs"] ?? data["params"];
  const about = { callId, name: stringAt(data, "name") ?? "", arguments: argumentsValue(given) };
  const parts: Array<Part> = [toolUse(about)];
  const facts: Array<Fact> = [toolCalled({ ...about, callKey, messageId })];
  const status = stringAt(data, "status") ?? "";
  const { result } = data;
  if (status !== "completed" && !failed.has(status)) return { parts, facts };
  const read = typeof result === "string" ? (parsed(result) ?? result) : (result ?? null);
  const text = typeof read === "string" ? read : (stringAt(read, "output") ?? stringAt(read, "contents") ?? "");
  const error = stringAt(objectAt(data, "error"), "clientVisibleErrorMessage") ?? text;
  const failure: Failure | undefined = failed.has(status) ? { type: status, message: error } : undefined;
  parts.push({ type: "tool_result", callId, text, isError: failure !== undefined, bytes: sizeOf(result) });
  facts.push(toolReturned({ callKey, callId, result, failure }));
  return { parts, facts };
};

const bubble = (said: JsonObject, context: EntryContext): ReadonlyArray<Fact> => {
  const messageId = idAt(said, "bubbleId") ?? context.eventId;
  const thinking = stringAt(objectAt(said, "thinking"), "text") ?? "";
  const text = stringAt(said, "text") ?? "";
  const called = objectAt(said, "toolFormerData");
  const isCall = called !== undefined && stringAt(called, "name") !== undefined;
  const read = isCall ? tool(called, messageId, context) : { parts: [], facts: [] };
  const model = stringAt(objectAt(said, "modelInfo"), "modelName");
  const parts: ReadonlyArray<Part> = [
    ...(thinking === "" ? [] : [{ type: "thinking", text: thinking } as const]),
    ...(text === "" ? [] : [{ type: "text", text } as const]),
    ...read.parts,
  ];
  const role = said["type"] === 1 || said["type"] === "user" ? "user" : "assistant";
  const facts: Array<Fact> = [];
  if (parts.length > 0) facts.push({ _tag: "MessageSaid", messageId, segment: "", role, parts, model });
  facts.push(...read.facts);
  const count = objectAt(said, "tokenCount");
  const input = countAt(count, "inputTokens") ?? 0;
  const output = countAt(count, "outputTokens") ?? 0;
  if (input + output > 0)
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${messageId}`,
      providerMessageId: messageId,
      messageId,
      model,
      usage: { input, output, cacheInInput: true },
    });
  return facts.length === 0 ? [noted("bubble")] : facts;
};

const composer = (value: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const after = describe(facts, carry, {
    client: { name: "cursor" },
    title: stringAt(value, "name"),
    session: stringAt(value, "composerId"),
    model: stringAt(objectAt(value, "modelConfig"), "modelName"),
  });
  for (const [model, spent] of Object.entries(objectAt(value, "usageData") ?? {})) {
    const cents = amountAt(spent, "costInCents") ?? 0;
    if (cents > 0)
      facts.push({
        _tag: "TokensUsed",
        usageKey: `${context.threadId} composer ${model}`,
        providerMessageId: `composer ${model}`,
        model: model === "default" ? undefined : model,
        usage: {},
        costUsd: cents / 100,
      });
  }
  const inline = arrayAt(value, "conversation").flatMap((said: JsonValue) =>
    isObject(said) ? bubble(said, context) : [],
  );
  return { facts: [...facts, noted("composer"), ...inline], carry: after };
};

export const cursorDb: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    const key = stringAt(entry, "key");
    const value = objectAt(entry, "value");
    if (key === undefined || value === undefined) return { facts: [notUnderstood(format, "row without a value")] };
    if (key.startsWith("composerData:")) return composer(value, context, carry);
    if (key.startsWith("bubbleId:")) return { facts: bubble(value, context) };
    return { facts: [notUnderstood(format, nameOf(key.split(":", 1)[0]))] };
  },
};
