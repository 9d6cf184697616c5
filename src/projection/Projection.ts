/**
 * A projection: the pure definition of a read model, of its tables and of the rows that an event changes.
 *
 * Room: projection.
 *
 * A projection is data. Its `handle` sees one event with its facts and answers with rows to merge; it never reads
 * what is stored, so SQLite and PostgreSQL are two sinks of one definition and a rebuild is a replay. How a row
 * meets the one already there is declared per column (`merge`); applied once per event, in stream order, inside
 * one transaction with the checkpoint, the result depends on the events alone.
 */
import type { LogEntry, RecordedEvent } from "../domain/Event.ts";
import type { Fact } from "../domain/Fact.ts";
import type { Quoting } from "./fold/Quote.ts";

/** Text that is known as its UTF-8: it is stored as it is, without the way through a string. For columns of type `any`. */
export class Utf8 {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** Value of a cell. `undefined` and `null` both mean that this change says nothing about the column. */
export type Cell = string | number | Uint8Array | Utf8 | null | undefined;

/**
 * Rule that joins a new value with the stored one.
 *
 * - `last`: the new value, unless it says nothing (default)
 * - `first`: the stored value, unless there is none
 * - `replace`: the new value, also when it says nothing (a row without the column leaves it alone)
 * - `sum`, `min`, `max`: of both
 * - `firstOf`: the new value as long as that other column of the stored row is null, also in place of a stored one; after
 *   that the stored one. One event's values of such columns hold as a whole: a later one fills none that it left empty
 */
export type Merge = "last" | "first" | "replace" | "sum" | "min" | "max" | { readonly firstOf: string };

/**
 * - `text`, `integer`, `real`, `blob`: SQLite's own; times are integers, epoch milliseconds
 * - `name`: text that recurs in many rows (thread ids, tool names): stored once, as a number into `names`
 * - `id`: text that hardly recurs (message ids, event ids): a UUID takes 16 bytes (see `CompactId`)
 * - `any`: text or bytes, whichever is smaller or truer to what came
 */
export type ColumnType = "text" | "integer" | "real" | "blob" | "name" | "id" | "any";

export interface Column {
  readonly type: ColumnType;
  /** One sentence for the data dictionary, with the unit. */
  readonly doc: string;
  readonly merge?: Merge;
  /** SQL over other columns of the row that gives it: no change sets it, it takes no room, and an index on it covers. */
  readonly generated?: string;
}

/** Columns or expressions; with `where`, of the rows alone for which that SQL over columns is true. */
export type Index = ReadonlyArray<string> | { readonly on: ReadonlyArray<string>; readonly where: string };

/**
 * Definitions that SQLite itself keeps in step with rows that events change: columns that no event sets, and whole tables, such as sums
 * by time. The same rows must come of both ways, whatever the order of events.
 */
export interface Upkeep {
  /** Statements that make it all of the rows that are there, in order. */
  readonly fill: ReadonlyArray<string>;
  /** The triggers that keep it up from then on, by name: the SQL between `CREATE TRIGGER name` and the end. */
  readonly triggers: Readonly<Record<string, string>>;
}

/** A text of a row that is searched: SQL over the row, which is `new`, `old` or an alias. */
export interface FullText {
  readonly of: (row: string) => string;
  /** SQL, and cheap: whether a row has such a text at all. */
  readonly when: (row: string) => string;
}

/** A private table. Analysts use views; its name and columns may change with the projection's version. */
export interface Table {
  readonly name: string;
  readonly doc: string;
  readonly columns: Readonly<Record<string, Column>>;
  /** Columns that identify a row: two changes with equal keys are the same row. A single integer key is the rowid. */
  readonly key: ReadonlyArray<string>;
  /**
   * Effect of a second change with the same key: `merge` column by column (default), or nothing, because the
   * `first` row holds as a whole: its empty cells are not filled from a later one.
   */
  readonly rows?: "merge" | "first";
  /**
   * Nearly every event changes a row that the one before it changed: changes of a batch are merged before they are
   * written. `sum` of integers only, because sums of fractions depend on how they are grouped.
   */
  readonly hot?: boolean;
  /** Rows are small (well under 1 KB): stored in key order, so that the key is stored once. Not with `fullText`. */
  readonly clustered?: boolean;
  /** Each a list of columns; in parentheses, an SQL expression over columns that a view uses in the same words. */
  readonly indexes?: ReadonlyArray<Index>;
  /** Constraints of every row, as SQL over its columns. A row that breaks one is a dead letter. */
  readonly checks?: ReadonlyArray<string>;
  /** A full-text index (FTS5, external content) kept in step with the table. */
  readonly fullText?: FullText;
}

/** A public view, `v_*`: its columns are a contract. */
export interface View {
  readonly name: string;
  readonly doc: string;
  /** Column name to one sentence for the data dictionary, in the view's order. */
  readonly columns: Readonly<Record<string, string>>;
  /** The SELECT behind it. A `name` column is read as `(SELECT text FROM names WHERE name = …)`; see `ReadModelSqlite`. */
  readonly select: string;
}

/** One row to merge into a table. */
export interface RowChange {
  readonly table: string;
  readonly row: Readonly<Record<string, Cell>>;
}

/** Rows to remove: those whose columns equal `where` and, with `from`, whose integer column is at least its value. */
export interface Removal {
  readonly table: string;
  readonly where: Readonly<Record<string, Cell>>;
  readonly from?: { readonly column: string; readonly value: number } | undefined;
}

export type Change = RowChange | Removal;

export const isRemoval = (change: Change): change is Removal => "where" in change;

export interface Projection {
  readonly name: string;
  /** Raised whenever tables or `handle` change: a file with another version is rebuilt. */
  readonly version: number;
  readonly doc: string;
  readonly tables: ReadonlyArray<Table>;
  readonly views: ReadonlyArray<View>;
  readonly upkeep?: Upkeep;
  /** Kinds of facts that `handle` answers to: an event without any of them is not shown to it. Absent: every event is. */
  readonly facts?: ReadonlyArray<Fact["_tag"]>;
  /**
   * The rows this event changes, in order. Pure; a throw is a dead letter of this projection alone. `quoting` finds
   * texts in the event's body as the ledger has it. No time of the event or of a fact is in the future of its recording.
   */
  readonly handle: (event: RecordedEvent, facts: ReadonlyArray<Fact>, quoting: Quoting) => ReadonlyArray<Change>;
  /**
   * The rows of a log entry as it came, for a ledger: called for every entry, also for misfits, for events whose
   * body is refused (both without facts), and with a large body still in the object store.
   */
  readonly record?: (entry: LogEntry, facts: ReadonlyArray<Fact>) => ReadonlyArray<Change>;
}

/** The text of a `name` column, in the SELECT of a view. Where analysts filter by it, join `names` instead. */
export const nameText = (column: string): string => `(SELECT text FROM names WHERE name = ${column})`;

/** Weight of second-hand facts (see `Fact.ts`): none where the same thing is told first-hand. */
export const firstHandOnly = (options: { readonly table: string; readonly alias: string }): string =>
  `(${options.alias}.second_hand = 0 OR NOT EXISTS (SELECT 1 FROM ${options.table} witness ` +
  `WHERE witness.thread_id = ${options.alias}.thread_id AND witness.tenant = ${options.alias}.tenant ` +
  `AND witness.second_hand = 0))`;
