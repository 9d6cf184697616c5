/**
 * Rows with their columns as a figure: a plot or a table with bars, its SQL, its CSV, and an address of its own.
 *
 * Room: edge.
 *
 * Bars stand in the table, so that what is seen and what is read to others is one thing; lines have their table below them.
 */
import type { Value } from "../../../query/Sql.ts";
import type { Unit } from "../../../query/report/Unit.ts";
import { short } from "../html/Format.ts";
import { type Child, type Html, html } from "../html/Html.ts";
import { cell, cellText, isNumber, type Row } from "./Cell.ts";
import { lines } from "./Lines.ts";
import { spark } from "./Spark.ts";

export interface FigureColumn {
  readonly name: string;
  readonly unit: Unit;
  readonly doc?: string;
}

export interface FigureData {
  /** Its address on the screen. */
  readonly name: string;
  readonly title: string;
  readonly doc?: string;
  readonly columns: ReadonlyArray<FigureColumn>;
  readonly rows: ReadonlyArray<ReadonlyArray<Value>>;
  readonly plot?: { readonly kind: "bars" | "line"; readonly x: string; readonly y: ReadonlyArray<string> };
  readonly trend?: {
    readonly doc: string;
    readonly days: ReadonlyArray<string>;
    readonly rows: ReadonlyArray<ReadonlyArray<number>>;
  };
  /** Columns that a window too narrow for all of them does without; so it does without the trend. */
  readonly lesser?: ReadonlySet<string>;
  /** Addresses of its SQL and its CSV. */
  readonly sql?: string;
  readonly csv?: string;
}

const label = (name: string): string => name.replaceAll("_", " ").replace(/ (?:millis|usd|at)$/, "");

const rowsOf = ({ columns, rows }: FigureData): ReadonlyArray<Row> =>
  rows.map((values) => Object.fromEntries(columns.map(({ name }, index) => [name, values[index] ?? null])));

const barWidth = 150;

/** Pieces of one bar, each of its own pattern; what they are is in the row. */
const bar = (row: Row, y: ReadonlyArray<string>, most: number): Html => {
  let at = 0;
  return html`<svg class="bars" width="${barWidth}" height="12" viewBox="0 0 ${barWidth} 12" aria-hidden="true">
    ${y.map((name, index) => {
      const wide = (Math.max(0, Number(row[name] ?? 0)) / most) * barWidth;
      const piece = html`<rect
        class="${/error|fail/.test(name) ? "bad" : index === 0 ? "mark" : "rest"}"
        x="${at.toFixed(1)}"
        y="1"
        width="${wide.toFixed(1)}"
        height="10"
      />`;
      at += wide;
      return piece;
    })}
  </svg>`;
};

/** Tables of so many columns do without some in a narrow window. */
const manyColumns = 8;

const classes = (...names: ReadonlyArray<string | false>): Html | false => {
  const all = names.filter((name) => name !== false);
  return all.length > 0 && html` class="${all.join(" ")}"`;
};

