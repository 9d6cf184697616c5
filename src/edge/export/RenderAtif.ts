/**
 * A conversation told as an ATIF trajectory (Agent Trajectory Interchange Format 1.7): one JSON object around its steps.
 *
 * Room: edge.
 *
 * An answer of a tool is the observation of the step that asked, as the format has it; an answer without a call is a step
 * of the system. Pictures are named and not carried, and that a call failed has no place there.
 */
import type { Part } from "../../domain/thread/Content.ts";
import { tokensOf } from "../../domain/Tokens.ts";
import { partsOf, type PlainMessages } from "./PlainMessages.ts";

type Json = Readonly<Record<string, unknown>>;

interface Step {
  readonly source: "system" | "user" | "agent";
  readonly said: Json;
  readonly callIds: ReadonlySet<string>;
  readonly results: Array<Json>;
  readonly metrics: Metrics | undefined;
}

interface Metrics {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cached_tokens: number;
}

const sourceOf = ({ model, role }: PlainMessages): Step["source"] => {
  if (role === "system" || role === "developer") return "system";
  return role === "assistant" || model !== undefined ? "agent" : "user";
};

const wordsOf = (part: Part): ReadonlyArray<string> => {
  switch (part.type) {
    case "text":
      return [part.text];
    case "file":
      return [`[file: ${part.path}]`];
    case "image":
      return [`[image${part.url == null ? "" : `: ${part.url}`}]`];
    case "other":
      return [`[${part.kind}]`];
    default:
      return [];
  }
};

const metricsOf = ({ usage }: PlainMessages): Metrics | undefined => {
  if (usage === undefined) return undefined;
  const { cacheRead, cacheWrite, reasoning, uncached, visible } = tokensOf(usage);
  return {
    prompt_tokens: (uncached ?? 0) + (cacheRead ?? 0) + (cacheWrite ?? 0),
    completion_tokens: (visible ?? 0) + (reasoning ?? 0),
    cached_tokens: cacheRead ?? 0,
  };
};

const stepOf = (said: PlainMessages, parts: ReadonlyArray<Part>): Step => {
  const thoughts = parts.flatMap((part) => (part.type === "thinking" && part.text !== "" ? [part.text] : []));
  const calls = parts.flatMap((part) => (part.type === "tool_use" ? [part] : []));
  const source = calls.length > 0 ? "agent" : sourceOf(said);
  const metrics = source === "agent" ? metricsOf(said) : undefined;
  return {
    source,
    callIds: new Set(calls.map(({ callId }) => callId)),
    results: [],
    metrics,
    said: {
      timestamp: new Date(said.occurredAt).toISOString(),
      source,
      ...(source === "agent" && said.model !== undefined ? { model_name: said.model } : {}),
      message: parts.flatMap(wordsOf).join("\n"),
      ...(source === "agent" && thoughts.length > 0 ? { reasoning_content: thoughts.join("\n") } : {}),
      ...(calls.length === 0
        ? {}
        : {
            tool_calls: calls.map((call) => ({
              tool_call_id: call.callId,
              function_name: call.name,
              arguments: call.arguments ?? {},
            })),
          }),
      ...(metrics === undefined ? {} : { metrics }),
    },
  };
};

const stepsOf = (messages: ReadonlyArray<PlainMessages>): ReadonlyArray<Step> => {
  const steps: Array<Step> = [];
  for (const said of messages) {
    const parts = partsOf(said);
    const own = parts.filter(({ type }) => type !== "tool_result");
    if (own.length > 0 || parts.length === 0) steps.push(stepOf(said, own));
    for (const part of parts) {
      if (part.type !== "tool_result") continue;
      const asked = steps.findLast(({ callIds }) => callIds.has(part.callId));
      const result = { ...(asked === undefined ? {} : { source_call_id: part.callId }), content: part.text };
      if (asked !== undefined) asked.results.push(result);
      else steps.push({ ...stepOf({ ...said, role: "system", model: undefined }, []), results: [result] });
    }
  }
  return steps;
};

const sum = (steps: ReadonlyArray<Step>, of: keyof Metrics): number =>
  steps.reduce((total, { metrics }) => total + (metrics?.[of] ?? 0), 0);

/** The trajectory as one line of JSON. */
export const renderAtif = (messages: ReadonlyArray<PlainMessages>, threadId: string): string => {
  const steps = stepsOf(messages);
  const model = messages.find((said) => said.model !== undefined)?.model;
  return JSON.stringify({
    schema_version: "ATIF-v1.7",
    session_id: threadId,
    agent: { name: "recollect", version: "1", ...(model === undefined ? {} : { model_name: model }) },
    steps: steps.map(({ results, said }, at) => ({
      step_id: at + 1,
      ...said,
      ...(results.length === 0 ? {} : { observation: { results } }),
    })),
    final_metrics: {
      total_prompt_tokens: sum(steps, "prompt_tokens"),
      total_completion_tokens: sum(steps, "completion_tokens"),
      total_cached_tokens: sum(steps, "cached_tokens"),
      total_steps: steps.length,
    },
  });
};
