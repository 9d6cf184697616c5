/**
 * Projects and threads: where work happened, and which conversations were the longest.
 *
 * Room: query.
 */
import { column, type Report, within, withinOrUnknown } from "../Report.ts";

/** Sums of each thread in the time asked for, under the same names. */
const byThread = `WITH m AS (SELECT a.thread_number, a.thread_id, sum(a.messages) AS messages, sum(a.prompts) AS prompts,
      min(nullif(a.quarter_at, 0)) AS first_at, max(nullif(a.quarter_at, 0)) AS last_at FROM v_message_activity a WHERE ${within("a")} GROUP BY 1),
    c AS (SELECT a.thread_number, sum(a.calls) AS calls, sum(a.errors) AS errors FROM v_call_activity a WHERE ${within("a")} GROUP BY 1),
    k AS (SELECT a.thread_number, sum(a.input_tokens) AS input, sum(a.output_tokens) AS output, sum(a.cost_usd) AS cost FROM v_token_activity a WHERE ${within("a")} GROUP BY 1),
    s AS (SELECT m.*, coalesce(c.calls, 0) AS calls, coalesce(c.errors, 0) AS errors, coalesce(k.input, 0) AS input, coalesce(k.output, 0) AS output, k.cost
      FROM m LEFT JOIN c ON c.thread_number = m.thread_number LEFT JOIN k ON k.thread_number = m.thread_number)`;

const counted = [
  column("messages", "count", "Messages of all kinds."),
  column("prompts", "count", "Prompts of persons."),
  column("tool_calls", "count", "Tool calls."),
  column("errors", "count", "Tool calls that failed."),
  column("input_tokens", "tokens", "Tokens sent, with what the cache gave."),
  column("output_tokens", "tokens", "Tokens received."),
  column("cost_usd", "usd", "Cost as the transcripts say it; null where none does."),
];

const sums = "sum(a.messages), sum(a.prompts), sum(a.calls), sum(a.errors), sum(a.input), sum(a.output), sum(a.cost)";

export const projects: Report = {
  name: "projects",
  title: "Projects",
  doc: "Where work happened: by working directory, and which files were read and written there.",
  by: {},
  sections: [
    {
      name: "projects",
      title: "Projects",
      doc: "Threads in which something was said, by the working directory of the thread.",
      columns: [
        column("project", "text", "Working directory; null when not said."),
        column("threads", "count", "Threads in which something was said."),
        ...counted,
        column("last_at", "moment", "Quarter of an hour of the last message; null when no time is known."),
      ],
      plot: { kind: "bars", x: "project", y: ["messages"] },
      trend: {
        sql: `SELECT t.project, {day}, sum(a.messages) FROM v_message_activity a {days} {threads} WHERE ${within("a")} GROUP BY 1, 2`,
        unit: "count",
        doc: "Messages by day.",
      },
      sql: `${byThread} SELECT t.project, count(*), ${sums}, max(a.last_at) FROM s a {threads} GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT :limit`,
    },
    {
      name: "used",
      title: "Files read and written",
      doc: "Files that tools have read and written, as their arguments name them, by agent; those whose last use is in the time asked for.",
      columns: [
        column("path", "text", "Path of the file, as the arguments name it."),
        column("agent", "text", "Client program of the threads; null when not said."),
        column("reads", "count", "Calls that read it, and did not fail."),
        column("writes", "count", "Calls that wrote it, and did not fail."),
        column("threads", "count", "Threads whose calls did."),
        column("last_at", "moment", "When last; null when no time is known."),
      ],
      plot: { kind: "bars", x: "path", y: ["reads", "writes"] },
      sql: `SELECT f.path, f.client, sum(f.reads), sum(f.writes), count(*), max(f.last_at) FROM v_file_use f
        WHERE ${withinOrUnknown("f", "last_at")} GROUP BY 1, 2 ORDER BY sum(f.writes) + sum(f.reads) DESC, 1, 2 LIMIT :limit`,
    },
    {
      name: "files",
      title: "Versions of files",
      doc: "Files of which it is recorded which content threads have read, most reads first.",
      columns: [
        column("path", "text", "Path of the file."),
        column("reads", "count", "How often it was read."),
        column("threads", "count", "Threads that read it."),
        column("versions", "count", "Contents it had when it was read."),
        column("last_read_at", "moment", "When it was last read."),
      ],
      plot: { kind: "bars", x: "path", y: ["reads"] },
      sql: `SELECT f.path, count(*), count(DISTINCT f.thread_id), count(DISTINCT f.sha256), max(f.read_at)
        FROM v_files_read f WHERE ${withinOrUnknown("f", "read_at")} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :limit`,
    },
  ],
};

const threadNamed = [
  column("thread_id", "text", "Thread."),
  column("title", "text", "Its title, or the first words of a person."),
  column("agent", "text", "Agent tool, or client; null when not said."),
];

export const threads: Report = {
  name: "threads",
  title: "Threads",
  doc: "The longest conversations, and what became of contexts that were too long.",
  by: {},
  sections: [
    {
      name: "longest",
      title: "Longest",
      doc: "Threads with the most messages in the time asked for.",
      columns: [...threadNamed, ...counted, column("last_at", "moment", "Quarter of an hour of the last message.")],
      plot: { kind: "bars", x: "title", y: ["messages"] },
      sql: `${byThread} SELECT s.thread_id, coalesce(t.title, t.opening), coalesce(t.tool, t.client), s.messages, s.prompts, s.calls, s.errors, s.input, s.output, s.cost, s.last_at
        FROM (SELECT * FROM s ORDER BY messages DESC, thread_id LIMIT :limit) s
          LEFT JOIN v_threads t ON t.thread_id = s.thread_id AND t.tenant = :tenant ORDER BY s.messages DESC, s.thread_id`,
    },
    {
      name: "turns",
      title: "Turns",
      doc: "How much one prompt of a person sets going, by agent.",
      columns: [
        column("agent", "text", "Agent tool, or client; null when not said."),
        column("threads", "count", "Threads in which something was said."),
        column("prompts", "count", "Prompts of persons."),
        column("prompts_per_thread", "number", "Prompts in a thread, mean."),
        column("tools_per_prompt", "number", "Tool calls that a prompt sets going, mean; null without prompts."),
        column("messages_per_prompt", "number", "Messages that a prompt sets going, mean; null without prompts."),
      ],
      plot: { kind: "bars", x: "agent", y: ["tools_per_prompt"] },
      sql: `${byThread} SELECT t.agent, count(*), sum(a.prompts), sum(a.prompts) * 1.0 / count(*),
          sum(a.calls) * 1.0 / nullif(sum(a.prompts), 0), sum(a.messages) * 1.0 / nullif(sum(a.prompts), 0)
        FROM s a {threads} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :limit`,
    },
    {
      name: "compactions",
      title: "Compactions",
      doc: "Where what was said so far was replaced by a summary, most first.",
      columns: [
        column("thread_id", "text", "Thread."),
        column("compactions", "count", "How often."),
        column("largest_tokens", "tokens", "Tokens before, the most of them; null when not said."),
        column("last_at", "moment", "When last; null when no time is known."),
      ],
      sql: `SELECT c.thread_id, count(*), max(c.tokens_before), max(c.occurred_at) FROM v_compactions c
        WHERE ${withinOrUnknown("c", "occurred_at")} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :limit`,
    },
  ],
};
