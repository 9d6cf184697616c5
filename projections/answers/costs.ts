/**
 * Answers about tokens and money: by model, day, project and thread, what was reported and what is estimated kept apart.
 *
 * Room: projections.
 */
import type { View } from "../../src/projection/Projection.ts";
import { nameText } from "../../src/projection/Projection.ts";
import { daysOf } from "../activity/sums.ts";
import { costSum, modelOfUsage, tokenSums } from "../activity/tokens.ts";
import { isSameModel, pricesSql } from "./prices.ts";
import { share } from "./spell.ts";

const tokens = {
  provider_messages: "Messages of the provider.",
  input_tokens: "Tokens sent, all of them; 0 when never said.",
  output_tokens: "Tokens received, all of them; 0 when never said.",
  cache_read_tokens: "Of the tokens sent, those read from the provider's cache.",
  cache_write_tokens: "Of the tokens sent, those written to the provider's cache.",
  reasoning_tokens: "Of the tokens received, hidden reasoning.",
  cache_hit_share: "Of the tokens sent, those read from the cache; null when none were sent.",
};

const money = {
  cost_usd: "What the transcripts say it cost, US dollars; null when none said it.",
  estimated_usd:
    "What the messages without a reported cost come to by v_prices, US dollars; null when none of their models is there.",
  unpriced_messages: "Messages with neither a reported cost nor a price of their model: in neither sum.",
};

const open = "CASE u.is_priced WHEN 0 THEN";
/** Sums over rows of `token_activity u`, by whatever they are grouped by; tokens without a reported cost once more. */
const sums = `sum(u.provider_messages) AS provider_messages, ${Object.entries(tokenSums)
  .map(([name, sum]) => `${sum} AS ${name}`)
  .join(
    ", ",
  )}, ${costSum} AS cost_usd, total(${open} u.uncached_tokens END) AS fresh, total(${open} u.cache_read_tokens END) AS hit,
  total(${open} u.cache_write_tokens END) AS put, total(${open} u.visible_tokens + u.reasoning_tokens END) AS said,
  sum(${open} u.provider_messages ELSE 0 END) AS open_messages`;

/** SQL: a model's name without its provider: behind a slash, or from `claude-` on (`us.anthropic.claude-…`). */
const bareName = (model: string): string =>
  `substr(${model}, max(instr(${model}, '/') + 1, instr(${model}, 'claude-'), 1))`;

/**
 * SQL: the name in a list of prices that holds for a model: the longest that it begins with, and of the list that comes with
 * this version only one that stands for the same model.
 */
export const priceOf = (model: string, prices_: string): string =>
  `(SELECT f.priced_model FROM (SELECT q.priced_model, q.price_source, substr(${bareName(model)}, length(q.priced_model) + 1) AS rest
      FROM ${prices_} q WHERE substr(${bareName(model)}, 1, length(q.priced_model)) = q.priced_model) f
    WHERE f.price_source <> 'list' OR ${isSameModel("f.rest")} ORDER BY length(f.priced_model) DESC LIMIT 1)`;

/** The price of each model that is used. */
const priced = `models AS (SELECT DISTINCT model FROM grouped WHERE model IS NOT NULL),
  priced AS (SELECT m.model, p.* FROM models m JOIN prices p ON p.priced_model = ${priceOf("m.model", "prices")})`;

const estimate = `(g.fresh * p.input_usd_per_million + g.hit * p.cache_read_usd_per_million + g.put * p.cache_write_usd_per_million
  + g.said * p.output_usd_per_million) / 1e6`;

/** Rows of `token_activity`, grouped by these and the model, with estimates, grouped again without the model. */
const grouped = (keys: Readonly<Record<string, string>>, from = ""): string => {
  const names = Object.keys(keys);
  return `(WITH grouped AS MATERIALIZED (SELECT ${Object.entries(keys)
    .map(([name, sql]) => `${sql} AS ${name}`)
    .join(", ")}${"model" in keys ? "" : `, ${modelOfUsage} AS model`}, ${sums} FROM token_activity u ${from}
      GROUP BY ${[...names, ...("model" in keys ? [] : ["model"])].map((_, at) => String(at + 1)).join(", ")}),
    prices AS MATERIALIZED (${pricesSql}), ${priced}
    SELECT ${names.map((name) => `g.${name} AS ${name}`).join(", ")}, ${["provider_messages", ...Object.keys(tokenSums)]
      .map((name) => `sum(g.${name}) AS ${name}`)
      .join(", ")}, sum(g.cost_usd) AS cost_usd,
      sum(CASE WHEN g.open_messages > 0 THEN ${estimate} END) AS estimated_usd,
      sum(CASE WHEN p.model IS NULL THEN g.open_messages ELSE 0 END) AS unpriced_messages
    FROM grouped g LEFT JOIN priced p ON p.model = g.model GROUP BY ${names.map((_, at) => String(at + 1)).join(", ")})`;
};

const tokensSql = `(a.provider_messages), (a.input_tokens), (a.output_tokens), (a.cache_read_tokens), (a.cache_write_tokens),
  (a.reasoning_tokens), ${share("a.cache_read_tokens", "a.input_tokens")}, (a.cost_usd), (a.estimated_usd), (a.unpriced_messages)`;

