/**
 * Tokens and cost for a prompt line, straight from SQLite: without Effect, whose start takes longer than the question.
 *
 * Room: query.
 */
import Database from "better-sqlite3";
import * as Generations from "../../projection/rebuild/Generations.ts";
import type { Value } from "../Sql.ts";
import { type CostLine, costOf, type CostRequest, costStatement, costValues } from "./CostStatement.ts";

/** The question, ready to be asked; undefined where there is no database that answers it. */
export const prepareCost = (path: string): ((request: CostRequest) => CostLine) | undefined => {
  const file = Generations.current(path);
  if (file === undefined) return undefined;
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true, timeout: 5000 });
    const statement = db.prepare<[object], ReadonlyArray<Value>>(costStatement).raw();
    return (request) => costOf(statement.all(costValues(request)), request);
  } catch {
    return undefined;
  }
};
