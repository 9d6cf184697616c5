/** The catalogue as a page, `docs/damage.md`: written by `npm run drill -- damage --save`, never by hand. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../Program.ts";
import { catalogue } from "./Catalogue.ts";
import { groups, promises } from "./Fault.ts";
import type { Verdict } from "./Judge.ts";

/** A cell holds no bar, no line break, and no path of the machine it ran on. */
const cell = (text: string): string => {
  const clean = text
    .replaceAll(/\/\S*\/(?=data(?:-moved|-copied)?\b)/g, "")
    .replaceAll(/^\S+ (?=warn|error)/g, "")
    .replaceAll("|", "\\|")
    .replaceAll(/\s+/g, " ")
    .replaceAll("`", "'");
  return clean.length > 160 ? `${clean.slice(0, 160)}…` : clean;
};

const rowOf = ({ fault, mend, noticed, planted, problems, reads, seed }: Verdict): string => {
  const by = noticed === undefined ? "-" : `${noticed.by}, ${(noticed.millis / 1000).toFixed(1)} s`;
  const happened =
    problems.length > 0
      ? `**Fails**: ${cell(problems.join("; "))}`
      : `${cell(mend)}; reads: ${reads.true} true, ${reads.refused} refused`;
  const columns = [
    fault.number,
    fault.title,
    promises[fault.promise],
    by,
    cell(noticed?.said ?? planted),
    happened,
    seed,
  ];
  return `| ${columns.join(" | ")} |`;
};

/** A row of the page: of this run, or one that the page has from an earlier run. */
interface Row {
  readonly number: number;
  readonly seed: number;
  readonly line: string;
}

const columnsOf = (line: string): ReadonlyArray<string> => line.slice(2, -2).split(" | ");

/** The rows that a page has. */
const rowsIn = (text: string): ReadonlyArray<Row> =>
  text.split("\n").flatMap((line) => {
    const [, number, seed] = /^\| (\d+) \|.* \| (\d+) \|$/.exec(line) ?? [];
    return number === undefined ? [] : [{ number: Number(number), seed: Number(seed), line }];
  });

/** Of a fault and a seed the newest row counts. */
const merged = (before: ReadonlyArray<Row>, verdicts: ReadonlyArray<Verdict>): ReadonlyArray<Row> => {
  const now = verdicts.map((verdict) => ({
    number: verdict.fault.number,
    seed: verdict.seed,
    line: rowOf(verdict),
  }));
  const all = new Map([...before, ...now].map((row) => [`${row.number} ${row.seed}`, row]));
  return [...all.values()].toSorted((a, b) => a.number - b.number || a.seed - b.seed);
};

/** Figures of the rows, as they stand there. */
const countedIn = (rows: ReadonlyArray<Row>) => {
  const sums = { noticed: 0, failed: 0, byItself: 0, mended: 0, true: 0, refused: 0, wrong: 0 };
  for (const { line } of rows) {
    const [, , , by = "-", , happened = ""] = columnsOf(line);
    if (by !== "-") sums.noticed++;
    if (happened.startsWith("**Fails**")) {
      sums.failed++;
      sums.wrong += [...happened.matchAll(/that are not the/g)].length;
    } else if (happened.startsWith("by itself")) sums.byItself++;
    else sums.mended++;
    const [, gave = "0", refused = "0"] = /reads: (\d+) true, (\d+) refused/.exec(happened) ?? [];
    sums.true += Number(gave);
    sums.refused += Number(refused);
  }
  return sums;
};

/** `before` is the page as it was: its rows stay where no verdict is newer. */
export const page = (verdicts: ReadonlyArray<Verdict>, before = ""): string => {
  const rows = merged(rowsIn(before), verdicts);
  const sums = countedIn(rows);
  const numbers = new Set(rows.map(({ number }) => number)).size;
  const seeds = new Set(rows.map(({ seed }) => seed)).size;
  const groupOf = new Map(catalogue.map(({ group, number }) => [number, group]));
  const perFault = rows.reduce(
    (all, { number }) => all.set(number, (all.get(number) ?? 0) + 1),
    new Map<number, number>(),
  );
  const withThree = [...perFault.values()].filter((count) => count >= 3).length;
  const tables = groups.flatMap((group) => {
    const lines = rows.filter(({ number }) => groupOf.get(number) === group).map(({ line }) => line);
    if (lines.length === 0) return [];
    return [
      `## ${group[0]?.toUpperCase()}${group.slice(1)}\n`,
      "| | fault | promise | noticed by, after | what was said | what happened | seed |",
      "|--:|---|---|---|---|---|--:|",
      ...lines,
      "",
    ];
  });
  return `${[
    "# Damage: the catalogue of faults\n",
    "Written by `npm run drill -- damage --save`; `--fault N --seed S` plants one of them again. Each is planted in a copy of a",
    "small real store; `recollect up` starts on it, a program reads every thread, `status`, `spool list` and `verify` say",
    "what they notice, `heal --execute` (and `rebuild`, where `verify` still names something) mends, and `verify` is green.",
    "Of several runs the newest verdict on a fault and a seed counts; the seconds are those of the machine at the time.\n",
    "| | |",
    "|---|--:|",
    `| faults of the catalogue, and seeds | ${numbers} of ${catalogue.length}, ${seeds} |`,
    `| faults planted with three seeds | ${withThree} |`,
    `| noticed | ${sums.noticed} of ${rows.length} |`,
    `| whole without a command, by the start or the scrubber | ${sums.byItself} |`,
    `| mended by command | ${sums.mended} |`,
    `| **not as promised** | ${sums.failed} |`,
    `| reads that gave the truth, an error, something else | ${sums.true}, ${sums.refused}, ${sums.wrong} |`,
    "",
    ...tables,
  ]
    .join("\n")
    .trimEnd()}\n`;
};

export const save = (verdicts: ReadonlyArray<Verdict>): string => {
  const file = join(root, "docs/damage.md");
  writeFileSync(file, page(verdicts, existsSync(file) ? readFileSync(file, "utf8") : ""));
  return file;
};
