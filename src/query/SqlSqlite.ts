/**
 * SQL from an analyst, on a connection that cannot write.
 *
 * Room: query.
 *
 * Three walls: the connection is read-only; only one statement that begins with SELECT, WITH, VALUES or EXPLAIN is
 * prepared (ATTACH, PRAGMA and VACUUM INTO would reach beyond the file); and SQLite itself must call it reading.
 */
import type { Database, Statement } from "better-sqlite3";
import { Effect, type Scope, Stream } from "effect";
import type { StorageTrouble } from "../projection/ReadModel.ts";
import { openReader } from "./ConnectionSqlite.ts";
import { QueryRefused, type SqlParameters, type SqlResult, type Value } from "./Query.ts";

const hint = "One SELECT, WITH, VALUES or EXPLAIN statement. SELECT * FROM v_dictionary shows every view and column.";

const refuse = (message: string): QueryRefused => new QueryRefused({ message, hint });

const said = (cause: unknown): QueryRefused => refuse(cause instanceof Error ? cause.message : String(cause));

/** The statement without the blanks and comments before it. */
const withoutLead = (text: string): string => text.replace(/^(?:\s|;|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/, "");

const parametersOf = (parameters: SqlParameters): ReadonlyArray<unknown> =>
  Array.isArray(parameters) ? parameters : Object.keys(parameters).length === 0 ? [] : [parameters];

const prepare = (db: Database, text: string, parameters: SqlParameters): Statement<[], ReadonlyArray<Value>> => {
  const statement = withoutLead(text);
  if (!/^(?:select|with|values|explain)\b/i.test(statement)) {
    throw refuse(`Only reading is possible here, and this does not begin with SELECT: ${statement.slice(0, 60)}`);
  }
  let prepared: Statement<[], ReadonlyArray<Value>>;
  try {
    prepared = db.prepare<[], ReadonlyArray<Value>>(statement);
  } catch (cause) {
    throw said(cause);
  }
  if (!prepared.reader || !prepared.readonly) throw refuse("Only reading is possible here, and this statement writes.");
  try {
    // Once and for all: a missing or strange value is refused here and not while rows are read.
    prepared.bind(...(parametersOf(parameters) as []));
  } catch (cause) {
    throw said(cause);
  }
  return prepared.raw().safeIntegers();
};

/** Whole numbers beyond 2^53 stay exact; all others are plain numbers. */
const plain = (value: Value): Value =>
  typeof value === "bigint" && value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
    ? Number(value)
    : value;

/** Rows handed on at once: enough to cost little, few enough to take little memory. */
const rowsPerChunk = 64;

const rowsOf = (statement: Statement<[], ReadonlyArray<Value>>): SqlResult["rows"] =>
  Stream.unwrap(
    Effect.sync(() => {
      const rows = statement.iterate();
      const more = Effect.try({
        try: () => {
          const chunk: Array<ReadonlyArray<Value>> = [];
          while (chunk.length < rowsPerChunk) {
            const next = rows.next();
            if (next.done === true) break;
            chunk.push(next.value.map(plain));
          }
          return chunk;
        },
        catch: said,
      });
      const close = Effect.sync(() => {
        rows.return?.();
      });
      return Stream.fromEffectRepeat(more).pipe(
        Stream.takeWhile((chunk) => chunk.length > 0),
        Stream.flattenIterable,
        Stream.ensuring(close),
      );
    }),
  );

/** Prepares the statement on a connection of its own, which the scope closes. */
export const sql = (
  path: string,
  text: string,
  parameters: SqlParameters = [],
): Effect.Effect<SqlResult, QueryRefused | StorageTrouble, Scope.Scope> =>
  Effect.acquireRelease(openReader(path), (reader) => Effect.sync(() => reader.db.close())).pipe(
    Effect.flatMap(({ db }) =>
      Effect.try({
        try: (): SqlResult => {
          const statement = prepare(db, text, parameters);
          return { columns: statement.columns().map(({ name }) => name), rows: rowsOf(statement) };
        },
        catch: (cause) => (cause instanceof QueryRefused ? cause : said(cause)),
      }),
    ),
  );
