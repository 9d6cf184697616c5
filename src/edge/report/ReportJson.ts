/**
 * A report as JSON: rows as objects by their columns, each with its trend.
 *
 * Room: edge.
 */
import { plain } from "../cli/ask/Figure.ts";
import type { ReportAnswer, SectionAnswer } from "../../query/report/RunReport.ts";

const objects = ({ columns, rows, trend }: SectionAnswer) =>
  rows.map((row, at) => ({
    ...Object.fromEntries(columns.map(({ name }, place) => [name, plain(row[place] ?? null)])),
    ...(trend === undefined ? {} : { trend: trend.rows[at] ?? [] }),
  }));

/** Ready for `JSON.stringify`. */
export const reportJson = (answer: ReportAnswer) => ({
  ...answer,
  sections: answer.sections.map((section) => {
    const { trend } = section;
    return {
      ...section,
      rows: objects(section),
      ...(trend === undefined
        ? {}
        : { trend: { unit: trend.unit, doc: trend.doc, stepDays: trend.stepDays, days: trend.days } }),
    };
  }),
});
