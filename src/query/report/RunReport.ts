/**
 * The answer to a report: its sections with rows, columns, plots and the statements they came from.
 *
 * Room: query.
 */
import { Effect } from "effect";
import type { StorageTrouble } from "../../projection/ReadModel.ts";
import { Query } from "../Query.ts";
import { QueryRefused, type Value } from "../Sql.ts";
import {
  type Dimension,
  narrowed,
  type Only,
  type Plot,
  type Report,
  type ReportColumn,
  type Section,
  textOf,
  withDays,
  withThreads,
} from "./Report.ts";
import { type Trend, trendsOf } from "./Trend.ts";

export interface ReportRequest {
  readonly tenant: string;
  /** Epoch milliseconds; absent: from the first on, and also what has no time. */
  readonly since?: number | undefined;
  /** Epoch milliseconds, exclusive; absent: up to the last. */
  readonly until?: number | undefined;
  /** Time zone of days, such as Europe/Berlin. Absent: this process's. */
  readonly zone?: string | undefined;
  /** Name of a dimension of the report. Absent: its first. */
  readonly by?: string | undefined;
  /** Names of sections. Absent: all. */
  readonly sections?: ReadonlyArray<string> | undefined;
  /** Most rows of a section, 1 to 10,000. Default: 50. */
  readonly limit?: number | undefined;
  /** Only this; a report names what it can be narrowed to. */
  readonly only?: Only | undefined;
  /** Sections that tell of the whole store and not of the tenant. Absent: they are left out, and refused by name. */
  readonly ofStore?: "shown" | undefined;
  /** Absent: with them, where the report has some. */
  readonly trends?: "none" | undefined;
}

export interface SectionAnswer {
  readonly name: string;
  readonly title: string;
  readonly doc: string;
  readonly columns: ReadonlyArray<ReportColumn>;
  readonly rows: ReadonlyArray<ReadonlyArray<Value>>;
  readonly plot?: Plot;
  /** Numbers over the days for each row, in the order of the rows. */
  readonly trend?: Trend;
  /** Its statement: `recollect sql` takes it with `parameters` (and `--tz`). */
  readonly sql: string;
  readonly parameters: Readonly<Record<string, Value>>;
}

export interface ReportAnswer {
  readonly report: string;
  readonly title: string;
  readonly doc: string;
  readonly by: string | null;
  readonly since: number | null;
  readonly until: number | null;
  readonly zone: string | null;
  /** Stream sequence up to which everything is counted. */
  readonly sequence: number;
  readonly sections: ReadonlyArray<SectionAnswer>;
}

const mostRows = 10_000;
const defaultRows = 50;
/** The moments that a date can hold. */
export const everything = 8_640_000_000_000_000;

const isTime = (by: Dimension | undefined): boolean => by?.name === "day" || by?.name === "month";

/** Days and months stand in their order, the latest first, whatever else is counted. */
export const filled = (text: string, by: Dimension | undefined, only: ReadonlyArray<keyof Only> = []): string => {
  const sql = narrowed(text, only);
  if (by === undefined) return withThreads(withDays(sql));
  // A trend by day has them already.
  const joined = isTime(by) && !sql.includes("{days}") ? "{days}" : by.ofThread === true ? "{threads}" : "";
  const asked = sql
    .replaceAll(/\{text (\S+)\}/g, (_, key: string) => (by.key === undefined ? key : textOf(key)))
    .replaceAll("{key}", by.key ?? by.sql)
    .replaceAll("{order}", isTime(by) ? "it DESC" : "calls DESC, it")
    .replaceAll("{joinTime}", isTime(by) ? "{days}" : "")
    .replaceAll("{sameTime}", isTime(by) ? " AND {by} IS s.it" : "")
    .replaceAll("{by}", by.sql)
    .replaceAll("{name}", by.name)
    .replaceAll("{join}", joined);
  const own = withThreads(withDays(asked));
  return isTime(by) ? own.replace(/ORDER BY [^()]+ LIMIT :limit$/, "ORDER BY 1 DESC LIMIT :limit") : own;
};

/** Names of what is given. */
const namesOf = (only: Only | undefined): ReadonlyArray<keyof Only> =>
  (["project", "agent", "model", "thread"] as const).filter((name) => only?.[name] !== undefined);

/** The statement of a section for a dimension. */
const statementOf = (section: Section, by: Dimension | undefined): string => {
  const isOfThread = by !== undefined && (isTime(by) || by.ofThread === true || by.name === "thread_id");
  return isOfThread ? (section.sqlByThread ?? section.sql) : section.sql;
};

