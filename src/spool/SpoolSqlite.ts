/**
 * The spool in a small SQLite file of its own, beside the data it will become.
 *
 * Room: spool. In: Spool. Out: publish.
 *
 * The file is opened at the first need, so a machine whose log is never away never has one. WAL with
 * `synchronous=FULL`: `put` returns after an fsync. Several processes may share the file; each transaction is a
 * few rows, so they wait for each other for milliseconds.
 */
import Database from "better-sqlite3";
import { Clock, Effect, Layer } from "effect";
import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { type Command, Spool, type SpooledCommand, type SpoolState, SpoolUnavailable } from "./Spool.ts";
import * as SpoolCodec from "./SpoolCodec.ts";

export interface Options {
  readonly file: string;
  /** The log these commands are meant for: its address without credentials, or one name for a data folder's own. */
  readonly target: string;
  /** Largest size of the file; beyond it a `put` is refused as full. Default 1 GiB. */
  readonly maxFileBytes?: number | undefined;
}

const pageBytes = 4096;
const defaultMaxFileBytes = 1024 ** 3;
/** Another process holds the file for one small transaction; one that holds it longer is stuck, and we go on without. */
const busyTimeoutMillis = 1_000;
/** `user_version` of the file. A newer one is not touched. */
const fileVersion = 1;

const tables = `
  CREATE TABLE IF NOT EXISTS commands (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    set_aside TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS commands_waiting ON commands (target, position) WHERE set_aside IS NULL;
  CREATE TABLE IF NOT EXISTS blobs (
    position INTEGER NOT NULL REFERENCES commands ON DELETE CASCADE,
    sha256 TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (position, sha256)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS leaders (
    target TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    until INTEGER NOT NULL
  ) STRICT;
`;

const reasonOf = (code: string): SpoolUnavailable["reason"] => {
  if (/^SQLITE_FULL|^ENOSPC|^EDQUOT/.test(code)) return "full";
  if (/^SQLITE_(?:BUSY|LOCKED)/.test(code)) return "busy";
  if (/^SQLITE_(?:CANTOPEN|READONLY|PERM|IOERR)|^EACCES|^EPERM|^EROFS|^ENOTDIR|^EEXIST/.test(code))
    return "notWritable";
  if (/^SQLITE_(?:CORRUPT|NOTADB)/.test(code)) return "damaged";
  return "other";
};

const hints: Readonly<Record<SpoolUnavailable["reason"], string>> = {
  notWritable: "Make the folder writable for this user, or name another with RECOLLECT_DATA.",
  full: "Free some disk space, or bring the log back: it then takes what the spool holds.",
  busy: "Another process holds the spool file; it should let go within a second.",
  damaged: "Move the file away for inspection; a new one is made at once.",
  other: "See whether the disk is well.",
};

const trouble = (file: string, cause: unknown): SpoolUnavailable => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const reason = reasonOf(code);
  const words = cause instanceof Error ? cause.message : String(cause);
  return new SpoolUnavailable({
    reason,
    file,
    message: `The spool ${file} cannot be used: ${words}`,
    hint: hints[reason],
  });
};

/** The open file and its statements. Plain synchronous code: better-sqlite3 is, and every caller is wrapped below. */
class SpoolFile {
  readonly #options: Options;
  #database: Database.Database | undefined;

  constructor(options: Options) {
    this.#options = options;
  }

  /** The database, or undefined when there is no file yet. */
  existing(): Database.Database | undefined {
    return this.#database ?? (existsSync(this.#options.file) ? this.open() : undefined);
  }

  open(): Database.Database {
    if (this.#database !== undefined) return this.#database;
    const { file, maxFileBytes } = this.#options;
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    // Conversations are private, and SQLite would make the file readable for everyone.
    closeSync(openSync(file, "a", 0o600));
    const database = new Database(file, { timeout: busyTimeoutMillis });
    try {
      database.pragma(`page_size = ${pageBytes}`);
      database.pragma("journal_mode = WAL");
      database.pragma("synchronous = FULL");
      database.pragma("foreign_keys = ON");
      database.pragma(`max_page_count = ${Math.ceil((maxFileBytes ?? defaultMaxFileBytes) / pageBytes)}`);
      const version = Number(database.pragma("user_version", { simple: true }));
      if (version > fileVersion) throw new Error(`it was written by a newer version (${version})`);
      database.exec(tables);
      if (version < fileVersion) database.pragma(`user_version = ${fileVersion}`);
    } catch (cause) {
      database.close();
      throw cause;
    }
    this.#database = database;
    return database;
  }

  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }

