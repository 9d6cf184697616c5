/**
 * Rows as values with camel-case fields, and sizes of pages.
 *
 * Room: query.
 */
import type { Database, Statement } from "better-sqlite3";
import { maxPage } from "./Query.ts";

export type Bound = Readonly<Record<string, string | number | null>>;

const camel = (column: string): string => column.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

interface Prepared {
  readonly statement: Statement<[Bound], ReadonlyArray<unknown>>;
  readonly names: ReadonlyArray<string>;
}

/** Statements that one connection keeps. Their texts are ours and few: filters and screens make some hundreds of them at most. */
const mostKept = 256;

const kept = new WeakMap<Database, Map<string, Prepared>>();

/**
 * A statement that gives rows as arrays, prepared once for a connection.
 *
 * Decision: kept, because preparing one row of `v_threads` took 0.33 ms of processor, and a list asks for ten.
 */
export const prepared = (db: Database, text: string): Prepared => {
  const statements = kept.get(db) ?? new Map<string, Prepared>();
  kept.set(db, statements);
  const known = statements.get(text);
  if (known !== undefined) return known;
  if (statements.size >= mostKept) statements.clear();
  const statement = db.prepare<[Bound], ReadonlyArray<unknown>>(text).raw();
  const made: Prepared = { statement, names: statement.columns().map(({ name }) => camel(name)) };
  statements.set(text, made);
  return made;
};

/** The caller names the shape of the rows; tests hold it against the views. */
export const all = <A>(db: Database, text: string, values: Bound = {}): ReadonlyArray<A> => {
  const { names, statement } = prepared(db, text);
  return statement.all(values).map((row) => {
    const made: Record<string, unknown> = {};
    for (let at = 0; at < names.length; at++) made[names[at] ?? ""] = row[at];
    return made as A;
  });
};

/** Between 1 and `maxPage`; of what is no number, 1. */
export const pageSize = (limit: number | undefined, usual = 50): number =>
  Math.max(1, Math.min(maxPage, Math.trunc(limit ?? usual) || 1));
