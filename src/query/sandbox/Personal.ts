/**
 * Columns of the public views that hold what persons wrote, or who and where they are: those that the catalog calls personal.
 *
 * Room: query.
 *
 * A role that may not see them reads NULL in their place. A view that is not named here is not shown to it at all.
 */
import { readModels } from "../../../projections/all.ts";
import { catalogued } from "../../projection/Catalog.ts";
import { viewsOf } from "../../projection/EngineSqlite.ts";

/** View to its personal columns. */
export const personalColumns: Readonly<Record<string, ReadonlyArray<string>>> = Object.fromEntries(
  viewsOf(readModels).map(({ columns, name }) => [
    name,
    Object.keys(columns).filter((column) => catalogued(column)?.isPersonal !== false),
  ]),
);
