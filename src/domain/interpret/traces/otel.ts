/**
 * OpenTelemetry spans about models and tools as JSON lines: GenAI conventions, OpenLLMetry and OpenInference.
 *
 * Room: domain.
 *
 * Choices:
 * - A thread is a conversation (`gen_ai.conversation.id`, `session.id`), else a trace. All spans of a line belong to the
 *   thread of its first one.
 * - A span of a model has its messages in attributes, or, by older conventions, in events; they repeat the conversation
 *   (`TraceMessages`). A span of a tool is a call and its result; the model's request for it is the same call, by its id.
 * - Tokens are those of spans of models, each span once; a span around others (`invoke_agent`) sums them up, and does
 *   not count.
 */
import type { Fact } from "../../Fact.ts";
import { amountAt, countAt, type JsonObject, type JsonValue, stringAt } from "../../Json.ts";
import { threadKey, toolCalled, toolReturned } from "../calls.ts";
import { describe } from "../describe.ts";
import { noted, notUnderstood, parsed } from "../facts.ts";
import { type Told, TraceMessages } from "./genaiMessages.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { isAboutModels, type Span, spansOf } from "./spans.ts";

const format = "otel";

/** The first attribute of these names that is there. */
const first = (attributes: JsonObject, ...names: ReadonlyArray<string>): JsonValue | undefined => {
  for (const name of names) if (attributes[name] !== undefined && attributes[name] !== null) return attributes[name];
  return undefined;
};

const text = (attributes: JsonObject, ...names: ReadonlyArray<string>): string | undefined => {
  const found = first(attributes, ...names);
  return typeof found === "string" && found !== "" ? found : undefined;
};

const count = (attributes: JsonObject, ...names: ReadonlyArray<string>): number | null => {
  for (const name of names) {
    const found = countAt(attributes, name);
    if (found !== undefined) return found;
  }
  return null;
};

const operationOf = ({ attributes }: Span): string =>
  (
    text(attributes, "gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind", "llm.request.type") ??
    ""
  ).toLowerCase();

const around: ReadonlySet<string> = new Set([
  "invoke_agent",
  "invoke_workflow",
  "create_agent",
  "agent",
  "chain",
  "workflow",
  "task",
]);
const ofTools: ReadonlySet<string> = new Set(["execute_tool", "tool"]);

/** The numbers below a prefix (`gen_ai.prompt.0.role`), as objects in order. */
const numbered = (attributes: JsonObject, prefix: string): ReadonlyArray<JsonObject> => {
  const found = new Map<number, Record<string, JsonValue>>();
  for (const [name, value] of Object.entries(attributes)) {
    if (!name.startsWith(prefix)) continue;
    const [number = "", ...rest] = name.slice(prefix.length).split(".");
    if (!/^\d{1,6}$/.test(number)) continue;
    const one = found.get(Number(number)) ?? {};
    one[rest.join(".")] = value;
    found.set(Number(number), one);
  }
  return [...found].toSorted(([left], [right]) => left - right).map(([, one]) => one);
};

/** A message spread over attributes, as one object: OpenLLMetry's (`role`), OpenInference's (`message.role`). */
const spread = (fields: JsonObject): JsonObject => {
  const at = (name: string): JsonValue | undefined => fields[name] ?? fields[`message.${name}`];
  const asked = [...numbered(fields, "tool_calls."), ...numbered(fields, "message.tool_calls.")].map(
    (call): JsonObject => ({
      id: call["id"] ?? call["tool_call.id"] ?? "",
      name: call["name"] ?? call["tool_call.function.name"] ?? "",
      arguments: call["arguments"] ?? call["tool_call.function.arguments"] ?? null,
    }),
  );
  const contents = numbered(fields, "message.contents.").map((part): JsonObject => ({
    type: "text",
    text: part["message_content.text"] ?? "",
  }));
  const content = at("content");
  return {
    role: at("role") ?? "assistant",
    content:
      contents.length > 0 ? contents : typeof content === "string" ? (asBlocks(content) ?? content) : (content ?? null),
    ...(at("tool_call_id") === undefined ? {} : { tool_call_id: at("tool_call_id") ?? "" }),
    ...(asked.length === 0 ? {} : { tool_calls: asked }),
  };
};

/** Content that OpenLLMetry wrote as a JSON list of blocks. */
const asBlocks = (content: string): JsonValue | undefined => {
  const read = content.startsWith("[{") ? parsed(content) : undefined;
  return Array.isArray(read) ? read : undefined;
};

const eventRole = /^gen_ai\.(system|user|assistant|tool)\.message$/;

