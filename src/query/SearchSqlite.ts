/**
 * Search over everything that was said, given to tools and answered by them: the best threads, with their best hits.
 *
 * Room: query.
 *
 * Bounded: of each source the newest `mostCandidates` matches are looked at, ranked first by what costs nothing (kind,
 * length, age), and the best of them by their text. So a word of every message costs what a rare one does, and the
 * answer says when older matches were not looked at.
 *
 * Decision: not by FTS5's own rank, because it goes through all matches of a word before the first is known.
 */
import type { Database } from "better-sqlite3";
import { askedWords } from "../domain/search/SearchWords.ts";
import { type ThreadRow } from "./Query.ts";
import { QueryRefused } from "./Sql.ts";
import { all } from "./RowsSqlite.ts";
import { type Finder, finderOf } from "./SearchScan.ts";
import { columnsOf, conditionsOf, type Source, sources } from "./SearchSourcesSqlite.ts";
import type { HitKind, SearchAnswer, SearchFilter, SearchHit } from "./Search.ts";
import { around } from "./Snippet.ts";
import { hiddenThread } from "./ThreadListSqlite.ts";

/** Matches of one source that are looked at. */
const mostCandidates = 1_000;
/** With filters: matches of which those that pass are looked for. */
const mostFiltered = 20_000;
/** Of which the text is read. */
const mostRead = 120;
/** Units of a text that count for its rank. */
const rankedUnits = 64 * 1024;

interface Candidate {
  readonly source: Source;
  readonly id: number;
  readonly thread: number;
  readonly tenantName: number;
  readonly kind: HitKind;
  readonly sequence: number;
  readonly role: string | null;
  readonly at: number | null;
  readonly bytes: number;
}

type Bound = Readonly<Record<string, string | number>>;

const boundOf = (filter: SearchFilter): Bound => {
  const { agent, branch, file, model, project, role, since, tenant, threadId, tool, until } = filter;
  const given = { agent, branch, model, project, role, since, tenant, threadId, tool, until };
  const bound = Object.entries(given).filter((entry): entry is [string, string | number] => entry[1] !== undefined);
  const words = file === undefined ? [] : [["file", file] as const, ["fileMatch", phraseOf(file)] as const];
  const left = filter.except === undefined ? [] : [["except", JSON.stringify(filter.except)] as const];
  return Object.fromEntries([...bound, ...words, ...left]);
};

const phraseOf = (text: string): string => `"${askedWords(text).phrase.replaceAll('"', '""')}"`;

const fromOf = (source: Source, conditions: ReadonlyArray<string>): string =>
  `JOIN threads t ON t.thread_id = r.thread_id AND t.tenant = r.tenant ${source.joins} WHERE NOT ${hiddenThread} AND ${conditions.join(" AND ")}`;

/** The newest matches of a source, as the index has them: nothing is sorted. */
const matchesSql = (source: Source, conditions: ReadonlyArray<string>, isFiltered: boolean): string =>
  `SELECT ${columnsOf(source)} FROM (SELECT rowid FROM ${source.table}_fts WHERE ${source.table}_fts MATCH :match
     ORDER BY rowid DESC LIMIT ${isFiltered ? mostFiltered : mostCandidates}) i
   CROSS JOIN ${source.table} r ON r.id = i.rowid ${fromOf(source, conditions)} LIMIT ${mostCandidates}`;

/** All rows of a source, newest first, with their texts. */
const rowsSql = (source: Source, conditions: ReadonlyArray<string>): string =>
  `SELECT ${columnsOf(source)}, ${source.text} AS text FROM ${source.table} r ${fromOf(source, [source.has, ...conditions])}
   ORDER BY r.id DESC`;

interface Gathered {
  readonly candidates: ReadonlyArray<Candidate>;
  readonly isCut: boolean;
}

type WithText = Omit<Candidate, "source"> & { readonly text: string | null };

/** Rows whose texts are looked through, until there are enough or the time is over. */
const scanned = (
  db: Database,
  finder: Extract<Finder, { readonly by: "scan" }>,
  each: { readonly source: Source; readonly conditions: ReadonlyArray<string>; readonly bound: Bound },
): Gathered => {
  const candidates: Array<Candidate> = [];
  const rows = db
    .prepare<[Bound], WithText & { tenant_name: number }>(rowsSql(each.source, each.conditions))
    .iterate(each.bound);
  let batch: Array<WithText & { tenant_name: number }> = [];
  const take = (): void => {
    const hits = finder.test(batch.map(({ text }) => text ?? ""));
    for (const [at, row] of batch.entries()) {
      const { text: _, tenant_name: tenantName, ...rest } = row;
      if (hits[at] === true) candidates.push({ ...rest, tenantName, source: each.source });
    }
    batch = [];
  };
  for (const row of rows) {
    batch.push(row);
    if (batch.length < 128) continue;
    take();
    if (candidates.length >= mostCandidates || finder.isOver()) return { candidates, isCut: true };
  }
  take();
  return { candidates, isCut: false };
};

const gather = (
  db: Database,
  finder: Finder,
  { filter, now }: { readonly filter: SearchFilter; readonly now: number },
): Gathered => {
  const bound = { ...boundOf(filter), now };
  const gathered = sources.map((source): Gathered => {
    const conditions = conditionsOf(source, filter);
    if (conditions === undefined) return { candidates: [], isCut: false };
    if (finder.by === "scan") return scanned(db, finder, { source, conditions, bound });
    const isFiltered = conditions.length > 1;
    const found = all<Omit<Candidate, "source">>(db, matchesSql(source, conditions, isFiltered), {
      ...bound,
      match: finder.match,
    });
    return {
      candidates: found.map((candidate) => ({ ...candidate, source })),
      isCut: found.length >= mostCandidates,
    };
  });
  return { candidates: gathered.flatMap(({ candidates }) => candidates), isCut: gathered.some(({ isCut }) => isCut) };
};

