/**
 * Models and cost: tokens by kind, what the cache gave, and what it cost: as the transcripts say it, and apart from that as estimated.
 *
 * Room: query.
 */
import { column, type Dimension, dimensions, type Report, type ReportColumn, type Section, within } from "../Report.ts";
import { priceOf } from "../../../../projections/answers/costs.ts";

const model: Dimension = {
  name: "model",
  unit: "text",
  doc: "Model, by the message or the head of its file; null when not said.",
  sql: "a.model",
};
const provider: Dimension = { name: "provider", unit: "text", doc: "Provider; null when not said.", sql: "a.provider" };
const spender: Dimension = {
  name: "spender",
  unit: "text",
  doc: "user where a model plays the person, else agent.",
  sql: "a.spender",
};

const estimated: ReadonlyArray<ReportColumn> = [
  column(
    "estimated_usd",
    "usd",
    "Messages without a reported cost by the prices of v_prices; null where none of their models is there. Not part of cost_usd.",
  ),
  column(
    "unpriced_messages",
    "count",
    "Messages with neither a reported cost nor a price of their model: in neither sum.",
  ),
];

const tokens: ReadonlyArray<ReportColumn> = [
  column("provider_messages", "count", "Messages of the provider, each counted once."),
  column("threads", "count", "Threads they were in."),
  column("input_tokens", "tokens", "Tokens sent, with what the cache gave."),
  column("output_tokens", "tokens", "Tokens received, with reasoning."),
  column("cache_read_tokens", "tokens", "Of the tokens sent, those read from the provider's cache."),
  column("cache_write_tokens", "tokens", "Of the tokens sent, those written to the provider's cache."),
  column("reasoning_tokens", "tokens", "Of the tokens received, hidden reasoning."),
  column("cache_hit_rate", "share", "Tokens read from the cache of the tokens sent."),
  column("cost_usd", "usd", "Cost as the transcripts say it; null where none does."),
  ...estimated,
];

const kinds = [
  "provider_messages",
  "input_tokens",
  "output_tokens",
  "cache_read_tokens",
  "cache_write_tokens",
  "reasoning_tokens",
  "cost_usd",
];

/**
 * SQL: names for sums by `key`, model and thread (`g`), and for the price of each of those models (`p`). Each model is looked up once,
 * however many rows it has.
 */
const priced = (key: string, from: string): string =>
  `WITH g AS MATERIALIZED (SELECT ${key} AS it, a.model, a.thread_number, a.cost_usd IS NULL AS is_open, ${kinds
    .map((kind) => `sum(a.${kind}) AS ${kind}`)
    .join(", ")} ${from} GROUP BY 1, 2, 3, 4),
    prices AS MATERIALIZED (SELECT * FROM v_prices),
    p AS MATERIALIZED (SELECT u.model, q.* FROM (SELECT DISTINCT model FROM g WHERE is_open = 1) u JOIN prices q ON q.priced_model = ${priceOf("u.model", "prices")})`;

const estimate = `sum(CASE WHEN g.is_open = 1 THEN ((g.input_tokens - g.cache_read_tokens - g.cache_write_tokens) * p.input_usd_per_million
  + g.cache_read_tokens * p.cache_read_usd_per_million + g.cache_write_tokens * p.cache_write_usd_per_million
  + g.output_tokens * p.output_usd_per_million) / 1e6 END)`;

const unpriced = "sum(CASE WHEN g.is_open = 1 AND p.model IS NULL THEN g.provider_messages ELSE 0 END)";

const sums = `sum(g.provider_messages), count(DISTINCT g.thread_number), sum(g.input_tokens), sum(g.output_tokens), sum(g.cache_read_tokens),
  sum(g.cache_write_tokens), sum(g.reasoning_tokens), sum(g.cache_read_tokens) * 1.0 / nullif(sum(g.input_tokens), 0), sum(g.cost_usd),
  ${estimate}, ${unpriced}`;

const fromPriced = "FROM g LEFT JOIN p ON p.model = g.model";

const from = `FROM v_token_activity a {join} WHERE ${within("a")}`;
const inAll = `FROM v_token_activity a WHERE ${within("a")}`;

