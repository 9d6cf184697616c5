/**
 * Writing packed rows: one transaction for a batch, with the checkpoint in it.
 *
 * Room: projection.
 *
 * Runs in the projector's own thread or in one beside it, so it loads no Effect and keeps nothing that is true of
 * its connection alone: two of these may take turns on one file. Plain functions, because nearly all of an event's
 * time passes here, inside SQLite, whose calls are synchronous.
 */
import Database from "better-sqlite3";
import * as path from "node:path";
import type { Checkpoint } from "../Checkpoint.ts";
import * as Generations from "../rebuild/Generations.ts";
import { defineSearchWords } from "./SearchWordsSqlite.ts";
import * as Names from "./NamesSqlite.ts";
import { compactId } from "../fold/CompactId.ts";
import { type Kind, type RowBatch, rowsAtOnce, type Statement } from "../fold/RowBatch.ts";

/**
 * Milliseconds a writer waits for another process's write before it reports that the file is busy. Short, because
 * SQLite's waiting stops everything else in its thread; whoever applies a batch tries again.
 */
const busyTimeoutMillis = 20;

/**
 * `durable` for the file that is the audit ledger: every commit reaches the disk (synchronous=FULL).
 * `scratch` for a file that is not yet, or never will be, anybody's: synced once at its end, or thrown away.
 */
export type Durability = "durable" | "scratch";

export interface Place {
  readonly file: string;
  /** The path that leads to the file: rows are written only while it does. Absent for a file of one's own. */
  readonly path?: string | undefined;
  readonly durability: Durability;
}

/**
 * Pages in memory, KiB. A thread that writes large batches has more than the connection beside it, which writes single
 * events and looks up names. Decision: 24 MB, because 64 were no faster in a rebuild of a million small events (30,200 and
 * 31,100 events/s against 30,700 and 29,900, in turns), and took 20 to 70 MB more.
 */
const cacheKib = { large: 24 * 1024, small: 16 * 1024 } as const;

/** Sort memory while indexes are made, KiB: as much again is gathered and written meanwhile. */
const sortKib = 8 * 1024;

/** Settings of a connection that writes. */
export const configure = (db: Database.Database, durability: Durability, cache: keyof typeof cacheKib): void => {
  db.pragma(`busy_timeout = ${busyTimeoutMillis}`);
  db.pragma("journal_mode = WAL");
  db.pragma(`synchronous = ${durability === "durable" ? "FULL" : "OFF"}`);
  // Pages of 4 KB: a checkpoint about every 40 MB written.
  db.pragma("wal_autocheckpoint = 10000");
  db.pragma(`cache_size = -${cacheKib[cache]}`);
  db.pragma("temp_store = MEMORY");
};

