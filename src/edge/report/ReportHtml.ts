/**
 * A report as one page that needs nothing else: tables, plots as inline SVG, the statement behind each section.
 *
 * Room: edge.
 *
 * No script, no request elsewhere (its own policy forbids both), light and dark by the reader's settings.
 */
import type { ReportAnswer, SectionAnswer } from "../../query/report/RunReport.ts";
import type { ReportColumn } from "../../query/report/Report.ts";
import type { Value } from "../../query/Sql.ts";
import { escaped } from "./Escape.ts";
import { shell } from "./Shell.ts";
import { textOf } from "./FigureText.ts";
import { plotOf, sparkOf } from "./ReportSvg.ts";

const style = `
:root { color-scheme: light dark; --ink: #1b1b1b; --quiet: #63635f; --line: #d9d9d4; --paper: #fff; --s0: #2b5d8a; --s1: #c8791b; --s2: #7a7a74; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e2; --quiet: #a1a19b; --line: #3a3a37; --paper: #171716; --s0: #7fb2e0; --s1: #e3a857; --s2: #8d8d86; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .2rem; }
p { margin: .2rem 0; max-width: 80ch; } .quiet, .doc, small { color: var(--quiet); fill: var(--quiet); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0; }
th, td { padding: .2rem .9rem .2rem 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; white-space: nowrap; } .n { text-align: right; white-space: nowrap; } td.t { overflow-wrap: anywhere; min-width: 8ch; }
figure { margin: .6rem 0; } svg { max-width: 100%; font: 12px system-ui, sans-serif; } svg text { fill: var(--ink); } svg text.quiet { fill: var(--quiet); }
.s0 { fill: var(--s0); color: var(--s0); } .s1 { fill: var(--s1); color: var(--s1); } .s2 { fill: var(--s2); color: var(--s2); }
.l0, .l1, .l2 { fill: none; stroke-width: 1.5; } .l0 { stroke: var(--s0); } .l1 { stroke: var(--s1); } .l2 { stroke: var(--s2); } .axis { stroke: var(--line); }
details { margin: .4rem 0; } summary { color: var(--quiet); cursor: pointer; } pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12px; }
`;

const isNumber = ({ unit }: ReportColumn): boolean => unit !== "text" && unit !== "day";

const header = (columns: ReadonlyArray<ReportColumn>, trend: string | undefined): string =>
  `<tr>${columns
    .map(
      (column) =>
        `<th scope="col" class="${isNumber(column) ? "n" : "t"}" title="${escaped(column.doc)}">${escaped(column.name.replaceAll("_", " "))}</th>`,
    )
    .join("")}${trend === undefined ? "" : `<th scope="col" title="${escaped(trend)}">trend</th>`}</tr>`;

const row = (section: SectionAnswer, values: ReadonlyArray<Value>, at: number, zone: string | undefined): string => {
  const cells = section.columns.map((column, place) => {
    const value = values[place] ?? null;
    const text = value === null && place === 0 ? "(not said)" : textOf(value, column.unit, zone);
    return `<td class="${isNumber(column) ? "n" : "t"}">${escaped(text)}</td>`;
  });
  const { trend } = section;
  return `<tr>${cells.join("")}${trend === undefined ? "" : `<td>${sparkOf(trend.rows[at] ?? [], trend.days)}</td>`}</tr>`;
};

const sectionOf = (section: SectionAnswer, zone: string | undefined): string => {
  const table =
    section.rows.length === 0
      ? `<p class="quiet">Nothing.</p>`
      : `<div class="wide"><table><thead>${header(section.columns, section.trend?.doc)}</thead><tbody>
${section.rows.map((values, at) => row(section, values, at, zone)).join("\n")}
</tbody></table></div>`;
  const parameters = JSON.stringify(section.parameters);
  return `<section><h2>${escaped(section.title)}</h2><p class="doc">${escaped(section.doc)}</p>
${plotOf(section)}${table}
<details><summary>Statement</summary><pre>${escaped(section.sql)}</pre><p class="quiet">${escaped(parameters)}</p></details></section>`;
};

/** The whole page. `heading`: of which time it is. */
export const reportHtml = (answer: ReportAnswer, heading: string): string => {
  const { foot, head } = shell(answer.title, style);
  return `${head}<h1>${escaped(answer.title)}</h1><p>${escaped(answer.doc)}</p><p class="quiet">${escaped(heading)}</p>
${answer.sections.map((section) => sectionOf(section, answer.zone ?? undefined)).join("\n")}
${foot}`;
};
