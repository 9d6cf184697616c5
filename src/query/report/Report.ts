/**
 * A report as data: statements over the public views, with what their columns mean and how they are plotted.
 *
 * Room: query.
 *
 * One definition for the command line, HTTP, MCP and the page: `reports` (All.ts) names them, `runReport` answers, and each
 * section of an answer has the statement it came from, which `recollect sql` takes as it stands.
 */
import { isInProject } from "../ThreadConditionsSqlite.ts";
import type { Unit } from "./Unit.ts";

export interface ReportColumn {
  readonly name: string;
  readonly unit: Unit;
  /** One sentence, for people who did not write it. */
  readonly doc: string;
}

/** Dimension to group rows by: an SQL expression over the section's row `a`, . */
export interface Dimension extends ReportColumn {
  readonly sql: string;
  /** Expression of its number in v_names, where the row has one: rows are grouped by it in half the time. */
  readonly key?: string;
  /** True for a dimension of the row's thread `t`, not of the row itself. */
  readonly ofThread?: boolean;
}

/** Plot of a section. `x` and `y` name columns; `series` splits the rows. Absent: a table says it better. */
export interface Plot {
  readonly kind: "bars" | "line";
  readonly x: string;
  readonly y: ReadonlyArray<string>;
}

/**
 * One statement. Its names: `:since` and `:until` (epoch milliseconds, the second exclusive; always numbers), `:tenant`,
 * `:limit`. `{by}` in it is the dimension's expression, `{name}` its column, `{join}` what it needs; `{key}` is what it is grouped by,
 * its number or itself, and `{text x}` the dimension of a key `x`. Sums by time
 * have quarters of an hour: moments between them count from the quarter's beginning.
 */
export interface Section {
  readonly name: string;
  readonly title: string;
  readonly doc: string;
  readonly sql: string;
  /**
   * Asked in place of `sql` by what is known of threads and of days. `{order}` is the order of rows `{it, calls}`; `{joinTime}` and
   * `{sameTime}` hold rows `a` against the day of `s.it`, and are nothing for threads.
   */
  readonly sqlByThread?: string;
  /** Behind the dimension's own column, where there is one. */
  readonly columns: ReadonlyArray<ReportColumn>;
  /** True when rows are grouped by a dimension of the report. */
  readonly isBy?: boolean;
  readonly plot?: Plot;
  /** True when it tells of the store and not of one tenant: for operators alone. */
  readonly isOfStore?: boolean;
  /** A number a day for each row: rows of (value of the first column, day, number). Shown as a sparkline. */
  readonly trend?: { readonly sql: string; readonly unit: Unit; readonly doc: string };
}

export interface Report {
  readonly name: string;
  readonly title: string;
  readonly doc: string;
  /** By name; the first is the default. Empty: it is always grouped in the same way. */
  readonly by: Readonly<Record<string, Dimension>>;
  readonly sections: ReadonlyArray<Section>;
  /** Filters beside tenant and time. Absent: none. */
  readonly only?: ReadonlyArray<keyof Only>;
}

/** Narrower than a tenant and a time. */
export interface Only {
  /** The working directory, one above it, or the name of one of its folders. */
  readonly project?: string | undefined;
  /** Beginning of the agent tool's or the client's name. */
  readonly agent?: string | undefined;
  /** Part of the model's name. */
  readonly model?: string | undefined;
  /** Id of a thread. */
  readonly thread?: string | undefined;
}

const threadsWhere = (alias: string, condition: string): string =>
  `${alias}.thread_id IN (SELECT o.thread_id FROM v_threads o WHERE o.tenant = :tenant AND ${condition})`;

/** SQL: what narrows the rows `alias`; its names are those of `Only`. */
const narrowing: Readonly<Record<keyof Only, (alias: string) => string>> = {
  project: (alias) => threadsWhere(alias, isInProject("o.cwd")),
  agent: (alias) => threadsWhere(alias, "(instr(o.tool, :agent) = 1 OR instr(o.client, :agent) = 1)"),
  model: (alias) => `instr(${alias}.model, :model) > 0`,
  thread: (alias) => `${alias}.thread_id = :thread`,
};

