/**
 * The rows there are: every file in `rows/` that exports a `row`, or several as `rows`.
 *
 * The folder is read, so a new row is a new file and nothing else. The order is that of the groups below, which is the
 * order of the goals, and within a group that of the ids with numbers as numbers.
 */
import { readdirSync } from "node:fs";
import type { Row } from "./Harness.ts";

const groups = [
  "start",
  "append-one",
  "append",
  "flat",
  "stored-bytes",
  "read",
  "history",
  "visible",
  "catch-up",
  "flat-catch-up",
  "rebuild",
  "heal",
  "backup",
  "analyst",
  "import",
  "spool",
  "tasks",
  "http",
  "hook",
  "wrap",
  "daemon",
  "cache",
  "subjects",
  "limit",
  "config",
  "watch",
];

const isIn = (group: string, id: string): boolean => id === group || id.startsWith(`${group}-`);

/** Its place is that of the longest group it is in. */
const rank = (id: string): number => {
  const [group] = groups.filter((name) => isIn(name, id)).toSorted((left, right) => right.length - left.length);
  return group === undefined ? groups.length : groups.indexOf(group);
};

/** In the order in which they are run and shown. Two of one id are a mistake: which of them a figure is of nobody knows. */
export const inOrder = (rows: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const twice = rows.find(({ id }, index) => rows.findIndex((other) => other.id === id) !== index);
  if (twice !== undefined) throw new Error(`there are two rows named ${twice.id}`);
  return rows.toSorted(
    (left, right) => rank(left.id) - rank(right.id) || left.id.localeCompare(right.id, "en", { numeric: true }),
  );
};

interface RowFile {
  readonly row?: Row;
  readonly rows?: ReadonlyArray<Row>;
}

export const allRows = async (): Promise<ReadonlyArray<Row>> => {
  const folder = new URL("rows/", import.meta.url);
  const rows: Array<Row> = [];
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".ts"))) {
    const file: RowFile = await import(new URL(name, folder).href);
    const found = [...(file.row === undefined ? [] : [file.row]), ...(file.rows ?? [])];
    if (found.length === 0) throw new Error(`bench/rows/${name} exports no row`);
    rows.push(...found);
  }
  return inOrder(rows);
};

/**
 * The rows that the words name: an id is that row; `append` or `append*`, where no row is called so, is every row of
 * that beginning. No word is every row. Words that name nothing come back as `unknown`.
 */
export const choose = (rows: ReadonlyArray<Row>, words: ReadonlyArray<string>) => {
  const named = (word: string): ReadonlyArray<Row> => {
    const exact = rows.filter(({ id }) => id === word);
    if (exact.length > 0) return exact;
    return rows.filter(({ id }) => (word.endsWith("*") ? id.startsWith(word.slice(0, -1)) : isIn(word, id)));
  };
  const unknown = words.filter((word) => named(word).length === 0);
  const chosen = new Set(words.flatMap(named));
  return { chosen: words.length === 0 ? rows : rows.filter((row) => chosen.has(row)), unknown };
};
