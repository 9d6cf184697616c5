/**
 * The spool's file: how commands lie in its tables.
 *
 * Room: spool.
 *
 * Plain synchronous code, because better-sqlite3 is; `SpoolSqlite` wraps every call. WAL with `synchronous=FULL`: a
 * commit returns after an fsync. Several processes may share the file; each transaction is a few rows, so they wait
 * for each other for milliseconds.
 */
import Database from "better-sqlite3";
import { closeSync, existsSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { History } from "../domain/History.ts";
import type { StreamEnd } from "../log/EventLog.ts";
import { isAlive } from "../machine/Processes.ts";
import { AcceptedList } from "./AcceptedList.ts";
import { type Command, type Owner, type SpooledCommand, type SpoolState } from "./Spool.ts";
import { type Bounds, BoundsFile } from "./SpoolBounds.ts";
import * as SpoolCodec from "./SpoolCodec.ts";
import { digestOf } from "./SpoolDigest.ts";
import * as Numbers from "./SpoolNumbersSqlite.ts";
import * as Rows from "./SpoolRowsSqlite.ts";
import { bringUpToDate } from "./SpoolTablesSqlite.ts";
import { trouble } from "./SpoolTroubleSqlite.ts";

export interface Options {
  readonly file: string;
  /** The log these commands are meant for: its address without credentials, or one name for a data folder's own. */
  readonly target: string;
  /** Beyond it a `put` is refused as full. Default: what the file of bounds says, else 1 GiB. */
  readonly maxFileBytes?: number | undefined;
  /** Age from which a waiting command is overdue. Default: what the file of bounds says, else a week. */
  readonly overdueMillis?: number | undefined;
}

const pageBytes = 4096;
/**
 * Another process holds the file for one small transaction, some milliseconds with its fsync. The caller's whole thread
 * stands still while SQLite waits, so it waits no longer than that; then `SpoolSqlite` waits without holding anyone up.
 */
const busyTimeoutMillis = 10;
/** Reports of forks are for a person who looks; beyond this the oldest go. The forks themselves are in the log. */
const mostForks = 1_000;
/** A claim further ahead than anyone asks for was made before the machine's clock was set back. */
const farthestMillis = 60 * 60_000;

export const { historyText } = Rows;

/** Identity of the file at the path, so that one which was replaced under us is seen. */
const markOf = (file: string): string => {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? "" : `${found.dev} ${found.ino}`;
};

interface Statements {
  readonly next: Database.Statement<[], number>;
  readonly insert: Database.Statement;
  readonly insertBlob: Database.Statement;
  readonly remove: Database.Statement;
  readonly setAside: Database.Statement;
  readonly oldest: Database.Statement<[string, number, number], Rows.Row>;
  readonly waiting: Database.Statement<[string, number, number]>;
  readonly range: Database.Statement<[{ readonly target: string }], Range>;
  readonly rows: Rows.RowStatements;
}

const prepare = (database: Database.Database): Statements => ({
  next: database.prepare<[], number>(Numbers.nextSql).pluck(),
  insert: database.prepare(
    "INSERT INTO commands (position, target, accepted_at, history, body, digest) VALUES (?, ?, ?, ?, ?, ?)",
  ),
  insertBlob: database.prepare("INSERT OR IGNORE INTO blobs (position, sha256, digest, bytes) VALUES (?, ?, ?, ?)"),
  remove: database.prepare("DELETE FROM commands WHERE position = ?"),
  setAside: database.prepare("UPDATE commands SET set_aside = ? WHERE position = ?"),
  oldest: database.prepare(
    `SELECT ${Rows.columns} FROM commands
     WHERE target = ? AND set_aside IS NULL AND position > ? ORDER BY position LIMIT ?`,
  ),
  waiting: database.prepare(
    "SELECT 1 FROM commands WHERE target = ? AND set_aside IS NULL AND position > ? AND position <= ? LIMIT 1",
  ),
  // Each is one look into the index; asked for in one SELECT they would be a look at every row.
  range: database.prepare(
    `SELECT (SELECT min(position) FROM commands WHERE target = $target AND set_aside IS NULL) AS oldest,
            (SELECT max(position) FROM commands WHERE target = $target AND set_aside IS NULL) AS newest`,
  ),
  rows: Rows.rowStatements(database),
});

/** Longest belief in an empty spool: another process may fail to write its line of the list. */
const emptyMillis = 1_000;

interface Range {
  readonly oldest: number | null;
  readonly newest: number | null;
}

interface Open {
  readonly database: Database.Database;
  readonly statements: Statements;
  readonly mark: string;
}

/** The open file. It is opened at the first need, so a machine whose log is never away never has one. */
export class SpoolFile {
  readonly #options: Options;
  #open: Open | undefined;

  readonly #said: BoundsFile;
  /** Numbers that were given: those the database must have. */
  readonly list: AcceptedList;
  #pages = 0;
  #emptyMark: string | undefined;
  #emptyUntil = 0;

  constructor(options: Options) {
    const { maxFileBytes = 1, overdueMillis = 1 } = options;
    if (!(maxFileBytes > 0 && overdueMillis > 0)) throw new RangeError("a spool's bounds are positive numbers");
    this.#options = options;
    this.#said = new BoundsFile(options.file);
    this.list = new AcceptedList(options.file);
  }

  /** Entry of the list for a number. Read when a row is not well, which is seldom. */
  readonly known: Rows.Known = (position) => this.list.read.open.get(position);

  /** Bounds that hold now. */
  get bounds(): Bounds {
    const { maxFileBytes, overdueMillis } = this.#options;
    const said = this.#said.now;
    return {
      maxFileBytes: maxFileBytes ?? said.maxFileBytes,
      overdueMillis: overdueMillis ?? said.overdueMillis,
    };
  }

  /** The open file, or undefined when there is no file yet. */
  existing(): Open | undefined {
    return existsSync(this.#options.file) ? this.open() : undefined;
  }

  open(): Open {
    const { file } = this.#options;
    // SQLite goes on writing into a file that was removed or replaced; it would not be found there again. It is left
    // open: closing it would remove the WAL beside the path, which is that of the new file by now.
    if (this.#open !== undefined && this.#open.mark !== markOf(file)) this.#open = undefined;
    if (this.#open !== undefined) return this.#open;
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    // Conversations are private, and SQLite would make the file readable for everyone.
    closeSync(openSync(file, "a", 0o600));
    const database = new Database(file, { timeout: busyTimeoutMillis });
    try {
      database.pragma(`page_size = ${pageBytes}`);
      database.pragma("journal_mode = WAL");
      database.pragma("synchronous = FULL");
      database.pragma("foreign_keys = ON");
      database.pragma(`journal_size_limit = ${pageBytes * 64}`);
      this.#pages = 0;
      bringUpToDate(database);
      Numbers.agree(database, this.list);
      this.#open = { database, statements: prepare(database), mark: markOf(file) };
    } catch (cause) {
      database.close();
      throw cause;
    }
    return this.#open;
  }

  close(): void {
    this.#open?.database.close();
    this.#open = undefined;
  }

  put(commands: ReadonlyArray<Command>, now: number): number {
    const bodies = commands.map(SpoolCodec.encode);
    const { database, statements } = this.open();
    const pages = Math.ceil(this.bounds.maxFileBytes / pageBytes);
    // Holds for a connection; a file that is larger already keeps what it has and takes nothing more.
    if (pages !== this.#pages) database.pragma(`max_page_count = ${pages}`);
    this.#pages = pages;
    const digests = commands.map(({ blobs }) => Rows.blobDigests(blobs));
    const { target } = this.#options;
    const all = database.transaction(() =>
      commands.map((command, index) => {
        const position = statements.next.get() ?? 1;
        const own = digests[index] ?? [];
        const body = bodies[index] ?? "";
        const digest = digestOf({ position, target, body, blobs: own });
        statements.insert.run(position, target, now, historyText(command.history), body, digest);
        for (const { sha256, bytes } of command.blobs) {
          statements.insertBlob.run(position, sha256, own.find((one) => one.sha256 === sha256)?.digest ?? null, bytes);
        }
        return Rows.acceptedOf({ position, target, accepted_at: now, digest }, command);
      }),
    );
    const given = all.immediate();
    this.#emptyMark = undefined;
    this.list.given(given);
    return given.at(-1)?.number ?? 0;
  }

  isWaiting(after: number, upTo: number): boolean {
    const found = this.existing()?.statements.waiting.get(this.#options.target, after, upTo);
    return found !== undefined;
  }

  range(): { readonly oldest: number; readonly newest: number } | undefined {
    const { newest = null, oldest = null } =
      this.existing()?.statements.range.get({ target: this.#options.target }) ?? {};
    return oldest === null || newest === null ? undefined : { oldest, newest };
  }

  oldest(limit: number, maxBytes: number, after: number): ReadonlyArray<SpooledCommand> {
    const open = this.existing();
    if (open === undefined) return [];
    const { oldest, rows } = open.statements;
    const found: Array<SpooledCommand> = [];
    let bytes = 0;
    // One by one: rows behind the last one that fits may hold megabytes.
    const bad: Array<Rows.Bad> = [];
    for (const row of oldest.iterate(this.#options.target, after, limit)) {
      bytes += row.body.length;
      if (found.length > 0 && bytes > maxBytes) break;
      const plain = Rows.commandOf(row, rows, this.known);
      if ("reason" in plain) bad.push(plain);
      else found.push({ ...plain, blobs: [] });
    }
    const whole: Array<SpooledCommand> = [];
    let blobBytes = 0;
    for (const command of found) {
      const blobs = Rows.blobsOf(command.position, rows, this.known);
      if ("reason" in blobs) {
        bad.push(blobs);
        continue;
      }
      blobBytes += blobs.reduce((sum, blob) => sum + blob.bytes.length, 0);
      if (whole.length > 0 && blobBytes + bytes > maxBytes && blobs.length > 0) break;
      whole.push({ ...command, blobs });
    }
    // A row that is no command (a damaged page, a foreign hand) must not block those behind it.
    for (const { position, reason } of bad) this.setAside(position, reason);
    return whole;
  }

  /**
   * Notes where the stream ends with those of these commands that were never tried; where another process
   * was first, its end holds. A disk that takes no note gives them as they are: they are then looked for everywhere.
   */
  begun(commands: ReadonlyArray<SpooledCommand>, end: StreamEnd): ReadonlyArray<SpooledCommand> {
    const isUntried = ({ after, isNew }: Command) => isNew === true && after === undefined;
    if (!commands.some(isUntried)) return commands;
    const { database, statements } = this.open();
    const note = database.prepare<[string, number]>(
      "UPDATE commands SET tried = ? WHERE position = ? AND tried IS NULL",
    );
    const look = database.prepare<[number], Rows.Row>(`SELECT ${Rows.columns} FROM commands WHERE position = ?`);
    const all = database.transaction(() =>
      commands.map((command) => {
        if (!isUntried(command)) return command;
        note.run(Rows.triedText(command.position, end), command.position);
        const row = look.get(command.position);
        const plain = row === undefined ? undefined : Rows.commandOf(row, statements.rows, this.known);
        return plain === undefined || "reason" in plain ? command : { ...command, ...plain };
      }),
    );
    try {
      return all.immediate();
    } catch (cause) {
      if (trouble(this.#options.file, cause).reason === "busy") throw cause;
      return commands;
    }
  }

  newestEnd(): StreamEnd | undefined {
    const open = this.existing();
    const row = open?.database
      .prepare<[string], Rows.Row>(
        `SELECT ${Rows.columns} FROM commands
         WHERE target = ? AND set_aside IS NULL ORDER BY position DESC LIMIT 1`,
      )
      .get(this.#options.target);
    const newest =
      row === undefined || open === undefined ? undefined : Rows.commandOf(row, open.statements.rows, this.known);
    return newest === undefined || "reason" in newest ? undefined : newest.after;
  }

  /**
   * Decision: an empty spool counts as empty until its list changes, it puts itself, or a second is over, because each
   * read of a thread asks: a stat in place of two statements.
   */
  waitingFor(history: History): ReadonlyArray<SpooledCommand> {
    const { mark } = this.list;
    if (mark === this.#emptyMark && performance.now() < this.#emptyUntil) return [];
    const open = this.existing();
    if (open?.statements.waiting.get(this.#options.target, 0, Number.MAX_SAFE_INTEGER) === undefined) {
      [this.#emptyMark, this.#emptyUntil] = [mark, performance.now() + emptyMillis];
      return [];
    }
    const rows = open.database.prepare<[string, string], Rows.Row>(
      `SELECT ${Rows.columns} FROM commands
       WHERE target = ? AND set_aside IS NULL AND (history = ? OR history IS NULL) ORDER BY position`,
    );
    const text = historyText(history);
    return rows.all(this.#options.target, text).flatMap((row) => {
      const plain = Rows.commandOf(row, open.statements.rows, this.known);
      return "reason" in plain || historyText(plain.history) !== text ? [] : [{ ...plain, blobs: [] }];
    });
  }

  blob(sha256: string): Uint8Array | undefined {
    return Rows.blobBytes(this.existing()?.database, sha256);
  }

  forget(positions: ReadonlyArray<number>): void {
    const open = this.existing();
    if (open === undefined || positions.length === 0) return;
    const { remove } = open.statements;
    // First: a row that is there is delivered again, and found in the log; one that is missed would be called lost.
    this.list.settle(positions);
    open.database.transaction(() => positions.forEach((position) => remove.run(position))).immediate();
    Numbers.tidy(open.database, this.list, this.#options.file);
  }

  setAside(position: number, reason: string): void {
    this.open().statements.setAside.run(reason, position);
  }

  forked(position: number, into: History, reason: string, now: number): void {
    const { database, statements } = this.open();
    const report = database.prepare(
      `INSERT OR IGNORE INTO forks (position, target, at, history, body, into_thread, reason)
       SELECT position, target, ?, history, body, ?, ? FROM commands WHERE position = ?`,
    );
    const trim = database.prepare(
      "DELETE FROM forks WHERE position <= (SELECT position FROM forks ORDER BY position DESC LIMIT 1 OFFSET ?)",
    );
    this.list.settle([position]);
    const both = database.transaction(() => {
      report.run(now, into.id, reason, position);
      trim.run(mostForks);
      statements.remove.run(position);
    });
    both.immediate();
  }

  lead(owner: Owner, now: number, millis: number): boolean {
    const { database } = this.open();
    const { target } = this.#options;
    const name = `${owner.pid}-${owner.name}`;
    const look = database.prepare<[string], { owner: string; until: number }>(
      "SELECT owner, until FROM leaders WHERE target = ?",
    );
    const found = look.get(target);
    // A claim that lasts for a while yet need not be written again: each write is an fsync.
    if (found?.owner === name && found.until > now + millis / 2 && found.until <= now + millis) return true;
    const isFree = ({ owner: other, until }: { owner: string; until: number }) =>
      other === name || until <= now || until > now + farthestMillis || !isAlive(Number.parseInt(other, 10));
    const claim = database.transaction(() => {
      const leader = look.get(target);
      if (leader !== undefined && !isFree(leader)) return false;
      database
        .prepare("INSERT OR REPLACE INTO leaders (target, owner, until) VALUES (?, ?, ?)")
        .run(target, name, now + millis);
      return true;
    });
    return found !== undefined && !isFree(found) ? false : claim.immediate();
  }

  resign({ name, pid }: Owner): void {
    const database = this.existing()?.database;
    const { target } = this.#options;
    const mine = database
      ?.prepare("SELECT 1 FROM leaders WHERE target = ? AND owner = ?")
      .get(target, `${pid}-${name}`);
    if (mine !== undefined)
      database?.prepare("DELETE FROM leaders WHERE target = ? AND owner = ?").run(target, `${pid}-${name}`);
  }

  state(): SpoolState {
    const row = this.existing()
      ?.database.prepare<
        [string],
        { waiting: number; oldestAt: number | null; newest: number | null; setAside: number }
      >(
        `SELECT count(*) FILTER (WHERE set_aside IS NULL) AS waiting,
                min(accepted_at) FILTER (WHERE set_aside IS NULL) AS oldestAt,
                max(position) FILTER (WHERE set_aside IS NULL) AS newest,
                count(set_aside) AS setAside
         FROM commands WHERE target = ?`,
      )
      .get(this.#options.target);
    return {
      waiting: row?.waiting ?? 0,
      oldestAt: row?.oldestAt ?? undefined,
      newest: row?.newest ?? 0,
      setAside: row?.setAside ?? 0,
      overdueMillis: this.bounds.overdueMillis,
    };
  }
}
