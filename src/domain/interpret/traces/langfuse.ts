/**
 * Langfuse: a trace around its observations, and observations as JSON lines.
 *
 * Room: domain.
 *
 * Choices: a GENERATION is a call of a model, whose input repeats the conversation (`TraceMessages`); a TOOL is a call
 * and its result; spans, agents and chains hold those, and are notices. A part of the tokens (cached, reasoning) stands beside
 * its whole under the names of Langfuse's own SDKs, and inside it under those that a framework's spans gave; the total of all
 * says which, where it is stated. The cost is the one that was provided, else Langfuse's own.
 */
import type { Fact } from "../../Fact.ts";
import type { TokenUsage } from "../../thread/Content.ts";
import { amountAt, countAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
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

/** The first count that stands under one of the names. */
const firstCount = (value: unknown, ...names: ReadonlyArray<string>): number | null => {
  for (const name of names) {
    const found = countAt(value, name);
    if (found !== undefined) return found;
  }
  return null;
};

const usageOf = (line: JsonObject): TokenUsage => {
  const details = objectAt(line, "usageDetails") ?? objectAt(line, "usage");
  const input = firstCount(details, "input") ?? firstCount(line, "inputUsage", "promptTokens");
  const output = firstCount(details, "output") ?? firstCount(line, "outputUsage", "completionTokens");
  const cachedBeside = firstCount(details, "input_cached_tokens", "input_cache_read", "cache_read_input_tokens");
  const reasoningBeside = firstCount(details, "output_reasoning_tokens", "output_reasoning");
  const total = countAt(details, "total");
  const isInside = total === undefined ? undefined : total === (input ?? 0) + (output ?? 0);
  return {
    input,
    output,
    cacheRead: cachedBeside ?? firstCount(details, "prompt_details.cache_read"),
    cacheWrite: firstCount(details, "input_cache_creation", "cache_creation_input_tokens"),
    reasoning: reasoningBeside ?? firstCount(details, "completion_details.reasoning"),
    cacheInInput: isInside ?? cachedBeside === null,
    reasoningInOutput: isInside ?? reasoningBeside === null,
  };
};

/** Its cost in US dollars; a 0 without details is of a model that Langfuse has no price for. */
const costOf = (line: JsonObject): number | undefined => {
  const detailed = ["providedCostDetails", "costDetails"].flatMap(
    (name) => amountAt(objectAt(line, name), "total") ?? [],
  );
  const sum = amountAt(line, "totalCost") ?? amountAt(line, "calculatedTotalCost");
  return detailed[0] ?? (sum === 0 ? undefined : sum);
};

const generation = (line: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const model = stringAt(line, "model");
  const after = describe(facts, carry, { model });
  const messages = new TraceMessages(context);
  messages.say(messagesIn(line["input"]), "user");
  messages.say(answerIn(line["output"]), "assistant", { model });
  facts.push(...messages.facts);
  const usage = usageOf(line);
  const costUsd = costOf(line);
  if (costUsd !== undefined || Object.values(usage).some((count) => typeof count === "number")) {
    const id = idAt(line, "id") ?? context.eventId;
    facts.push({
      _tag: "TokensUsed",
      usageKey: `langfuse ${id}`,
      providerMessageId: id,
      messageId: messages.lastId,
      model,
      usage,
      costUsd,
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