/** The table of a figure. */
export const table = (figure: FigureData, now: number): Html => {
  const { columns, plot, title, trend } = figure;
  const rows = rowsOf(figure);
  if (rows.length === 0) return html`<p class="empty">Nothing in this time.</p>`;
  const y = plot?.kind === "bars" ? plot.y : [];
  const most = Math.max(
    1e-9,
    ...rows.map((row) => y.reduce((sum, name) => sum + Math.max(0, Number(row[name] ?? 0)), 0)),
  );
  const hasTrend = trend !== undefined && trend.days.length > 1;
  const isLesser = (name: string): boolean =>
    columns.length >= manyColumns && name !== columns[0]?.name && figure.lesser?.has(name) === true;
  const isCrowded = columns.length >= manyColumns - 1;
  const lesser = columns.filter(({ name }) => isLesser(name)).length;
  return html`<div class="wide" tabindex="0" role="region" aria-label="${title}">
    <table${classes(columns.length >= manyColumns && "many")}>
      <thead>
        <tr>
          ${columns.map(
            ({ doc, name, unit }, index): Child =>
              html`<th
                  scope="col"
                  ${classes(isNumber(unit) && "number", isLesser(name) && "lesser")}${doc !== undefined && html` title="${doc}"`}
                >
                  ${label(name)}
                </th>
                ${index === 0 && y.length > 0 && html`<td${classes(isCrowded && "room")}></td>`}`,
          )}${hasTrend && html`<th scope="col" ${classes(lesser > 0 && "lesser")}>${trend.doc.replace(/\.$/, "")}</th>`}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row, at): Child =>
            html`<tr data-item>
              ${columns.map((column, index): Child => {
                const content = cell(column, row, now);
                if (index === 0 && !isNumber(column.unit))
                  return html`<th scope="row" class="clip">${content}</th>
                    ${y.length > 0 && html`<td${classes(isCrowded && "room")}>${bar(row, y, most)}</td>`}`;
                const kind = isNumber(column.unit) ? "number" : column.unit === "moment" ? "nowrap" : "clip";
                return html`<td${classes(kind, isLesser(column.name) && "lesser")}>${content}</td>`;
              })}${hasTrend && html`<td${classes(lesser > 0 && "lesser")}>${spark(trend.rows[at] ?? [], `${trend.doc} ${(trend.rows[at] ?? []).join(", ")}`)}</td>`}
            </tr>`,
        )}
      </tbody>
    </table>
    ${lesser > 0 && html`<p class="quiet small narrow">A wider window shows more columns; the CSV has all.</p>`}
  </div>`;
};

const curves = (figure: FigureData): Html | undefined => {
  const { columns, plot, title } = figure;
  if (plot?.kind !== "line") return undefined;
  const rows = rowsOf(figure)
    .filter((row) => row[plot.x] != null)
    .toSorted((one, other) => (String(one[plot.x]) < String(other[plot.x]) ? -1 : 1));
  const known = new Map(columns.map((column) => [column.name, column]));
  const unit = known.get(plot.y[0] ?? "")?.unit ?? "number";
  const text = (value: number): string =>
    unit === "count" || unit === "tokens" || unit === "number" ? short(value) : cellText(value, unit);
  return lines({
    label: title,
    x: rows.map((row) => String(row[plot.x])),
    series: plot.y.map((name) => ({
      name: label(name),
      values: rows.map((row) => (row[name] == null ? null : Number(row[name]))),
    })),
    text,
  });
};

export const figure = (data: FigureData, now: number): Html => {
  const plotted = data.rows.length > 1 ? curves(data) : undefined;
  return html`<figure id="${data.name}">
    <figcaption>
      <h2>${data.title}</h2>
      ${data.doc !== undefined && html`<span class="quiet small">${data.doc}</span>`}
      <span class="ways"
        ><a href="#${data.name}" aria-label="Address of ${data.title}">#</a
        >${data.sql !== undefined && html`<a href="${data.sql}" aria-label="SQL of ${data.title}">SQL</a>`}${data.csv !== undefined && html`<a href="${data.csv}" aria-label="CSV of ${data.title}">CSV</a>`}</span
      >
    </figcaption>
    ${
      plotted === undefined
        ? table(data, now)
        : html`${plotted}
            <details>
              <summary>Table</summary>
              ${table({ ...data, plot: { kind: "bars", x: "", y: [] } }, now)}
            </details>`
    }
  </figure>`;
};

/** Cells as a program reads them. A cell that a spreadsheet would take for a formula begins with a quote. */
export const csv = (columns: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<Value>>): string => {
  const one = (value: Value): string => {
    if (value === null) return "";
    const text = value instanceof Uint8Array ? Buffer.from(value).toString("hex") : String(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [columns, ...rows].map((row) => `${row.map(one).join(",")}\r\n`).join("");
};
