/**
 * Threads, newest first, page by page, filtered and searched.
 *
 * Room: query.
 *
 * A page follows the index on (last activity, first sequence) and computes counts for its own rows only. The cursor
 * is that pair, which no two threads share, so a page neither repeats nor skips one that did not change meanwhile.
 */
import type { Database } from "better-sqlite3";
import { textOf as partText } from "../../projections/text.ts";
import { listOrder } from "../../projections/threads.ts";
import { idText } from "../projection/fold/CompactId.ts";
import { type Hit, type ThreadFilter, type ThreadPage, type ThreadRow } from "./Query.ts";
import { QueryRefused } from "./Sql.ts";
import { all, pageSize } from "./RowsSqlite.ts";
import { matchOf, type Term, termsOf } from "./search/SearchText.ts";
import { byAgent, fileMatchOf, fileThreads, isMain, number, projectNames } from "./ThreadConditionsSqlite.ts";
import { around, bracketed, marksOf } from "./search/Snippet.ts";

/** Of a text around what was found, in UTF-16 units. */
const snippetWidth = 160;

/** After every time that can be said: see `listOrder`. */
const noTime = -9_000_000_000_000_000;

const cursorOf = ({ firstSequence, lastActivityAt }: ThreadRow): string =>
  `${lastActivityAt ?? noTime}.${firstSequence}`;

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

/** The part's text, with what was asked for in brackets. The index holds other words than the text: see `SearchWords`. */
const hitOf = (
  db: Database,
  terms: ReadonlyArray<Term>,
  found: { readonly part: number; readonly parts: number },
): Hit | undefined => {
  const [hit] = all<{ readonly messageId: string; readonly sequence: number; readonly text: string | null }>(
    db,
    `SELECT ${idText("p.message_id")} AS message_id, p.sequence, coalesce(${partText("p")}, p.refers_to) AS text
     FROM message_parts p WHERE p.id = :part`,
    { part: found.part },
  );
  if (hit === undefined) return undefined;
  const text = hit.text ?? "";
  const snippet = bracketed(around(text, marksOf(text, terms), snippetWidth));
  return { messageId: hit.messageId, sequence: hit.sequence, snippet, parts: found.parts };
};

const inThread = (alias: string): string => `${alias}.thread_id = t.thread_id AND ${alias}.tenant = t.tenant`;

/** True when a row of `threads t` is deleted, or expired by `:now`. */
export const hiddenThread = "(t.deleted_at > 0 OR (t.expires_at > 0 AND t.expires_at <= :now)) IS TRUE";

const conditionsOf = (filter: ThreadFilter): ReadonlyArray<string> => [
  filter.deleted === "only" ? hiddenThread : `NOT ${hiddenThread}`,
  ...(filter.after === undefined ? [] : [`(${listOrder}, t.first_sequence) < (:at, :sequence)`]),
  ...(filter.since === undefined ? [] : ["t.listed_at >= :since"]),
  ...(filter.until === undefined ? [] : ["coalesce(t.opened_at, t.listed_at) <= :until"]),
  ...(filter.project === undefined ? [] : [`t.cwd IN (${projectNames})`]),
  ...(filter.branch === undefined ? [] : [`t.branch = ${number(":branch")}`]),
  ...(filter.agent === undefined ? [] : [byAgent]),
  ...(filter.file === undefined ? [] : [`t.thread_id IN (${fileThreads})`]),
  ...(filter.role === undefined
    ? []
    : [`EXISTS (SELECT 1 FROM messages m WHERE ${inThread("m")} AND m.role = ${number(":role")})`]),
  ...(filter.hasError === true
    ? [`EXISTS (SELECT 1 FROM call_activity c WHERE ${inThread("c")} AND c.errors > 0)`]
    : []),
  ...(filter.isMain === true ? [isMain] : []),
  ...(filter.tenant === undefined ? [] : [`t.tenant = ${number(":tenant")}`]),
  ...(filter.tool === undefined
    ? []
    : [
        `(t.tool = ${number(":tool")} OR EXISTS (SELECT 1 FROM tool_calls c WHERE ${inThread("c")} AND c.name = ${number(":tool")}))`,
      ]),
  ...(filter.model === undefined
    ? []
    : [
        `(t.model = ${number(":model")} OR EXISTS (SELECT 1 FROM message_activity m WHERE ${inThread("m")} AND m.model = ${number(":model")}))`,
      ]),
];

interface Found {
  readonly threadId: string;
  readonly tenant: string;
  readonly part: number;
  readonly parts: number;
}

/** Threads on the page; a search begins with its hits, any other list with the index on activity. */
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
    ORDER BY ${listOrder} DESC, t.first_sequence DESC LIMIT :limit`;
};

/** One page, or the refusal of its cursor. */
export const listThreads = (db: Database, filter: ThreadFilter, now: number): ThreadPage | QueryRefused => {
  const cursor = readCursor(filter.after);
  if (cursor instanceof QueryRefused) return cursor;
  const match = filter.text === undefined ? undefined : matchOf(filter.text);
  const terms = termsOf(filter.text ?? "");
  // Text without a single word is found nowhere.
  if (filter.text !== undefined && match === undefined) return { threads: [] };
  const limit = pageSize(filter.limit);
  const { agent, branch, file, model, project, role, since, tenant, tool, until } = filter;
  const given = {
    agent,
    branch,
    file,
    model,
    project,
    role,
    since,
    tenant,
    tool,
    until,
    fileMatch: file === undefined ? undefined : fileMatchOf(file),
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
    const hit = match === undefined ? undefined : hitOf(db, terms, { part, parts });
    return thread === undefined ? [] : [{ ...thread, ...(hit === undefined ? {} : { hit }) }];
  });
  const last = threads.at(-1);
  return { threads, ...(found.length > limit && last !== undefined ? { next: cursorOf(last) } : {}) };
};

/** Ids of threads that begin so, and end so; an id in full is the only one. */
export const readThreadIds = (
  db: Database,
  options: {
    readonly beginning: string;
    readonly ending?: string;
    readonly tenant?: string;
    readonly limit?: number;
  },
): ReadonlyArray<string> => {
  const { beginning, ending = "", limit, tenant } = options;
  const found = all<{ readonly id: string }>(
    db,
    `SELECT n.text AS id FROM names n WHERE n.text >= :beginning AND n.text < :end ${ending === "" ? "" : "AND substr(n.text, -length(:ending)) = :ending"}
       AND EXISTS (SELECT 1 FROM threads t WHERE t.thread_id = n.name
         ${tenant === undefined ? "" : `AND t.tenant = ${number(":tenant")}`})
       AND NOT EXISTS (SELECT 1 FROM names r JOIN threads t ON t.thread_id = r.name
         WHERE r.text = substr(n.text, 1, instr(n.text, '/') - 1) AND r.text >= :beginning ${ending === "" ? "" : "AND substr(r.text, -length(:ending)) = :ending"})
     ORDER BY n.text LIMIT :limit`,
    {
      beginning,
      end: `${beginning}\u{10ffff}`,
      limit: pageSize(limit, 10),
      ...(ending === "" ? {} : { ending }),
      ...(tenant === undefined ? {} : { tenant }),
    },
  );
  const [first] = found;
  return first?.id === beginning ? [beginning] : found.map(({ id }) => id);
};
