/**
 * The rows of a read model as a bare program would insert them: final, prepared, in the order of the stream.
 *
 * Kinder to the peer than to us: each row is written once and as it ends, while a projector merges rows as events
 * come, looks names up, and keeps what its interpreters remember. Its full-text index is filled as FTS5's manual has
 * it, by a trigger on each insert; or, where a figure says so, as ours, once at the end of each transaction.
 */
import Database from "better-sqlite3";
import { defineSearchWords } from "../src/projection/write/SearchWordsSqlite.ts";
import { hasText, textOf } from "../projections/text.ts";

type Value = string | number | Buffer | null;

interface TableRows {
  readonly insert: string;
  /** One list for each transaction. */
  readonly batches: ReadonlyArray<ReadonlyArray<ReadonlyArray<Value>>>;
}

export interface Rows {
  /** Tables, indexes and full-text indexes. */
  readonly schema: ReadonlyArray<string>;
  readonly tables: ReadonlyArray<TableRows>;
  readonly transactions: number;
  readonly count: number;
}

interface Options {
  /** A database that the projector made. */
  readonly file: string;
  /** Last sequence of the stream. */
  readonly events: number;
  readonly transactions: number;
}

const quoted = (name: string): string => `"${name}"`;

/** A table's rows, each in the transaction of its event; rows of no one event are spread evenly. */
const rowsOfTable = (db: Database.Database, table: string, { events, transactions }: Options): TableRows => {
  const columns = db.prepare<[string], string>("SELECT name FROM pragma_table_info(?)").pluck().all(table);
  const hasSequence = columns.includes("sequence");
  const order = hasSequence ? `ORDER BY "sequence"` : "";
  const rows = db.prepare<[], Array<Value>>(`SELECT ${columns.map(quoted).join(", ")} FROM ${quoted(table)} ${order}`);
  const all = rows.raw().all();
  const sequenceAt = columns.indexOf("sequence");
  const batches = Array.from({ length: transactions }, (): Array<ReadonlyArray<Value>> => []);
  for (const [index, row] of all.entries()) {
    const place = hasSequence ? Number(row[sequenceAt]) / (events + 1) : index / all.length;
    batches[Math.min(transactions - 1, Math.floor(place * transactions))]?.push(row);
  }
  const places = columns.map(() => "?").join(", ");
  return { insert: `INSERT INTO ${quoted(table)} (${columns.map(quoted).join(", ")}) VALUES (${places})`, batches };
};

export const rowsOf = (options: Options): Rows => {
  const db = new Database(options.file, { readonly: true });
  try {
    const letters = db.prepare<[], number>("SELECT count(*) FROM v_dead_letters").pluck().get();
    if (letters !== 0) throw new Error(`${letters} events were refused: what is compared is not all of the work`);
    const ordinary = db
      .prepare<[], string>(
        // Events first: other rows quote them.
        `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'
         ORDER BY name <> 'events', name`,
      )
      .pluck()
      .all();
    const schema = db
      .prepare<[], string>(
        // No triggers: their rows are copied like the rest.
        `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND type NOT IN ('trigger', 'view') AND name NOT LIKE 'sqlite_%'
         AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow') ORDER BY rowid`,
      )
      .pluck()
      .all();
    const tables = ordinary.map((table) => rowsOfTable(db, table, options));
    const count = tables.reduce((sum, { batches }) => sum + batches.reduce((all, rows) => all + rows.length, 0), 0);
    return { schema, tables, transactions: options.transactions, count };
  } finally {
    db.close();
  }
};

/** A new file with the settings of the projector's own connection. */
export const openBare = (file: string): Database.Database => {
  const db = new Database(file);
  defineSearchWords(db);
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.pragma("wal_autocheckpoint = 10000");
  db.pragma("cache_size = -65536");
  db.pragma("temp_store = MEMORY");
  return db;
};

const byTrigger = `CREATE TRIGGER by_the_manual AFTER INSERT ON message_parts BEGIN
  INSERT INTO message_parts_fts(rowid, text) SELECT new.id, ${textOf("new")} WHERE ${hasText("new")}; END`;
const byTransaction = `INSERT INTO message_parts_fts(rowid, text)
  SELECT p.id, ${textOf("p")} FROM message_parts p WHERE p.id > ? AND ${hasText("p")} ORDER BY p.id`;

/** Makes the tables and inserts the rows. */
export const insertAll = (
  db: Database.Database,
  { schema, tables, transactions }: Rows,
  indexing: "by trigger" | "by transaction" = "by trigger",
): void => {
  for (const sql of schema) db.exec(sql);
  if (indexing === "by trigger") db.exec(byTrigger);
  const lastPart = db.prepare<[], number>("SELECT coalesce(max(id), 0) FROM message_parts").pluck();
  const index = db.prepare<[number]>(byTransaction);
  const prepared = tables.map(({ batches, insert }) => ({
    batches,
    insert: db.prepare<[ReadonlyArray<Value>]>(insert),
  }));
  const write = db.transaction((batch: number) => {
    const before = lastPart.get() ?? 0;
    for (const { batches, insert } of prepared) for (const row of batches[batch] ?? []) insert.run(row);
    if (indexing === "by transaction") index.run(before);
  });
  for (let batch = 0; batch < transactions; batch++) write(batch);
};
