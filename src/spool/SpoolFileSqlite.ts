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
import { type Command, type Owner, type SpooledCommand, type SpoolState } from "./Spool.ts";
import { type Bounds, BoundsFile } from "./SpoolBounds.ts";
import * as SpoolCodec from "./SpoolCodec.ts";
import { bringUpToDate } from "./SpoolTablesSqlite.ts";
import { trouble } from "./SpoolTroubleSqlite.ts";

export interface Options {
  readonly file: string;
  /** The log these commands are meant for: its address without credentials, or one name for a data folder's own. */
  readonly target: string;
  /** Beyond it a `put` is refused as full. Default: what the file of bounds says, else 1 GiB. */
  readonly maxFileBytes?: number | undefined;
  /** What waits for longer is said to be overdue. Default: what the file of bounds says, else a week. */
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

export const historyText = ({ id, kind, tenant }: History): string => JSON.stringify([tenant, kind, id]);

/** Which file lies at the path, so that one which was replaced under us is seen. */
const markOf = (file: string): string => {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? "" : `${found.dev} ${found.ino}`;
};

interface Statements {
  readonly insert: Database.Statement;
  readonly insertBlob: Database.Statement;
  readonly remove: Database.Statement;
  readonly setAside: Database.Statement;
  readonly oldest: Database.Statement<[string, number, number], Row>;
  readonly waiting: Database.Statement<[string, number, number]>;
  readonly range: Database.Statement<[{ readonly target: string }], Range>;
  readonly blobsOf: Database.Statement<[number], { readonly sha256: string; readonly bytes: Buffer }>;
}

const prepare = (database: Database.Database): Statements => ({
  insert: database.prepare("INSERT INTO commands (target, accepted_at, history, body) VALUES (?, ?, ?, ?)"),
  insertBlob: database.prepare("INSERT OR IGNORE INTO blobs (position, sha256, bytes) VALUES (?, ?, ?)"),
  remove: database.prepare("DELETE FROM commands WHERE position = ?"),
  setAside: database.prepare("UPDATE commands SET set_aside = ? WHERE position = ?"),
  oldest: database.prepare(
    `SELECT position, accepted_at, insisted, body FROM commands
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
  blobsOf: database.prepare("SELECT sha256, bytes FROM blobs WHERE position = ?"),
});

interface Row {
  readonly position: number;
  readonly accepted_at: number;
  readonly insisted: number | null;
  readonly body: string;
}

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
  #pages = 0;

  constructor(options: Options) {
    const { maxFileBytes = 1, overdueMillis = 1 } = options;
    if (!(maxFileBytes > 0 && overdueMillis > 0)) throw new RangeError("a spool's bounds are positive numbers");
    this.#options = options;
    this.#said = new BoundsFile(options.file);
  }

  /** What holds now. */
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
    // SQLite goes on writing into a file that was removed or replaced; nobody would find it there again. It is left
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
      this.#pages = 0;
      bringUpToDate(database);
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
    const all = database.transaction(() => {
      let position = 0;
      for (const [index, { blobs, history }] of commands.entries()) {
        const { target } = this.#options;
        const { lastInsertRowid } = statements.insert.run(target, now, historyText(history), bodies[index]);
        for (const { sha256, bytes } of blobs) statements.insertBlob.run(lastInsertRowid, sha256, bytes);
        position = Number(lastInsertRowid);
      }
      return position;
    });
    return all.immediate();
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
    const { blobsOf, oldest } = open.statements;
    const found: Array<SpooledCommand> = [];
    let bytes = 0;
    // One by one: rows behind the last one that fits may hold megabytes.
    const unreadable: Array<{ readonly position: number; readonly reason: string }> = [];
    for (const row of oldest.iterate(this.#options.target, after, limit)) {
      bytes += row.body.length;
      if (found.length > 0 && bytes > maxBytes) break;
      const plain = decoded(row);
      if ("reason" in plain) unreadable.push(plain);
      else found.push({ ...plain, blobs: [] });
    }
    const whole: Array<SpooledCommand> = [];
    let blobBytes = 0;
    for (const command of found) {
      const blobs = blobsOf.all(command.position);
      blobBytes += blobs.reduce((sum, blob) => sum + blob.bytes.length, 0);
      if (whole.length > 0 && blobBytes + bytes > maxBytes && blobs.length > 0) break;
      whole.push({ ...command, blobs });
    }
    // A row that is no command (a damaged page, a foreign hand) must not block those behind it.
    for (const { position, reason } of unreadable) this.setAside(position, reason);
    return whole;
  }

  /**
   * Notes where the stream ends with those of these commands that nobody has tried to deliver; where another process
   * was first, its end holds. A disk that takes no note gives them as they are: they are then looked for everywhere.
   */
  begun(commands: ReadonlyArray<SpooledCommand>, end: StreamEnd): ReadonlyArray<SpooledCommand> {
    const isUntried = ({ after, isNew }: Command) => isNew === true && after === undefined;
    if (!commands.some(isUntried)) return commands;
    const { database } = this.open();
    const note = database.prepare<[string, number]>(
      `UPDATE commands SET body = json_set(body, '$.after', json(?))
       WHERE position = ? AND json_extract(body, '$.after') IS NULL`,
    );
    const look = database.prepare<[number], string>("SELECT body FROM commands WHERE position = ?").pluck();
    const all = database.transaction(() =>
      commands.map((command) => {
        if (!isUntried(command)) return command;
        note.run(JSON.stringify(end), command.position);
        const body = look.get(command.position);
        return body === undefined ? command : { ...command, ...SpoolCodec.decode(body) };
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
    const row = this.existing()
      ?.database.prepare<[string], Row>(
        `SELECT position, accepted_at, insisted, body FROM commands
         WHERE target = ? AND set_aside IS NULL ORDER BY position DESC LIMIT 1`,
      )
      .get(this.#options.target);
    const newest = row === undefined ? undefined : decoded(row);
    return newest === undefined || "reason" in newest ? undefined : newest.after;
  }

  waitingFor(history: History): ReadonlyArray<SpooledCommand> {
    const open = this.existing();
    if (open === undefined) return [];
    const rows = open.database.prepare<[string, string], Row>(
      `SELECT position, accepted_at, insisted, body FROM commands
       WHERE target = ? AND set_aside IS NULL AND (history = ? OR history IS NULL) ORDER BY position`,
    );
    const text = historyText(history);
    return rows.all(this.#options.target, text).flatMap((row) => {
      const plain = decoded(row);
      return "reason" in plain || historyText(plain.history) !== text ? [] : [{ ...plain, blobs: [] }];
    });
  }

  forget(positions: ReadonlyArray<number>): void {
    const open = this.existing();
    if (open === undefined) return;
    const { remove } = open.statements;
    open.database.transaction(() => positions.forEach((position) => remove.run(position))).immediate();
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

const decoded = ({
  accepted_at: acceptedAt,
  body,
  insisted,
  position,
}: Row): Omit<SpooledCommand, "blobs"> | { readonly position: number; readonly reason: string } => {
  try {
    return { position, acceptedAt, isInsisted: insisted === 1, ...SpoolCodec.decode(body) };
  } catch (cause) {
    return { position, reason: `cannot be read: ${cause instanceof Error ? cause.message : String(cause)}` };
  }
};
