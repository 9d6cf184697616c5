/**
 * Models and cost: tokens by kind, what the cache gave, and what it cost: as the transcripts say it, and apart from that as estimated.
 *
 * Room: query.
 */
import {
  column,
  type Dimension,
  dimensions,
  type Report,
  type ReportColumn,
  type Section,
  textOf,
  within,
} from "../Report.ts";
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
 * SQL: names for sums by `key`, model and thread (`g`), and for the price of each of those models (`p`). A model is its number, or the text
 * that the head of the file says, so that each is spelled and looked up once, however many rows it has.
 */
const priced = (key: string, from: string): string =>
  `WITH g AS MATERIALIZED (SELECT ${key} AS it, coalesce(a.model_number, a.model) AS model, a.thread_number, a.cost_usd IS NULL AS is_open, ${kinds
    .map((kind) => `sum(a.${kind}) AS ${kind}`)
    .join(", ")} ${from} GROUP BY 1, 2, 3, 4),
    prices AS MATERIALIZED (SELECT * FROM v_prices),
    p AS MATERIALIZED (SELECT u.model, q.* FROM (SELECT d.model, CASE typeof(d.model) WHEN 'integer' THEN ${textOf("d.model")} ELSE d.model END AS name
      FROM (SELECT DISTINCT model FROM g WHERE is_open = 1) d) u JOIN prices q ON q.priced_model = ${priceOf("u.name", "prices")})`;

const estimateOf = `CASE WHEN g.is_open = 1 THEN ((g.input_tokens - g.cache_read_tokens - g.cache_write_tokens) * p.input_usd_per_million
  + g.cache_read_tokens * p.cache_read_usd_per_million + g.cache_write_tokens * p.cache_write_usd_per_million
  + g.output_tokens * p.output_usd_per_million) / 1e6 END`;
const estimate = `sum(${estimateOf})`;

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

const spentIn = (what: string, which: "" | "0" | "1"): string =>
  which === "" ? `sum(${what})` : `sum(CASE g.it WHEN ${which} THEN ${what} END)`;
const measured = { cost: "g.cost_usd", estimate: estimateOf, input: "g.input_tokens", output: "g.output_tokens" };
const named = (prefix: string, which: "" | "0" | "1"): string =>
  Object.entries(measured)
    .map(([name, what]) => `${spentIn(what, which)} AS ${prefix}${name}`)
    .join(", ");

/**
 * SQL: `spent`, a row for each thread: what it spent itself, what sub-agents did inside its transcript, and both; `under`: each
 * thread above each sub-agent, however many between them; UNION: one that is its own ancestor ends it.
 */
const families = `spent AS MATERIALIZED (SELECT g.thread_number, ${named("own_", "0")}, ${named("side_", "1")}, ${named("all_", "")}
    ${fromPriced} GROUP BY 1),
  kids AS MATERIALIZED (SELECT k.thread_number AS kid, o.thread_number AS parent FROM v_threads k JOIN v_threads o ON o.thread_id = k.parent_thread_id
    AND o.tenant = :tenant WHERE k.tenant = :tenant AND k.parent_thread_id IS NOT NULL AND k.parent_relation IS NOT 'fork'),
  under(thread, kid) AS (SELECT parent, kid FROM kids UNION SELECT k.parent, u.kid FROM under u JOIN kids k ON k.kid = u.thread),
  parts AS (SELECT thread_number AS thread, own_cost AS cost, own_estimate AS estimate, own_input AS input, own_output AS output,
      side_cost AS d_cost, side_estimate AS d_estimate, side_input AS d_input, side_output AS d_output, 0 AS threads FROM spent
    UNION ALL SELECT u.thread, NULL, NULL, NULL, NULL, s.all_cost, s.all_estimate, s.all_input, s.all_output, 1
      FROM under u LEFT JOIN spent s ON s.thread_number = u.kid WHERE u.kid <> u.thread),
  threads AS (SELECT thread, sum(cost) AS cost, sum(estimate) AS estimate, coalesce(sum(input), 0) AS input, coalesce(sum(output), 0) AS output,
      sum(d_cost) AS d_cost, sum(d_estimate) AS d_estimate, coalesce(sum(d_input), 0) AS d_input, coalesce(sum(d_output), 0) AS d_output,
      sum(threads) AS threads FROM parts GROUP BY 1 HAVING count(input) + count(d_input) > 0)`;
const dearestFirst = (row: string): string =>
  `${["cost", "estimate", "d_cost", "d_estimate"].map((what) => `coalesce(${row}.${what}, 0)`).join(" + ")} DESC, ${row}.input + ${row}.output + ${row}.d_input + ${row}.d_output DESC`;

const ofThread = (what: string): string =>
  `(SELECT ${what} FROM v_threads t WHERE t.thread_id = ${textOf("a.thread")} AND t.tenant = :tenant)`;

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
      doc: "Threads by what they spent themselves and what their sub-agents did, in the time asked for; the two may be added up. A sub-agent with a thread of its own has a row of its own, too.",
      columns: [
        column("thread_id", "text", "Thread."),
        column("title", "text", "Its title, or the first words of a person."),
        column("project", "text", "Working directory; null when not said."),
        column("cost_usd", "usd", "Cost of its own, as the transcripts say it; null where none does."),
        ...estimated.slice(0, 1),
        column("input_tokens", "tokens", "Tokens that its own agent sent."),
        column("output_tokens", "tokens", "Tokens that its own agent received."),
        column(
          "delegated_cost_usd",
          "usd",
          "What its sub-agents cost, as the transcripts say it, in its own transcript and in threads of their own, and theirs; a fork is no sub-agent. Null where none does.",
        ),
        column(
          "delegated_estimated_usd",
          "usd",
          "Their messages without a reported cost by the prices of v_prices; null where none of their models is there. Not part of delegated_cost_usd.",
        ),
        column("delegated_input_tokens", "tokens", "Tokens that its sub-agents sent, and theirs."),
        column("delegated_output_tokens", "tokens", "Tokens that they received."),
        column("delegated_threads", "count", "Threads of its sub-agents, and of theirs."),
      ],
      // Threads are asked one by one: joined, all of them would be made first for the few that are shown.
      sql: `${priced("a.is_sidechain", inAll)}, ${families} SELECT ${textOf("a.thread")}, ${ofThread("coalesce(t.title, t.opening)")}, ${ofThread("t.cwd")},
          a.cost, a.estimate, a.input, a.output, a.d_cost, a.d_estimate, a.d_input, a.d_output, a.threads
        FROM (SELECT * FROM threads x ORDER BY ${dearestFirst("x")}, ${textOf("x.thread")} LIMIT :limit) a ORDER BY ${dearestFirst("a")}, 1`,
    },
  ],
};
