/**
 * Threads, newest first, page by page, filtered and searched.
 *
 * Room: query.
 *
 * A page follows the index on (last activity, first sequence) and computes counts for its own rows only. The cursor
 * is that pair, which no two threads share, so a page neither repeats nor skips one that did not change meanwhile.
 */
import type { Database } from "better-sqlite3";
import { idText } from "../projection/fold/CompactId.ts";
import { type Hit, QueryRefused, type ThreadFilter, type ThreadPage, type ThreadRow } from "./Query.ts";
import { all, pageSize } from "./RowsSqlite.ts";
import { matchOf } from "./SearchText.ts";

const cursorOf = ({ listedAt, firstSequence }: ThreadRow): string => `${listedAt}.${firstSequence}`;

export const readCursor = (after: string | undefined): readonly [number, number] | QueryRefused => {
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

/** The cast: a number is bound as a float, and FTS5 would look through all its matches for one that equals it. */
const hitOf = (
  db: Database,
  match: string,
  found: { readonly part: number; readonly parts: number },
): Hit | undefined => {
  const [hit] = all<Omit<Hit, "parts">>(
    db,
    `SELECT ${idText("p.message_id")} AS message_id, p.sequence,
       snippet(message_parts_fts, 0, '[', ']', '…', 16) AS snippet
     FROM message_parts_fts JOIN message_parts p ON p.id = message_parts_fts.rowid
     WHERE message_parts_fts MATCH :match AND message_parts_fts.rowid = CAST(:part AS INTEGER)`,
    { match, part: found.part },
  );
  return hit === undefined ? undefined : { ...hit, parts: found.parts };
};

/** A name's number; null, and so equal to nothing, for a text that no row has. */
const number = (parameter: string): string => `(SELECT name FROM names WHERE text = ${parameter})`;

const inThread = (alias: string): string => `${alias}.thread_id = t.thread_id AND ${alias}.tenant = t.tenant`;

/** Whether a row of `threads t` is deleted, or expired by `:now`. */
export const hiddenThread = "(t.deleted_at > 0 OR (t.expires_at > 0 AND t.expires_at <= :now)) IS TRUE";

const conditionsOf = (filter: ThreadFilter): ReadonlyArray<string> => [
  filter.deleted === "only" ? hiddenThread : `NOT ${hiddenThread}`,
  ...(filter.after === undefined ? [] : ["(t.listed_at, t.first_sequence) < (:at, :sequence)"]),
  ...(filter.since === undefined ? [] : ["t.listed_at >= :since"]),
  ...(filter.tenant === undefined ? [] : [`t.tenant = ${number(":tenant")}`]),
  ...(filter.tool === undefined
    ? []
    : [
        `(t.tool = ${number(":tool")} OR EXISTS (SELECT 1 FROM tool_calls c WHERE ${inThread("c")} AND c.name = ${number(":tool")}))`,
      ]),
  ...(filter.model === undefined
    ? []
    : [
        `(t.model = ${number(":model")} OR EXISTS (SELECT 1 FROM messages m WHERE ${inThread("m")} AND m.model = ${number(":model")}))`,
      ]),
];

interface Found {
  readonly threadId: string;
  readonly tenant: string;
  readonly part: number;
  readonly parts: number;
}

/** Which threads are on the page; a search begins with its hits, any other list with the index on activity. */
const pageSql = (filter: ThreadFilter, match: string | undefined): string => {
  const conditions = conditionsOf(filter);
  const [lead, hit, from] =
    match === undefined
      ? ["", "0 AS part, 0 AS parts", "threads t"]
      : [
          hitsSql,
          "h.part, h.parts",
          "hits h CROSS JOIN threads t ON t.thread_id = h.thread_id AND t.tenant = h.tenant",
        ];
  return `${lead}SELECT (SELECT text FROM names WHERE name = t.thread_id) AS thread_id,
      (SELECT text FROM names WHERE name = t.tenant) AS tenant, ${hit}
    FROM ${from} WHERE ${conditions.join(" AND ")}
    ORDER BY t.listed_at DESC, t.first_sequence DESC LIMIT :limit`;
};

/** One page, or the refusal of its cursor. */
export const listThreads = (db: Database, filter: ThreadFilter, now: number): ThreadPage | QueryRefused => {
  const cursor = readCursor(filter.after);
  if (cursor instanceof QueryRefused) return cursor;
  const match = filter.text === undefined ? undefined : matchOf(filter.text);
  // Text without a single word is found nowhere.
  if (filter.text !== undefined && match === undefined) return { threads: [] };
  const limit = pageSize(filter.limit);
  const { since, tenant, tool, model } = filter;
  const given = {
    since,
    tenant,
    tool,
    model,
    match,
    ...(filter.after === undefined ? {} : { at: cursor[0], sequence: cursor[1] }),
  };
  const values = Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
  );
  // One more than the page shows whether there is a next one.
  const found = all<Found>(db, pageSql(filter, match), { ...values, now, limit: limit + 1 });
  const threads = found.slice(0, limit).flatMap(({ threadId, tenant: of, part, parts }) => {
    const [thread] = all<ThreadRow>(db, "SELECT * FROM v_threads WHERE thread_id = :threadId AND tenant = :of", {
      threadId,
      of,
    });
    const hit = match === undefined ? undefined : hitOf(db, match, { part, parts });
    return thread === undefined ? [] : [{ ...thread, ...(hit === undefined ? {} : { hit }) }];
  });
  const last = threads.at(-1);
  return { threads, ...(found.length > limit && last !== undefined ? { next: cursorOf(last) } : {}) };
};
