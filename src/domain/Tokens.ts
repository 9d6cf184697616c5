/**
 * Tokens in one meaning for every provider.
 *
 * Room: domain.
 *
 * `input` is everything that was sent, with what was read from and written to the provider's cache as parts of it;
 * `output` is everything that was received, with hidden reasoning as a part of it. So kinds can be added up over
 * providers, and a part is never larger than its whole. Counts that a provider gives beside (`TokenUsage`) are added here.
 */
import { Schema } from "effect";
import type { TokenUsage } from "./thread/Content.ts";
import { present } from "./Truncate.ts";

/** Parts that do not overlap; null for an unknown one. */
export interface Tokens {
  /** Input that was neither read from a cache nor written to one. */
  readonly uncached: number | null;
  readonly cacheRead: number | null;
  readonly cacheWrite: number | null;
  /** Output that is no reasoning. */
  readonly visible: number | null;
  readonly reasoning: number | null;
}

/** Rest of a whole beside its parts. Parts larger than the whole were counted beside it, whatever was said. */
const beside = (whole: number | null | undefined, parts: number, isInside: boolean): number | null => {
  if (whole == null) return null;
  return isInside && parts <= whole ? whole - parts : whole;
};

export const tokensOf = (usage: TokenUsage): Tokens => {
  const { cacheRead = null, cacheWrite = null, reasoning = null } = usage;
  return {
    uncached: beside(usage.input, (cacheRead ?? 0) + (cacheWrite ?? 0), usage.cacheInInput === true),
    cacheRead,
    cacheWrite,
    visible: beside(usage.output, reasoning ?? 0, usage.reasoningInOutput !== false),
    reasoning,
  };
};

const count = Schema.optionalKey(Schema.Natural);

/** Tokens of one message; a kind that its provider did not say is absent. */
export const MessageUsage = Schema.Struct({
  /** Everything that was sent; `cacheRead` and `cacheWrite` are parts of it. */
  input: count,
  /** Everything that was received; `reasoning` is a part of it. */
  output: count,
  cacheRead: count,
  cacheWrite: count,
  reasoning: count,
});
export type MessageUsage = typeof MessageUsage.Type;

/** The usage with one more telling of it: of each kind the larger number holds. */
export const withUsage = (known: MessageUsage | undefined, usage: TokenUsage): MessageUsage => {
  const { cacheRead, cacheWrite, reasoning, uncached, visible } = tokensOf(usage);
  const most = (kind: keyof MessageUsage, told: number | null) =>
    told === null ? known?.[kind] : Math.max(told, known?.[kind] ?? 0);
  return present({
    input: most("input", uncached === null ? null : uncached + (cacheWrite ?? 0) + (cacheRead ?? 0)),
    output: most("output", visible === null ? null : visible + (reasoning ?? 0)),
    cacheRead: most("cacheRead", cacheRead),
    cacheWrite: most("cacheWrite", cacheWrite),
    reasoning: most("reasoning", reasoning),
  });
};
