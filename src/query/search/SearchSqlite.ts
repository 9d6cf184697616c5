/**
 * Search over everything that was said, given to tools and answered by them: the best threads, with their best hits.
 *
 * Room: query.
 *
 * Bounded: of each source the newest `mostCandidates` matches are looked at, ranked first by what costs nothing (kind,
 * length, age), and the best of them by their text. With filters it goes back in the index until enough passed, or 15,000
 * matches were looked at; `goesOn` until the end of the index, or 2 s. So a word of every message costs what a rare one does, and the answer says when older matches
 * were not looked at.
 *
 * Decision: not by FTS5's own rank, because it goes through all matches of a word before the first is known. Of a million
 * messages the first ten threads took 12 to 19 ms of processor for common words and beginnings and 1 to 2 ms for rare ones
 * (again and again in one process, on a busy machine with two cores; 20 to 150 ms the first time).
 */
import type { Database } from "better-sqlite3";
import { type HitKind, joinsOf, type Source, sources } from "../../../projections/search.ts";
import { type ThreadRow } from "../Query.ts";
import { QueryRefused } from "../Sql.ts";
import { all, prepared } from "../RowsSqlite.ts";
import { type Finder, finderOf } from "./SearchScan.ts";
import { columnsOf, conditionsOf } from "./SearchSourcesSqlite.ts";
import type { SearchAnswer, SearchFilter, SearchHit } from "./Search.ts";
import { type Range, rangesOf, threadRanges } from "./SearchRangesSqlite.ts";
import { areAll, boundSets, mostLeading, setsOf, type Sets } from "./SearchSetsSqlite.ts";
import { firstScore } from "./SearchScore.ts";
import { makeBeginnings } from "./SearchBeginningsSqlite.ts";
import { type Detail, detailsOf } from "./SearchDetailsSqlite.ts";
import { beginningsOf, matchOf } from "./SearchText.ts";
import { around } from "./Snippet.ts";
import { hiddenThread } from "../ThreadListSqlite.ts";

/** Matches of one source that are looked at. */
const mostCandidates = 500;
/** With filters: matches of which those that pass are looked for at a time, and how many times until enough passed. */
const mostFiltered = 5_000;
const mostTimes = 3;
/** The same where threads are known to be looked in: their rows come next. */
const mostAhead = 1_000;
/** Longest time that is gone on where that is asked for. */
const mostMillis = 2_000;
const mostPassed = 200;
const enoughPassed = 50;
/** So many that were found by words in place of a beginning are enough. */
const fewestNear = 100;
/** Of which the text is read: so many, and together about so many bytes. */
const mostRead = 60;
const mostReadBytes = 256 * 1024;
/** Units of a text that count for its rank, and in which its words are looked for first. */
const rankedUnits = 64 * 1024;

/** Texts that are gone through in one go: so many, and together about so many UTF-16 units. */
const scannedRows = 1000;
const scannedUnits = 1024 * 1024;

/** Threads of the answer. */
const limitOf = ({ limit }: SearchFilter): number => Math.max(1, Math.min(1000, limit ?? 10));

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
  const { agent, branch, model, role, since, tenant, threadId, tool, until } = filter;
  const given = { agent, branch, model, role, since, tenant, threadId, tool, until };
  const bound = Object.entries(given).filter((entry): entry is [string, string | number] => entry[1] !== undefined);
  const left = filter.except === undefined ? [] : [["except", JSON.stringify(filter.except)] as const];
  return Object.fromEntries([...bound, ...left]);
};

const fromOf = (source: Source, conditions: ReadonlyArray<string>): string =>
  `${joinsOf(source)} WHERE NOT ${hiddenThread} AND ${conditions.join(" AND ")}`;

const matching = (source: Source): string =>
  `SELECT rowid FROM ${source.table}_fts WHERE ${source.table}_fts MATCH :match`;

/** The newest matches of a source, as the index has them: nothing is sorted. */
const matchesSql = (source: Source, conditions: ReadonlyArray<string>): string =>
  `SELECT ${columnsOf(source)} FROM (${matching(source)} ORDER BY rowid DESC LIMIT ${mostCandidates}) i
   CROSS JOIN ${source.table} r ON r.id = i.rowid ${fromOf(source, conditions)}`;

/** A bound that is no integer (every number of JavaScript is none) would be no bound to the index. */
const inRange = (source: Source): string =>
  `${matching(source)} AND rowid BETWEEN CAST(:first AS INTEGER) AND CAST(:last AS INTEGER) ORDER BY rowid DESC LIMIT`;

