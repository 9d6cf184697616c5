/**
 * Tools: how often, how well, how long, what they fill, and what goes wrong.
 *
 * Room: query.
 */
import { column, type Dimension, dimensions, type Report, textOf, within, withinOrUnknown } from "../Report.ts";

const by: Readonly<Record<string, Dimension>> = {
  tool: { name: "tool_name", unit: "text", doc: "Name of the tool.", sql: "a.tool_name", key: "a.tool_number" },
  server: {
    name: "server",
    unit: "text",
    doc: "Server that offers it; null for a built-in one.",
    sql: "a.server",
    key: "a.server_number",
  },
  ...dimensions,
};

/** Percentiles by nearest rank. */
const percents = [50, 95, 99] as const;

const rate = "sum(a.errors) * 1.0 / nullif(sum(a.calls), 0)";

const sums = `sums AS MATERIALIZED (SELECT {key} AS it, sum(a.calls) AS calls, sum(a.ok) AS ok, sum(a.errors) AS errors, ${rate} AS rate,
          count(DISTINCT a.thread_number) AS threads, sum(a.timed) AS timed, sum(a.duration_millis) AS millis, nullif(max(a.quarter_at), 0) AS last_at
          FROM v_call_activity a {join} WHERE ${within("a")} GROUP BY 1)`;
const used =
  "s.calls, s.ok, s.errors, s.calls - s.ok - s.errors, s.rate, s.threads, s.timed, s.millis / nullif(s.timed, 0)";

/** SQL: the fraction at which `percentile_disc` finds the nearest rank of `timed` values. */
const fraction = (percent: number): string =>
  `min(1.0, ((x.timed * ${percent} + 99) / 100 - 0.5) / max(1, x.timed - 1)) AS f${percent}`;

const fractions = percents.map(fraction).join(", ");
/** SQL: the durations of a group `s` at its fractions, and the longest, as a JSON array. */
const millisAt = `json_array(${percents.map((percent) => `percentile_disc(a.duration_millis, s.f${percent})`).join(", ")}, max(a.duration_millis))`;
const atPlaces = [0, 1, 2, 3].map((at) => `json_extract(s.millis_at, '$[${at}]')`).join(", ");

/** SQL for tools and servers: the durations of a group are read tool by tool off an index, and never sorted together. */
const byTool = `WITH ${sums},
        top AS MATERIALIZED (SELECT x.*, ${fractions} FROM sums x ORDER BY x.calls DESC, {text x.it} LIMIT :limit),
        tools AS MATERIALIZED (SELECT DISTINCT a.tool_number, {key} AS it FROM v_call_activity a WHERE ${within("a")}),
        timed AS MATERIALIZED (SELECT s.*, (SELECT ${millisAt} FROM tools o CROSS JOIN v_call_durations a ON a.tool_number = o.tool_number
            WHERE o.it IS s.it AND {key} IS s.it AND ${within("a")}) AS millis_at FROM top s)
        SELECT {text s.it}, ${used}, ${atPlaces}, s.last_at FROM timed s ORDER BY s.calls DESC, 1`;

/**
 * SQL for what is known of threads and days. Sums come in the order of the table for each quarter and thread, and only those are
 * grouped; the durations of a group are read thread by thread off an index: SQLite would sort all calls for either. A day is one piece
 * of a thread's time, so that its first and last quarter say which calls are of it.
 */
