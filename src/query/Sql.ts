/**
 * A statement and its result: what it may do, what it gives, and how it fails.
 *
 * Room: query.
 */
import { type Effect, Schema, type Stream } from "effect";
import type { StorageTrouble } from "../projection/ReadModel.ts";

/** The question itself is wrong: SQL that is no single reading statement, or a cursor from elsewhere. */
export class QueryRefused extends Schema.TaggedError<QueryRefused>()("QueryRefused", {
  message: Schema.String,
  hint: Schema.String,
}) {}

/** A statement was ended before its end: its time or memory was over, or its process was. */
export class QueryStopped extends Schema.TaggedError<QueryStopped>()("QueryStopped", {
  reason: Schema.Literals(["time", "memory", "disk", "ended"]),
  message: Schema.String,
  hint: Schema.String,
}) {}

export type Value = string | number | bigint | Uint8Array | null;

/** Values of `?` or `:name` in a statement. */
export type SqlParameters = ReadonlyArray<Value> | Readonly<Record<string, Value>>;

/** Bounds of a foreign statement. */
export interface SqlOptions {
  /**
   * Columns that hold what persons wrote, or who and where they are. `masked`: they read NULL, and only the public views
   * can be read. Default: `shown`.
   */
  readonly personal?: "shown" | "masked" | undefined;
  /** Most rows; the rest is left off, and `isCut` says so. Default: all. */
  readonly maxRows?: number | undefined;
  /**
   * Most bytes of all values together; the row that goes beyond them and the rest are left off, and `isCut` says so. For
   * who holds a whole result: a row may be as large as the memory allows. Default: no limit.
   */
  readonly maxBytes?: number | undefined;
  /** Until the last row is read. Default: ten minutes. While it reads, the write-ahead log grows. */
  readonly timeoutMillis?: number | undefined;
  /** Of SQLite, and as much again of the process that hands its rows on. Default: 256 MiB. */
  readonly memoryBytes?: number | undefined;
  /** Of temporary files that it sorts and groups in, where the system says how large they are (Linux). Default: 2 GiB. */
  readonly diskBytes?: number | undefined;
  /** Time zone of `localtime`, such as Europe/Berlin. Default: this process's. */
  readonly zone?: string | undefined;
}

export interface SqlResult {
  readonly columns: ReadonlyArray<string>;
  /** As SQLite finds them: a result of any size takes the memory of some hundred rows. Can be run once. */
  readonly rows: Stream.Stream<ReadonlyArray<Value>, QueryRefused | QueryStopped | StorageTrouble>;
  /** True when rows were left off; false until all are read. */
  readonly isCut: Effect.Effect<boolean>;
}

/** Rows of a statement of our own. */
export interface Selected {
  readonly columns: ReadonlyArray<string>;
  readonly rows: ReadonlyArray<ReadonlyArray<Value>>;
}

/** Two columns of one name would be one key of an object: the second is `name_2`. */
export const distinct = (columns: ReadonlyArray<string>): ReadonlyArray<string> => {
  const taken = new Set(columns);
  const seen = new Set<string>();
  return columns.map((column) => {
    let name = column;
    for (let count = 2; seen.has(name) || (name !== column && taken.has(name)); count++) name = `${column}_${count}`;
    seen.add(name);
    return name;
  });
};