const prices: View = {
  name: "v_prices",
  doc: "One row per model with a price: the list that comes with this version, and what the configuration says in its place, for all models that begin so (recollect config set prices.MODEL).",
  columns: {
    priced_model: "Model, without its provider and the day of its release; of the configuration: how names begin.",
    input_usd_per_million: "US dollars for a million tokens sent that are neither read from nor written to the cache.",
    output_usd_per_million: "US dollars for a million tokens received, reasoning included.",
    cache_read_usd_per_million: "US dollars for a million tokens read from the cache.",
    cache_write_usd_per_million: "US dollars for a million tokens written to the cache.",
    price_day: "Day of which this price is.",
    price_source: "list for the one that comes with this version, configuration for one that was set.",
  },
  select: `SELECT (p.priced_model), (p.input_usd_per_million), (p.output_usd_per_million), (p.cache_read_usd_per_million),
    (p.cache_write_usd_per_million), (p.price_day), (p.price_source) FROM (${pricesSql}) p`,
};

const models: View = {
  name: "v_model_usage",
  doc: "One row per model, provider and tenant: tokens by kind, cache hits, cost.",
  columns: {
    model: "Model, by the message or the head of its file; null when not said.",
    provider: "Provider; null when not said.",
    tenant: "Tenant it belongs to.",
    ...tokens,
    ...money,
  },
  select: `SELECT (a.model), ${nameText("a.provider")}, ${nameText("a.tenant")}, ${tokensSql}
    FROM ${grouped({ model: modelOfUsage, provider: "nullif(u.provider, 0)", tenant: "u.tenant" })} a`,
};

const days: View = {
  name: "v_daily_costs",
  doc: "One row per day of the person and tenant: tokens by kind, cache hits, cost of all models. May be added up, but for shares.",
  columns: {
    day: "Day as YYYY-MM-DD, in the time zone of TZ or recollect sql --tz; null for all without a time.",
    tenant: "Tenant it belongs to.",
    ...tokens,
    ...money,
  },
  select: `SELECT (a.day), ${nameText("a.tenant")}, ${tokensSql} FROM ${grouped({ day: "q.day", tenant: "u.tenant" }, `JOIN ${daysOf("token_activity")} q ON q.quarter_at = u.quarter_at`)} a`,
};

const thread = "LEFT JOIN threads h ON h.thread_id = u.thread_id AND h.tenant = u.tenant";

const projects: View = {
  name: "v_project_costs",
  doc: "One row per project (working directory of the thread) and tenant: tokens by kind, cache hits, cost.",
  columns: { project: "Working directory; null when not said.", tenant: "Tenant it belongs to.", ...tokens, ...money },
  select: `SELECT ${nameText("a.project")}, ${nameText("a.tenant")}, ${tokensSql}
    FROM ${grouped({ project: "h.cwd", tenant: "u.tenant" }, thread)} a`,
};

const threads: View = {
  name: "v_thread_costs",
  doc: "One row per thread that spent tokens: by kind, cache hits, cost; sub-agents in threads of their own have rows of their own. Order by it for the dearest.",
  columns: {
    thread_id: "Thread.",
    tenant: "Tenant it belongs to.",
    parent_thread_id: "Thread that gave it its work, or that it was forked from; null for a root.",
    ...tokens,
    ...money,
  },
  select: `SELECT ${nameText("a.thread")}, ${nameText("a.tenant")}, (SELECT ${nameText("h.parent_thread_id")} FROM threads h
      WHERE h.thread_id = a.thread AND h.tenant = a.tenant), ${tokensSql}
    FROM ${grouped({ thread: "u.thread_id", tenant: "u.tenant" })} a`,
};

const families: View = {
  name: "v_family_costs",
  doc: "One row per root thread: its own cost and what its sub-agents cost, and theirs; a fork is a root of its own.",
  columns: {
    thread_id: "Thread that is no sub-agent.",
    tenant: "Tenant it belongs to.",
    cost_usd: "What its own transcript says it cost, US dollars; null when it does not.",
    estimated_usd: "Estimate of its own messages without a reported cost, US dollars; null when there is none.",
    delegated_cost_usd: "What the transcripts of its sub-agents say, US dollars; null when they do not.",
    delegated_estimated_usd: "Estimate of the others of theirs, US dollars; null when there is none.",
    delegated_threads: "Threads of its sub-agents, and of theirs.",
  },
  select: `SELECT ${nameText("a.root")}, ${nameText("a.tenant")}, sum(CASE WHEN a.thread = a.root THEN a.cost_usd END),
    sum(CASE WHEN a.thread = a.root THEN a.estimated_usd END), sum(CASE WHEN a.thread <> a.root THEN a.cost_usd END),
    sum(CASE WHEN a.thread <> a.root THEN a.estimated_usd END), count(CASE WHEN a.thread <> a.root THEN 1 END)
    FROM (WITH RECURSIVE tree(root, thread, tenant) AS (
        SELECT t.thread_id, t.thread_id, t.tenant FROM threads t WHERE t.parent_thread_id IS NULL OR t.parent_relation = 'fork'
          OR NOT EXISTS (SELECT 1 FROM threads o WHERE o.thread_id = t.parent_thread_id AND o.tenant = t.tenant)
        UNION SELECT r.root, k.thread_id, k.tenant FROM tree r JOIN threads k ON k.parent_thread_id = r.thread AND k.tenant = r.tenant
          AND k.parent_relation IS NOT 'fork')
      SELECT r.root, r.thread, r.tenant, c.cost_usd, c.estimated_usd FROM tree r
        LEFT JOIN ${grouped({ thread: "u.thread_id", tenant: "u.tenant" })} c ON c.thread = r.thread AND c.tenant = r.tenant) a
    GROUP BY a.root, a.tenant`,
};

export const costAnswers: ReadonlyArray<View> = [prices, models, days, projects, threads, families];
