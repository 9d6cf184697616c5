/**
 * The read model in one SQLite file: opened or created, and folded into, exactly once.
 *
 * Room: projection.
 *
 * Promises: the rows of a batch, its dead letters, what interpreters remember, and the checkpoint with the stream's
 * incarnation are one transaction; a process killed at any moment leaves the file at a batch's edge.
 */
import Database from "better-sqlite3";
import { Effect } from "effect";
import type { Projection } from "./Projection.ts";
import { applicationId, engineVersion, readCheckpoint } from "./EngineSqlite.ts";
import * as Apply from "./fold/ApplySqlite.ts";
import { noCheckpoint } from "./Checkpoint.ts";
import { digestsOf } from "./verify/DigestSqlite.ts";
import type { Prepared, ReadModel, StorageTrouble } from "./ReadModel.ts";
import { faultsOf, type Indexes, finishingOf } from "./SchemaSqlite.ts";
import * as Shape from "./ShapeSqlite.ts";
import { assertOurs, storageTrouble } from "./StorageTroubleSqlite.ts";
import { configure, type Durability } from "./write/RowWriterSqlite.ts";
import * as WriterChoice from "./write/WriterChoiceSqlite.ts";

export interface OpenOptions {
  readonly file: string;
  readonly projections: ReadonlyArray<Projection>;
  readonly durability: Durability;
  /** The path that leads to the file: the model writes only while it does. Absent for a file of one's own. */
  readonly path?: string;
  /** Of a file that is made new. Default: all. */
  readonly indexes?: Indexes;
  /** Batches with so many rows are written in a thread beside. Default: those that are worth one. */
  readonly threadFromRows?: number;
}

const isEmpty = (db: Database.Database): boolean =>
  db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;

const shapeKey = (projection: string): string => `shape:${projection}`;

const create = (db: Database.Database, options: OpenOptions): void => {
  const { projections } = options;
  db.transaction(() => {
    db.pragma(`application_id = ${applicationId}`);
    db.pragma(`user_version = ${engineVersion}`);
    Shape.create(db, { projections, indexes: options.indexes ?? "all" });
    const begin = db.prepare("INSERT INTO checkpoints VALUES (?, ?, ?, 0, '', 0, 0, ?, 0)");
    const note = db.prepare("INSERT INTO engine VALUES (?, ?)");
    for (const projection of projections) {
      begin.run(projection.name, projection.version, projection.doc, noCheckpoint.chain);
      note.run(shapeKey(projection.name), Shape.hashOf(projection));
    }
  })();
};

/** True when the tables have other versions, or another shape under the same version. */
const isOutdated = (db: Database.Database, projections: ReadonlyArray<Projection>): boolean => {
  if (db.pragma("user_version", { simple: true }) !== engineVersion) return true;
  const rows = db
    .prepare<[], { projection: string; version: number; shape: string | null }>(
      `SELECT projection, version, (SELECT value FROM engine WHERE key = 'shape:' || projection) AS shape FROM checkpoints`,
    )
    .all();
  const stored = rows.map(({ projection, shape, version }) => `${projection} ${version} ${shape}`).toSorted();
  const wanted = projections.map(
    (projection) => `${projection.name} ${projection.version} ${Shape.hashOf(projection)}`,
  );
  return stored.join() !== wanted.toSorted().join();
};

/** The same of a file that others use; false for one that cannot say, or has lost all its checkpoints. */
export const isOutdatedFile = (file: string, projections: ReadonlyArray<Projection>): boolean => {
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true });
    try {
      return isOutdated(db, projections) && db.prepare("SELECT 1 FROM checkpoints").get() !== undefined;
    } finally {
      db.close();
    }
  } catch {
    return false;
  }
};

/** Closes, once or again. Never fails: what is committed is safe in the write-ahead log as well. */
const closeSync = (db: Database.Database): void => {
  if (!db.open) return;
  try {
    // A reader that closes after us cannot do this, and would leave a log as large as the last burst behind.
    db.pragma("wal_checkpoint(TRUNCATE)");
  } catch {
    // A full disk, or another writer: the next one to open the file does it.
  }
  db.close();
};

const openSync = (options: OpenOptions): ReadModel => {
  const { file, path, projections } = options;
  const faults = faultsOf(projections);
  if (faults.length > 0) throw new Error(`these projections cannot be stored: ${faults.join("; ")}`);
  const db = new Database(file);
  try {
    // Nothing is changed in a file before it is known to be ours.
    const empty = isEmpty(db);
    if (!empty) assertOurs(db, file);
    configure(db, options.durability, "small");
    if (empty) create(db, options);
    const outdated = isOutdated(db, projections);
    const attempt = <A>(work: () => A): Effect.Effect<A, StorageTrouble> =>
      Effect.try({ try: work, catch: (cause) => storageTrouble(file, cause) });
    const { durability, threadFromRows } = options;
    const writer = WriterChoice.make(db, { file, path, durability }, { threadFromRows });
    const apply = outdated ? undefined : Apply.make({ db, file, projections, writer });
    const ready = Effect.suspend(() =>
      apply === undefined ? Effect.die(new Error(`${file} was made by another version`)) : Effect.succeed(apply),
    );
    const prepare: ReadModel["prepare"] = (batch) => Effect.map(ready, (it): Prepared => it.prepare(batch));
    const commit: ReadModel["commit"] = (prepared) => Effect.flatMap(ready, (it) => it.commit(prepared));
    return {
      file,
      outdated,
      checkpoint: attempt(() =>
        db.pragma("user_version", { simple: true }) === engineVersion ? readCheckpoint(db) : noCheckpoint,
      ),
      prepare,
      commit,
      apply: (batch) => Effect.flatMap(prepare(batch), commit),
      deadLetters: attempt(() =>
        db
          .prepare<[], { projection: string; count: number }>(
            "SELECT projection, count(*) AS count FROM dead_letters GROUP BY projection",
          )
          .all(),
      ),
      index: writer.index(finishingOf(projections, options.indexes ?? "all")),
      note: writer.note,
      digests: Effect.suspend(() => digestsOf({ db, projections, file })),
      settle: writer.settle,
      close: Effect.andThen(
        writer.close,
        Effect.sync(() => closeSync(db)),
      ),
    };
  } catch (cause) {
    db.close();
    throw cause;
  }
};

/** Opens a file as it is, or creates its tables when it is empty. */
export const open = (options: OpenOptions): Effect.Effect<ReadModel, StorageTrouble> =>
  Effect.try({ try: () => openSync(options), catch: (cause) => storageTrouble(options.file, cause) });
