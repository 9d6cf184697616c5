/**
 * The SQL that merges one row into a table, or removes some: generated from the table's definition.
 *
 * Room: projection.
 */
import type { Kind, Statement } from "../fold/RowBatch.ts";
import type { Column, Table } from "../Projection.ts";

const merged = (name: string, column: Column): string => {
  const stored = `"${name}"`;
  const given = `excluded."${name}"`;
  const merge = column.merge ?? "last";
  if (typeof merge === "object") return `CASE WHEN "${merge.firstOf}" IS NULL THEN ${given} ELSE ${stored} END`;
  switch (merge) {
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
const place = (kind: Kind): string => {
  if (kind === "null") return "NULL";
  return kind === "utf8" ? "CAST(? AS TEXT)" : "?";
};

export interface Bound {
  readonly name: string;
  readonly kind: Kind;
}

export const upsertOf = (table: Table, columns: ReadonlyArray<Bound>): Statement => {
  const id = table.fullText === undefined ? [] : ([{ name: "id", kind: "rowid" }] as const);
  const given = [...id, ...columns];
  const names = given.map(({ name }) => `"${name}"`).join(", ");
  const sets = columns.flatMap(({ name }) => {
    const column = table.columns[name];
    return column === undefined || table.key.includes(name) ? [] : [`"${name}" = ${merged(name, column)}`];
  });
  const key = table.key.map((name) => `"${name}"`).join(", ");
  const action = table.rows === "first" || sets.length === 0 ? "NOTHING" : `UPDATE SET ${sets.join(", ")}`;
  return {
    table: table.name,
    before: `INSERT INTO "${table.name}" (${names}) VALUES `,
    row: `(${given.map(({ kind }) => place(kind)).join(", ")})`,
    between: ", ",
    after: ` ON CONFLICT (${key}) DO ${action}`,
    kinds: given.map(({ kind }) => kind),
  };
};

export const removalOf = (table: Table, columns: ReadonlyArray<Bound>, from: string | undefined): Statement => {
  const least = from === undefined ? [] : ([{ name: from, kind: "number" }] as const);
  const terms = [
    ...columns.map(({ name, kind }) => `"${name}" = ${place(kind)}`),
    ...least.map(({ name }) => `"${name}" >= ?`),
  ];
  return {
    table: table.name,
    before: `DELETE FROM "${table.name}" WHERE `,
    row: `(${terms.join(" AND ")})`,
    between: " OR ",
    after: "",
    kinds: [...columns, ...least].map(({ kind }) => kind),
  };
};
