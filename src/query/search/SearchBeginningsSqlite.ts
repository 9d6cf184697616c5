/**
 * Beginnings of words in a search (`fun*`): the words that a large index is asked for in their place.
 *
 * Room: query.
 *
 * FTS5 merges the places of all words that begin so before it gives the first one. Where that is much, the index is asked
 * for those of them that the newest texts have, which it gives newest first without merging. Words left out by that are
 * said (`isCut`); where it finds little, the beginning itself is asked for.
 *
 * Decision: no `prefix` index of FTS5, because each length of it takes about as much room as the index itself. Of a million
 * messages the newest for `f*` took 204 ms of processor by merging, and the whole search 19 ms so (a busy machine).
 */
import type { Database } from "better-sqlite3";
import { jsonWords, searchWords } from "../../domain/search/SearchWords.ts";
import type { Source } from "../../../projections/search.ts";
import { prepared } from "../RowsSqlite.ts";

/** A smaller index is merged in a few milliseconds. */
const leastRows = 30_000;
/** Newest texts that are looked at, and how much of each. */
const newestTexts = 80;
const headUnits = 4096;
/** Of so many texts that are looked at a word that fewer have is rare enough to be merged. */
const leastShare = 3;
/** Words that are asked for in place of a beginning. */
const mostWords = 64;

/** As FTS5's tokenizer has a word: without case and accents. */
const folded = (word: string): string => word.normalize("NFKD").replaceAll(/\p{M}/gu, "").toLowerCase();

const newestOf = (db: Database, source: Source, least: number): ReadonlyArray<string> => {
  const [last] = prepared(db, `SELECT max(id) FROM ${source.table}`).statement.get({}) ?? [];
  if (Number(last ?? 0) < least) return [];
  return prepared(
    db,
    `SELECT substr(${source.text}, 1, ${headUnits}) FROM ${source.table} r WHERE ${source.has} ORDER BY r.id DESC LIMIT ${newestTexts}`,
  )
    .statement.all({})
    .flatMap(([text]) => (typeof text === "string" ? [text] : []));
};

const wordsOf = (text: string, { isJson }: Source): ReadonlySet<string> =>
  new Set(folded(searchWords(isJson === true ? jsonWords(text) : text)).match(/[\p{L}\p{N}\p{Co}]+/gu));

/** Beginnings in the texts of a source. */
export const makeBeginnings = (db: Database, source: Source, least = leastRows) => {
  let newest: ReadonlyArray<ReadonlySet<string>> | undefined;
  return {
    /** Words of the newest texts that begin so; undefined where the index may as well be asked for the beginning itself. */
    instead: (beginning: string): ReadonlyArray<string> | undefined => {
      newest ??= newestOf(db, source, least).map((text) => wordsOf(text, source));
      const asked = folded(beginning);
      const texts = new Map<string, number>();
      let share = 0;
      for (const words of newest) {
        const own = [...words].filter((word) => word.startsWith(asked));
        if (own.length > 0) share++;
        for (const word of own) texts.set(word, (texts.get(word) ?? 0) + 1);
      }
      if (share < leastShare) return undefined;
      return [...texts]
        .toSorted(([, left], [, right]) => right - left)
        .slice(0, mostWords)
        .map(([word]) => word);
    },
    /** True when a text has a word for each of the beginnings. */
    stand: (text: string, beginnings: ReadonlyArray<string>): boolean => {
      const words = [...wordsOf(text, source)];
      return beginnings.every((beginning) => words.some((word) => word.startsWith(folded(beginning))));
    },
  };
};