const plotOf = (plot: Plot, by: Dimension | undefined): Plot => ({ ...plot, x: filled(plot.x, by) });

const parametersIn = (sql: string, all: Readonly<Record<string, Value>>): Readonly<Record<string, Value>> =>
  Object.fromEntries(Object.entries(all).filter(([name]) => new RegExp(`:${name}\\b`).test(sql)));

const runSection = (section: Section, by: Dimension | undefined, request: ReportRequest) =>
  Effect.gen(function* () {
    const query = yield* Query;
    const own = section.isBy === true ? by : undefined;
    const only = namesOf(request.only);
    const sql = filled(statementOf(section, own), own, only);
    const all: Readonly<Record<string, Value>> = {
      ...Object.fromEntries(only.map((name) => [name, request.only?.[name] ?? null])),
      tenant: request.tenant,
      since: request.since ?? -everything,
      until: request.until ?? everything,
      limit: Math.max(1, Math.min(mostRows, Math.trunc(request.limit ?? defaultRows))),
    };
    const parameters = parametersIn(sql, all);
    const { rows } = yield* query.selectLong(sql, parameters, request.zone);
    const columns = [
      ...(own === undefined ? [] : [{ name: own.name, unit: own.unit, doc: own.doc }]),
      ...section.columns,
    ];
    const answer: SectionAnswer = {
      name: section.name,
      title: filled(section.title, own).replaceAll("_", " "),
      doc: section.doc,
      columns,
      rows,
      ...(section.plot === undefined ? {} : { plot: plotOf(section.plot, own) }),
      sql,
      parameters,
    };
    if (section.trend === undefined || request.trends === "none" || isTime(own)) return answer;
    const trendSql = filled(section.trend.sql, own, only);
    const found = yield* query.selectLong(trendSql, parametersIn(trendSql, all), request.zone);
    const keys = rows.map(([key]) => key ?? null);
    return {
      ...answer,
      trend: { ...trendsOf(keys, found.rows), unit: section.trend.unit, doc: section.trend.doc },
    };
  });

const refuse = (message: string, hint: string) => new QueryRefused({ message, hint });

/** Answers a report from the read models, as new as the projector's last commit. Unknown names are refused. */
export const runReport = Effect.fn("report.run")(function* (
  report: Report,
  request: ReportRequest,
): Effect.fn.Return<ReportAnswer, QueryRefused | StorageTrouble, Query> {
  const names = Object.keys(report.by);
  const by = request.by ?? names[0];
  if (request.by !== undefined && !Object.hasOwn(report.by, request.by))
    return yield* refuse(
      `The report ${report.name} cannot be grouped by ${request.by}.`,
      names.length === 0 ? "It is always grouped in the same way." : `By ${names.join(", ")}.`,
    );
  const wanted = request.sections ?? report.sections.map(({ name }) => name);
  const missing = wanted.find((name) => !report.sections.some((section) => section.name === name));
  if (missing !== undefined)
    return yield* refuse(
      `The report ${report.name} has no section ${missing}.`,
      `It has ${report.sections.map(({ name }) => name).join(", ")}.`,
    );
  const isShown = ({ isOfStore }: Section) => isOfStore !== true || request.ofStore === "shown";
  const hidden = report.sections.find(
    (section) => request.sections?.includes(section.name) === true && !isShown(section),
  );
  if (hidden !== undefined)
    return yield* refuse(
      `The section ${hidden.name} of the report ${report.name} tells of the whole store, and not of one tenant.`,
      "An operator may see it.",
    );
  const unknown = namesOf(request.only).find((name) => report.only?.includes(name) !== true);
  if (unknown !== undefined)
    return yield* refuse(
      `The report ${report.name} cannot be narrowed to one ${unknown}.`,
      report.only === undefined ? "It is always of everything in the time." : `It can to ${report.only.join(", ")}.`,
    );
  const query = yield* Query;
  const dimension = by === undefined ? undefined : report.by[by];
  const sequence = yield* query.checkpoint;
  const sections = yield* Effect.forEach(
    report.sections.filter((section) => wanted.includes(section.name) && isShown(section)),
    (section) => runSection(section, dimension, request),
  );
  return {
    report: report.name,
    title: report.title,
    doc: report.doc,
    by: by ?? null,
    since: request.since ?? null,
    until: request.until ?? null,
    zone: request.zone ?? null,
    sequence,
    sections,
  };
});
