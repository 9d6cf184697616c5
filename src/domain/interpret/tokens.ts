/**
 * Token counts of the providers, each number as the provider states it.
 *
 * Room: domain.
 *
 * Nothing is converted: whoever compares with a provider's own page or bill finds the same numbers. Anthropic, pi and
 * OpenCode count cached tokens beside `input`; OpenAI, Codex, Gemini and Inspect inside it, which `cacheInInput` says.
 * OpenAI and Codex count reasoning inside output, Gemini beside it.
 */
import type { TokenUsage } from "../thread/Content.ts";
import { countAt, isObject, type JsonValue, objectAt } from "../Json.ts";

/** Keys of a provider's usage, by kind. */
export interface UsageNames {
  readonly input: string;
  readonly output: string;
  readonly cacheRead?: string;
  readonly cacheWrite?: string;
  readonly reasoning?: string;
}

export const anthropicUsage = {
  input: "input_tokens",
  output: "output_tokens",
  cacheRead: "cache_read_input_tokens",
  cacheWrite: "cache_creation_input_tokens",
} as const satisfies UsageNames;

export const codexUsage = {
  input: "input_tokens",
  output: "output_tokens",
  cacheRead: "cached_input_tokens",
  cacheWrite: "cache_write_input_tokens",
  reasoning: "reasoning_output_tokens",
} as const satisfies UsageNames;

/** Counts as they stand. Undefined when `usage` is no object or holds none of the names. */
export const tokensBeside = (usage: JsonValue | undefined, names: UsageNames): TokenUsage | undefined => {
  if (!isObject(usage)) return undefined;
  const at = (name: string | undefined): number | null => (name === undefined ? null : (countAt(usage, name) ?? null));
  const counts = {
    input: at(names.input),
    output: at(names.output),
    cacheRead: at(names.cacheRead),
    cacheWrite: at(names.cacheWrite),
    reasoning: at(names.reasoning),
  };
  return Object.values(counts).some((count) => count !== null) ? counts : undefined;
};

/** Counts of a provider that counts cached tokens inside its input. */
export const tokensInside = (usage: JsonValue | undefined, names: UsageNames): TokenUsage | undefined => {
  const counts = tokensBeside(usage, names);
  return counts === undefined ? undefined : { ...counts, cacheInInput: true };
};

/** OpenAI chat-completions usage, with its details; the newer names `input_tokens`/`output_tokens` are taken too. */
export const chatTokens = (usage: JsonValue | undefined): TokenUsage | undefined => {
  if (!isObject(usage)) return undefined;
  const prompt = objectAt(usage, "prompt_tokens_details") ?? objectAt(usage, "input_tokens_details");
  const completion = objectAt(usage, "completion_tokens_details") ?? objectAt(usage, "output_tokens_details");
  const counts = {
    input: countAt(usage, "prompt_tokens") ?? countAt(usage, "input_tokens") ?? null,
    output: countAt(usage, "completion_tokens") ?? countAt(usage, "output_tokens") ?? null,
    cacheRead: countAt(prompt, "cached_tokens") ?? null,
    cacheWrite: countAt(prompt, "cache_write_tokens") ?? null,
    reasoning: countAt(completion, "reasoning_tokens") ?? null,
  };
  return counts.input === null && counts.output === null ? undefined : { ...counts, cacheInInput: true };
};

/** True when every count is 0 or absent. */
export const isNothing = (usage: TokenUsage): boolean =>
  Object.values(usage).every((count) => typeof count !== "number" || count === 0);
