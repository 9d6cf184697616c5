/**
 * A row batch: what one transaction writes, as a few flat arrays that cross to another thread at the cost of a copy.
 *
 * Room: projection.
 *
 * Rows lie table by table, so that SQLite works on the pages of one table at a time. With rows of hot tables merged,
 * writing a small message took 36 µs of processor time instead of 48 row by row in the order of the events.
 */

/**
 * Kind of a bound value, and its source:
 *
 * - `number`: the next number
 * - `name`: the place in `names` that the next number says
 * - `text`: the next text
 * - `id`: the next text, as the id that is stored of it
 * - `blob`, `utf8`: the next bytes, as BLOB or as TEXT
 * - `null`: nothing is bound
 * - `rowid`: the id of a new row, the next one of the table
 */
export type Kind = "number" | "name" | "text" | "id" | "blob" | "utf8" | "null" | "rowid";

/**
 * Rows that one run of a statement writes where so many follow on each other. Decision: 16, because a call of
 * better-sqlite3 costs as much as SQLite's own work for a row of five numbers; 64 in one were hardly quicker.
 */
export const rowsAtOnce = 16;

export interface Statement {
  readonly table: string;
  /** Its SQL: what stands before the rows, each row, what stands between two, and behind the last. */
  readonly before: string;
  readonly row: string;
  readonly between: string;
  readonly after: string;
  /** For each value of a row, in order. */
  readonly kinds: ReadonlyArray<Kind>;
}

export interface RowBatch {
  /** Each text of a `name` column once. */
  readonly names: ReadonlyArray<string>;
  readonly statements: ReadonlyArray<Statement>;
  /** In the order in which rows are written: a place in `statements`, and how many rows follow of it. */
  readonly runs: ReadonlyArray<number>;
  /** Number of rows in all. */
  readonly rows: number;
  /** Bound values of the rows, each list one value after the other. */
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly texts: ReadonlyArray<string>;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The bytes' lengths: they lie one after the other. */
  readonly lengths: Uint32Array<ArrayBuffer>;
}
