/**
 * The read models in a file, to be asked.
 *
 * Room: main.
 */
import * as Query from "../query/QuerySqlite.ts";

/** The read models behind `path`. */
export const querying = (path: string) => Query.layer({ path });
