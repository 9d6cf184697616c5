/**
 * Storage and audit: how the record grows and through whom, how far its readers are, and who did what.
 *
 * Room: query.
 */
import { column, type Report, textOf, within } from "../Report.ts";

const taken = `FROM v_event_activity a WHERE ${within("a")}`;
const sums = [column("events", "count", "Events."), column("data_bytes", "bytes", "Bytes of their data.")];

export const storage: Report = {
  name: "storage",
  title: "Storage",
  doc: "How the record grows, through whom, and how far everything is that reads it.",
  by: {},
  sections: [
    {
      name: "days",
      title: "Growth by day",
      doc: "What the log took, by the day it took it, the latest first.",
      columns: [column("day", "day", "Day in the zone that was asked for."), ...sums],
      plot: { kind: "bars", x: "day", y: ["data_bytes"] },
      sql: `SELECT {day}, sum(a.events), sum(a.data_bytes) FROM v_event_activity a {days} WHERE ${within("a")} GROUP BY 1 ORDER BY 1 DESC LIMIT :limit`,
    },
    {
      name: "sources",
      title: "By source",
      doc: "Who wrote it.",
      columns: [
        column("source", "text", "Program and, for imports, format."),
        ...sums,
        column("share", "share", "Of the bytes of all."),
      ],
      plot: { kind: "bars", x: "source", y: ["data_bytes"] },
      sql: `SELECT a.source, sum(a.events), sum(a.data_bytes), sum(a.data_bytes) * 1.0 / nullif(sum(sum(a.data_bytes)) OVER (), 0)
        ${taken} GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT :limit`,
    },
    {
      name: "types",
      title: "By type",
      doc: "What it is.",
      columns: [
        column("type", "text", "Event type; null for messages that are no events."),
        column("meaning", "text", "What an entry was; null where the type says it."),
        ...sums,
      ],
      plot: { kind: "bars", x: "type", y: ["data_bytes"] },
      sql: `SELECT ${textOf("s.type")}, ${textOf("s.meaning")}, s.events, s.data_bytes FROM (SELECT a.type_number AS type, a.meaning_number AS meaning,
          sum(a.events) AS events, sum(a.data_bytes) AS data_bytes ${taken} GROUP BY 1, 2) s ORDER BY 4 DESC, 1, 2 LIMIT :limit`,
    },
    {
      name: "histories",
      title: "Largest histories",
      doc: "Threads, tasks and others by the bytes that the log took of them.",
      columns: [column("kind", "text", "Kind of history."), column("subject", "text", "Its id."), ...sums],
      sql: `SELECT a.kind, a.subject, sum(a.events), sum(a.data_bytes) ${taken} GROUP BY 1, 2 ORDER BY 4 DESC, 1, 2 LIMIT :limit`,
    },
    {
      name: "pipeline",
      isOfStore: true,
      title: "Readers",
      doc: "How far each projection has read, and what it could not take. Not of a time, but now.",
      columns: [
        column("projection", "text", "Projection."),
        column("sequence", "number_of", "Stream sequence of the last event applied."),
        column("behind", "count", "Events behind the ledger."),
        column("dead_letters", "count", "Events that it could not take."),
        column("applied_at", "moment", "When it applied the last."),
      ],
      sql: `SELECT c.projection, c.sequence, (SELECT max(sequence) FROM v_checkpoints) - c.sequence,
          (SELECT count(*) FROM v_dead_letters d WHERE d.projection = c.projection), c.applied_at
        FROM v_checkpoints c ORDER BY 3 DESC, 1 LIMIT :limit`,
    },
  ],
};

const recorded = `e.tenant = :tenant AND e.recorded_at >= :since AND e.recorded_at < :until`;

