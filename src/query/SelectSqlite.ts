/**
 * Statements of our own, on a connection that cannot write.
 *
 * Room: query.
 */
import type { Database } from "better-sqlite3";
import { selected } from "./AllRowsSqlite.ts";
import { QueryRefused, type Selected, type SqlParameters } from "./Sql.ts";

export const statementRefused = (message: string): QueryRefused =>
  new QueryRefused({ message, hint: "See v_dictionary." });

/** All rows at once. */
export const selectRows = (
  db: Database,
  text: string,
  parameters: SqlParameters,
  zone?: string,
): Selected | QueryRefused => {
  try {
    return selected(db, text, parameters, zone);
  } catch (cause) {
    return statementRefused(cause instanceof Error ? cause.message : String(cause));
  }
};
