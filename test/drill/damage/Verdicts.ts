/** Verdicts of several runs in one file, a line each, so that the catalogue is not bound to what one run has time for. */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { catalogue } from "./Catalogue.ts";
import type { Verdict } from "./Judge.ts";

type Line = Omit<Verdict, "fault"> & { readonly number: number };

const inFile = (file: string): ReadonlyArray<Line> =>
  existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Line)
    : [];

/** Of a fault and a seed the newest verdict counts. */
const newest = (lines: ReadonlyArray<Line>): ReadonlyArray<Verdict> => {
  const known = new Map(lines.map((line) => [`${line.number} ${line.seed}`, line]));
  return [...known.values()]
    .flatMap(({ number, ...verdict }) => {
      const fault = catalogue.find((one) => one.number === number);
      return fault === undefined ? [] : [{ ...verdict, fault }];
    })
    .toSorted((a, b) => a.fault.number - b.fault.number || a.seed - b.seed);
};

/** Without a file the verdicts are those of this run. */
export const open = (file: string | undefined) => {
  const lines = file === undefined ? [] : [...inFile(file)];
  return {
    add: ({ fault, ...verdict }: Verdict): void => {
      const line = { ...verdict, number: fault.number };
      lines.push(line);
      if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
    },
    all: () => newest(lines),
  };
};
