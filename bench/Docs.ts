/**
 * Writes saved figures into the pages: tables between markers, plots as files. `test/bench` holds the pages against
 * `bench/figures.json`, so nobody can polish a figure by hand.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { drawn } from "./Plot.ts";
import { markdownTable, type Report } from "./Report.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const plots = "docs/plots";

export const begin = "<!-- figures: written by npm run bench -- --write-docs -->";
export const end = "<!-- end of figures -->";

/** The page with `text` between its markers. */
export const between = (page: string, text: string): string => {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`the page has no place for figures: ${begin}`);
  return `${page.slice(0, from + begin.length)}\n${text}\n${page.slice(to)}`;
};

/** What must be known to judge a figure; the README leaves it to the page. */
const notes = (report: Report): string =>
  report.rows.flatMap(({ id, note }) => (note === null ? [] : [`- \`${id}\`: ${note}`])).join("\n");

const withPlots = (report: Report): string =>
  report.rows
    .flatMap(({ growth, id }) => (growth === null ? [] : [`![${growth.title}](plots/${id}.svg)`]))
    .join("\n\n");

const measuredOn = ({ machine }: Report, at: string): string =>
  `${at.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, nats-server ${machine.natsServer}`;

/** What a reader of the README asks first. Those that miss their goals are named below it, whichever they are. */
const headlines: ReadonlySet<string> = new Set([
  "append-one",
  "append-1024-postgres",
  "history-10000",
  "catch-up",
  "import",
  "stored-bytes",
]);

/** How many goals are met in all, and which are not. */
const tally = ({ rows }: Report): string => {
  const goals = rows.filter(({ met }) => met !== null);
  const missed = goals.flatMap(({ id, met }) => (met === true ? [] : [`\`${id}\``]));
  const names = missed.length === 0 ? "" : ` Missed: ${missed.join(", ")}.`;
  return `Of all rows ${goals.length} have a goal, and ${goals.length - missed.length} meet it.${names}`;
};

/** Every file that shows figures, as it must be for this report: its path in the repository, and its text. */
export const pagesOf = (report: Report): ReadonlyMap<string, string> => {
  const read = (name: string) => readFileSync(join(root, name), "utf8");
  const all = [markdownTable(report), notes(report), withPlots(report)];
  const first = markdownTable({ ...report, rows: report.rows.filter(({ id }) => headlines.has(id)) });
  const drawings = report.rows.flatMap(({ at, growth, id }) =>
    growth === null ? [] : [[`${plots}/${id}.svg`, drawn(growth, measuredOn(report, at))] as const],
  );
  return new Map([
    ["README.md", between(read("README.md"), first)],
    [
      "docs/performance.md",
      between(read("docs/performance.md"), [...all, tally(report)].filter((text) => text !== "").join("\n\n")),
    ],
    ...drawings,
  ]);
};

/** Writes them all; answers with their paths. */
export const writeDocs = (report: Report): ReadonlyArray<string> => {
  const pages = pagesOf(report);
  mkdirSync(join(root, plots), { recursive: true });
  for (const [name, text] of pages) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return [...pages.keys()];
};