/** Weight of a hit, by kind. */
const worth: Readonly<Record<HitKind, number>> = {
  title: 3,
  said: 1.6,
  file: 1.5,
  summary: 1.3,
  arguments: 1,
  result: 0.8,
  thinking: 0.8,
};

const halfLifeMillis = 180 * 86_400_000;

const firstScore = ({ at, bytes, kind, role }: Candidate, latest: number): number => {
  const who = kind !== "said" || role === "assistant" ? 1 : role === "user" || role === "task" ? 1.3 : 0.5;
  const length = 1 + Math.log2(1 + bytes / 200) / 3;
  const age = at === null ? 0.5 : 1 / (1 + Math.max(0, latest - at) / halfLifeMillis);
  return (worth[kind] * who * (0.6 + 0.4 * age)) / length;
};

interface Ranked extends Candidate {
  readonly score: number;
}

const textsSql = (source: Source): string => `SELECT ${source.text} FROM ${source.table} r WHERE r.id = ?`;

const makeTexts = (db: Database) => {
  const statements = new Map<Source, ReturnType<Database["prepare"]>>();
  return ({ id, source }: Candidate): string => {
    const statement = statements.get(source) ?? db.prepare(textsSql(source)).pluck();
    statements.set(source, statement);
    const text: unknown = statement.get(id);
    return typeof text === "string" ? text : "";
  };
};

type Texts = ReturnType<typeof makeTexts>;

/** The best by what costs nothing, ranked again by how the words stand in their texts. */
const rank = (candidates: ReadonlyArray<Candidate>, finder: Finder, texts: Texts): ReadonlyArray<Ranked> => {
  const latest = candidates.reduce((most, { at }) => Math.max(most, at ?? 0), 0);
  const scored = candidates
    .map((candidate): Ranked => ({ ...candidate, score: firstScore(candidate, latest) }))
    .toSorted((left, right) => right.score - left.score || right.sequence - left.sequence);
  const read = scored.slice(0, mostRead).map((one): Ranked => {
    return { ...one, score: one.score * finder.quality(texts(one).slice(0, rankedUnits)) };
  });
  return [...read, ...scored.slice(mostRead).map((one): Ranked => ({ ...one, score: one.score * 0.3 }))].toSorted(
    (left, right) => right.score - left.score,
  );
};

const detailSql = ({ callId, joins, messageId, table, tool }: Source): string =>
  `SELECT ${messageId} AS message_id, ${callId} AS tool_call_id, ${tool} AS tool_name FROM ${table} r
   JOIN threads t ON t.thread_id = r.thread_id AND t.tenant = r.tenant ${joins} WHERE r.id = :id`;

type Detail = Pick<SearchHit, "messageId" | "toolCallId" | "toolName">;

const hitOf = (
  db: Database,
  one: Ranked,
  how: {
    readonly finder: Finder;
    readonly texts: Texts;
    readonly width: number;
    readonly shown: ((text: string) => string) | undefined;
  },
) => {
  const [detail] = all<Detail>(db, detailSql(one.source), { id: one.id });
  const stored = how.texts(one);
  const text = how.shown?.(stored) ?? stored;
  const snippet = around(text, how.finder.marks(text), how.width);
  return {
    kind: one.kind,
    sequence: one.sequence,
    messageId: detail?.messageId ?? null,
    toolCallId: detail?.toolCallId ?? null,
    toolName: detail?.toolName ?? null,
    role: one.role,
    at: one.at,
    snippet: snippet.text,
    marks: snippet.marks,
  } satisfies SearchHit;
};

const threadSql = `SELECT v.* FROM v_threads v WHERE v.thread_id = (SELECT text FROM names WHERE name = :thread)
  AND v.tenant = (SELECT text FROM names WHERE name = :tenantName)`;

/** The threads of a search, or why it cannot be asked. */
export const search = (db: Database, filter: SearchFilter, now: number): SearchAnswer | QueryRefused => {
  const finder = finderOf(filter);
  if (finder instanceof QueryRefused) return finder;
  try {
    const texts = makeTexts(db);
    const { candidates, isCut } = gather(db, finder, { filter, now });
    const ranked = rank(candidates, finder, texts);
    const threads = Map.groupBy(ranked, ({ tenantName, thread }) => `${thread} ${tenantName}`);
    const best = [...threads.values()]
      .map((hits) => ({ hits, score: (hits[0]?.score ?? 0) * (1 + 0.15 * Math.log2(hits.length)) }))
      .toSorted((left, right) => right.score - left.score)
      .slice(0, Math.max(1, Math.min(1000, filter.limit ?? 10)));
    const how = { finder, texts, width: filter.width ?? 160, shown: filter.shown };
    return {
      threads: best.flatMap(({ hits }) => {
        const [first] = hits;
        if (first === undefined) return [];
        const { tenantName, thread: name } = first;
        const [thread] = all<ThreadRow>(db, threadSql, { thread: name, tenantName });
        const shown = hits.slice(0, filter.hitsPerThread ?? 3).map((one) => hitOf(db, one, how));
        return thread === undefined ? [] : [{ thread, count: hits.length, hits: shown }];
      }),
      total: threads.size,
      ranked: ranked.length,
      isCut,
    };
  } catch (cause) {
    if (cause instanceof QueryRefused) return cause;
    throw cause;
  }
};