/** The newest matches that pass, of so many whose rows are in a range. */
const filteredSql = (source: Source, conditions: ReadonlyArray<string>): string =>
  `SELECT ${columnsOf(source)} FROM (${inRange(source)} :most) i
   CROSS JOIN ${source.table} r ON r.id = i.rowid ${fromOf(source, conditions)} LIMIT :enough`;

/** The first match behind them. */
const behindSql = (source: Source): string => `${inRange(source)} 1 OFFSET :most`;

/**
 * Ids and texts of a source, newest first: of all rows, or of those with a match. Without a filter nothing is joined: that
 * takes a third of the time of a row with all its columns.
 */
const textsOfSql = (source: Source, conditions: ReadonlyArray<string>, isMatched: boolean): string => {
  const from = conditions.length > 1 ? fromOf(source, [source.has, ...conditions]) : `WHERE ${source.has}`;
  return isMatched
    ? `SELECT r.id, ${source.text} FROM (${matching(source)} ORDER BY rowid DESC) i CROSS JOIN ${source.table} r ON r.id = i.rowid ${from}`
    : `SELECT r.id, ${source.text} FROM ${source.table} r ${from} ORDER BY r.id DESC`;
};

const theseSql = (source: Source, conditions: ReadonlyArray<string>): string =>
  `SELECT ${columnsOf(source)} FROM ${source.table} r ${fromOf(source, [...conditions, "r.id IN (SELECT value FROM json_each(:ids))"])}`;

interface Gathered {
  readonly candidates: ReadonlyArray<Candidate>;
  readonly isCut: boolean;
}

