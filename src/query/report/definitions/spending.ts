/**
 * Models and cost: tokens by kind, what the cache gave, and what it cost as the transcripts say it.
 *
 * Room: query.
 */
import {
  column,
  dayOf,
  type Dimension,
  dimensions,
  type Report,
  type ReportColumn,
  type Section,
  within,
} from "../Report.ts";

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
];

const sums = `sum(a.provider_messages), count(DISTINCT a.thread_id), sum(a.input_tokens), sum(a.output_tokens), sum(a.cache_read_tokens),
  sum(a.cache_write_tokens), sum(a.reasoning_tokens), sum(a.cache_read_tokens) * 1.0 / nullif(sum(a.input_tokens), 0), sum(a.cost_usd)`;

const from = `FROM v_token_activity a {threads} WHERE ${within("a")}`;
const inAll = `FROM v_token_activity a WHERE ${within("a")}`;

const spent = (title: string, order: string, trend: string, doc: string): Section => ({
  name: "spent",
  title,
  doc: "Tokens by kind and their cost. Parts of a whole are never larger than it.",
  isBy: true,
  columns: tokens,
  plot: { kind: "bars", x: "{name}", y: ["input_tokens", "output_tokens"] },
  trend: {
    sql: `SELECT {by}, ${dayOf("a.quarter_at")}, ${trend} ${from} GROUP BY 1, 2`,
    unit: "tokens",
    doc,
  },
  sql: `SELECT {by}, ${sums} ${from} GROUP BY 1 ORDER BY ${order} LIMIT :limit`,
});

const days: Section = {
  name: "days",
  title: "By day",
  doc: "Tokens and cost by day, the latest first.",
  columns: [column("day", "day", "Day in the zone that was asked for; null: no time is known."), ...tokens],
  plot: { kind: "line", x: "day", y: ["input_tokens", "output_tokens"] },
  sql: `SELECT ${dayOf("a.quarter_at")}, ${sums} ${inAll} GROUP BY 1 ORDER BY 1 DESC LIMIT :limit`,
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
      sql: `SELECT ${sums}, sum(CASE WHEN a.cost_usd IS NOT NULL THEN a.provider_messages ELSE 0 END) * 1.0 / nullif(sum(a.provider_messages), 0) ${inAll}`,
    },
    spent(
      "By {name}",
      "10 DESC, 4 DESC, 1",
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
        column("input_tokens", "tokens", "Tokens sent in it."),
        column("output_tokens", "tokens", "Tokens received in it."),
        column("delegated_input_tokens", "tokens", "Tokens sent by threads that it began."),
        column("delegated_output_tokens", "tokens", "Tokens received by threads that it began."),
        column("delegated_threads", "count", "Threads that it began."),
      ],
      sql: `SELECT a.thread_id, coalesce(t.title, t.opening), t.cwd, a.cost, a.input, a.output, k.delegated_input_tokens, k.delegated_output_tokens, k.delegated_threads
        FROM (SELECT thread_id, tenant, sum(cost_usd) AS cost, sum(input_tokens) AS input, sum(output_tokens) AS output ${inAll} GROUP BY 1, 2
          ORDER BY 3 DESC, sum(input_tokens) + sum(output_tokens) DESC, 1 LIMIT :limit) a
          LEFT JOIN v_threads t ON t.thread_id = a.thread_id AND t.tenant = a.tenant
          LEFT JOIN v_thread_tokens k ON k.thread_id = a.thread_id AND k.tenant = a.tenant
        ORDER BY a.cost DESC, a.input + a.output DESC, 1`,
    },
  ],
};
