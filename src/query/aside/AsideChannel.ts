/**
 * Messages between the process that asks long statements and the one that answers them.
 *
 * Room: query.
 */
import type { Selected, SqlParameters } from "../Sql.ts";

export interface AsideRequest {
  /** The database file itself, no link to it. */
  readonly file: string;
  readonly text: string;
  readonly parameters: SqlParameters;
  readonly zone: string | undefined;
}

export type AsideAnswer =
  | ({ readonly _tag: "Selected" } & Selected)
  /** `Refused`: the statement; `Storage`: the file. */
  | { readonly _tag: "Refused" | "Storage"; readonly message: string };