const byThread = `WITH parts AS MATERIALIZED (SELECT a.quarter_at, a.thread_number, a.thread_id, sum(a.calls) AS calls, sum(a.ok) AS ok, sum(a.errors) AS errors,
          sum(a.timed) AS timed, sum(a.duration_millis) AS duration_millis FROM v_call_activity a WHERE ${within("a")} GROUP BY 1, 2),
        sums AS MATERIALIZED (SELECT {by} AS it, sum(a.calls) AS calls, sum(a.ok) AS ok, sum(a.errors) AS errors, ${rate} AS rate,
          count(DISTINCT a.thread_number) AS threads, sum(a.timed) AS timed, sum(a.duration_millis) AS millis, nullif(max(a.quarter_at), 0) AS last_at
          FROM parts a {join} GROUP BY 1),
        top AS MATERIALIZED (SELECT x.*, row_number() OVER () AS number, ${fractions} FROM sums x ORDER BY {order} LIMIT :limit),
        places AS MATERIALIZED (SELECT s.number, a.thread_number, min(a.quarter_at) AS first, max(a.quarter_at) AS last
          FROM parts a {join} JOIN top s ON s.it IS {by} GROUP BY 1, 2),
        timed AS MATERIALIZED (SELECT s.*, (SELECT ${millisAt} FROM places p CROSS JOIN v_call_durations a ON a.thread_number = p.thread_number
            WHERE p.number = s.number AND a.tenant = :tenant AND a.quarter_at BETWEEN p.first AND p.last) AS millis_at
          FROM top s)
        SELECT s.it, ${used}, ${atPlaces}, s.last_at
        FROM timed s ORDER BY {order}`;