/** Rows whose texts are looked through, until there are enough or the time is over. */
const scanned = (
  db: Database,
  finder: Extract<Finder, { readonly by: "scan" }>,
  { bound, conditions, source }: Pick<Asked, "source" | "conditions" | "bound">,
): Gathered => {
  const candidates: Array<Candidate> = [];
  const { match } = finder;
  let ids: Array<number> = [];
  let texts: Array<string> = [];
  let units = 0;
  const take = (): boolean => {
    const hits = finder.test(texts);
    if (hits === undefined) return false;
    const found = ids.filter((_, at) => hits[at] === true);
    if (found.length > 0)
      candidates.push(...of(source, all(db, theseSql(source, conditions), { ...bound, ids: JSON.stringify(found) })));
    ids = [];
    texts = [];
    units = 0;
    return true;
  };
  const rows = db
    .prepare<[Bound], [number, string | null]>(textsOfSql(source, conditions, match !== undefined))
    .raw()
    .iterate(match === undefined ? bound : { ...bound, match });
  for (const [id, text] of rows) {
    ids.push(id);
    texts.push(text ?? "");
    units += text?.length ?? 0;
    if (ids.length < scannedRows && units < scannedUnits) continue;
    if (!take() || candidates.length >= mostCandidates || finder.isOver()) return { candidates, isCut: true };
  }
  return { isCut: !take(), candidates };
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

type Ask = (match: string) => Gathered;

interface Asked {
  readonly source: Source;
  readonly conditions: ReadonlyArray<string>;
  readonly bound: Bound;
  readonly filter: SearchFilter;
  readonly sets: Sets;
}

const of = (source: Source, found: ReadonlyArray<Omit<Candidate, "source">>): ReadonlyArray<Candidate> =>
  found.map((one) => ({ ...one, source }));

const asksNewest =
  (db: Database, { bound, conditions, source }: Asked): Ask =>
  (match) => {
    const candidates = of(source, all(db, matchesSql(source, conditions), { ...bound, match }));
    return { candidates, isCut: candidates.length >= mostCandidates };
  };

/** Scan of one source's matches in a range, with the hits that passed so far. */
const makeLooking = (db: Database, { bound, conditions, filter, source }: Asked, match: string) => {
  const passed = new Map<number, Candidate>();
  const isEnough = (): boolean =>
    passed.size >= mostCandidates ||
    (passed.size >= enoughPassed && new Set([...passed.values()].map(({ thread }) => thread)).size >= limitOf(filter));
  /** Takes the newest in a range that pass, and answers with the place of those that were not looked at, if any. */
  const look = ({ first, last, thread }: Range, most = mostFiltered): number | undefined => {
    const range: Bound = { match, first, last, most };
    // First, so that nothing is joined to a row of another thread.
    const passing = thread === undefined ? conditions : [`r.thread_id = :ofThread`, ...conditions];
    const values = { ...bound, ...range, enough: mostPassed, ...(thread === undefined ? {} : { ofThread: thread }) };
    const found = of(source, all(db, filteredSql(source, passing), values));
    for (const one of found) passed.set(one.id, one);
    if (found.length >= mostPassed) return (found.at(-1)?.id ?? 0) - 1;
    if (last - first < most) return undefined;
    const [behind] = prepared(db, behindSql(source)).statement.get(range) ?? [];
    return typeof behind === "number" ? behind : undefined;
  };
  const gathered = (isCut: boolean): Gathered => ({ candidates: [...passed.values()], isCut });
  return { look, isEnough, gathered };
};

/** Goes back in the index until enough passed the filters, or so many matches were looked at. */
const asksFiltered =
  (db: Database, asked: Asked): Ask =>
  (match) => {
    const { filter, sets, source } = asked;
    const { gathered, isEnough, look } = makeLooking(db, asked, match);
    // Few threads lead to their rows; many do where a row alone does not say that it is of none of them.
    const isSure = areAll(source, filter);
    const isLed = source.idsOfThread !== undefined && ((sets.threads?.length ?? 0) <= mostLeading || !isSure);
    const leading = isLed ? sets.threads : undefined;
    const isAll = leading !== undefined && leading.length <= mostLeading && isSure;
    const until = performance.now() + mostMillis;
    let times = 0;
    const isOver = (): boolean => (filter.goesOn === true ? performance.now() >= until : times >= mostTimes);
    for (const { first, last: end } of rangesOf(db, source, filter)) {
      let last: number | undefined = end;
      while (last !== undefined) {
        if (isEnough() || isOver()) return gathered(true);
        const isFirst = times++ === 0 && leading !== undefined;
        last = look({ first, last }, isFirst ? mostAhead : mostFiltered);
        if (!isFirst || last === undefined || isEnough()) continue;
        // The newest matches are of other threads: the rows of those that can pass are known.
        let isMore = false;
        for (const range of threadRanges(db, source, leading.slice(0, mostLeading)) ?? []) {
          if (look(range) !== undefined) isMore = true;
          if (isEnough()) return gathered(true);
        }
        if (isAll) return gathered(isMore);
      }
    }
    return gathered(false);
  };

/** The newest matches of a source by its index. Beginnings of words are asked for by words that the newest texts have. */
const byIndex = (
  db: Database,
  text: string,
  { ask, source }: { readonly source: Source; readonly ask: Ask },
): Gathered => {
  const beginnings = makeBeginnings(db, source);
  const whole = matchOf(text) ?? "";
  const near = matchOf(text, beginnings.instead) ?? whole;
  const newest = near === whole ? undefined : ask(near);
  if (newest !== undefined && newest.candidates.length >= fewestNear) return { ...newest, isCut: true };
  // Few of them: all that have the other words are looked through, where those are few.
  const rest = near === whole ? undefined : matchOf(text, () => "left out");
  const others = rest === undefined ? undefined : ask(rest);
  if (others !== undefined && !others.isCut) {
    const { whole: textOf } = makeTexts(db);
    const asked = beginningsOf(text);
    return { candidates: others.candidates.filter((one) => beginnings.stand(textOf(one), asked)), isCut: false };
  }
  return ask(whole);
};

const gather = (
  db: Database,
  finder: Finder,
  { filter, now }: { readonly filter: SearchFilter; readonly now: number },
): Gathered => {
  const sets = setsOf(db, filter);
  const bound = { ...boundOf(filter), ...boundSets(sets), now };
  const gathered = sources.map((source): Gathered => {
    const conditions = conditionsOf(source, filter, sets);
    if (conditions === undefined) return { candidates: [], isCut: false };
    if (finder.by === "scan") return scanned(db, finder, { source, conditions, bound });
    const ask = conditions.length > 1 ? asksFiltered : asksNewest;
    return byIndex(db, filter.text, { source, ask: ask(db, { source, conditions, bound, filter, sets }) });
  });
  return { candidates: gathered.flatMap(({ candidates }) => candidates), isCut: gathered.some(({ isCut }) => isCut) };
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
  one: Candidate,
  detail: Detail | undefined,
  how: {
    readonly finder: Finder;
    readonly texts: Texts;
    readonly width: number;
    readonly shown: SearchFilter["shown"];
  },
) => {
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
      .slice(0, limitOf(filter));
    const how = { finder, texts, width: filter.width ?? 160, shown: filter.shown };
    const mostHits = filter.hitsPerThread ?? 3;
    const details = detailsOf(
      db,
      best.flatMap(({ hits }) => hits.slice(0, mostHits).map(({ one }) => one)),
    );
    return {
      threads: best.flatMap(({ hits }) => {
        const [first] = hits;
        if (first === undefined) return [];
        const { tenantName, thread: name } = first.one;
        const [thread] = all<ThreadRow>(db, threadSql, { thread: name, tenantName });
        const shown = hits.slice(0, mostHits).map(({ one }) => hitOf(one, details.get(one), how));
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
