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
import { listOrder, openingOf } from "../../projections/threads.ts";
import { idText } from "../projection/fold/CompactId.ts";
import { type Hit, type ThreadFilter, type ThreadPage, type ThreadRow } from "./Query.ts";
import { QueryRefused } from "./Sql.ts";
import { all, pageSize } from "./RowsSqlite.ts";
import { questionRefused } from "./search/Question.ts";
import { matchOf, type Term, termsOf } from "./search/SearchText.ts";
import { narrowing, number } from "./ThreadConditionsSqlite.ts";
import { known } from "./brief/Plain.ts";
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

/** True when a row of `threads t` is deleted, or expired by `:now`. */
export const hiddenThread = "(t.deleted_at > 0 OR (t.expires_at > 0 AND t.expires_at <= :now)) IS TRUE";

const titled = `instr(lower(coalesce(t.title, '') || ' ' || coalesce(${openingOf}, '')), lower(:title)) > 0`;

const conditionsOf = (filter: ThreadFilter): ReadonlyArray<string> => [
  filter.deleted === "only" ? hiddenThread : `NOT ${hiddenThread}`,
  ...narrowing(filter).conditions,
  ...(filter.tenant === undefined ? [] : [`t.tenant = ${number(":tenant")}`]),
  ...(filter.title === undefined ? [] : [titled]),
  ...(filter.parent === undefined ? [] : [`t.parent_thread_id = ${number(":parent")}`]),
];

interface Found {
  readonly threadId: string;
  readonly tenant: string;
  readonly part: number;
  readonly parts: number;
}

/** A search begins with its hits, any other list with the index on activity. */
const fromOf = (match: string | undefined) =>
  match === undefined
    ? { lead: "", hit: "0 AS part, 0 AS parts", from: "threads t" }
    : {
        lead: hitsSql,
        hit: "h.part, h.parts",
        from: "hits h CROSS JOIN threads t ON t.thread_id = h.thread_id AND t.tenant = h.tenant",
      };

/** Threads on the page. */
const pageSql = (filter: ThreadFilter, match: string | undefined): string => {
  const conditions = [
    ...conditionsOf(filter),
    ...(filter.after === undefined ? [] : [`(${listOrder}, t.first_sequence) < (:at, :sequence)`]),
  ];
  const { from, hit, lead } = fromOf(match);
  return `${lead}SELECT (SELECT text FROM names WHERE name = t.thread_id) AS thread_id,
      (SELECT text FROM names WHERE name = t.tenant) AS tenant, ${hit}
    FROM ${from} WHERE ${conditions.join(" AND ")}
    ORDER BY ${listOrder} DESC, t.first_sequence DESC LIMIT :limit OFFSET :skip`;
};

/** Number of threads on all pages. */
const countSql = (filter: ThreadFilter, match: string | undefined): string => {
  const { from, lead } = fromOf(match);
  return `${lead}SELECT count(*) AS total FROM ${from} WHERE ${conditionsOf(filter).join(" AND ")}`;
};

/** One page, or the refusal of its cursor. */
export const listThreads = (db: Database, filter: ThreadFilter, now: number): ThreadPage | QueryRefused => {
  const cursor = readCursor(filter.after);
  if (cursor instanceof QueryRefused) return cursor;
  const refused = questionRefused(filter.text) ?? questionRefused(filter.file);
  if (refused !== undefined) return refused;
  const match = filter.text === undefined ? undefined : matchOf(filter.text);
  const terms = termsOf(filter.text ?? "");
  // Text without a single word is found nowhere.
  if (filter.text !== undefined && match === undefined)
    return { threads: [], ...(filter.isCounted === true ? { total: 0 } : {}) };
  const limit = pageSize(filter.limit);
  const { parent, skip = 0, tenant, title } = filter;
  const given = { ...narrowing(filter).values, ...known({ parent, tenant, title, match }), now };
  const place = filter.after === undefined ? {} : { at: cursor[0], sequence: cursor[1] };
  // One more than the page shows whether there is a next one.
  const found = all<Found>(db, pageSql(filter, match), { ...given, ...place, limit: limit + 1, skip });
  const threads = found.slice(0, limit).flatMap(({ threadId, tenant: of, part, parts }) => {
    const [thread] = all<ThreadRow>(db, "SELECT * FROM v_threads WHERE thread_id = :threadId AND tenant = :of", {
      threadId,
      of,
    });
    const hit = match === undefined ? undefined : hitOf(db, terms, { part, parts });
    return thread === undefined ? [] : [{ ...thread, ...(hit === undefined ? {} : { hit }) }];
  });
  const last = threads.at(-1);
  const [counted] =
    filter.isCounted === true ? all<{ readonly total: number }>(db, countSql(filter, match), given) : [];
  return {
    threads,
    ...known({ total: counted?.total }),
    ...(found.length > limit && last !== undefined ? { next: cursorOf(last) } : {}),
  };
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
