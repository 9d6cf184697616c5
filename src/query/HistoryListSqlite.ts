/**
 * Histories of one kind, newest activity first, page by page.
 *
 * Room: query.
 *
 * The cursor is the pair (last activity, first sequence), which no two histories share, so a page neither repeats nor
 * skips one that did not change meanwhile.
 */
import type { Database } from "better-sqlite3";
import { openingOf } from "../../projections/threads.ts";
import { defaultTenant } from "../domain/History.ts";
import type { HistoryFilter, HistoryPage, ListedHistory } from "./HistoryList.ts";
import { QueryRefused } from "./Sql.ts";
import { all, pageSize } from "./RowsSqlite.ts";
import { narrowing } from "./ThreadConditionsSqlite.ts";
import { hiddenThread, readCursor } from "./ThreadListSqlite.ts";

interface Source {
  readonly from: string;
  readonly at: string;
  readonly title: string;
  readonly shown: string;
}

const sources: Readonly<Record<HistoryFilter["kind"], Source>> = {
  thread: {
    from: "threads t JOIN names n ON n.name = t.thread_id",
    at: "t.listed_at",
    title: `coalesce(t.title, ${openingOf})`,
    shown: `NOT ${hiddenThread}`,
  },
  task: {
    from: "tasks t JOIN names n ON n.name = t.task_id",
    at: "t.last_activity_at",
    title: "t.description",
    shown: "TRUE",
  },
  session: {
    from: "sessions t JOIN names n ON n.name = t.session_id",
    at: "coalesce(t.started_at, 0)",
    title: "NULL",
    shown: "TRUE",
  },
};

const tags = `(SELECT json_group_array(text) FROM (SELECT g_n.text FROM thread_tags g JOIN names g_n ON g_n.name = g.tag
  WHERE g.thread_id = t.thread_id AND g.tenant = t.tenant AND g.present = 1 ORDER BY g_n.text))`;

const hasTag = `EXISTS (SELECT 1 FROM thread_tags g WHERE g.thread_id = t.thread_id AND g.tenant = t.tenant
  AND g.tag = (SELECT name FROM names WHERE text = :tag) AND g.present = 1)`;

const pageSql = (filter: HistoryFilter): string => {
  const { at, from, shown, title } = sources[filter.kind];
  const isThread = filter.kind === "thread";
  const conditions = [
    "t.tenant = (SELECT name FROM names WHERE text = :tenant)",
    shown,
    ...(filter.cursor === undefined ? [] : [`(${at}, t.first_sequence) < (:at, :sequence)`]),
    ...(filter.since === undefined || isThread ? [] : [`${at} >= :since`]),
    ...(isThread ? narrowing(filter).conditions : []),
    // Texts are compared by their bytes, and no character stands behind the last one.
    ...(filter.prefix === undefined ? [] : ["n.text >= :prefix AND n.text < :prefix || char(0x10FFFF)"]),
    // Only threads have tags.
    ...(filter.tag === undefined ? [] : [isThread ? hasTag : "FALSE"]),
  ];
  return `SELECT n.text AS id, ${title} AS title, ${isThread ? tags : "'[]'"} AS tags, ${at} AS listed_at,
      t.first_sequence, t.last_sequence
    FROM ${from} WHERE ${conditions.join(" AND ")} ORDER BY ${at} DESC, t.first_sequence DESC LIMIT :limit`;
};

/** One page, or the refusal of its cursor. */
export const listHistories = (db: Database, filter: HistoryFilter, now: number): HistoryPage | QueryRefused => {
  const cursor = readCursor(filter.cursor);
  if (cursor instanceof QueryRefused) return cursor;
  const { kind, prefix, since, tag, tenant = defaultTenant } = filter;
  const [at, sequence] = cursor;
  const limit = pageSize(filter.limit);
  const values = {
    tenant,
    limit: limit + 1,
    ...(kind === "thread" ? { now, ...narrowing(filter).values } : {}),
    ...(filter.cursor === undefined ? {} : { at, sequence }),
    ...(since === undefined ? {} : { since }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(tag === undefined || kind !== "thread" ? {} : { tag }),
  };
  const found = all<Omit<ListedHistory, "tags" | "kind"> & { readonly tags: string }>(db, pageSql(filter), values);
  const histories = found
    .slice(0, limit)
    .map((row): ListedHistory => ({ ...row, kind, tags: JSON.parse(row.tags) as ReadonlyArray<string> }));
  const last = histories.at(-1);
  const next = found.length > limit && last !== undefined ? `${last.listedAt}.${last.firstSequence}` : undefined;
  return { histories, next };
};
