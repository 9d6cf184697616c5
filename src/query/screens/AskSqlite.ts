/**
 * Rows of fixed statements, from SQLite.
 *
 * Room: query.
 */
import { Effect, Layer } from "effect";
import { makeReaders } from "../ConnectionSqlite.ts";
import { all } from "../RowsSqlite.ts";
import { Ask } from "./Ask.ts";

export const make = Effect.fnUntraced(function* (options: { readonly path: string }) {
  const read = yield* makeReaders(options.path);
  return Ask.of({ rows: (text, values) => read((db) => all(db, text, values)) });
});

export const layer = (options: { readonly path: string }): Layer.Layer<Ask> => Layer.effect(Ask, make(options));