const spent = (title: string, order: string, trend: string, doc: string): Section => ({
  name: "spent",
  title,
  doc: "Tokens by kind, their reported cost, and beside it what the others come to by the price list. Parts of a whole are never larger than it.",
  isBy: true,
  columns: tokens,
  plot: { kind: "bars", x: "{name}", y: ["input_tokens", "output_tokens"] },
  trend: {
    sql: `SELECT {by}, {day}, ${trend} FROM v_token_activity a {days} {join} WHERE ${within("a")} GROUP BY 1, 2`,
    unit: "tokens",
    doc,
  },
  sql: `${priced("{by}", from)} SELECT g.it, ${sums} ${fromPriced} GROUP BY 1 ORDER BY ${order} LIMIT :limit`,
});

const days: Section = {
  name: "days",
  title: "By day",
  doc: "Tokens and cost by day, the latest first.",
  columns: [column("day", "day", "Day in the zone that was asked for; null: no time is known."), ...tokens],
  plot: { kind: "line", x: "day", y: ["input_tokens", "output_tokens"] },
  sql: `${priced("{day}", `FROM v_token_activity a {days} WHERE ${within("a")}`)} SELECT g.it, ${sums} ${fromPriced} GROUP BY 1 ORDER BY 1 DESC LIMIT :limit`,
};

export const models: Report = {
  name: "models",
  title: "Models",
  doc: "Tokens by kind, cache and cost of each model.",
  by: { model, provider, spender, ...dimensions },
  only: ["project", "agent", "model", "thread"],
  sections: [
    spent("Tokens and cost", "4 DESC, 1", "sum(a.input_tokens + a.output_tokens)", "Tokens sent and received by day."),
    days,
  ],
};

/** SQL: of one thread each, because a join would walk from every thread there is. */
const delegated = (what: string): string =>
  `(SELECT k.delegated_${what} FROM v_thread_tokens k WHERE k.thread_id = a.thread_id AND k.tenant = :tenant)`;

export const cost: Report = {
  name: "cost",
  title: "Cost",
  doc: "What was spent, as the transcripts say it: by day, model, project or thread, and which threads were the dearest.",
  by: { ...dimensions, model, provider },
  only: ["project", "agent", "model", "thread"],
  sections: [
    {
      name: "totals",
      title: "In all",
      doc: "One row of everything in the time asked for, and how much of it has a price.",
      columns: [
        ...tokens,
        column("priced_share", "share", "Provider messages whose cost the transcripts say, of all."),
      ],
      sql: `${priced("NULL", inAll)} SELECT ${sums}, sum(CASE WHEN g.is_open = 0 THEN g.provider_messages ELSE 0 END) * 1.0 / nullif(sum(g.provider_messages), 0) ${fromPriced}`,
    },
    spent(
      "By {name}",
      "10 DESC, 11 DESC, 4 DESC, 1",
      "sum(a.input_tokens + a.output_tokens)",
      "Tokens sent and received by day.",
    ),
    {
      name: "dearest",
      title: "Dearest threads",
      doc: "Threads by what they spent themselves and what their sub-agents did.",
      columns: [
        column("thread_id", "text", "Thread."),
        column("title", "text", "Its title, or the first words of a person."),
        column("project", "text", "Working directory; null when not said."),
        column("cost_usd", "usd", "Cost of its own, as the transcripts say it; null where none does."),
        ...estimated.slice(0, 1),
        column("input_tokens", "tokens", "Tokens sent in it."),
        column("output_tokens", "tokens", "Tokens received in it."),
        column("delegated_input_tokens", "tokens", "Tokens sent by threads that it began."),
        column("delegated_output_tokens", "tokens", "Tokens received by threads that it began."),
        column("delegated_threads", "count", "Threads that it began."),
      ],
      sql: `${priced("a.thread_id", inAll)} SELECT a.thread_id, coalesce(t.title, t.opening), t.cwd, a.cost, a.estimate, a.input, a.output, ${delegated("input_tokens")}, ${delegated("output_tokens")}, ${delegated("threads")}
        FROM (SELECT g.it AS thread_id, sum(g.cost_usd) AS cost, ${estimate} AS estimate, sum(g.input_tokens) AS input, sum(g.output_tokens) AS output
          ${fromPriced} GROUP BY 1 ORDER BY total(g.cost_usd) + coalesce(${estimate}, 0) DESC, sum(g.input_tokens) + sum(g.output_tokens) DESC, 1 LIMIT :limit) a
          LEFT JOIN v_threads t ON t.thread_id = a.thread_id AND t.tenant = :tenant
        ORDER BY coalesce(a.cost, 0) + coalesce(a.estimate, 0) DESC, a.input + a.output DESC, 1`,
    },
  ],
};
