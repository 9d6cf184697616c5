/**
 * One unchanging picture of a database: its ledger, its checkpoint and its digests, while others write.
 *
 * Room: projection.
 */
import Database from "better-sqlite3";
import { Effect, type Scope } from "effect";
import type { LogEntry } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import { digestsOf } from "./DigestSqlite.ts";
import { readCheckpoint } from "../EngineSqlite.ts";
import { ledgerOf } from "./LedgerSqlite.ts";
import type { Projection } from "../Projection.ts";
import type { Checkpoint } from "../Checkpoint.ts";
import type { StorageTrouble, TableDigest } from "../ReadModel.ts";
import { storageTrouble } from "../StorageTroubleSqlite.ts";

export interface Snapshot {
  readonly checkpoint: Checkpoint;
  readonly between: (from: Sequence, to: Sequence) => Effect.Effect<ReadonlyArray<LogEntry>, StorageTrouble>;
  readonly reach: Effect.Effect<
    { readonly first: Sequence; readonly last: Sequence; readonly rows: number },
    StorageTrouble
  >;
  readonly digests: Effect.Effect<ReadonlyArray<TableDigest>, StorageTrouble>;
}

/** Opens the database behind `path` as it is now, until the scope closes. */
export const openSnapshot = (
  path: string,
  projections: ReadonlyArray<Projection>,
): Effect.Effect<Snapshot, StorageTrouble, Scope.Scope> => {
  const attempt = <A>(work: () => A): Effect.Effect<A, StorageTrouble> =>
    Effect.try({ try: work, catch: (cause) => storageTrouble(path, cause) });
  return Effect.acquireRelease(
    attempt(() => new Database(path, { readonly: true, fileMustExist: true })),
    (db) => Effect.sync(() => db.close()),
  ).pipe(
    Effect.flatMap((db) =>
      attempt((): Snapshot => {
        db.exec("BEGIN");
        // The first read fixes what all later ones see.
        const checkpoint = readCheckpoint(db);
        const ledger = ledgerOf(db);
        return {
          checkpoint,
          between: (from, to) => attempt(() => ledger.between(from, to)),
          reach: attempt(ledger.reach),
          digests: digestsOf({ db, projections, file: path }),
        };
      }),
    ),
  );
};
