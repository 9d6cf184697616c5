/**
 * Read-only connections to the database behind a path, which may lead to another file at any time.
 *
 * Room: query.
 */
import Database from "better-sqlite3";
import { Effect, type Scope } from "effect";
import * as Generations from "../projection/rebuild/Generations.ts";
import { StorageTrouble } from "../projection/ReadModel.ts";
import { assertOurs, storageTrouble } from "../projection/StorageTroubleSqlite.ts";

export interface Reader {
  readonly db: Database.Database;
  /** The file the path led to when it was opened. */
  readonly file: string;
}

/** A rebuild may remove the file between finding its name and opening it: the path is then asked once more, and again. */
const attempts = 3;

const openSync = (path: string): Reader => {
  for (let attempt = 1; ; attempt++) {
    const file = Generations.current(path);
    if (file === undefined) {
      throw new StorageTrouble({
        reason: "other",
        path,
        message: `There is no database at ${path}.`,
        hint: "Start the store once with npm start (or recollect up), or name its folder with --data.",
      });
    }
    try {
      const db = new Database(file, { readonly: true, fileMustExist: true, timeout: 5000 });
      try {
        assertOurs(db, path);
        return { db, file };
      } catch (cause) {
        db.close();
        throw cause;
      }
    } catch (cause) {
      if (attempt === attempts || cause instanceof StorageTrouble) throw cause;
    }
  }
};

export const openReader = (path: string): Effect.Effect<Reader, StorageTrouble> =>
  Effect.try({
    try: () => openSync(path),
    catch: (cause) => (cause instanceof StorageTrouble ? cause : storageTrouble(path, cause)),
  });

/** Work on a connection. (A type of its own: `Effect<<A>(…) => …>` begins with a shift that Node below 24.8 reads as one.) */
export type WithReader = <A>(work: (db: Database.Database) => A) => Effect.Effect<A, StorageTrouble>;

/**
 * A connection that is kept between questions and replaced when the path leads to another file.
 * Work on it is synchronous, so nothing else uses or replaces it meanwhile.
 */
export const makeReaders = (path: string): Effect.Effect<WithReader, never, Scope.Scope> =>
  Effect.gen(function* () {
    let open: Reader | undefined;
    yield* Effect.addFinalizer(() => Effect.sync(() => open?.db.close()));
    return (work) =>
      Effect.try({
        try: () => {
          if (open === undefined || !Generations.isCurrent(path, open.file)) {
            open?.db.close();
            open = undefined;
            open = openSync(path);
          }
          return work(open.db);
        },
        catch: (cause) => (cause instanceof StorageTrouble ? cause : storageTrouble(path, cause)),
      });
  });
