/**
 * Tokens by time: by thread, provider, model, spender and quarter of an hour.
 *
 * Room: projections.
 */
import { nameText, type View } from "../../src/projection/Projection.ts";
import { type Summed, type Told, upkeepOf } from "./counted.ts";
import { joinTenant, numbered, numberOf, one, orZero, quarter, same, tableOf, when } from "./sums.ts";

/** Fractions of a dollar are added up as whole billionths, so that their order changes nothing. */
const nanosPerDollar = 1_000_000_000;

const told: Told = {
  table: "token_usage",
  key: ["usage_key", "tenant", "second_hand"],
  copy: { copy_of: "usage_key" },
};

const summed: Summed = {
  table: "token_activity",
  key: {
    quarter_at: quarter("occurred_at"),
    thread_id: same("thread_id"),
    tenant: same("tenant"),
    provider: orZero("provider"),
    model: orZero("model"),
    is_user: (row) => `(${row}.spender IS 'user')`,
    sidechain: orZero("sidechain"),
    is_priced: (row) => `(${row}.cost_usd IS NOT NULL)`,
  },
  sums: {
    provider_messages: one,
    uncached_tokens: orZero("uncached_tokens"),
    visible_tokens: orZero("visible_tokens"),
    cache_read_tokens: orZero("cache_read_tokens"),
    cache_write_tokens: orZero("cache_write_tokens"),
    reasoning_tokens: orZero("reasoning_tokens"),
    cost_nanos: (row) => `CAST(round(coalesce(${row}.cost_usd, 0) * ${nanosPerDollar}) AS INTEGER)`,
  },
  by: [
    "occurred_at",
    "thread_id",
    "tenant",
    "provider",
    "model",
    "spender",
    "sidechain",
    "uncached_tokens",
    "visible_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_usd",
  ],
};

/** SQL: the model of a row of `token_activity u`: as it was told, else as the head of the file says for who spent them. */
export const modelOfUsage = `coalesce(${nameText("u.model")}, (SELECT CASE u.is_user WHEN 1 THEN s.user_model ELSE s.agent_model END
  FROM threads t JOIN source_models s ON s.source = t.source WHERE t.thread_id = u.thread_id AND t.tenant = u.tenant))`;

/** SQL over rows of `token_activity u`: tokens by kind, each a sum that may be 0. */
export const tokenSums = {
  input_tokens: "sum(u.uncached_tokens + u.cache_read_tokens + u.cache_write_tokens)",
  output_tokens: "sum(u.visible_tokens + u.reasoning_tokens)",
  cache_read_tokens: "sum(u.cache_read_tokens)",
  cache_write_tokens: "sum(u.cache_write_tokens)",
  reasoning_tokens: "sum(u.reasoning_tokens)",
} as const;
/** SQL: their cost as it was told, US dollars; null where it was not. */
export const costSum = `sum(CASE u.is_priced WHEN 1 THEN u.cost_nanos END) / ${nanosPerDollar}.0`;

const tokenActivity: View = {
  name: "v_token_activity",
  doc: "One row per quarter of an hour, thread, provider, model and spender: tokens by kind. May be added up.",
  columns: {
    ...when,
    provider: "Provider; null when not said.",
    model: "Model, by the message or the head of its file; null when not said.",
    spender: "user where a model plays the person, else agent.",
    is_sidechain: "1 for a sub-agent's inside its parent's transcript, else 0.",
    provider_messages: "Messages of the provider.",
    input_tokens: "Tokens sent, all of them; 0 when never said.",
    output_tokens: "Tokens received, all of them; 0 when never said.",
    cache_read_tokens: "Of the tokens sent, those read from the provider's cache.",
    cache_write_tokens: "Of the tokens sent, those written to the provider's cache.",
    reasoning_tokens: "Of the tokens received, hidden reasoning.",
    cost_usd: "What the transcripts say it cost, US dollars; null when they do not.",
    ...numbered,
    model_number: `${numberOf("the model of the message")} Null where the message does not say it.`,
  },
  select: `SELECT u.quarter_at, t.text, w.text, ${nameText("u.provider")}, ${modelOfUsage},
    CASE u.is_user WHEN 1 THEN 'user' ELSE 'agent' END, u.sidechain, u.provider_messages,
    u.uncached_tokens + u.cache_read_tokens + u.cache_write_tokens, u.visible_tokens + u.reasoning_tokens, u.cache_read_tokens,
    u.cache_write_tokens, u.reasoning_tokens, CASE u.is_priced WHEN 1 THEN u.cost_nanos / ${nanosPerDollar}.0 END,
    u.thread_id, nullif(u.model, 0) FROM token_activity u LEFT JOIN names t ON t.name = u.thread_id ${joinTenant("u")}`,
};

export const tokenActivityTable = tableOf(summed, "One row per quarter, thread, provider, model and spender.");
export const tokenActivityViews = [tokenActivity];
export const tokenUpkeep = upkeepOf(told, summed);
