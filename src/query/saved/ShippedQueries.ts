/**
 * Queries that come with the program: each part of each report by its name, such as `tools.loops`.
 *
 * Room: query.
 */
import { reports } from "../report/All.ts";
import { everything, filled } from "../report/RunReport.ts";
import type { Value } from "../Sql.ts";

export interface ShippedQuery {
  readonly name: string;
  readonly doc: string;
  readonly sql: string;
  /** Default values of its names. */
  readonly defaults: Readonly<Record<string, Value>>;
}

export const shippedQueries: ReadonlyArray<ShippedQuery> = reports.flatMap((report) =>
  report.sections.map((section) => {
    const [by] = section.isBy === true ? Object.values(report.by) : [];
    return {
      name: `${report.name}.${section.name}`,
      doc: section.doc,
      sql: filled(section.sql, by),
      defaults: { tenant: "default", since: -everything, until: everything, limit: 100 },
    };
  }),
);
