/**
 * Merging rows of one key before they are written, exactly as the table would merge them one after the other.
 *
 * Room: projection.
 */
import type { Cell, Column, Table } from "../Projection.ts";

type Row = Readonly<Record<string, Cell>>;

/** True when a cell is of its column's own type, so that SQLite stores it as it is. */
export const fitsColumn = ({ type }: Column, cell: Cell): boolean => {
  switch (type) {
    case "integer":
      return Number.isSafeInteger(cell);
    case "real":
      return typeof cell === "number";
    case "text":
    case "name":
    case "id":
      return typeof cell === "string";
    case "blob":
    case "any":
      return false;
  }
};

/**
 * True when every cell is of its column's own type. SQLite converts some others and refuses the rest, row by row: a
 * row that holds one is not merged beforehand, so that what is refused does not depend on what came in one batch.
 */
export const fits = (table: Table, row: Row): boolean => {
  for (const name in row) {
    const column = table.columns[name];
    const cell = row[name];
    if (cell != null && (column === undefined || !fitsColumn(column, cell))) return false;
  }
  return true;
};

const smaller = (a: number, b: number): number => (a <= b ? a : b);
const larger = (a: number, b: number): number => (a >= b ? a : b);

/** Merges `row` into `stored`; both fit the table. See `Merge` for what each column does. */
export const mergeInto = (table: Table, stored: Record<string, Cell>, row: Row): void => {
  if (table.rows === "first") return;
  for (const name in row) {
    const merge = table.columns[name]?.merge ?? "last";
    const given = row[name];
    if (given == null) {
      if (merge === "replace") stored[name] = null;
      continue;
    }
    const known = stored[name];
    if (known == null) stored[name] = given;
    else if (merge === "first") continue;
    else if (typeof known === "number" && typeof given === "number") {
      if (merge === "sum") stored[name] = known + given;
      else if (merge === "min") stored[name] = smaller(known, given);
      else if (merge === "max") stored[name] = larger(known, given);
      else stored[name] = given;
    } else stored[name] = given;
  }
};
