/**
 * Rows side by side on a terminal, as wide as it is, while they come.
 *
 * Room: edge.
 *
 * The first thousand rows say how wide each column is. Where all of them together are wider than the terminal, the widest
 * columns of text give way; numbers never do, because half a number is another one. Where not even that is enough, each
 * row stands below the other, a column a line.
 */
import { Stream } from "effect";
import type { Value } from "../../../query/Sql.ts";
import { type Unit, unitOf } from "../../../query/report/Unit.ts";
import * as Output from "../Output.ts";
import { figure, momentIn } from "./Figure.ts";

/** Rows that are measured before the first is shown. */
const measuredRows = 1000;
/** Widest cell where nothing says how wide the terminal is. */
const widest = 100;
/** Narrowest that a column of text is made. */
const narrowest = 8;
const gap = "  ";

export interface GridColumn {
  readonly name: string;
  readonly unit: Unit;
}

export const columnsOf = (names: ReadonlyArray<string>): ReadonlyArray<GridColumn> =>
  names.map((name) => ({ name, unit: unitOf(name) }));

/** Width of the terminal; undefined where there is none. */
export const terminalWidth = (): number | undefined =>
  process.stdout.isTTY === true ? process.stdout.columns : undefined;

const together = (widths: ReadonlyArray<number>): number =>
  widths.reduce((sum, width) => sum + width + gap.length, -gap.length);

/** Takes from the widest columns of text until all fit. */
const fitted = (widths: ReadonlyArray<number>, isText: ReadonlyArray<boolean>, room: number): ReadonlyArray<number> => {
  const fit = [...widths];
  let over = together(fit) - room;
  while (over > 0) {
    const most = fit.reduce((best, width, at) => (isText[at] === true && width > (fit[best] ?? 0) ? at : best), -1);
    const width = fit[most] ?? 0;
    if (most < 0 || width <= narrowest) return fit;
    const next = fit.reduce(
      (second, other, at) => (at !== most && isText[at] === true && other < width && other > second ? other : second),
      narrowest,
    );
    const same = fit.filter((other, at) => isText[at] === true && other === width).length;
    const step = Math.max(1, Math.min(width - next, Math.ceil(over / same)));
    fit[most] = Math.max(narrowest, width - step);
    over -= width - (fit[most] ?? 0);
  }
  return fit;
};

interface Layout {
  readonly line: (cells: ReadonlyArray<string>) => string;
  /** Empty: the lines name their columns themselves. */
  readonly header: ReadonlyArray<string>;
}

/** A row below the other. */
const blocks = (columns: ReadonlyArray<GridColumn>, room: number): Layout => {
  const wide = columns.reduce((most, { name }) => Math.max(most, Output.widthOf(name)), 0);
  const rest = Math.max(narrowest, room - wide - gap.length);
  const line = (row: ReadonlyArray<string>): string =>
    [
      ...columns.map(({ name }, at) =>
        `${Output.padded(name, wide)}${gap}${Output.clip(row[at] ?? "", rest)}`.trimEnd(),
      ),
      "",
    ].join("\n");
  return { line, header: [] };
};

export const layoutOf = (
  columns: ReadonlyArray<GridColumn>,
  rows: ReadonlyArray<ReadonlyArray<Value>>,
  cells: ReadonlyArray<ReadonlyArray<string>>,
  room: number | undefined,
): Layout => {
  const isText = columns.map(({ unit }, at) =>
    unit === "moment" || unit === "day" ? false : rows.some((row) => typeof row[at] === "string"),
  );
  const isRight = columns.map(
    (_, at) => rows.some((row) => row[at] !== null) && rows.every((row) => typeof row[at] !== "string"),
  );
  const natural = columns.map(({ name }, at) =>
    cells.reduce((most, row) => Math.max(most, Output.widthOf(row[at] ?? "")), Output.widthOf(name)),
  );
  const widths = room === undefined ? natural : fitted(natural, isText, room);
  if (room !== undefined && together(widths) > room) return blocks(columns, room);
  const line = (row: ReadonlyArray<string>): string => {
    let text = "";
    for (let at = 0; at < row.length; at++) {
      const width = widths[at] ?? 0;
      const whole = row[at] ?? "";
      const cell = Output.widthOf(whole) > width && isText[at] === true ? Output.clip(whole, width) : whole;
      const blanks = " ".repeat(Math.max(0, width - Output.widthOf(cell)));
      text += (at === 0 ? "" : gap) + (isRight[at] === true ? blanks + cell : cell + blanks);
    }
    return text.trimEnd();
  };
  return { line, header: [line(columns.map(({ name }) => name))] };
};

/** Lines in pieces, as rows come. Empty: there was no row. */
export const grid = <E, R>(
  columns: ReadonlyArray<GridColumn>,
  rows: Stream.Stream<ReadonlyArray<Value>, E, R>,
  options: { readonly width?: number | undefined; readonly zone?: string | undefined } = {},
): Stream.Stream<string, E, R> => {
  const room = options.width;
  const formats = { width: room === undefined ? widest : Math.max(narrowest, room), moment: momentIn(options.zone) };
  const cellsOf = (row: ReadonlyArray<Value>) =>
    row.map((value, at) => figure(value, columns[at]?.unit ?? "number", formats));
  let layout: Layout | undefined;
  return rows.pipe(
    Stream.grouped(measuredRows),
    Stream.map((batch) => {
      const cells = batch.map(cellsOf);
      const isFirst = layout === undefined;
      const own = (layout ??= layoutOf(columns, batch, cells, room));
      return `${[...(isFirst ? own.header : []), ...cells.map(own.line)].join("\n")}\n`;
    }),
  );
};
