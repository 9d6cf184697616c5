/**
 * The SQL functions that the full-text indexes are made with.
 *
 * Room: projection.
 *
 * Every connection that writes rows or compares an index with its table has them. Reading needs none: a search reads
 * the index and the tables, and never the text as it was indexed.
 */
import type { Database } from "better-sqlite3";
import { jsonWords, searchWords } from "../../domain/search/SearchWords.ts";

const made =
  (words: (text: string) => string) =>
  (text: unknown): string | null =>
    typeof text === "string" ? words(text) : null;

/** The functions are called by triggers and by a view of ours, which this build of SQLite allows to trusted schemas only. */
export const defineSearchWords = (db: Database): void => {
  db.pragma("trusted_schema = ON");
  db.function("search_words", { deterministic: true }, made(searchWords));
  db.function(
    "search_json",
    { deterministic: true },
    made((text) => searchWords(jsonWords(text))),
  );
};

/** SQL: what is indexed of a text. */
export const indexedText = (text: string): string => `search_words(${text})`;

/** SQL: what is indexed of a JSON text. */
export const indexedJson = (text: string): string => `search_json(${text})`;
