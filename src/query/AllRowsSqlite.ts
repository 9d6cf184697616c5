/**
 * All rows of a reading statement at once, by a connection that cannot write.
 *
 * Room: query.
 */
import type { Database } from "better-sqlite3";
import type { Selected, SqlParameters, Value } from "./Sql.ts";

/** Whole numbers beyond 2^53 stay exact; all others are plain numbers. */
export const plain = (value: Value): Value =>
  typeof value === "bigint" && value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
    ? Number(value)
    : value;

const isEmpty = (parameters: SqlParameters): boolean =>
  Array.isArray(parameters) ? parameters.length === 0 : Object.keys(parameters).length === 0;

const valuesOf = (parameters: SqlParameters): ReadonlyArray<unknown> => {
  if (isEmpty(parameters)) return [];
  return Array.isArray(parameters) ? parameters : [parameters];
};

/** Work whose `localtime` is that of a zone: SQLite asks the process's clock, and nothing else runs meanwhile. */
const inZone = <A>(zone: string | undefined, work: () => A): A => {
  if (zone === undefined) return work();
  const before = process.env["TZ"];
  process.env["TZ"] = zone;
  try {
    return work();
  } finally {
    if (before === undefined) delete process.env["TZ"];
    else process.env["TZ"] = before;
  }
};

/** Throws what SQLite says of a wrong statement. */
export const selected = (db: Database, text: string, parameters: SqlParameters, zone?: string): Selected => {
  const statement = db.prepare<[], ReadonlyArray<Value>>(text);
  if (!statement.reader || !statement.readonly) throw new Error("This statement does not only read.");
  const asked = statement.raw().safeIntegers();
  const rows = inZone(zone, () => asked.all(...(valuesOf(parameters) as [])));
  return { columns: statement.columns().map(({ name }) => name), rows: rows.map((row) => row.map(plain)) };
};
