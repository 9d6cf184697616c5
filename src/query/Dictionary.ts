/**
 * The dictionary of the public views, from the code that makes them; and the same as metadata for Datasette.
 *
 * Room: query.
 *
 * `v_dictionary` has it in the database. From here it is known without one.
 */
import { readModels } from "../../projections/all.ts";
import { type Catalogued, catalogued } from "../projection/Catalog.ts";
import { viewsOf } from "../projection/EngineSqlite.ts";

export interface DescribedColumn extends Catalogued {
  readonly name: string;
  readonly doc: string;
}

export interface DescribedView {
  readonly name: string;
  readonly doc: string;
  /** In the view's order. */
  readonly columns: ReadonlyArray<DescribedColumn>;
}

/** Every public view, in the order in which they are made. */
export const dictionary = (): ReadonlyArray<DescribedView> =>
  viewsOf(readModels).map(({ columns, doc, name }) => ({
    name,
    doc,
    columns: Object.entries(columns).flatMap(([column, sentence]) => {
      const known = catalogued(column);
      return known === undefined ? [] : [{ name: column, doc: sentence, ...known }];
    }),
  }));

/** Datasette's metadata.json for a database of that name: its file's, without the ending. */
export const datasetteMetadata = (database: string) => ({
  title: "Recollect",
  description: "The memory of record for AI agents: every message, tool call and task, as views.",
  databases: {
    [database]: {
      tables: Object.fromEntries(
        dictionary().map(({ columns, doc, name }) => [
          name,
          {
            description: doc,
            columns: Object.fromEntries(
              columns.map((column) => [
                column.name,
                `${column.doc} Unit: ${column.unit}. ${column.isPersonal ? "Personal." : ""}`.trim(),
              ]),
            ),
            units: Object.fromEntries(
              columns.flatMap(({ name: of, purpose, unit }) => (purpose === "measure" ? [[of, unit]] : [])),
            ),
          },
        ]),
      ),
    },
  },
});
