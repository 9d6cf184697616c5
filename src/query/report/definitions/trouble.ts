/**
 * Errors: which, how often, since when, and whether they go on.
 *
 * Room: query.
 */
import { column, dimensions, type Report, within, withinOrUnknown } from "../Report.ts";

export const errors: Report = {
  name: "errors",
  title: "Errors",
  doc: "Tool calls that failed: which most, since when and until when, and how the rate moves.",
  by: {
    tool: { name: "tool_name", unit: "text", doc: "Name of the tool.", sql: "a.tool_name", key: "a.tool_number" },
    server: { name: "server", unit: "text", doc: "Server that offers it; null for a built-in one.", sql: "a.server" },
    ...dimensions,
  },
  sections: [
    {
      name: "top",
      title: "Most frequent",
      doc: "Failed calls with the same tool and error, the most frequent first.",
      columns: [
        column("tool_name", "text", "Name of the tool."),
        column("error_type", "text", "Kind of the error; null when not said."),
        column("error_message", "text", "The error, its first line, at most 160 characters."),
        column("errors", "count", "How often."),
        column("threads", "count", "Threads it happened in."),
        column("first_at", "moment", "When it was first seen; null when no time is known."),
        column("last_at", "moment", "When it was last seen; null when no time is known."),
      ],
      plot: { kind: "bars", x: "error_message", y: ["errors"] },
      sql: `SELECT tool_name, error_type, line, count(*), count(DISTINCT thread_id), min(started_at), max(started_at)
        FROM (SELECT c.tool_name, c.error_type, c.thread_id, c.started_at,
          trim(substr(substr(c.error_message, 1, 160), 1, CASE WHEN instr(substr(c.error_message, 1, 160), char(10)) > 0
            THEN instr(substr(c.error_message, 1, 160), char(10)) - 1 ELSE 160 END)) AS line
          FROM v_tool_calls c WHERE ${withinOrUnknown("c", "started_at")} AND c.outcome = 'error')
        GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT :limit`,
    },
    {
      name: "rate",
      title: "Error rate",
      doc: "Failed calls of all calls.",
      isBy: true,
      columns: [
        column("calls", "count", "Calls."),
        column("errors", "count", "Calls that failed."),
        column("error_rate", "share", "Failed calls of all calls."),
      ],
      plot: { kind: "bars", x: "{name}", y: ["errors"] },
      trend: {
        sql: `SELECT {text x.it}, x.day, x.errors FROM (SELECT {key} AS it, {day} AS day, sum(a.errors) AS errors
          FROM v_call_activity a {days} {join} WHERE ${within("a")} GROUP BY 1, 2) x`,
        unit: "count",
        doc: "Failed calls by day.",
      },
      sql: `SELECT {text s.it}, s.calls, s.errors, s.errors * 1.0 / nullif(s.calls, 0) FROM (SELECT {key} AS it, sum(a.calls) AS calls, sum(a.errors) AS errors
          FROM v_call_activity a {join} WHERE ${within("a")} GROUP BY 1 HAVING sum(a.errors) > 0) s ORDER BY 3 DESC, 1 LIMIT :limit`,
    },
  ],
};
