/**
 * Langfuse: a trace around its observations, and observations as JSON lines.
 *
 * Room: domain.
 *
 * Choices: a GENERATION is a call of a model, whose input repeats the conversation (`TraceMessages`); a TOOL is a call
 * and its result; spans, agents and chains hold those, and are notices. Langfuse counts what was cached inside the input
 * or beside it as the framework told it, so nothing is said about that.
 */
import type { Fact } from "../../Fact.ts";
import { countAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { threadKey, toolCalled, toolReturned } from "../calls.ts";
import { describe } from "../describe.ts";
import { idAt, noted, notUnderstood, parsed } from "../facts.ts";
import { TraceMessages } from "./genaiMessages.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";

const format = "langfuse";

const notices: ReadonlySet<string> = new Set([
  "SPAN",
  "EVENT",
  "AGENT",
  "CHAIN",
  "RETRIEVER",
  "EVALUATOR",
  "EMBEDDING",
  "GUARDRAIL",
]);

/** Langfuse keeps input and output as JSON, or as JSON in a string. */
const valueOf = (value: JsonValue | undefined): JsonValue | undefined =>
  typeof value === "string" ? (parsed(value) ?? value) : value;

/** The messages in a generation's input: the list itself, or under the name its framework gives it. */
const messagesIn = (input: JsonValue | undefined): JsonValue | undefined => {
  const read = valueOf(input);
  if (!isObject(read)) return read;
  return read["messages"] ?? read["contents"] ?? read["prompt"] ?? read;
};

const answerIn = (output: JsonValue | undefined): JsonValue | undefined => {
  const read = valueOf(output);
  if (!isObject(read)) return read;
  const choices = read["choices"];
  if (Array.isArray(choices)) return (choices as ReadonlyArray<JsonValue>)[0];
  const content = read["content"];
  return isObject(content) ? content : read;
};

const millisBetween = (line: JsonObject): number | undefined => {
  const start = Date.parse(stringAt(line, "startTime") ?? "");
  const end = Date.parse(stringAt(line, "endTime") ?? "");
  return Number.isNaN(end - start) ? undefined : end - start;
};

const generation = (line: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const model = stringAt(line, "model");
  const after = describe(facts, carry, { model });
  const messages = new TraceMessages(context);
  messages.say(messagesIn(line["input"]), "user");
  messages.say(answerIn(line["output"]), "assistant", { model });
  facts.push(...messages.facts);
  const details = objectAt(line, "usageDetails") ?? objectAt(line, "usage");
  const usage = {
    input: countAt(details, "input") ?? countAt(line, "inputUsage") ?? countAt(line, "promptTokens") ?? null,
    output: countAt(details, "output") ?? countAt(line, "outputUsage") ?? countAt(line, "completionTokens") ?? null,
    cacheRead: countAt(details, "input_cache_read") ?? countAt(details, "prompt_details.cache_read") ?? null,
    cacheWrite: countAt(details, "input_cache_creation") ?? null,
    reasoning: countAt(details, "output_reasoning") ?? countAt(details, "completion_details.reasoning") ?? null,
  };
  if (Object.values(usage).some((count) => count !== null)) {
    const id = idAt(line, "id") ?? context.eventId;
    facts.push({
      _tag: "TokensUsed",
      usageKey: `langfuse ${id}`,
      providerMessageId: id,
      messageId: messages.lastId,
      model,
      usage,
    });
  }
  if (facts.length === 0) facts.push(noted("generation", stringAt(line, "name")));
  return { facts, carry: after };
};

/** The provider's id of a call, among the attributes of the span that the observation was. */
const callIdIn = (metadata: JsonValue | undefined): string | undefined => {
  const attributes = objectAt(valueOf(metadata), "attributes");
  return idAt(attributes, "gen_ai.tool.call.id") ?? idAt(attributes, "ai.toolCall.id");
};

const tool = (line: JsonObject, context: EntryContext): ReadonlyArray<Fact> => {
  const callId = idAt(line, "toolCallId") ?? callIdIn(line["metadata"]) ?? idAt(line, "id") ?? context.eventId;
  const callKey = threadKey(context.threadId, callId);
  const isError = stringAt(line, "level") === "ERROR";
  return [
    toolCalled({ callKey, callId, name: stringAt(line, "name") ?? "", arguments: valueOf(line["input"]) }),
    toolReturned({
      callKey,
      callId,
      result: valueOf(line["output"]),
      failure: isError ? { type: "error", message: stringAt(line, "statusMessage") ?? "" } : undefined,
      durationMillis: millisBetween(line),
    }),
  ];
};

/** The object around the observations. */
const frame = (around: JsonObject, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const trace = objectAt(around, "trace") ?? around;
  const after = describe(facts, carry, { title: stringAt(trace, "name"), session: stringAt(trace, "sessionId") });
  return { facts: [...facts, noted("trace")], carry: after };
};

export const langfuse: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
    if (context.place === "frame") return frame(entry, carry);
    const type = stringAt(entry, "type");
    if (type === undefined) return { facts: [notUnderstood(format, "observation without a type")] };
    if (type === "GENERATION") return generation(entry, context, carry);
    if (type === "TOOL") return { facts: tool(entry, context) };
    return {
      facts: [notices.has(type) ? noted(type.toLowerCase(), stringAt(entry, "name")) : notUnderstood(format, type)],
    };
  },
};
