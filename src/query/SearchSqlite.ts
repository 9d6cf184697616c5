/**
 * Search over everything that was said, given to tools and answered by them: the best threads, with their best hits.
 *
 * Room: query.
 *
 * Bounded: of each source the newest `mostCandidates` matches are looked at, ranked first by what costs nothing (kind,
 * length, age), and the best of them by their text. So a word of every message costs what a rare one does, and the
 * answer says when older matches were not looked at.
 *
 * Decision: not by FTS5's own rank, because it goes through all matches of a word before the first is known. Of a million
 * messages the first ten threads took 12 to 19 ms of processor for common words and beginnings and 1 to 2 ms for rare ones
 * (again and again in one process, on a busy machine with two cores; 20 to 150 ms the first time).
 */
import type { Database } from "better-sqlite3";
import { type HitKind, joinsOf, type Source, sources } from "../../projections/search.ts";
import { askedWords } from "../domain/search/SearchWords.ts";
import { type ThreadRow } from "./Query.ts";
import { QueryRefused } from "./Sql.ts";
import { all, prepared } from "./RowsSqlite.ts";
import { type Finder, finderOf } from "./SearchScan.ts";
import { columnsOf, conditionsOf } from "./SearchSourcesSqlite.ts";
import type { SearchAnswer, SearchFilter, SearchHit } from "./Search.ts";
import { makeBeginnings } from "./SearchBeginningsSqlite.ts";
import { beginningsOf, matchOf } from "./SearchText.ts";
import { around } from "./Snippet.ts";
import { hiddenThread } from "./ThreadListSqlite.ts";

/** Matches of one source that are looked at. */
const mostCandidates = 500;
/** With filters: matches of which those that pass are looked for. */
const mostFiltered = 20_000;
/** So many that were found by words in place of a beginning are enough. */
const fewestNear = 100;
/** Of which the text is read: so many, and together about so many bytes. */
const mostRead = 60;
const mostReadBytes = 256 * 1024;
/** Units of a text that count for its rank, and in which its words are looked for first. */
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
  `${joinsOf(source)} WHERE NOT ${hiddenThread} AND ${conditions.join(" AND ")}`;

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

const textsSql = (source: Source): string => `SELECT ${source.text} FROM ${source.table} r WHERE r.id = :id`;

/** Texts by candidate. One that was read is kept, but for what is beyond the part that counts for its rank. */
const makeTexts = (db: Database) => {
  const heads = new Map<Candidate, string>();
  const whole = (one: Candidate): string => {
    const text = prepared(db, textsSql(one.source)).statement.get({ id: one.id })?.[0];
    return typeof text === "string" ? text : "";
  };
  const head = (one: Candidate): string => {
    const known = heads.get(one) ?? whole(one).slice(0, rankedUnits);
    heads.set(one, known);
    return known;
  };
  return { head, whole: (one: Candidate) => (head(one).length < rankedUnits ? head(one) : whole(one)) };
};

/** The newest matches of a source by its index. Beginnings of words are asked for by words that the newest texts have. */
const byIndex = (
  db: Database,
  text: string,
  { ask, source }: { readonly source: Source; readonly ask: (match: string) => ReadonlyArray<Candidate> },
): Gathered => {
  const beginnings = makeBeginnings(db, source);
  const whole = matchOf(text) ?? "";
  const near = matchOf(text, beginnings.instead) ?? whole;
  const newest = near === whole ? [] : ask(near);
  if (newest.length >= fewestNear) return { candidates: newest, isCut: true };
  // Few of them: all that have the other words are looked through, where those are few.
  const rest = near === whole ? undefined : matchOf(text, () => "left out");
  const others = rest === undefined ? undefined : ask(rest);
  if (others !== undefined && others.length < mostCandidates) {
    const { whole: textOf } = makeTexts(db);
    const asked = beginningsOf(text);
    return { candidates: others.filter((one) => beginnings.stand(textOf(one), asked)), isCut: false };
  }
  const candidates = ask(whole);
  return { candidates, isCut: candidates.length >= mostCandidates };
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
    const sql = matchesSql(source, conditions, conditions.length > 1);
    return byIndex(db, filter.text, {
      source,
      ask: (match) => all<Omit<Candidate, "source">>(db, sql, { ...bound, match }).map((one) => ({ ...one, source })),
    });
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

interface Ranked {
  readonly one: Candidate;
  readonly score: number;
}

/** Share of its score that counts for a text that was not read. */
const unreadShare = 0.3;

type Texts = ReturnType<typeof makeTexts>;

/** The best by what costs nothing, ranked again by how the words stand in their texts. */
const rank = (candidates: ReadonlyArray<Candidate>, finder: Finder, texts: Texts): ReadonlyArray<Ranked> => {
  const latest = candidates.reduce((most, { at }) => Math.max(most, at ?? 0), 0);
  const scored = candidates
    .map((one): Ranked => ({ one, score: firstScore(one, latest) }))
    .toSorted((left, right) => right.score - left.score || right.one.sequence - left.one.sequence);
  let bytes = 0;
  return scored
    .map(({ one, score }, place): Ranked => {
      const isRead = place === 0 || (place < mostRead && bytes < mostReadBytes);
      if (isRead) bytes += one.bytes;
      return { one, score: score * (isRead ? finder.quality(texts.head(one)) : unreadShare) };
    })
    .toSorted((left, right) => right.score - left.score);
};

const detailSql = (source: Source): string =>
  `SELECT ${source.messageId} AS message_id, ${source.callId} AS tool_call_id, ${source.tool} AS tool_name
   FROM ${source.table} r ${joinsOf(source)} WHERE r.id = :id`;

type Detail = Pick<SearchHit, "messageId" | "toolCallId" | "toolName">;

/** A text and where in it the words stand: its head where they stand there, and nothing is put in its place. */
const markedText = (
  one: Candidate,
  { finder, shown, texts }: { readonly finder: Finder; readonly texts: Texts; readonly shown: SearchFilter["shown"] },
) => {
  const head = texts.head(one);
  const inHead = shown === undefined ? finder.marks(head) : [];
  if (inHead.length > 0) return { text: head, marks: inHead };
  const stored = texts.whole(one);
  const text = shown?.(stored) ?? stored;
  return { text, marks: finder.marks(text) };
};

const hitOf = (
  db: Database,
  one: Candidate,
  how: {
    readonly finder: Finder;
    readonly texts: Texts;
    readonly width: number;
    readonly shown: SearchFilter["shown"];
  },
) => {
  const [detail] = all<Detail>(db, detailSql(one.source), { id: one.id });
  const { text, marks } = markedText(one, how);
  const snippet = around(text, marks, how.width);
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
    const threads = Map.groupBy(ranked, ({ one: { tenantName, thread } }) => `${thread} ${tenantName}`);
    const best = [...threads.values()]
      .map((hits) => ({ hits, score: (hits[0]?.score ?? 0) * (1 + 0.15 * Math.log2(hits.length)) }))
      .toSorted((left, right) => right.score - left.score)
      .slice(0, Math.max(1, Math.min(1000, filter.limit ?? 10)));
    const how = { finder, texts, width: filter.width ?? 160, shown: filter.shown };
    return {
      threads: best.flatMap(({ hits }) => {
        const [first] = hits;
        if (first === undefined) return [];
        const { tenantName, thread: name } = first.one;
        const [thread] = all<ThreadRow>(db, threadSql, { thread: name, tenantName });
        const shown = hits.slice(0, filter.hitsPerThread ?? 3).map(({ one }) => hitOf(db, one, how));
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
