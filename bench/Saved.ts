/**
 * The figures that the pages show: `bench/figures.json`, written by `--save`, read by `--write-docs` and by the tests.
 *
 * Saving some rows replaces these and keeps the others, each with the time at which it was measured.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Report } from "./Report.ts";

const file = fileURLToPath(new URL("figures.json", import.meta.url));

/** What was saved last; undefined where nothing was. */
export const saved = (): Report | undefined =>
  existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Report) : undefined;

/** `now` with those rows of `before` that it did not measure, in the order of `ids`; rows that are no more are left out. */
export const merged = (before: Report | undefined, now: Report, ids: ReadonlyArray<string>): Report => {
  const isOtherMachine = before !== undefined && before.machine.cpu !== now.machine.cpu;
  const known = new Map([...(isOtherMachine ? [] : (before?.rows ?? [])), ...now.rows].map((row) => [row.id, row]));
  const rows = ids.flatMap((id) => known.get(id) ?? []);
  const isPartOf = before !== undefined && !isOtherMachine && now.rows.length < rows.length;
  return { machine: isPartOf ? before.machine : now.machine, rows };
};

/** One row a line, so that a change of figures can be read. */
export const save = ({ machine, rows }: Report): void => {
  const lines = rows.map((row) => `    ${JSON.stringify(row)}`).join(",\n");
  writeFileSync(file, `{\n  "machine": ${JSON.stringify(machine)},\n  "rows": [\n${lines}\n  ]\n}\n`);
};
