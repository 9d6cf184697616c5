/**
 * An overview: words, deeds and costs, in sum and by day.
 *
 * Room: query.
 */
import { column, dayOf, type Report, within } from "../Report.ts";

const messages = `FROM v_message_activity a WHERE ${within("a")}`;
const calls = `FROM v_call_activity a WHERE ${within("a")}`;
const tokens = `FROM v_token_activity a WHERE ${within("a")}`;

const counted = [
  column("threads", "count", "Threads in which something was said."),
  column("prompts", "count", "Prompts of persons."),
  column("answers", "count", "Answers of models."),
  column("tool_calls", "count", "Tool calls."),
  column("errors", "count", "Tool calls that failed."),
  column("input_tokens", "tokens", "Tokens sent to models, with what their cache gave."),
  column("output_tokens", "tokens", "Tokens that models gave."),
  column("cost_usd", "usd", "Cost as the transcripts say it; null where none does."),
];

export const overview: Report = {
  name: "overview",
  title: "Overview",
  doc: "What was said, done and spent: in sum, by day, and by whom the most.",
  by: {},
  sections: [
    {
      name: "totals",
      title: "In all",
      doc: "One row of everything in the time asked for.",
      columns: counted,
      sql: `SELECT m.threads, m.prompts, m.answers, c.calls, c.errors, k.input, k.output, k.cost
        FROM (SELECT count(DISTINCT a.thread_number) AS threads, coalesce(sum(a.prompts), 0) AS prompts, coalesce(sum(a.answers), 0) AS answers ${messages}) m,
          (SELECT coalesce(sum(a.calls), 0) AS calls, coalesce(sum(a.errors), 0) AS errors ${calls}) c,
          (SELECT coalesce(sum(a.input_tokens), 0) AS input, coalesce(sum(a.output_tokens), 0) AS output, sum(a.cost_usd) AS cost ${tokens}) k`,
    },
    {
      name: "days",
      title: "By day",
      doc: "The same by day, the latest first. A thread that crosses midnight is in both days.",
      columns: [column("day", "day", "Day in the zone that was asked for; null: no time is known."), ...counted],
      plot: { kind: "bars", x: "day", y: ["prompts", "answers", "tool_calls"] },
      // Sums by quarter come in the order of the table; then each quarter's day is asked for once.
      sql: `WITH m AS MATERIALIZED (SELECT a.quarter_at AS q, a.thread_number, sum(a.prompts) AS prompts, sum(a.answers) AS answers ${messages} GROUP BY 1, 2),
        c AS (SELECT a.quarter_at AS q, sum(a.calls) AS calls, sum(a.errors) AS errors ${calls} GROUP BY 1),
        k AS (SELECT a.quarter_at AS q, sum(a.input_tokens) AS input, sum(a.output_tokens) AS output, sum(a.cost_usd) AS cost ${tokens} GROUP BY 1),
        s AS (SELECT q, prompts, answers, 0 AS calls, 0 AS errors, 0 AS input, 0 AS output, NULL AS cost FROM m
          UNION ALL SELECT q, 0, 0, calls, errors, 0, 0, NULL FROM c UNION ALL SELECT q, 0, 0, 0, 0, input, output, cost FROM k),
        quarters AS (SELECT q, sum(prompts) AS prompts, sum(answers) AS answers, sum(calls) AS calls, sum(errors) AS errors, sum(input) AS input, sum(output) AS output, sum(cost) AS cost FROM s GROUP BY q),
        days AS MATERIALIZED (SELECT q, ${dayOf("q")} AS day, prompts, answers, calls, errors, input, output, cost FROM quarters),
        t AS (SELECT days.day, count(DISTINCT m.thread_number) AS threads FROM m JOIN days ON days.q = m.q GROUP BY 1)
        SELECT d.day, coalesce(t.threads, 0), d.prompts, d.answers, d.calls, d.errors, d.input, d.output, d.cost
        FROM (SELECT day, sum(prompts) AS prompts, sum(answers) AS answers, sum(calls) AS calls, sum(errors) AS errors, sum(input) AS input, sum(output) AS output, sum(cost) AS cost FROM days GROUP BY 1) d
          LEFT JOIN t ON t.day IS d.day ORDER BY d.day DESC LIMIT :limit`,
    },
    {
      name: "agents",
      title: "By agent",
      doc: "Which agents were used.",
      columns: [
        column("agent", "text", "Agent tool of the thread, or its client; null when not said."),
        column("threads", "count", "Threads in which something was said."),
        column("messages", "count", "Messages of all kinds."),
        column("last_at", "moment", "Quarter of an hour in which it was last used; null when no time is known."),
      ],
      plot: { kind: "bars", x: "agent", y: ["messages"] },
      sql: `SELECT t.agent, count(DISTINCT a.thread_number), sum(a.messages), nullif(max(a.quarter_at), 0)
        FROM v_message_activity a {threads} WHERE ${within("a")} GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT :limit`,
    },
  ],
};
