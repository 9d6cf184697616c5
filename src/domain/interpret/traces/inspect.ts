/**
 * Inspect's evaluation logs: a sample around its messages.
 *
 * Room: domain.
 *
 * Usage is that of the sample's model events, one a response, joined to the message by its id (logs of 2024 have the
 * events under `transcript` and no message ids). A tool event says how long its call worked; events stand in the frame,
 * which comes before the messages, so durations wait in the carry.
 */
import { shortId } from "../../Truncate.ts";
import type { TokenUsage } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, countAt, type JsonObject, type JsonValue, numberAt, objectAt, stringAt } from "../../Json.ts";
import { chatMessage, framed } from "../chats/chatMessage.ts";
import { describe } from "../describe.ts";
import { idAt, noted } from "../facts.ts";
import type { Carry, EntryContext, Interpretation } from "../Interpreter.ts";
import { memo, type Pair, pairsAt, withList } from "../memory.ts";
import { tokensInside } from "../tokens.ts";

const format = "inspect";

const usageNames = {
  input: "input_tokens",
  output: "output_tokens",
  cacheRead: "input_tokens_cache_read",
  cacheWrite: "input_tokens_cache_write",
  reasoning: "reasoning_tokens",
} as const;

/** Providers of Inspect differ: where the total is that of all four counts, cached tokens stand beside the input. */
const countsOf = (usage: JsonValue | undefined): TokenUsage | undefined => {
  const counts = tokensInside(usage, usageNames);
  if (counts === undefined) return undefined;
  const { cacheRead, cacheWrite, input, output } = counts;
  const cached = (cacheRead ?? 0) + (cacheWrite ?? 0);
  const isBeside = cached > 0 && countAt(usage, "total_tokens") === (input ?? 0) + (output ?? 0) + cached;
  return isBeside ? { ...counts, cacheInInput: false } : counts;
};

const eventsOf = (sample: JsonObject): ReadonlyArray<JsonValue> => [
  ...arrayAt(sample, "events"),
  ...arrayAt(objectAt(sample, "transcript"), "events"),
];

const usageFacts = (events: ReadonlyArray<JsonValue>, context: EntryContext): ReadonlyArray<Fact> =>
  events.flatMap((event, index): ReadonlyArray<Fact> => {
    if (stringAt(event, "event") !== "model") return [];
    const output = objectAt(event, "output");
    const usage = countsOf(output?.["usage"]);
    if (usage === undefined) return [];
    const messageId = idAt(objectAt(arrayAt(output, "choices")[0], "message"), "id");
    const id = messageId ?? String(index);
    return [
      {
        _tag: "TokensUsed",
        usageKey: `${context.threadId} ${index} ${shortId(id)}`,
        providerMessageId: id,
        messageId,
        model: stringAt(output, "model") ?? stringAt(event, "model"),
        usage,
      },
    ];
  });

/** The durations of a sample's calls. Of more than fit (about 100) the last ones are known. */
const durations = (events: ReadonlyArray<JsonValue>): ReadonlyArray<Pair> =>
  events.flatMap((event): ReadonlyArray<Pair> => {
    const id = idAt(event, "id");
    const seconds = numberAt(event, "working_time");
    return stringAt(event, "event") !== "tool" || id === undefined || seconds === undefined
      ? []
      : [[memo(id), String(seconds * 1000)]];
  });

const frame = (sample: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const events = eventsOf(sample);
  const after = describe(facts, carry, { model: stringAt(objectAt(sample, "output"), "model") });
  facts.push(...usageFacts(events, context), noted("sample"));
  return { facts, carry: withList(after, "durations", durations(events)) };
};

const message = (said: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const error = objectAt(said, "error");
  const callId = idAt(said, "tool_call_id");
  const millis =
    callId === undefined ? undefined : pairsAt(carry, "durations").find(([id]) => id === memo(callId))?.[1];
  return chatMessage(said, context, carry, {
    messageId: idAt(said, "id"),
    model: stringAt(said, "model"),
    author: undefined,
    stopReason: stringAt(said, "stop_reason"),
    failure:
      error === undefined
        ? undefined
        : { type: stringAt(error, "type") ?? "error", message: stringAt(error, "message") ?? "" },
    durationMillis: millis === undefined ? undefined : Number(millis),
  });
};

export const inspect = framed(format, { message, frame });