/** SQL with what narrows it in the places that `within` has left for it. */
export const narrowed = (sql: string, names: ReadonlyArray<keyof Only>): string =>
  sql.replaceAll(/\{only (\w+)\}/g, (_, alias: string) =>
    names.map((name) => ` AND ${narrowing[name](alias)}`).join(""),
  );

/** SQL: the text of a number. */
export const textOf = (number: string): string => `(SELECT n.text FROM v_names n WHERE n.name_number = ${number})`;

/** A column in one line. */
export const column = (name: string, unit: Unit, doc: string): ReportColumn => ({ name, unit, doc });

/** SQL: the day of a moment in the zone that was asked for. */
export const dayOf = (moment: string): string =>
  `CASE WHEN ${moment} <> 0 THEN date(${moment} / 1000, 'unixepoch', 'localtime') END`;

/** SQL with one more name before all others. */
const withNamed = (sql: string, named: string): string =>
  /^\s*WITH /.test(sql) ? sql.replace(/^\s*WITH /, `WITH ${named}, `) : `WITH ${named} ${sql}`;

/**
 * SQL: `{day}` in a statement over a view of sums `a` is the day of its quarter, from `{days}` behind it: each quarter's day is
 * asked for once and not for each row, because local time costs more than all else of a sum.
 */
export const withDays = (sql: string): string => {
  if (!sql.includes("{days}")) return sql;
  const [, view = ""] = /FROM (v_\w+_activity) a\b/.exec(sql) ?? [];
  const days = `days AS MATERIALIZED (SELECT x.quarter_at, ${dayOf("x.quarter_at")} AS day FROM (SELECT DISTINCT a.quarter_at FROM ${view} a
    WHERE a.tenant = :tenant AND a.quarter_at >= :since AND a.quarter_at < :until) x)`;
  const own = sql.replaceAll("{days}", "JOIN days ON days.quarter_at = a.quarter_at").replaceAll("{day}", "days.day");
  return withNamed(own, days);
};

/**
 * SQL: `{threads}` in a statement joins what is known of the thread of a row `a`, as `t`: project, agent, client_version. Asked
 * for once for each thread and joined by its number: a join by its id as text took as long as all else of a sum.
 */
export const withThreads = (sql: string): string => {
  if (!sql.includes("{threads}")) return sql;
  const about = `about AS MATERIALIZED (SELECT t.thread_number, t.cwd AS project, coalesce(t.tool, t.client) AS agent, t.client_version
    FROM v_threads t WHERE t.tenant = :tenant)`;
  return withNamed(sql.replaceAll("{threads}", "LEFT JOIN about t ON t.thread_number = a.thread_number"), about);
};

/** SQL: the rows of a view of sums that are asked for. */
export const within = (alias: string, at = "quarter_at"): string =>
  `${alias}.tenant = :tenant{only ${alias}} AND ${alias}.${at} >= :since AND ${alias}.${at} < :until`;

/** SQL: a moment that may not be known is asked for where all times are. */
export const withinOrUnknown = (alias: string, at: string): string =>
  `${alias}.tenant = :tenant{only ${alias}} AND coalesce(${alias}.${at}, 0) >= :since AND coalesce(${alias}.${at}, 0) < :until`;

/** Dimensions of whatever happens in a thread at a time. */
export const dimensions = {
  day: {
    name: "day",
    unit: "day",
    doc: "Day in the zone that was asked for; null: no time is known.",
    sql: "{day}",
  },
  month: {
    name: "month",
    unit: "text",
    doc: "Month in the zone that was asked for; null: no time is known.",
    sql: "substr({day}, 1, 7)",
  },
  project: {
    name: "project",
    unit: "text",
    doc: "Working directory of the thread; null when not said.",
    sql: "t.project",
    ofThread: true,
  },
  agent: {
    name: "agent",
    unit: "text",
    doc: "Agent tool of the thread, or its client; null when not said.",
    sql: "t.agent",
    ofThread: true,
  },
  version: {
    name: "version",
    unit: "text",
    doc: "Agent tool and version of the client; null when not said.",
    sql: "t.agent || ' ' || t.client_version",
    ofThread: true,
  },
  thread: { name: "thread_id", unit: "text", doc: "Thread.", sql: "a.thread_id" },
} as const satisfies Readonly<Record<string, Dimension>>;
