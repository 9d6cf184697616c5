/**
 * A report on a terminal: a table for each section, with a sparkline for each row that has a trend.
 *
 * Room: edge.
 */
import type { ReportAnswer, SectionAnswer } from "../../../query/report/RunReport.ts";
import type { Value } from "../../../query/Sql.ts";
import { bold, dim, type Screen } from "../Screen.ts";
import * as Output from "../Output.ts";
import { figure, momentIn } from "./Figure.ts";
import { type GridColumn, layoutOf } from "./Grid.ts";
import { spark } from "./Spark.ts";

/** Widest text of a cell where the terminal would have room for more. */
const widestText = 60;

/** The unit stands with the numbers. */
const labelOf = (name: string): string =>
  name === "tool_calls" ? "calls" : name.replace(/_(?:millis|bytes|usd|at|tokens)$/, "").replaceAll("_", " ");

/** Since when, and how many days a bar is. */
const trendLabel = (trend: SectionAnswer["trend"]): string =>
  `from ${trend?.days[0] ?? ""}${(trend?.stepDays ?? 1) === 1 ? "" : `, ${trend?.stepDays ?? 1} days a bar`}`;

interface Shown {
  readonly columns: ReadonlyArray<GridColumn>;
  readonly rows: ReadonlyArray<ReadonlyArray<Value>>;
  readonly cells: ReadonlyArray<ReadonlyArray<string>>;
}

const shownOf = (section: SectionAnswer, zone: string | undefined): Shown => {
  const formats = { width: widestText, moment: momentIn(zone) };
  // A column without a single value says nothing to a person; CSV and JSON have it.
  const places = section.columns.flatMap((_, at) =>
    at === 0 || section.rows.some((row) => row[at] !== null && row[at] !== undefined) ? [at] : [],
  );
  const lines = section.trend?.rows.map(spark);
  const hasTrend = lines?.some((line) => line.trim() !== "") === true;
  return {
    columns: [
      ...places.map((at) => ({
        name: labelOf(section.columns[at]?.name ?? ""),
        unit: section.columns[at]?.unit ?? "number",
      })),
      // A line of bars is never cut.
      ...(hasTrend ? [{ name: trendLabel(section.trend), unit: "day" as const }] : []),
    ],
    rows: section.rows.map((row, at) => [
      ...places.map((place) => row[place] ?? null),
      ...(hasTrend ? [lines?.[at] ?? ""] : []),
    ]),
    cells: section.rows.map((row, at) => [
      ...places.map((place) => {
        const unit = section.columns[place]?.unit ?? "number";
        const value = row[place] ?? null;
        return value === null && place === 0 ? "(not said)" : figure(value, unit, formats);
      }),
      ...(hasTrend ? [lines?.[at] ?? ""] : []),
    ]),
  };
};

const without = <A>(list: ReadonlyArray<A>, at: number): ReadonlyArray<A> => list.filter((_, place) => place !== at);

/** The last column before the trend gives way until the rest fits. */
const fitting = (shown: Shown, room: number | undefined, hasTrend: boolean): readonly [Shown, number] => {
  let left = shown;
  let gone = 0;
  while (layoutOf(left.columns, left.rows, left.cells, room).header.length === 0 && left.columns.length > 3) {
    const at = left.columns.length - (hasTrend ? 2 : 1);
    left = {
      columns: without(left.columns, at),
      rows: left.rows.map((row) => without(row, at)),
      cells: left.cells.map((row) => without(row, at)),
    };
    gone++;
  }
  return [left, gone];
};

const sectionLines = (section: SectionAnswer, screen: Screen, zone: string | undefined): ReadonlyArray<string> => {
  const head = ["", bold(Output.shown(section.title), screen)];
  if (section.rows.length === 0) return [...head, dim("nothing", screen)];
  const [shown, gone] = fitting(
    shownOf(section, zone),
    screen.isTerminal ? screen.columns : undefined,
    section.trend !== undefined,
  );
  const layout = layoutOf(shown.columns, shown.rows, shown.cells, screen.isTerminal ? screen.columns : undefined);
  return [
    ...head,
    ...layout.header.map((line) => dim(line, screen)),
    ...shown.cells.map(layout.line),
    ...(gone === 0
      ? []
      : [dim(`(${gone} more ${gone === 1 ? "column" : "columns"}: a wider terminal, --csv or --json)`, screen)]),
  ];
};

/** Span of time that it covers, for its heading. */
export const spanOf = (answer: ReportAnswer): string => {
  const moment = momentIn(answer.zone ?? undefined);
  const [since, until] = [answer.since, answer.until].map((at) => (at === null ? undefined : moment(at)));
  const span =
    since === undefined ? (until === undefined ? "of all times" : `until ${until}`) : `${since} to ${until ?? "now"}`;
  return `${span}${answer.zone === null ? "" : ` (${answer.zone})`}, up to event ${Output.count(answer.sequence)}`;
};

export const reportLines = (answer: ReportAnswer, screen: Screen): ReadonlyArray<string> => [
  `${bold(answer.title, screen)}  ${dim(spanOf(answer), screen)}`,
  ...answer.sections.flatMap((section) => sectionLines(section, screen, answer.zone ?? undefined)),
];