  put(commands: ReadonlyArray<Command>, now: number): void {
    const database = this.open();
    const insert = database.prepare("INSERT INTO commands (target, accepted_at, body) VALUES (?, ?, ?)");
    const insertBlob = database.prepare("INSERT OR IGNORE INTO blobs (position, sha256, bytes) VALUES (?, ?, ?)");
    const bodies = commands.map(SpoolCodec.encode);
    const all = database.transaction(() => {
      for (const [index, { blobs }] of commands.entries()) {
        const { lastInsertRowid } = insert.run(this.#options.target, now, bodies[index]);
        for (const { sha256, bytes } of blobs) insertBlob.run(lastInsertRowid, sha256, bytes);
      }
    });
    all.immediate();
  }

  oldest(limit: number, maxBytes: number): ReadonlyArray<SpooledCommand> {
    const database = this.existing();
    if (database === undefined) return [];
    const rows = database.prepare<[string, number], { position: number; body: string }>(
      "SELECT position, body FROM commands WHERE target = ? AND set_aside IS NULL ORDER BY position LIMIT ?",
    );
    const blobsOf = database.prepare<[number], { sha256: string; bytes: Buffer }>(
      "SELECT sha256, bytes FROM blobs WHERE position = ?",
    );
    const found: Array<SpooledCommand> = [];
    let bytes = 0;
    for (const { position, body } of rows.all(this.#options.target, limit)) {
      const blobs = blobsOf.all(position);
      bytes += body.length + blobs.reduce((sum, blob) => sum + blob.bytes.length, 0);
      if (found.length > 0 && bytes > maxBytes) break;
      const plain = this.#decode(position, body);
      if (plain !== undefined) found.push({ position, ...plain, blobs });
    }
    return found;
  }

  /** A row that is no command (a damaged page, a foreign hand) must not block those behind it. */
  #decode(position: number, body: string): ReturnType<typeof SpoolCodec.decode> | undefined {
    try {
      return SpoolCodec.decode(body);
    } catch (cause) {
      this.setAside(position, `cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`);
      return undefined;
    }
  }

  forget(positions: ReadonlyArray<number>): void {
    const database = this.existing();
    if (database === undefined) return;
    const remove = database.prepare("DELETE FROM commands WHERE position = ?");
    database.transaction(() => positions.forEach((position) => remove.run(position))).immediate();
  }

  setAside(position: number, reason: string): void {
    this.open().prepare("UPDATE commands SET set_aside = ? WHERE position = ?").run(reason, position);
  }

  lead(owner: string, now: number, millis: number): boolean {
    const claim = this.open().prepare(
      `INSERT INTO leaders (target, owner, until) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET owner = excluded.owner, until = excluded.until
       WHERE owner = excluded.owner OR until <= ? OR until > ?`,
    );
    // A claim further ahead than anyone asks for was made before the machine's clock was set back.
    return claim.run(this.#options.target, owner, now + millis, now, now + 60 * 60_000).changes === 1;
  }

  resign(owner: string): void {
    this.existing()?.prepare("DELETE FROM leaders WHERE target = ? AND owner = ?").run(this.#options.target, owner);
  }

  state(): SpoolState {
    const row = this.existing()
      ?.prepare<[string], { waiting: number; oldestAt: number | null; setAside: number }>(
        `SELECT count(*) FILTER (WHERE set_aside IS NULL) AS waiting,
                min(accepted_at) FILTER (WHERE set_aside IS NULL) AS oldestAt,
                count(set_aside) AS setAside
         FROM commands WHERE target = ?`,
      )
      .get(this.#options.target);
    return { waiting: row?.waiting ?? 0, oldestAt: row?.oldestAt ?? undefined, setAside: row?.setAside ?? 0 };
  }
}

export const make = Effect.fnUntraced(function* (options: Options) {
  const spool = yield* Effect.acquireRelease(
    Effect.sync(() => new SpoolFile(options)),
    (file) => Effect.sync(() => file.close()),
  );
  const attempt = <A>(use: () => A): Effect.Effect<A, SpoolUnavailable> =>
    Effect.try({
      try: use,
      catch: (cause) => {
        const problem = trouble(options.file, cause);
        // A file that was removed, replaced or damaged under us is opened anew at the next need.
        if (problem.reason !== "busy" && problem.reason !== "full") spool.close();
        return problem;
      },
    });
  const atNow = <A>(use: (now: number) => A) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => attempt(() => use(now)));
  return Spool.of({
    put: (commands) => atNow((now) => spool.put(commands, now)),
    oldest: ({ limit, maxBytes }) => attempt(() => spool.oldest(limit, maxBytes)),
    forget: (positions) => attempt(() => spool.forget(positions)),
    setAside: ({ position, reason }) => attempt(() => spool.setAside(position, reason)),
    lead: ({ owner, millis }) => atNow((now) => spool.lead(owner, now, millis)),
    resign: (owner) => attempt(() => spool.resign(owner)),
    state: Effect.suspend(() => attempt(() => spool.state())),
  });
});

export const layer = (options: Options) => Layer.effect(Spool, make(options));
