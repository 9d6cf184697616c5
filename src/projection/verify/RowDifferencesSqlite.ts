/**
 * Rows of a table that differ between a database and a fresh fold of the stream, by their keys.
 *
 * Room: projection.
 *
 * SQLite compares: names are read as text in each file, because their numbers need not be the same in both. Only tables
 * whose digests differ are asked, so the sorting that this needs is rare.
 */
import type { Database } from "better-sqlite3";
import { deadLettersTable } from "../EngineSqlite.ts";
import type { Table } from "../Projection.ts";

/** Under which name the fresh file is attached. */
export const freshSchema = "fresh";

export interface RowDifference {
  /** The columns that identify the row. */
  readonly key: Readonly<Record<string, string | number | null>>;
  /** `missing`: not in the database; `extra`: only in the database; `changed`: in both, and not the same. */
  readonly kind: "missing" | "extra" | "changed";
}

/** Most rows named of one table. */
export const mostRows = 100;

type Cell = string | number | null | Buffer;

const cellOf = (name: string, type: string, schema: string): string =>
  type === "name"
    ? `coalesce((SELECT text FROM ${schema}.names WHERE name = t."${name}"), t."${name}") AS "${name}"`
    : `t."${name}"`;

/** Columns to compare. Time and number of tries of a dead letter are each file's own. */
const comparedColumns = (table: Table): ReadonlyArray<readonly [string, string]> =>
  Object.entries(table.columns)
    .filter(([name]) => table !== deadLettersTable || ["sequence", "projection", "reason"].includes(name))
    .map(([name, { type }]) => [name, type]);

const rowsSql = (table: Table, schema: string): string =>
  `SELECT ${comparedColumns(table)
    .map(([name, type]) => cellOf(name, type, schema))
    .join(", ")} FROM ${schema}."${table.name}" t`;

const uuidBytes = 16;

const spelled = (cell: Cell | undefined): string | number | null => {
  if (!(cell instanceof Uint8Array)) return cell ?? null;
  const hex = cell.toString("hex");
  return cell.byteLength === uuidBytes
    ? hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
    : hex.slice(0, 100);
};

/** The first of them, in no order. */
export const differingRows = (db: Database, table: Table): ReadonlyArray<RowDifference> => {
  const only = (here: string, there: string) =>
    db
      .prepare<[], Readonly<Record<string, Cell>>>(
        `SELECT ${table.key.map((name) => `"${name}"`).join(", ")} FROM (${rowsSql(table, here)} EXCEPT ${rowsSql(table, there)}) LIMIT ${mostRows}`,
      )
      .all()
      .map((row) => Object.fromEntries(table.key.map((name) => [name, spelled(row[name])])));
  const live = new Map(only("main", freshSchema).map((key) => [JSON.stringify(key), key]));
  const fresh = new Map(only(freshSchema, "main").map((key) => [JSON.stringify(key), key]));
  const found: Array<RowDifference> = [];
  for (const [name, key] of live) found.push({ key, kind: fresh.has(name) ? "changed" : "extra" });
  for (const [name, key] of fresh) if (!live.has(name)) found.push({ key, kind: "missing" });
  return found.slice(0, mostRows);
};