/** Everything that a span says in messages. */
const messagesOf = (span: Span, told: Told, context: EntryContext): TraceMessages => {
  const messages = new TraceMessages(context);
  const { attributes, events } = span;
  messages.say(first(attributes, "gen_ai.system_instructions"), "system");
  messages.say(first(attributes, "gen_ai.input.messages"), "user");
  for (const fields of numbered(attributes, "gen_ai.prompt.")) messages.say(spread(fields), "user");
  for (const fields of numbered(attributes, "llm.input_messages.")) messages.say(spread(fields), "user");
  for (const event of events) {
    const role = eventRole.exec(event.name)?.[1];
    if (role !== undefined) messages.say({ role, ...event.attributes }, role);
    if (event.name !== "gen_ai.client.inference.operation.details") continue;
    messages.say(first(event.attributes, "gen_ai.system_instructions"), "system");
    messages.say(first(event.attributes, "gen_ai.input.messages"), "user");
    messages.say(first(event.attributes, "gen_ai.output.messages"), "assistant", told);
  }
  messages.say(first(attributes, "gen_ai.output.messages"), "assistant", told);
  for (const fields of numbered(attributes, "gen_ai.completion.")) messages.say(spread(fields), "assistant", told);
  for (const fields of numbered(attributes, "llm.output_messages.")) messages.say(spread(fields), "assistant", told);
  for (const event of events) {
    if (event.name !== "gen_ai.choice") continue;
    const message = event.attributes["message"];
    const read = typeof message === "string" ? parsed(message) : message;
    messages.say(read ?? event.attributes, "assistant", told);
  }
  return messages;
};

const usageOf = (span: Span, told: Told, messageId: string | undefined): ReadonlyArray<Fact> => {
  const { attributes } = span;
  const usage = {
    input: count(attributes, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
    output: count(
      attributes,
      "gen_ai.usage.output_tokens",
      "gen_ai.usage.completion_tokens",
      "llm.token_count.completion",
    ),
    cacheRead: count(
      attributes,
      "gen_ai.usage.cache_read.input_tokens",
      "gen_ai.usage.cache_read_input_tokens",
      "llm.token_count.prompt_details.cache_read",
    ),
    cacheWrite: count(
      attributes,
      "gen_ai.usage.cache_write.input_tokens",
      "gen_ai.usage.cache_creation.input_tokens",
      "gen_ai.usage.cache_creation_input_tokens",
      "llm.token_count.prompt_details.cache_write",
    ),
    reasoning: count(
      attributes,
      "gen_ai.usage.reasoning.output_tokens",
      "gen_ai.usage.reasoning_tokens",
      "llm.token_count.completion_details.reasoning",
    ),
  };
  if (Object.values(usage).every((one) => one === null)) return [];
  return [
    {
      _tag: "TokensUsed",
      usageKey: `${span.traceId} ${span.spanId}`,
      providerMessageId: text(attributes, "gen_ai.response.id") ?? span.spanId,
      messageId,
      model: told.model,
      provider: told.provider,
      usage: { ...usage, cacheInInput: true },
      costUsd: amountAt(attributes, "gen_ai.usage.cost") ?? amountAt(attributes, "llm.cost.total"),
    },
  ];
};

const toolSpan = (span: Span, { threadId }: EntryContext): ReadonlyArray<Fact> => {
  const { attributes, end, isError, message, start } = span;
  const callId = text(attributes, "gen_ai.tool.call.id", "tool_call.id") ?? span.spanId;
  const callKey = threadKey(threadId, callId);
  const name = text(attributes, "gen_ai.tool.name", "tool.name", "traceloop.entity.name") ?? span.name;
  const given = first(
    attributes,
    "gen_ai.tool.call.arguments",
    "input.value",
    "tool.parameters",
    "traceloop.entity.input",
  );
  const result = first(attributes, "gen_ai.tool.call.result", "output.value", "traceloop.entity.output");
  return [
    toolCalled({ callKey, callId, name, arguments: given }),
    toolReturned({
      callKey,
      callId,
      result,
      failure: isError ? { type: text(attributes, "error.type") ?? "error", message } : undefined,
      durationMillis: start === undefined || end === undefined ? undefined : end - start,
    }),
  ];
};

const spanFacts = (span: Span, context: EntryContext, carry: Carry): Interpretation => {
  if (!isAboutModels(span)) return { facts: [noted(`span ${span.name}`)] };
  const { attributes } = span;
  const operation = operationOf(span);
  if (ofTools.has(operation)) return { facts: toolSpan(span, context) };
  const isAround = around.has(operation);
  const model = text(attributes, "gen_ai.response.model", "gen_ai.request.model", "llm.model_name");
  const provider = text(attributes, "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system");
  const facts: Array<Fact> = [];
  const after = describe(facts, carry, {
    client: agentOf(attributes),
    model: isAround ? undefined : model,
    provider: isAround ? undefined : provider,
  });
  const told: Told = { model, provider };
  const messages = messagesOf(span, told, context);
  facts.push(...messages.facts);
  if (!isAround) facts.push(...usageOf(span, told, messages.lastId));
  if (facts.length === 0) facts.push(noted(`span ${span.name}`));
  return { facts, carry: after };
};

const agentOf = (attributes: JsonObject): { readonly name: string } | undefined => {
  const name = stringAt(attributes, "gen_ai.agent.name");
  return name === undefined || name === "" ? undefined : { name };
};

export const otel: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    const spans = spansOf(entry);
    if (spans.length === 0) return { facts: [notUnderstood(format, "line without spans")] };
    let after = carry;
    const facts: Array<Fact> = [];
    for (const span of spans) {
      const told = spanFacts(span, context, after);
      facts.push(...told.facts);
      after = told.carry ?? after;
    }
    return { facts, carry: after };
  },
};
