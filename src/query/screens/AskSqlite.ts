/**
 * Rows of fixed statements, from SQLite.
 *
 * Room: query.
 *
 * Decision: statements stay prepared on the connection, because preparing one over the views takes 0.5 to 2 ms, as long as many take to
 * run.
 */
import type { Database, Statement } from "better-sqlite3";
import { Effect, Layer } from "effect";
import { makeReaders } from "../ConnectionSqlite.ts";
import { Ask, type Values } from "./Ask.ts";

interface Prepared {
  readonly statement: Statement<[Values], Readonly<Record<string, unknown>>>;
  readonly names: ReadonlyArray<readonly [string, string]>;
}

const camel = (column: string): string => column.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Most statements kept for one connection. */
const mostPrepared = 200;

const prepare = (db: Database, text: string): Prepared => {
  const statement = db.prepare<[Values], Readonly<Record<string, unknown>>>(text);
  return { statement, names: statement.columns().map(({ name }) => [name, camel(name)]) };
};

export const make = Effect.fnUntraced(function* (options: { readonly path: string }) {
  const read = yield* makeReaders(options.path);
  const prepared = new WeakMap<Database, Map<string, Prepared>>();
  const of = (db: Database, text: string): Prepared => {
    let known = prepared.get(db);
    if (known === undefined) prepared.set(db, (known = new Map<string, Prepared>()));
    let found = known.get(text);
    if (found === undefined) {
      if (known.size >= mostPrepared) known.clear();
      known.set(text, (found = prepare(db, text)));
    }
    return found;
  };
  return Ask.of({
    rows: <A>(text: string, values: Values = {}) =>
      read((db) => {
        const { names, statement } = of(db, text);
        return statement
          .all(values)
          .map((row) => Object.fromEntries(names.map(([name, field]) => [field, row[name]])) as A);
      }),
  });
});

export const layer = (options: { readonly path: string }): Layer.Layer<Ask> => Layer.effect(Ask, make(options));
