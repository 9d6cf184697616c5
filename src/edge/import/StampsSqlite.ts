/**
 * Stamps of imported files, so that a file that has not changed is not read again.
 *
 * Room: edge.
 *
 * A stamp holds for one store (the moment its stream was created, and an end that the stream still reaches), one tenant
 * and one set of readers: a restored store, or a version that knows more formats, reads again. It is written when
 * everything of the file is on disk, and only for a file of which nothing was refused. The file of stamps is a cache: without
 * it everything is read again, and nothing is added twice.
 *
 * A change is seen by size, times of content and inode, inode and device, and by a digest of the first and last bytes. A
 * file that changed less than two seconds ago gets no stamp, because its times go by ticks and may not tell the next change.
 */
import Database from "better-sqlite3";
import { Effect } from "effect";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { formats } from "./Entry.ts";

export interface Stamp {
  readonly path: string;
  readonly fingerprint: string;
  /** Format it was read as; null for a file that is no conversation. */
  readonly format: string | null;
  readonly entries: number;
  /** Reason that it is no conversation. */
  readonly reason: string | null;
}

export interface Stamps {
  /** Stamp of a file, if it is still as it was then. */
  readonly find: (path: string, fingerprint: string) => Stamp | undefined;
  /** The stamp of a path, whatever the file is like by now. */
  readonly known: (path: string) => Stamp | undefined;
  /** Keeps stamps of files whose entries are in the log up to this sequence. */
  readonly keep: (stamps: ReadonlyArray<Stamp>, lastSequence: number) => void;
}

/** Raised when a reader finds more in files that it read before. */
const readersVersion = 1;
const readers = createHash("sha256").update(`${readersVersion} ${formats.join()}`).digest("hex").slice(0, 16);

const edgeBytes = 4096;
const settleMillis = 2000;

const readAt = (file: number, position: number): Buffer => {
  const buffer = Buffer.alloc(edgeBytes);
  return buffer.subarray(0, fs.readSync(file, buffer, 0, edgeBytes, position));
};

const statText = ({ ctimeNs, dev, ino, mtimeNs, size }: fs.BigIntStats): string =>
  `${size} ${mtimeNs} ${ctimeNs} ${ino} ${dev}`;

const printed = (path: string, now: number): string | undefined => {
  // A pipe that took the file's place is not waited for.
  const file = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    const info = fs.fstatSync(file, { bigint: true });
    if (!info.isFile() || Number(info.ctimeNs / 1_000_000n) > now - settleMillis) return undefined;
    const hash = createHash("sha256").update(statText(info));
    // An agent's last writes may still lie beside its database.
    const beside = fs.statSync(`${path}-wal`, { bigint: true, throwIfNoEntry: false });
    hash.update(beside === undefined ? "" : statText(beside));
    hash.update(readAt(file, 0));
    hash.update(readAt(file, Math.max(0, Number(info.size) - edgeBytes)));
    return hash.digest("hex").slice(0, 32);
  } finally {
    fs.closeSync(file);
  }
};

/**
 * Fingerprint of a file's content; undefined for one that changed just now, or cannot be read.
 *
 * Decision: by calls that wait, because seven promises a file took several times the processor of what they do.
 */
export const fingerprintOf = (path: string, now: number): Effect.Effect<string | undefined> =>
  Effect.sync(() => {
    try {
      return printed(path, now);
    } catch {
      return undefined;
    }
  });

/** Store that the stamps are of. */
export interface StampedStore {
  readonly tenant: string;
  /** Creation of its stream, epoch milliseconds; beside it its last sequence. */
  readonly created: number;
  readonly lastSequence: number;
}

const schema = `CREATE TABLE IF NOT EXISTS stamps(
  path TEXT NOT NULL, tenant TEXT NOT NULL, created REAL NOT NULL, sequence INTEGER NOT NULL, readers TEXT NOT NULL,
  fingerprint TEXT NOT NULL, format TEXT, entries INTEGER NOT NULL, reason TEXT, PRIMARY KEY(path, tenant)) WITHOUT ROWID`;

const columns = "path, fingerprint, format, entries, reason";
const valid = "path = ? AND tenant = ? AND created = ? AND sequence <= ? AND readers = ?";

/** Locked, damaged, full, not ours: stamps only spare reading. */
const orNothing = <A>(use: () => A): A | undefined => {
  try {
    return use();
  } catch {
    return undefined;
  }
};

const isDamage = (cause: unknown): boolean =>
  cause instanceof Database.SqliteError && /^SQLITE_(?:CORRUPT|NOTADB)/.test(cause.code);

/** The file with its tables. A damaged one is made anew: it is a cache. */
const opened = (file: string, isAgain = false): Database.Database => {
  const database = new Database(file, { timeout: 5000 });
  try {
    // This user's alone, as everything in the data folder; the log of the database takes it over.
    fs.chmodSync(file, 0o600);
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = NORMAL");
    database.exec(schema);
    return database;
  } catch (cause) {
    database.close();
    if (isAgain || !isDamage(cause)) throw cause;
    for (const end of ["", "-wal", "-shm"]) fs.rmSync(`${file}${end}`, { force: true });
    return opened(file, true);
  }
};

const openSync = (file: string, { created, lastSequence, tenant }: StampedStore) => {
  const database = opened(file);
  const select = database.prepare<unknown[], Stamp>(`SELECT ${columns} FROM stamps WHERE ${valid}`);
  const insert = database.prepare(`INSERT OR REPLACE INTO stamps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const known = (path: string): Stamp | undefined =>
    orNothing(() => select.get(path, tenant, created, lastSequence, readers));
  const keep = database.transaction((kept: ReadonlyArray<Stamp>, sequence: number) => {
    for (const { entries, fingerprint, format, path, reason } of kept)
      insert.run(path, tenant, created, sequence, readers, fingerprint, format, entries, reason);
  });
  const stamps: Stamps = {
    known,
    find: (path, fingerprint) => {
      const found = known(path);
      return found?.fingerprint === fingerprint ? found : undefined;
    },
    keep: (kept, sequence) => void orNothing(() => keep(kept, sequence)),
  };
  return { database, stamps };
};

/** The stamps in a file, for the scope; undefined where the file cannot be used: then everything is read. */
export const openStamps = (file: string, store: StampedStore) =>
  Effect.acquireRelease(
    Effect.sync(() => orNothing(() => openSync(file, store))),
    (open) => Effect.sync(() => open?.database.close()),
  ).pipe(Effect.map((open) => open?.stamps));
