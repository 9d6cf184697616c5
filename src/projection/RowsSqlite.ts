/**
 * Writing changes into tables: for each table and set of columns one statement, generated once.
 *
 * Room: projection. In: Projection, NamesSqlite. Out: ReadModelSqlite.
 *
 * Plain functions: this runs for every row of every event. A fault in a change throws `RowRefused` or SQLite's own
 * constraint error, and the caller turns it into a dead letter.
 */
import type { Database, Statement } from "better-sqlite3";
import type { Names } from "./NamesSqlite.ts";
import { type Cell, type Change, type Column, isRemoval, type Projection, type Table } from "./Projection.ts";

/** A change that does not fit its table: the projection's own fault. */
export class RowRefused extends Error {}

type Bound = string | number | Uint8Array | null;

interface Compiled {
  readonly statement: Statement<Array<Bound>>;
  /** For each bound value, in order: its column and whether it is a name. */
  readonly columns: ReadonlyArray<{ readonly name: string; readonly interned: boolean }>;
}

const merged = (name: string, column: Column): string => {
  const stored = `"${name}"`;
  const given = `excluded."${name}"`;
  switch (column.merge ?? "last") {
    case "last":
    case "replace":
      return given;
    case "first":
      return `coalesce(${stored}, ${given})`;
    case "sum":
      return `coalesce(${stored}, 0) + ${given}`;
    case "min":
      return `CASE WHEN ${stored} <= ${given} THEN ${stored} ELSE ${given} END`;
    case "max":
      return `CASE WHEN ${stored} >= ${given} THEN ${stored} ELSE ${given} END`;
  }
};

const upsertSql = (table: Table, columns: ReadonlyArray<string>): string => {
  const names = columns.map((name) => `"${name}"`).join(", ");
  const insert = `INSERT INTO "${table.name}" (${names}) VALUES (${columns.map(() => "?").join(", ")})`;
  const sets = columns.flatMap((name) => {
    const column = table.columns[name];
    return column === undefined || table.key.includes(name) ? [] : [`"${name}" = ${merged(name, column)}`];
  });
  const key = table.key.map((name) => `"${name}"`).join(", ");
  const action = table.rows === "first" || sets.length === 0 ? "NOTHING" : `UPDATE SET ${sets.join(", ")}`;
  return `${insert} ON CONFLICT (${key}) DO ${action}`;
};

const removeSql = (table: Table, columns: ReadonlyArray<string>, from: string | undefined): string =>
  `DELETE FROM "${table.name}" WHERE ${[
    ...columns.map((name) => `"${name}" = ?`),
    ...(from === undefined ? [] : [`"${from}" >= ?`]),
  ].join(" AND ")}`;

/** The columns a change speaks of: a cell that says nothing is left out, unless its column is replaced by it. */
const spoken = (table: Table, row: Readonly<Record<string, Cell>>): ReadonlyArray<string> => {
  const columns: Array<string> = [];
  for (const name in row) {
    const column = table.columns[name];
    if (column === undefined) throw new RowRefused(`${table.name} has no column ${name}`);
    if (row[name] != null || column.merge === "replace") columns.push(name);
  }
  for (const name of table.key) {
    if (row[name] == null) throw new RowRefused(`a row of ${table.name} without its key ${name}`);
  }
  return columns;
};

/** A function that writes one change of these projections into the database, in the caller's transaction. */
export const makeWriter = (options: {
  readonly db: Database;
  readonly projections: ReadonlyArray<Projection>;
  readonly names: Names;
}): ((change: Change) => void) => {
  const { db, names } = options;
  const tables = new Map(
    options.projections.flatMap((projection) => projection.tables.map((table) => [table.name, table] as const)),
  );
  const compiled = new Map<string, Compiled>();

  const compile = (shape: string, table: Table, columns: ReadonlyArray<string>, sql: () => string): Compiled => {
    const known = compiled.get(shape);
    if (known !== undefined) return known;
    const made: Compiled = {
      statement: db.prepare<Array<Bound>>(sql()),
      columns: columns.map((name) => ({ name, interned: table.columns[name]?.type === "name" })),
    };
    compiled.set(shape, made);
    return made;
  };

  const bind = (columns: Compiled["columns"], row: Readonly<Record<string, Cell>>): Array<Bound> =>
    columns.map(({ name, interned }) => {
      const cell = row[name] ?? null;
      return interned && typeof cell === "string" ? names.numberOf(cell) : cell;
    });

  return (change) => {
    const table = tables.get(change.table);
    if (table === undefined) throw new RowRefused(`there is no table ${change.table}`);
    if (isRemoval(change)) {
      const columns = Object.keys(change.where);
      const shape = `-${table.name} ${columns.join(",")} ${change.from?.column ?? ""}`;
      const removal = compile(shape, table, columns, () => removeSql(table, columns, change.from?.column));
      const values = bind(removal.columns, change.where);
      removal.statement.run(...values, ...(change.from === undefined ? [] : [change.from.value]));
      return;
    }
    const columns = spoken(table, change.row);
    const upsert = compile(`+${table.name} ${columns.join(",")}`, table, columns, () => upsertSql(table, columns));
    upsert.statement.run(...bind(upsert.columns, change.row));
  };
};