export const tools: Report = {
  name: "tools",
  title: "Tools",
  doc: "How often tools are called, how well and how long, what fills the context, what follows what, and what goes wrong.",
  by,
  only: ["project", "agent", "thread"],
  sections: [
    {
      name: "use",
      title: "Use",
      doc: "Calls with how they ended and what they took; percentiles by nearest rank over the known durations.",
      isBy: true,
      columns: [
        column("calls", "count", "Calls."),
        column("ok", "count", "Calls that succeeded."),
        column("errors", "count", "Calls that failed."),
        column("unknown", "count", "Calls whose outcome is not known: cut by a crash, or never told."),
        column("error_rate", "share", "Failed calls of all calls."),
        column("threads", "count", "Threads they were made in."),
        column("timed", "count", "Calls whose duration is known."),
        column("mean_millis", "millis", "Mean of the known durations."),
        column("p50_millis", "millis", "Median of the known durations."),
        column("p95_millis", "millis", "95th percentile of the known durations."),
        column("p99_millis", "millis", "99th percentile of the known durations."),
        column("longest_millis", "millis", "The longest of the known durations."),
        column("last_at", "moment", "Quarter of an hour of the last call; null when no time is known."),
      ],
      plot: { kind: "bars", x: "{name}", y: ["ok", "errors", "unknown"] },
      trend: {
        sql: `SELECT {text x.it}, x.day, x.calls FROM (SELECT {key} AS it, {day} AS day, sum(a.calls) AS calls
          FROM v_call_activity a {days} {join} WHERE ${within("a")} GROUP BY 1, 2) x`,
        unit: "count",
        doc: "Calls by day.",
      },
      sql: byTool,
      sqlByThread: byThread,
    },
    {
      name: "context",
      title: "What fills the context",
      doc: "Bytes of arguments and results: a model reads all of them again with each further answer.",
      isBy: true,
      columns: [
        column("result_bytes", "bytes", "Bytes of all results."),
        column("result_share", "share", "Of the results of all rows."),
        column("mean_result_bytes", "bytes", "Mean of a call's result."),
        column("arguments_bytes", "bytes", "Bytes of all arguments."),
      ],
      plot: { kind: "bars", x: "{name}", y: ["result_bytes"] },
      sql: `SELECT {text s.it}, s.result_bytes, s.result_bytes * 1.0 / nullif(sum(s.result_bytes) OVER (), 0),
          s.result_bytes * 1.0 / nullif(s.calls, 0), s.arguments_bytes
        FROM (SELECT {key} AS it, sum(a.result_bytes) AS result_bytes, sum(a.calls) AS calls, sum(a.arguments_bytes) AS arguments_bytes
          FROM v_call_activity a {join} WHERE ${within("a")} GROUP BY 1) s ORDER BY 2 DESC, 1 LIMIT :limit`,
    },
    {
      name: "versions",
      title: "By version of the client",
      doc: "Error rate of each tool by version of the client: where it rises, something broke. Most errors first, then the latest use.",
      columns: [
        column("tool_name", "text", "Name of the tool."),
        column("client", "text", "Agent tool of the thread, or its client."),
        column("version", "text", "Version of the client; null when not said."),
        column("calls", "count", "Calls."),
        column("errors", "count", "Calls that failed."),
        column("error_rate", "share", "Failed calls of all calls."),
        column("first_at", "moment", "Quarter of an hour of the first call."),
        column("last_at", "moment", "Quarter of an hour of the last call."),
      ],
      // Threads first: few, and only their sums ask for agent and version.
      sql: `SELECT ${textOf("s.it")}, s.agent, s.client_version, s.calls, s.errors, s.errors * 1.0 / nullif(s.calls, 0), s.first_at, s.last_at
        FROM (SELECT a.it, t.agent, t.client_version, sum(a.calls) AS calls, sum(a.errors) AS errors, min(a.first_at) AS first_at, max(a.last_at) AS last_at
          FROM (SELECT a.tool_number AS it, a.thread_number, sum(a.calls) AS calls, sum(a.errors) AS errors, min(nullif(a.quarter_at, 0)) AS first_at,
            max(nullif(a.quarter_at, 0)) AS last_at FROM v_call_activity a WHERE ${within("a")} GROUP BY 2, 1) a {threads} GROUP BY 1, 2, 3) s
        ORDER BY s.errors DESC, 8 DESC, 1, 2, 3 LIMIT :limit`,
    },
    {
      name: "next",
      title: "What follows what",
      doc: "Which tool is called after which in a thread, for the calls in the time asked for.",
      columns: [
        column("tool_name", "text", "Tool that was called."),
        column("next_tool_name", "text", "Tool that was called next in the thread."),
        column("times", "count", "How often."),
      ],
      plot: { kind: "bars", x: "next_tool_name", y: ["times"] },
      sql: `SELECT ${textOf("s.it")}, ${textOf("s.next")}, s.times FROM (SELECT a.tool_number AS it, a.next_tool_number AS next, count(*) AS times
          FROM v_tool_steps a WHERE ${within("a")} AND a.next_tool_number IS NOT NULL GROUP BY 1, 2) s ORDER BY 3 DESC, 1, 2 LIMIT :limit`,
    },
    {
      name: "loops",
      title: "Loops",
      doc: "The same call with the same arguments, three times and more in one thread.",
      columns: [
        column("thread_id", "text", "Thread."),
        column("tool_name", "text", "Tool that was called."),
        column("times", "count", "How often."),
        column("errors", "count", "How often it failed."),
        column("arguments", "text", "Its arguments, the beginning."),
        column("last_at", "moment", "When it was last called."),
      ],
      // A loop of any time is one of all times, and those are found by an index.
      sql: `SELECT c.thread_id, c.tool_name, count(*), sum(c.outcome = 'error'), substr(c.arguments, 1, 200), max(c.started_at)
        FROM (SELECT DISTINCT l.thread_id FROM v_loops l WHERE l.tenant = :tenant) s CROSS JOIN v_tool_calls c ON c.thread_id = s.thread_id
        WHERE ${withinOrUnknown("c", "started_at")} AND c.arguments_bytes > 2
        GROUP BY c.thread_id, c.tool_name, c.arguments HAVING count(*) >= 3 ORDER BY 3 DESC, 1, 2 LIMIT :limit`,
    },
    {
      name: "cut",
      title: "Calls without an outcome",
      doc: "Calls whose result was never seen: a crash cut them, or they run now. Latest first.",
      columns: [
        column("thread_id", "text", "Thread."),
        column("tool_name", "text", "Tool that was called."),
        column("started_at", "moment", "Start time; null where not recorded."),
        column("sequence", "number_of", "Stream sequence of the call."),
      ],
      sql: `SELECT c.thread_id, c.tool_name, c.started_at, c.sequence FROM v_open_calls c
        WHERE ${withinOrUnknown("c", "started_at")} ORDER BY c.sequence DESC LIMIT :limit`,
    },
  ],
};
