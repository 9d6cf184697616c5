/**
 * A ledger in a file of its own connection, and attempts on the file system with their troubles named.
 *
 * Room: projection.
 */
import Database from "better-sqlite3";
import { Effect, type Scope } from "effect";
import { type Ledger, ledgerOf } from "../verify/LedgerSqlite.ts";
import type { StorageTrouble } from "../ReadModel.ts";
import { storageTrouble } from "../StorageTroubleSqlite.ts";

/** Work on `path` that may throw what the file system throws. */
export const attemptOn = <A>(path: string, work: () => A): Effect.Effect<A, StorageTrouble> =>
  Effect.try({ try: work, catch: (cause) => storageTrouble(path, cause) });

/** The ledger in a file, until the scope closes; undefined when there is none to read. */
export const openLedger = (file: string): Effect.Effect<Ledger | undefined, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Database(file, { readonly: true, fileMustExist: true })),
    (db) => Effect.sync(() => db.close()),
  ).pipe(
    Effect.map((db): Ledger => ledgerOf(db)),
    Effect.catchDefect(() => Effect.succeed(undefined)),
  );
