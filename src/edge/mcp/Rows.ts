/**
 * Rows of statements over the views, for what the questions of `Query` do not give.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import type { SqlParameters, Value } from "../../query/Sql.ts";
import type { JsonValue } from "../../domain/Json.ts";
import { Desk } from "./Desk.ts";

/** Most rows of a statement of our own. */
const most = 10_000;

export const rowsOf = Effect.fnUntraced(function* (statement: string, parameters?: SqlParameters) {
  const query = yield* (yield* Desk).query;
  const { rows } = yield* query.select(statement, parameters);
  return rows.slice(0, most);
});

/** A value in JSON: whole numbers beyond 2^53 as text, bytes as hexadecimal, numbers with nine digits at most. */
export const cellOf = (value: Value | undefined): JsonValue => {
  if (value === undefined || value === null) return null;
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === "number") return Number.isFinite(value) ? Number(value.toPrecision(12)) : String(value);
  return typeof value === "string" ? value : Buffer.from(value).toString("hex");
};

/** Rows as objects by their columns, without what is null. */
export const objectsOf = (columns: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<Value>>) =>
  rows.map((row) =>
    Object.fromEntries(
      columns.flatMap((name, at) => (row[at] === null || row[at] === undefined ? [] : [[name, cellOf(row[at])]])),
    ),
  );
