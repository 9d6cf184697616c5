/**
 * Ranges of a source's rows in which what passes a filter stands, by ids: so that a search begins there.
 *
 * Room: query.
 */
import type { Database } from "better-sqlite3";
import type { Source } from "../../../projections/search.ts";
import { prepared } from "../RowsSqlite.ts";
import type { SearchFilter } from "./Search.ts";

export interface Range {
  readonly first: number;
  readonly last: number;
  /** The thread whose rows are meant: those of others that ran beside it stand between them. */
  readonly thread?: number;
}

const noRange: Range = { first: 0, last: Number.MAX_SAFE_INTEGER };

const spanOf = (db: Database, ids: string, bound: Readonly<Record<string, string | number>>): Range | undefined => {
  const [first, last] = prepared(db, `SELECT min(id), max(id) FROM (${ids})`).statement.get(bound) ?? [];
  return typeof first === "number" && typeof last === "number" ? { first, last } : undefined;
};

/** Ranges of rows in which what passes stands, the likeliest first: rows come mostly in the order of their times. */
export const rangesOf = (db: Database, source: Source, filter: SearchFilter): ReadonlyArray<Range> => {
  const { threadId, until } = filter;
  if (threadId !== undefined && source.idsOfThread !== undefined) {
    const span = spanOf(db, source.idsOfThread, { threadId });
    return span === undefined ? [] : [span];
  }
  if (until === undefined || source.idsUntil === undefined) return [noRange];
  const span = spanOf(db, source.idsUntil, { until });
  return span === undefined
    ? [noRange]
    : [
        { ...noRange, last: span.last },
        { ...noRange, first: span.last + 1 },
      ];
};

/** Rows of these threads, thread by thread; undefined for a source whose rows are not found by their thread. */
export const threadRanges = (
  db: Database,
  { idsOfThread }: Source,
  threads: ReadonlyArray<number>,
): Iterable<Range> | undefined => {
  const ids = idsOfThread?.replace("(SELECT name FROM names WHERE text = :threadId)", ":thread");
  if (ids === undefined) return undefined;
  return (function* () {
    for (const thread of threads) {
      const span = spanOf(db, ids, { thread });
      if (span !== undefined) yield { ...span, thread };
    }
  })();
};
