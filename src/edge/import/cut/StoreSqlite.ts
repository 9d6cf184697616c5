/**
 * Reads an agent's own SQLite database while the agent uses it, without being in its way.
 *
 * Room: edge.
 *
 * - Nothing is written: the connection is read-only, and each question is a read of its own, over in a millisecond, so
 *   that no writer waits and no checkpoint is kept from its log.
 * - A database in WAL mode whose log is not there, or empty, is open nowhere: it is read as it lies (`immutable`), because
 *   a plain read-only connection would leave a `-wal` and a `-shm` beside it. That it did not change meanwhile is looked at
 *   afterwards; one that did is read again, as one that is in use.
 * - One with a log and no index of it (`-shm`) was left by a program that was killed: a connection would make the index and
 *   leave it. Database and log are copied, and the copy is read; so is one whose journal waits to be rolled back, and one
 *   in a folder in which the files beside it may not be made.
 *
 * `node:sqlite`, because better-sqlite3 is built without URIs and knows no `immutable`; loaded when a store is met, since
 * Node 22 says on stderr that it is new.
 */
import { Effect, FileSystem, Path, Schema } from "effect";
import type { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";

/** A value of a row; integers come as bigint, because they may be larger than a number holds exactly. */
export type Cell = string | bigint | number | Uint8Array | null;
export type Row = Readonly<Record<string, Cell>>;

/** A database that is open to be asked. */
export interface Rows {
  /** Its tables with their columns. */
  readonly tables: ReadonlyMap<string, ReadonlySet<string>>;
  readonly all: (sql: string, ...parameters: ReadonlyArray<string | bigint>) => ReadonlyArray<Row>;
}

/** The database cannot be read, or where it is damaged not all of it. */
export class StoreTrouble extends Schema.TaggedError<StoreTrouble>()("StoreTrouble", {
  reason: Schema.String,
  isDamage: Schema.Boolean,
}) {}

/** Patience of a question for a writer that has the file to itself, milliseconds. */
const busyMillis = 5000;

/** The first bytes of every SQLite database. */
export const sqliteHead = Buffer.from("SQLite format 3\u0000", "latin1");

const trouble = (cause: unknown): StoreTrouble => {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (/malformed|not a database/.test(message))
    return new StoreTrouble({ reason: `the SQLite database is damaged (${message})`, isDamage: true });
  const reason = /locked|busy/.test(message)
    ? `another process has had the SQLite database to itself for ${busyMillis / 1000} s: import again`
    : `the SQLite database cannot be read (${message})`;
  return new StoreTrouble({ reason, isDamage: false });
};

const rowsOf = (database: DatabaseSync): Rows => {
  const prepared = new Map<string, ReturnType<DatabaseSync["prepare"]>>();
  const all = (sql: string, ...parameters: ReadonlyArray<string | bigint>): ReadonlyArray<Row> => {
    let statement = prepared.get(sql);
    if (statement === undefined) {
      statement = database.prepare(sql);
      statement.setReadBigInts(true);
      prepared.set(sql, statement);
    }
    return statement.all(...parameters) as ReadonlyArray<Row>;
  };
  const tables = new Map<string, Set<string>>();
  const columns = `SELECT t.name AS "table", c.name AS "column" FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS c
    WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite!_%' ESCAPE '!'`;
  for (const { column, table } of all(columns)) {
    const known = tables.get(String(table)) ?? new Set();
    tables.set(String(table), known.add(String(column)));
  }
  return { tables, all };
};

/** As it is in use; as it lies, with nothing beside it; or a copy, which may be written to. */
type Way = "shared" | "immutable" | "copy";

const openDatabase = (path: string, way: Way) =>
  Effect.gen(function* () {
    const { DatabaseSync: Database } = yield* Effect.promise(() => import("node:sqlite"));
    const url = pathToFileURL(path);
    if (way === "immutable") url.searchParams.set("immutable", "1");
    return yield* Effect.acquireRelease(
      Effect.try({ try: () => new Database(url, { readOnly: way !== "copy", timeout: busyMillis }), catch: trouble }),
      (database) => Effect.sync(() => database.close()),
    );
  });

/** The database with its log and journal, copied to where their files may be made. */
const copied = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem;
  const paths = yield* Path.Path;
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "recollect-store-" });
  const copy = paths.join(folder, "store.db");
  yield* fs.copyFile(path, copy);
  for (const beside of ["-wal", "-journal"])
    yield* fs.copyFile(`${path}${beside}`, `${copy}${beside}`).pipe(Effect.ignore);
  return copy;
});

const isWal = (head: Uint8Array): boolean => head[18] === 2 && head[19] === 2;

/** Stamp that changes when a database is written to. */
const stampOf = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem;
  const stamp = (file: string) =>
    fs.stat(file).pipe(
      Effect.map((info) => `${info.size} ${JSON.stringify(info.mtime)}`),
      Effect.orElseSucceed(() => "absent"),
    );
  return yield* Effect.all([stamp(path), stamp(`${path}-wal`), stamp(`${path}-journal`)]).pipe(
    Effect.map((stamps) => stamps.join(" | ")),
  );
});

/** A question to an open database, with what SQLite throws as an error. */
export const asked = <A>(question: () => A) => Effect.try({ try: question, catch: trouble });

const openRows = (path: string, way: Way) =>
  Effect.flatMap(openDatabase(path, way), (database) => asked(() => rowsOf(database)));

/** Way in which a database is opened so that nothing is left beside it. */
const wayOf = Effect.fnUntraced(function* (path: string, head: Uint8Array) {
  const fs = yield* FileSystem.FileSystem;
  if (!isWal(head)) return "shared" as const;
  const logBytes = yield* fs.stat(`${path}-wal`).pipe(
    Effect.map(({ size }) => Number(size)),
    Effect.orElseSucceed(() => 0),
  );
  const hasIndex = yield* fs.exists(`${path}-shm`).pipe(Effect.orElseSucceed(() => false));
  if (hasIndex) return "shared" as const;
  return logBytes === 0 ? ("immutable" as const) : ("copy" as const);
});

/**
 * Opens the database at `path` for the scope. `head` is its first 100 bytes. `isStill` tells at the end whether what was
 * read is one state of it: false where it was taken for one that is open nowhere, or copied, and was written to meanwhile.
 */
export const openStore = Effect.fn("edge.openStore")(function* (path: string, head: Uint8Array) {
  const before = yield* stampOf(path);
  const isAsBefore = Effect.map(stampOf(path), (after) => after === before);
  const way = yield* wayOf(path, head);
  // A copy is one state of it if nothing was written while it was made.
  const elsewhere = Effect.gen(function* () {
    const copy = yield* copied(path);
    return { isStill: Effect.succeed(yield* isAsBefore), rows: yield* openRows(copy, "copy") };
  });
  if (way === "copy") return yield* elsewhere;
  if (way === "immutable") return { isStill: isAsBefore, rows: yield* openRows(path, way) };
  return yield* openRows(path, way).pipe(
    Effect.map((rows) => ({ isStill: Effect.succeed(true), rows })),
    Effect.catchTag("StoreTrouble", () => elsewhere),
  );
});
