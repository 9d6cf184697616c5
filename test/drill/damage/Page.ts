/** The catalogue as a page, `docs/damage.md`: written by `npm run drill -- damage --save`, never by hand. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { counted } from "../Damage.ts";
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

export const page = (verdicts: ReadonlyArray<Verdict>): string => {
  const { byItself, failed, mended, noticed, planted, refusedReads, trueReads, wrongReads } = counted(verdicts);
  const numbers = new Set(verdicts.map(({ fault }) => fault.number)).size;
  const seeds = new Set(verdicts.map(({ seed }) => seed)).size;
  const tables = groups.flatMap((group) => {
    const rows = verdicts.filter(({ fault }) => fault.group === group).map(rowOf);
    if (rows.length === 0) return [];
    return [
      `## ${group[0]?.toUpperCase()}${group.slice(1)}\n`,
      "| | fault | promise | noticed by, after | what was said | what happened | seed |",
      "|--:|---|---|---|---|---|--:|",
      ...rows,
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
    `| noticed | ${noticed} of ${planted} |`,
    `| whole without a command, by the start or the scrubber | ${byItself} |`,
    `| mended by command | ${mended} |`,
    `| **not as promised** | ${failed} |`,
    `| reads that gave the truth, an error, something else | ${trueReads}, ${refusedReads}, ${wrongReads} |`,
    "",
    ...tables,
  ]
    .join("\n")
    .trimEnd()}\n`;
};

export const save = (verdicts: ReadonlyArray<Verdict>): string => {
  const file = join(root, "docs/damage.md");
  writeFileSync(file, page(verdicts));
  return file;
};