export const audit: Report = {
  name: "audit",
  title: "Audit",
  doc: "Who did what, by the log's clock; what was configured; what was refused; what was asked in SQL.",
  by: {},
  sections: [
    {
      name: "actors",
      title: "Who did what",
      doc: "Events by actor and type.",
      columns: [
        column("actor", "text", "On whose behalf; null when not said."),
        column("type", "text", "Event type, or what an entry was."),
        column("events", "count", "Events."),
        column("histories", "count", "Threads, tasks and others they are of."),
        column("first_at", "moment", "Quarter of an hour in which the log took the first."),
        column("last_at", "moment", "Quarter of an hour in which the log took the last."),
      ],
      plot: { kind: "bars", x: "actor", y: ["events"] },
      sql: `SELECT nullif(${textOf("s.actor")}, ''), ${textOf("s.what")}, s.events, s.subjects, s.first_at, s.last_at
        FROM (SELECT a.actor_number AS actor, CASE WHEN a.meaning_number IN (0, (SELECT n.name_number FROM v_names n WHERE n.text = '')) THEN a.type_number ELSE a.meaning_number END AS what,
          sum(a.events) AS events, count(DISTINCT a.subject_number) AS subjects, min(a.quarter_at) AS first_at, max(a.quarter_at) AS last_at
          ${taken} GROUP BY 1, 2) s ORDER BY 3 DESC, 1, 2 LIMIT :limit`,
    },
    {
      name: "sql",
      title: "What was asked in SQL",
      doc: "Statements of people, programs and models, latest first; where a store ran.",
      columns: [
        column("asked_at", "moment", "When."),
        column("actor", "text", "Who; null when not said."),
        column("door", "text", "Through which door: cli, http, mcp, page."),
        column("statement", "text", "The statement, the beginning."),
      ],
      sql: `SELECT e.recorded_at, e.actor, json_extract(e.data, '$.door'), substr(json_extract(e.data, '$.statement'), 1, 200) FROM v_events e
        WHERE ${recorded} AND e.kind = 'source' AND e.subject = 'sql' AND e.type = 'x.recollect.sql_asked' ORDER BY e.sequence DESC LIMIT :limit`,
    },
    {
      name: "config",
      title: "What was configured",
      doc: "Changes of the configuration, latest first.",
      columns: [
        column("changed_at", "moment", "When."),
        column("changed_by", "text", "Who; null when not said."),
        column("field", "text", "Field."),
        column("value", "text", "What it is now, as JSON; null: as by default."),
        column("previous", "text", "What it was, as JSON."),
        column("why", "text", "Why; null when not said."),
      ],
      sql: `SELECT c.changed_at, c.changed_by, c.field, c.value, c.previous, c.why FROM v_config_changes c
        WHERE c.tenant = :tenant AND c.changed_at >= :since AND c.changed_at < :until AND c.field NOT GLOB 'quotas.*' ORDER BY c.sequence DESC LIMIT :limit`,
    },
    {
      name: "quotas",
      isOfStore: true,
      title: "Quotas of tenants",
      doc: "Changes of what each tenant may write, latest first; of all times.",
      columns: [
        column("changed_at", "moment", "When."),
        column("changed_by", "text", "Who; null when not said."),
        column("tenant", "text", "Tenant whose quota it is."),
        column("value", "text", "What it is now, as JSON; null: none."),
        column("previous", "text", "What it was, as JSON."),
        column("why", "text", "Why; null when not said."),
      ],
      sql: `SELECT c.changed_at, c.changed_by, substr(c.field, 8), c.value, c.previous, c.why FROM v_config_changes c
        WHERE c.field GLOB 'quotas.*' ORDER BY c.sequence DESC LIMIT :limit`,
    },
    {
      name: "refused",
      title: "What was refused",
      doc: "Calls beyond a limit, by limit and tool.",
      columns: [
        column("limit_name", "text", "Limit."),
        column("tool", "text", "Tool."),
        column("user", "text", "User; null when not said."),
        column("calls", "count", "Calls that were refused."),
        column("last_at", "moment", "When last."),
      ],
      sql: `SELECT r.limit_name, r.tool_name, r.user, sum(r.calls), max(r.last_at) FROM v_limit_refusals r
        WHERE r.tenant = :tenant AND r.last_at >= :since AND r.last_at < :until GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT :limit`,
    },
    {
      name: "store",
      isOfStore: true,
      title: "What became of the store",
      doc: "Events that were lost, losses that were accepted, heals; of all times.",
      columns: [
        column("occurred_at", "moment", "When."),
        column("type", "text", "What."),
        column("actor", "text", "Who did it; null when not said."),
        column("events", "count", "How many events were lost."),
        column("reason", "text", "Why, in their words."),
      ],
      sql: `SELECT s.occurred_at, s.type, s.actor, s.events, s.reason FROM v_store_events s ORDER BY s.sequence DESC LIMIT :limit`,
    },
  ],
};
