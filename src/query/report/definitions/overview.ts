/**
 * An overview: words, deeds and costs, in sum and by day.
 *
 * Room: query.
 */
import { column, dayOf, type Report, within } from "../Report.ts";

const messages = `FROM v_message_activity a WHERE ${within("a")}`;
const calls = `FROM v_call_activity a WHERE ${within("a")}`;
const tokens = `FROM v_token_activity a WHERE ${within("a")}`;
/** SQL: the day of each quarter of a view, asked for once. */
const days = (view: string): string =>
  `JOIN (SELECT DISTINCT x.quarter_at, ${dayOf("x.quarter_at")} AS day FROM (SELECT DISTINCT a.quarter_at FROM ${view} a WHERE a.tenant = :tenant
    AND a.quarter_at >= :since AND a.quarter_at < :until) x) days ON days.quarter_at = a.quarter_at`;
const kind = (name: string) => `coalesce(sum(a.messages) FILTER (WHERE a.kind = '${name}'), 0)`;

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
        FROM (SELECT count(DISTINCT a.thread_number) AS threads, ${kind("prompt")} AS prompts, ${kind("answer")} AS answers ${messages}) m,
          (SELECT coalesce(sum(a.calls), 0) AS calls, coalesce(sum(a.errors), 0) AS errors ${calls}) c,
          (SELECT coalesce(sum(a.input_tokens), 0) AS input, coalesce(sum(a.output_tokens), 0) AS output, sum(a.cost_usd) AS cost ${tokens}) k`,
    },
    {
      name: "days",
      title: "By day",
      doc: "The same by day, the latest first. A thread that crosses midnight is in both days.",
      columns: [column("day", "day", "Day in the zone that was asked for; null: no time is known."), ...counted],
      plot: { kind: "bars", x: "day", y: ["prompts", "answers", "tool_calls"] },
      sql: `WITH m AS (SELECT days.day, count(DISTINCT a.thread_number) AS threads, ${kind("prompt")} AS prompts, ${kind("answer")} AS answers
          FROM v_message_activity a ${days("v_message_activity")} WHERE ${within("a")} GROUP BY 1),
        c AS (SELECT days.day, sum(a.calls) AS calls, sum(a.errors) AS errors FROM v_call_activity a ${days("v_call_activity")} WHERE ${within("a")} GROUP BY 1),
        k AS (SELECT days.day, sum(a.input_tokens) AS input, sum(a.output_tokens) AS output, sum(a.cost_usd) AS cost
          FROM v_token_activity a ${days("v_token_activity")} WHERE ${within("a")} GROUP BY 1)
        SELECT d.day, coalesce(m.threads, 0), coalesce(m.prompts, 0), coalesce(m.answers, 0), coalesce(c.calls, 0), coalesce(c.errors, 0),
          coalesce(k.input, 0), coalesce(k.output, 0), k.cost
        FROM (SELECT day FROM m UNION SELECT day FROM c UNION SELECT day FROM k) d
          LEFT JOIN m ON m.day IS d.day LEFT JOIN c ON c.day IS d.day LEFT JOIN k ON k.day IS d.day
        ORDER BY d.day DESC LIMIT :limit`,
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
