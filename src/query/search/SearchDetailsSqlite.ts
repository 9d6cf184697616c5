/**
 * Details of a search's hits: message, tool call and tool.
 *
 * Room: query.
 */
import type { Database } from "better-sqlite3";
import { joinsOf, type Source } from "../../../projections/search.ts";
import { all } from "../RowsSqlite.ts";
import type { SearchHit } from "./Search.ts";

const detailSql = (source: Source): string =>
  `SELECT r.id, ${source.messageId} AS message_id, ${source.callId} AS tool_call_id, ${source.tool} AS tool_name
   FROM json_each(:ids) i CROSS JOIN ${source.table} r ON r.id = i.value ${joinsOf(source)}`;

export type Detail = Pick<SearchHit, "messageId" | "toolCallId" | "toolName">;

/**
 * Details of hits, asked once for each source.
 *
 * Decision: together, because a statement over three tables costs 70 to 320 µs however few rows it gives, and 30 hits are shown.
 */
export const detailsOf = <Hit extends { readonly source: Source; readonly id: number }>(
  db: Database,
  hits: ReadonlyArray<Hit>,
): ReadonlyMap<Hit, Detail> => {
  const bySource = Map.groupBy(hits, ({ source }) => source);
  return new Map(
    [...bySource].flatMap(([source, own]) => {
      const ids = JSON.stringify(own.map(({ id }) => id));
      const found = new Map(
        all<Detail & { readonly id: number }>(db, detailSql(source), { ids }).map((one) => [one.id, one]),
      );
      return own.flatMap((hit) => {
        const detail = found.get(hit.id);
        return detail === undefined ? [] : [[hit, detail] as const];
      });
    }),
  );
};
