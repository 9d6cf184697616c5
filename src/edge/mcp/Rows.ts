/**
 * Rows of statements over the views, for what the questions of `Query` do not give.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import type { SqlParameters, Value } from "../../query/Sql.ts";
import { cellOf } from "../../query/brief/Plain.ts";
import { Desk } from "./Desk.ts";

/** Most rows of a statement of our own. */
const most = 10_000;

export const rowsOf = Effect.fnUntraced(function* (statement: string, parameters?: SqlParameters) {
  const query = yield* (yield* Desk).query;
  const { rows } = yield* query.select(statement, parameters);
  return rows.slice(0, most);
});

/** Rows as objects by their columns, without what is null. */
export const objectsOf = (columns: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<Value>>) =>
  rows.map((row) =>
    Object.fromEntries(
      columns.flatMap((name, at) => (row[at] === null || row[at] === undefined ? [] : [[name, cellOf(row[at])]])),
    ),
  );
