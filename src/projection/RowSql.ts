/**
 * The SQL that merges one row into a table, or removes some: generated from the table's definition.
 *
 * Room: projection. In: Projection. Out: Packer.
 */
import type { Kind } from "./Packed.ts";
import type { Column, Table } from "./Projection.ts";

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

/** Text that is bound as bytes spares the way through a string; SQLite takes it as it is. */
const place = (kind: Kind): string => (kind === "text" ? "CAST(? AS TEXT)" : "?");

export interface Bound {
  readonly name: string;
  readonly kind: Kind;
}

export const upsertSql = (table: Table, columns: ReadonlyArray<Bound>): string => {
  const id = table.fullText === undefined ? [] : ([{ name: "id", kind: "id" }] as const);
  const given = [...id, ...columns];
  const names = given.map(({ name }) => `"${name}"`).join(", ");
  const insert = `INSERT INTO "${table.name}" (${names}) VALUES (${given.map(({ kind }) => place(kind)).join(", ")})`;
  const sets = columns.flatMap(({ name }) => {
    const column = table.columns[name];
    return column === undefined || table.key.includes(name) ? [] : [`"${name}" = ${merged(name, column)}`];
  });
  const key = table.key.map((name) => `"${name}"`).join(", ");
  const action = table.rows === "first" || sets.length === 0 ? "NOTHING" : `UPDATE SET ${sets.join(", ")}`;
  return `${insert} ON CONFLICT (${key}) DO ${action}`;
};

export const removeSql = (table: Table, columns: ReadonlyArray<Bound>, from: string | undefined): string =>
  `DELETE FROM "${table.name}" WHERE ${[
    ...columns.map(({ name, kind }) => `"${name}" = ${place(kind)}`),
    ...(from === undefined ? [] : [`"${from}" >= ?`]),
  ].join(" AND ")}`;