export interface RowWriter {
  readonly packed: RowBatch;
  /** The checkpoint that these rows continue from, and the one that they reach. */
  readonly after: number;
  readonly checkpoint: Checkpoint;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** Outcome of a batch. Only `Written` has changed anything. */
export type Written =
  | { readonly _tag: "Written" }
  /** The path leads to another file. */
  | { readonly _tag: "Superseded" }
  /** The file's checkpoint is not the one that the rows continue from. */
  | { readonly _tag: "Elsewhere" }
  /** SQLite refuses one of the rows. */
  | { readonly _tag: "Refused" };

export interface Refused {
  /** Index of the unit. */
  readonly unit: number;
  readonly reason: string;
}

export interface Writing {
  readonly write: (write: RowWriter) => Written;
  /** Writes units one by one and takes all of it back: which of them are refused, and why. */
  readonly probe: (units: ReadonlyArray<RowBatch>) => ReadonlyArray<Refused>;
  /** Sets a note in the engine's table, or removes it. */
  readonly note: (key: string, value: string | undefined) => void;
  /** Runs the statements that make indexes. */
  readonly index: (statements: ReadonlyArray<string>) => void;
  /** Returns when everything written is on the disk, in the file itself. */
  readonly settle: () => void;
}

/**
 * True when a failed write is the row's fault (a dead letter), not the file's (retried). A statement that SQLite cannot
 * compile (`SQLITE_ERROR`) comes from a definition, so it is the projection's.
 */
const isRowsFault = (cause: unknown): boolean =>
  cause instanceof Database.SqliteError
    ? /^SQLITE_(CONSTRAINT|MISMATCH|TOOBIG|RANGE|ERROR$)/.test(cause.code)
    : cause instanceof TypeError || cause instanceof RangeError;

const checkpointSql = `UPDATE checkpoints SET sequence = ?, identity = ?, recorded_at = ?, stream_created = ?, chain = ?, applied_at = ?`;
const noteSql = "INSERT INTO engine (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value";

type Argument = string | number | Uint8Array | null;

type Prepared = Database.Statement<[ReadonlyArray<Argument>], number>;

/** Statements by their text, prepared once. */
const preparing = (db: Database.Database) => {
  const prepared = new Map<string, Prepared>();
  return (sql: string) => {
    const known = prepared.get(sql);
    if (known !== undefined) return known;
    const made = db.prepare<[ReadonlyArray<Argument>], number>(sql);
    prepared.set(sql, made);
    return made;
  };
};

/** Statements for one row and for many, prepared once. */
const preparingRows = (db: Database.Database) => {
  const known = new Map<string, { readonly one: Prepared; many: Prepared | undefined }>();
  const prepare = ({ after, before, between, row }: Statement, rows: number) =>
    db.prepare<[ReadonlyArray<Argument>], number>(
      `${before}${Array.from({ length: rows }, () => row).join(between)}${after}`,
    );
  return (statement: Statement, rows: 1 | typeof rowsAtOnce): Prepared => {
    const name = `${statement.before}${statement.row}${statement.after}`;
    let found = known.get(name);
    if (found === undefined) known.set(name, (found = { one: prepare(statement, 1), many: undefined }));
    return rows === 1 ? found.one : (found.many ??= prepare(statement, rows));
  };
};

const lastIdSql = (table: string): string => `SELECT coalesce(max(id), 0) FROM "${table}"`;

/** Gives the values of a pack one after the other, as what a statement binds. */
const reading = (packed: RowBatch, numbers: ReadonlyArray<number>) => {
  const next = { number: 0, text: 0, bytes: 0, at: 0 };
  const number = (): number => packed.numbers[next.number++] ?? 0;
  const text = (): string => packed.texts[next.text++] ?? "";
  const bytes = (): Uint8Array => {
    const length = packed.lengths[next.bytes++] ?? 0;
    next.at += length;
    return packed.bytes.subarray(next.at - length, next.at);
  };
  /** Adds what a row binds; `ids` are those of the table's new rows. */
  return (kinds: ReadonlyArray<Kind>, ids: { last: number }, bound: Array<Argument>): void => {
    for (const kind of kinds) {
      if (kind === "number") bound.push(number());
      else if (kind === "name") bound.push(numbers[number()] ?? null);
      else if (kind === "text") bound.push(text());
      else if (kind === "id") bound.push(compactId(text()));
      else if (kind === "rowid") bound.push(++ids.last);
      else if (kind !== "null") bound.push(bytes());
    }
  };
};

/** A function that writes the rows of a pack, in the caller's transaction. */
const makeRows = (db: Database.Database, names: Names.Names) => {
  const prepare = preparing(db);
  const prepareRows = preparingRows(db);
  /** Ids of new rows ascend within a transaction, so that what is new in it can be told from what was there. */
  return (packed: RowBatch): void => {
    const read = reading(packed, packed.names.map(names.numberOf));
    const ids = new Map<string, { last: number }>();
    const idsOf = (table: string) => {
      const known = ids.get(table) ?? { last: prepare(lastIdSql(table)).pluck().get([]) ?? 0 };
      ids.set(table, known);
      return known;
    };
    const writeRun = (statement: Statement, rows: number) => {
      const newIds = statement.kinds.includes("rowid") ? idsOf(statement.table) : { last: 0 };
      for (let left = rows; left > 0;) {
        const count = left >= rowsAtOnce ? rowsAtOnce : 1;
        const bound: Array<Argument> = [];
        for (let row = 0; row < count; row++) read(statement.kinds, newIds, bound);
        prepareRows(statement, count).run(bound);
        left -= count;
      }
    };
    for (let run = 0; run < packed.runs.length; run += 2) {
      const statement = packed.statements[packed.runs[run] ?? -1];
      if (statement === undefined) throw new Error("rows without their statement");
      writeRun(statement, packed.runs[run + 1] ?? 0);
    }
  };
};

interface Mark {
  readonly table_name: string;
  readonly index_sql: string;
  readonly indexed: number;
}

/** A function that brings the full-text indexes up to what their tables hold, in the caller's transaction. */
const makeIndexing = (db: Database.Database) => {
  const prepare = preparing(db);
  const readMarks = db.prepare<[], Mark>("SELECT table_name, index_sql, indexed FROM full_text_marks");
  const setMark = db.prepare<[number, string]>("UPDATE full_text_marks SET indexed = ? WHERE table_name = ?");
  return (): void => {
    for (const { index_sql, indexed, table_name } of readMarks.all()) {
      const last = prepare(lastIdSql(table_name)).pluck().get([]) ?? 0;
      if (last > indexed) prepare(index_sql).run([indexed]);
      // Lower, too: the ids of removed rows are given again.
      if (last !== indexed) setMark.run(last, table_name);
    }
  };
};

/**
 * Has SQLite's temporary files made beside the database, where there is room for its indexes: the system's folder for
 * them may be small, or memory. For the whole process, and said once, because threads that sort meanwhile look there.
 */
const sortBeside = (db: Database.Database, file: string): void => {
  const folder = path.dirname(path.resolve(file));
  if (db.pragma("temp_store_directory", { simple: true }) === folder) return;
  db.pragma(`temp_store_directory = '${folder.replaceAll("'", "''")}'`);
};

/** On a connection of the caller's to a file of ours, of this version. */
export const make = (db: Database.Database, { file, path: link }: Place): Writing => {
  defineSearchWords(db);
  const names = Names.make(db);
  const writeRows = makeRows(db, names);
  const indexNewRows = makeIndexing(db);
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  const readSequence = db.prepare<[], number>("SELECT min(sequence) FROM checkpoints").pluck();
  const writeCheckpoint = db.prepare(checkpointSql);

  const rollback = () => {
    // A full disk makes SQLite roll back by itself.
    if (db.inTransaction) db.exec("ROLLBACK");
    names.forget();
  };

  const writeUnit = (packed: RowBatch, unit: number): ReadonlyArray<Refused> => {
    db.exec("SAVEPOINT one");
    try {
      writeRows(packed);
      db.exec("RELEASE one");
      return [];
    } catch (cause) {
      if (!isRowsFault(cause)) throw cause;
      db.exec("ROLLBACK TO one; RELEASE one");
      names.forget();
      return [{ unit, reason: cause instanceof Error ? cause.message : String(cause) }];
    }
  };

  const run = ({ after, checkpoint, now, packed }: RowWriter): Written => {
    begin.run();
    // Asked under the write lock: a rebuild swaps files only while it holds the same lock.
    const isOurs = link === undefined || Generations.isCurrent(link, file);
    if (!isOurs || readSequence.get() !== after) {
      rollback();
      return { _tag: isOurs ? "Elsewhere" : "Superseded" };
    }
    writeRows(packed);
    indexNewRows();
    const { chain, identity, recordedAt, sequence, streamCreated } = checkpoint;
    writeCheckpoint.run(sequence, identity, recordedAt, streamCreated, chain, now);
    commit.run();
    return { _tag: "Written" };
  };

  return {
    write: (given) => {
      try {
        return run(given);
      } catch (cause) {
        rollback();
        if (isRowsFault(cause)) return { _tag: "Refused" };
        throw cause;
      }
    },
    probe: (units) => {
      begin.run();
      try {
        return units.flatMap(writeUnit);
      } finally {
        rollback();
      }
    },
    note: (key, value) => {
      if (value === undefined) db.prepare("DELETE FROM engine WHERE key = ?").run(key);
      else db.prepare(noteSql).run(key, value);
    },
    index: (statements) => {
      // A sort goes to temporary files beyond the cache, and a second thread of SQLite's own sorts too. Each
      // sorts as much as the cache holds.
      sortBeside(db, file);
      db.pragma("temp_store = FILE");
      db.pragma("threads = 2");
      db.pragma(`cache_size = -${sortKib}`);
      db.pragma("shrink_memory");
      for (const sql of statements) db.exec(sql);
      db.pragma("temp_store = MEMORY");
    },
    settle: () => {
      db.pragma("wal_checkpoint(TRUNCATE)");
      Generations.syncFile(file);
    },
  };
};
