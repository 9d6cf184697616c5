/**
 * Threads, newest first, page by page, filtered and searched.
 *
 * Room: query. In: Query, SearchText. Out: QuerySqlite.
 *
 * A page follows the index on (last activity, first sequence) and computes counts for its own rows only. The cursor
 * is that pair, which no two threads share, so a page neither repeats nor skips one that did not change meanwhile.
 */
import type { Database } from "better-sqlite3";
import { type Hit, QueryRefused, type ThreadFilter, type ThreadPage, type ThreadRow } from "./Query.ts";
import { all, pageSize } from "./RowsSqlite.ts";
import { matchOf } from "./SearchText.ts";

const cursorOf = ({ lastActivityAt, firstSequence }: ThreadRow): string => `${lastActivityAt}.${firstSequence}`;

const readCursor = (after: string | undefined): readonly [number, number] | QueryRefused => {
  if (after === undefined) return [Number.MAX_SAFE_INTEGER, 0];
  const [, at, sequence] = /^(-?\d{1,16})\.(\d{1,16})$/.exec(after) ?? [];
  if (at !== undefined && sequence !== undefined) return [Number(at), Number(sequence)];
  return new QueryRefused({ message: `${after} is not a cursor.`, hint: "Give the `next` of the page before." });
};

/** Threads with matching parts, their first match and how many there are. Found once for a page, whatever its size. */
const hitsSql = `WITH hits AS MATERIALIZED (
  SELECT p.thread_id, p.tenant, min(p.id) AS part, count(*) AS parts FROM message_parts p
  WHERE p.id IN (SELECT rowid FROM message_parts_fts WHERE message_parts_fts MATCH :match)
    AND (p.second_hand = 0 OR NOT EXISTS (SELECT 1 FROM messages m
      WHERE m.thread_id = p.thread_id AND m.tenant = p.tenant AND m.second_hand = 0))
  GROUP BY p.thread_id, p.tenant) `;

const hitOf = (db: Database, match: string, found: { readonly part: number; readonly parts: number }): Hit | undefined => {
  const [hit] = all<Omit<Hit, "parts">>(
    db,
    `SELECT (SELECT text FROM names WHERE name = p.message_id) AS message_id, p.sequence,
       snippet(message_parts_fts, 0, '[', ']', '…', 16) AS snippet
     FROM message_parts_fts JOIN message_parts p ON p.id = message_parts_fts.rowid
     WHERE message_parts_fts MATCH :match AND message_parts_fts.rowid = :part`,
    { match, part: found.part },
  );
  return hit === undefined ? undefined : { ...hit, parts: found.parts };
};

const conditionsOf = (filter: ThreadFilter): ReadonlyArray<string> => [
  ...(filter.after === undefined ? [] : ["(t.last_activity_at, t.first_sequence) < (:at, :sequence)"]),
  ...(filter.since === undefined ? [] : ["t.last_activity_at >= :since"]),
  ...(filter.tenant === undefined ? [] : ["v.tenant = :tenant"]),
  ...(filter.tool === undefined
    ? []
    : [
        `(v.tool = :tool OR EXISTS (SELECT 1 FROM tool_calls c
           WHERE c.thread_id = t.thread_id AND c.tenant = t.tenant AND c.name = (SELECT name FROM names WHERE text = :tool)))`,
      ]),
  ...(filter.model === undefined
    ? []
    : [
        `(v.model = :model OR EXISTS (SELECT 1 FROM messages m
           WHERE m.thread_id = t.thread_id AND m.tenant = t.tenant AND m.model = (SELECT name FROM names WHERE text = :model)))`,
      ]),
];

interface Found extends ThreadRow {
  readonly hitPart?: number;
  readonly hitParts?: number;
}

/** One page, or the refusal of its cursor. */
export const listThreads = (db: Database, filter: ThreadFilter): ThreadPage | QueryRefused => {
  const cursor = readCursor(filter.after);
  if (cursor instanceof QueryRefused) return cursor;
  const match = filter.text === undefined ? undefined : matchOf(filter.text);
  // Text without a single word is found nowhere.
  if (filter.text !== undefined && match === undefined) return { threads: [] };
  const limit = pageSize(filter.limit);
  const conditions = conditionsOf(filter);
  const found = all<Found>(
    db,
    `${match === undefined ? "" : hitsSql}SELECT v.*${match === undefined ? "" : ", h.part AS hit_part, h.parts AS hit_parts"}
     FROM ${match === undefined ? "" : "hits h CROSS JOIN "}threads t ${match === undefined ? "" : "ON t.thread_id = h.thread_id AND t.tenant = h.tenant"}
     JOIN v_threads v ON v.first_sequence = t.first_sequence
     ${conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`}
     ORDER BY t.last_activity_at DESC, t.first_sequence DESC LIMIT :limit`,
    {
      limit: limit + 1,
      ...(filter.after === undefined ? {} : { at: cursor[0], sequence: cursor[1] }),
      ...(filter.since === undefined ? {} : { since: filter.since }),
      ...(filter.tenant === undefined ? {} : { tenant: filter.tenant }),
      ...(filter.tool === undefined ? {} : { tool: filter.tool }),
      ...(filter.model === undefined ? {} : { model: filter.model }),
      ...(match === undefined ? {} : { match }),
    },
  );
  const threads = found.slice(0, limit).map(({ hitPart, hitParts, ...thread }) => {
    const hit = match === undefined || hitPart === undefined ? undefined : hitOf(db, match, { part: hitPart, parts: hitParts ?? 1 });
    return hit === undefined ? thread : { ...thread, hit };
  });
  const last = threads.at(-1);
  return { threads, ...(found.length > limit && last !== undefined ? { next: cursorOf(last) } : {}) };
};
