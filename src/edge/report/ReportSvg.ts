/**
 * The plot of a section as inline SVG: bars or lines over days, bars beside names. No script, no font of its own.
 *
 * Room: edge.
 */
import type { SectionAnswer } from "../../query/report/RunReport.ts";
import type { Value } from "../../query/Sql.ts";
import { escaped } from "./Escape.ts";
import { textOf } from "./FigureText.ts";

const wide = 720;
/** Bars beside names, and bars of days that a person can still tell apart. */
const mostBars = 20;
const mostDays = 120;
const line = 22;
const nameWide = 220;
const high = 160;

const numberOf = (value: Value | undefined): number => (typeof value === "number" ? value : Number(value ?? 0) || 0);

interface Drawn {
  readonly names: ReadonlyArray<string>;
  /** For each series its values, in the order of the names. */
  readonly series: ReadonlyArray<{
    readonly name: string;
    readonly values: ReadonlyArray<number>;
    readonly text: (value: number) => string;
  }>;
}

const drawnOf = (section: SectionAnswer): Drawn | undefined => {
  const { plot } = section;
  if (plot === undefined || section.rows.length === 0) return undefined;
  const place = (name: string) => section.columns.findIndex((column) => column.name === name);
  const x = place(plot.x);
  const isDays = section.columns[x]?.unit === "day";
  // Days come latest first, and are drawn from left to right.
  const rows = isDays
    ? section.rows
        .filter((row) => row[x] !== null)
        .slice(0, mostDays)
        .toReversed()
    : section.rows.slice(0, mostBars);
  if (x < 0 || rows.length === 0) return undefined;
  return {
    names: rows.map((row) => (row[x] === null || row[x] === undefined ? "(not said)" : String(row[x]))),
    series: plot.y.flatMap((name) => {
      const at = place(name);
      const unit = section.columns[at]?.unit ?? "number";
      return at < 0
        ? []
        : [{ name, values: rows.map((row) => numberOf(row[at])), text: (value: number) => textOf(value, unit) }];
    }),
  };
};

const legend = ({ series }: Drawn): string =>
  series.length < 2
    ? ""
    : `<p class="legend">${series.map(({ name }, at) => `<span class="s${at}">■</span> ${escaped(name.replaceAll("_", " "))}`).join(" &nbsp; ")}</p>`;

const title = (text: string): string => `<title>${escaped(text)}</title>`;

const rect = (x: number, y: number, width: number, height: number, at: number, text: string): string =>
  `<rect class="s${at}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${Math.max(0, width).toFixed(1)}" height="${Math.max(0, height).toFixed(1)}">${title(text)}</rect>`;

/** Bars to the right of names, series one behind the other. */
const beside = (drawn: Drawn): string => {
  const sums = drawn.names.map((_, row) => drawn.series.reduce((sum, { values }) => sum + (values[row] ?? 0), 0));
  const most = Math.max(...sums, 0) || 1;
  const room = wide - nameWide - 90;
  const rows = drawn.names.map((name, row) => {
    let x = nameWide;
    const parts = drawn.series.map(({ name: series, text, values }, at) => {
      const value = values[row] ?? 0;
      const width = (value / most) * room;
      const part = rect(
        x,
        row * line + 4,
        width,
        line - 8,
        at,
        `${name}, ${series.replaceAll("_", " ")}: ${text(value)}`,
      );
      x += width;
      return part;
    });
    const short = name.length > 32 ? `…${name.slice(-31)}` : name;
    const y = row * line + line - 7;
    const sum = drawn.series[0]?.text(sums[row] ?? 0) ?? "";
    return `<text x="${nameWide - 8}" y="${y}" text-anchor="end">${escaped(short)}</text>${parts.join("")}<text x="${x + 6}" y="${y}" class="quiet">${escaped(sum)}</text>`;
  });
  return `<svg viewBox="0 0 ${wide} ${drawn.names.length * line + 4}" role="img">${rows.join("")}</svg>`;
};

/** Over days: bars on top of each other, or lines. */
const over = (drawn: Drawn, isLine: boolean): string => {
  const step = wide / drawn.names.length;
  const sums = drawn.names.map((_, at) => drawn.series.map(({ values }) => values[at] ?? 0));
  const most =
    Math.max(
      ...sums.map((values) => (isLine ? Math.max(...values, 0) : values.reduce((sum, value) => sum + value, 0))),
      0,
    ) || 1;
  const y = (value: number) => high - (value / most) * (high - 14);
  const body = isLine
    ? drawn.series.map(({ values }, at) => {
        const points = values.map((value, day) => `${((day + 0.5) * step).toFixed(1)},${y(value).toFixed(1)}`);
        return `<polyline class="l${at}" points="${points.join(" ")}"/>`;
      })
    : drawn.names.map((day, at) => {
        let base = 0;
        return drawn.series
          .map(({ name, text, values }, series) => {
            const value = values[at] ?? 0;
            const part = rect(
              at * step + 1,
              y(base + value),
              Math.max(1, step - 2),
              y(base) - y(base + value),
              series,
              `${day}, ${name.replaceAll("_", " ")}: ${text(value)}`,
            );
            base += value;
            return part;
          })
          .join("");
      });
  const label = drawn.series[0]?.text(most) ?? "";
  const [first, last] = [drawn.names[0] ?? "", drawn.names.at(-1) ?? ""];
  return `<svg viewBox="0 0 ${wide} ${high + 18}" role="img"><line x1="0" y1="${high}" x2="${wide}" y2="${high}" class="axis"/>
<text x="0" y="11" class="quiet">${escaped(label)}</text>${body.join("")}<text x="0" y="${high + 14}" class="quiet">${escaped(first)}</text>
<text x="${wide}" y="${high + 14}" text-anchor="end" class="quiet">${escaped(last)}</text></svg>`;
};

/** The plot of a section; empty where it has none. */
export const plotOf = (section: SectionAnswer): string => {
  const drawn = drawnOf(section);
  if (drawn === undefined || drawn.series.length === 0) return "";
  const isDays = section.columns.find(({ name }) => name === section.plot?.x)?.unit === "day";
  const svg = isDays ? over(drawn, section.plot?.kind === "line") : beside(drawn);
  return `<figure>${legend(drawn)}${svg}</figure>`;
};

/** A number a day, as small as a word. */
export const sparkOf = (values: ReadonlyArray<number>, days: ReadonlyArray<string>): string => {
  const most = Math.max(...values, 0);
  if (most === 0) return "";
  const bars = values.map((value, at) =>
    rect(at * 4, 16 - (value / most) * 16, 3, (value / most) * 16, 0, `${days[at] ?? ""}: ${value}`),
  );
  return `<svg class="spark" width="${values.length * 4}" height="16" role="img">${bars.join("")}</svg>`;
};
