/**
 * A check that SQLite can prepare a statement: a query that cannot be run is not saved.
 *
 * Room: query.
 */
import { Effect, Stream } from "effect";
import { Query } from "../Query.ts";
import { readSql } from "../sandbox/SqlText.ts";

/** Prepares it in the sandbox, with nothing for its values. */
export const preparable = Effect.fn("query.preparable")(function* (sql: string) {
  const query = yield* Query;
  const values = Object.fromEntries(readSql(sql).named.map((name) => [name, null]));
  const { rows } = yield* query.sql(
    sql.replace(/^(?:\s|--[^\n]*(?:\n|$)|;)+/, "").replace(/^(?!explain\b)/i, "EXPLAIN "),
    values,
  );
  yield* Stream.runDrain(rows);
}, Effect.scoped);
