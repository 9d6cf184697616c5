/**
 * Rows as values with camel-case fields, and sizes of pages.
 *
 * Room: query.
 */
import type { Database } from "better-sqlite3";
import { maxPage } from "./Query.ts";

type Bound = Readonly<Record<string, string | number | null>>;

const camel = (column: string): string => column.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** The caller names the shape of the rows; tests hold it against the views. */
export const all = <A>(db: Database, text: string, values: Bound = {}): ReadonlyArray<A> => {
  const statement = db.prepare<[Bound], Readonly<Record<string, unknown>>>(text);
  const names = new Map(statement.columns().map(({ name }) => [name, camel(name)]));
  return statement
    .all(values)
    .map(
      (row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [names.get(name) ?? name, value])) as A,
    );
};

/** Between 1 and `maxPage`. */
export const pageSize = (limit: number | undefined, usual = 50): number =>
  Math.max(1, Math.min(maxPage, Math.trunc(limit ?? usual)));
