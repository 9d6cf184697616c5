/**
 * The read models in a file, to be asked.
 *
 * Room: main.
 */
import { Layer } from "effect";
import * as Query from "../query/QuerySqlite.ts";
import * as Ask from "../query/screens/AskSqlite.ts";

/** The read models behind `path`. */
export const querying = (path: string) => Layer.merge(Query.layer({ path }), Ask.layer({ path }));

/** The same for a process that must go on meanwhile: reports are asked beside it. */
export const queryingAside = (path: string) => Layer.merge(Query.layer({ path, long: "aside" }), Ask.layer({ path }));
