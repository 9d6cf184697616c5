/**
 * One unchanging picture of a database: its ledger, its checkpoint, its digests and its faults, while others write.
 *
 * Room: projection.
 */
import Database from "better-sqlite3";
import { Effect, type Scope } from "effect";
import type { LogEntry } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import type { LossAccepted } from "../../domain/StoreEvents.ts";
import { chained } from "../../log/Digest.ts";
import { leafOf, markEvery } from "../Chain.ts";
import type { Checkpoint } from "../Checkpoint.ts";
import { deadLettersTable, readCheckpoint } from "../EngineSqlite.ts";
import type { Projection } from "../Projection.ts";
import type { StorageTrouble, TableDigest } from "../ReadModel.ts";
import { storageTrouble } from "../StorageTroubleSqlite.ts";
import * as Shape from "../ShapeSqlite.ts";
import { checkpointFaults, type Fault, pageFaults, schemaFaults } from "./DatabaseCheckSqlite.ts";
import { digestsOf } from "./DigestSqlite.ts";
import { type Ledger, ledgerOf } from "./LedgerSqlite.ts";
import { differingRows, freshSchema, type RowDifference } from "./RowDifferencesSqlite.ts";

/** An accepted loss, and the place where that is written. */
export interface AcceptedLoss extends Pick<LossAccepted, "reason" | "ranges" | "events"> {
  readonly sequence: Sequence;
  readonly occurredAt: number;
  readonly actor: string | null;
  readonly kept: string | null;
}

export interface Snapshot {
  readonly checkpoint: Checkpoint;
  readonly between: (from: Sequence, to: Sequence) => Effect.Effect<ReadonlyArray<LogEntry>, StorageTrouble>;
  readonly reach: Effect.Effect<
    { readonly first: Sequence; readonly last: Sequence; readonly rows: number },
    StorageTrouble
  >;
  /** The running hashes that the ledger kept, by sequence. */
  readonly marks: Effect.Effect<ReadonlyMap<Sequence, Uint8Array>, StorageTrouble>;
  /** The running hash at a sequence, as the ledger's marks and digests have it. */
  readonly chainAt: (sequence: Sequence) => Effect.Effect<Uint8Array, StorageTrouble>;
  readonly digests: Effect.Effect<ReadonlyArray<TableDigest>, StorageTrouble>;
  readonly rowsOf: (table: string) => Effect.Effect<ReadonlyArray<RowDifference>, StorageTrouble>;
  readonly accepted: Effect.Effect<ReadonlyArray<AcceptedLoss>, StorageTrouble>;
  readonly deadLetters: Effect.Effect<number, StorageTrouble>;
  readonly faults: Effect.Effect<ReadonlyArray<Fault>, StorageTrouble>;
}

const acceptedSql = `SELECT sequence, occurred_at AS occurredAt, actor, reason, events, ranges, kept FROM v_store_events
  WHERE type = 'recollect.loss_accepted' ORDER BY sequence`;

/** None where the view is gone or altered: that is a fault of its own. */
const acceptedIn = (db: Database.Database): ReadonlyArray<AcceptedLoss> => {
  try {
    return db
      .prepare<[], Omit<AcceptedLoss, "ranges"> & { readonly ranges: string }>(acceptedSql)
      .all()
      .map((row) => ({ ...row, ranges: JSON.parse(row.ranges) as AcceptedLoss["ranges"] }));
  } catch {
    return [];
  }
};

/** From the mark before it, over the digests behind. */
export const chainIn = (ledger: Ledger, sequence: Sequence): Uint8Array => {
  const mark = ledger.marks().findLast((known) => known.sequence <= sequence);
  let chain = mark?.chain ?? Buffer.alloc(32);
  for (let at = (mark?.sequence ?? 0) + 1; at <= sequence; at += markEvery) {
    const entries = ledger.between(at, Math.min(sequence, at + markEvery - 1));
    // Its end, or so much is missing that no running hash comes of it.
    if (entries.length === 0) break;
    for (const entry of entries) chain = chained(chain, leafOf(entry));
  }
  return chain;
};

/** Opens the database behind `path` as it is now, until the scope closes; rows are compared with those of `freshFile`. */
export const openSnapshot = (options: {
  readonly path: string;
  readonly projections: ReadonlyArray<Projection>;
  readonly freshFile?: string | undefined;
}): Effect.Effect<Snapshot, StorageTrouble, Scope.Scope> => {
  const { freshFile, path, projections } = options;
  const attempt = <A>(work: () => A): Effect.Effect<A, StorageTrouble> =>
    Effect.try({ try: work, catch: (cause) => storageTrouble(path, cause) });
  const tables = [...projections.flatMap((projection) => projection.tables), deadLettersTable];
  return Effect.acquireRelease(
    attempt(() => new Database(path, { readonly: true, fileMustExist: true })),
    (db) => Effect.sync(() => db.close()),
  ).pipe(
    Effect.flatMap((db) =>
      attempt((): Snapshot => {
        if (freshFile !== undefined) db.prepare(`ATTACH ? AS ${freshSchema}`).run(freshFile);
        db.exec("BEGIN");
        // The first read fixes what all later ones see.
        const checkpoint = readCheckpoint(db);
        const ledger = ledgerOf(db);
        return {
          checkpoint,
          between: (from, to) => attempt(() => ledger.between(from, to)),
          reach: attempt(ledger.reach),
          marks: attempt(() => new Map(ledger.marks().map(({ chain, sequence }) => [sequence, chain]))),
          chainAt: (sequence) => attempt(() => chainIn(ledger, sequence)),
          digests: digestsOf({ db, projections, file: path }),
          rowsOf: (name) =>
            attempt(() => {
              const table = tables.find((one) => one.name === name);
              return table === undefined ? [] : differingRows(db, table);
            }),
          accepted: attempt(() => acceptedIn(db)),
          deadLetters: attempt(() => db.prepare<[], number>("SELECT count(*) FROM dead_letters").pluck().get() ?? 0),
          faults: attempt(() => [
            ...schemaFaults(db, Shape.expectedOf(projections)),
            ...checkpointFaults(db, projections),
            ...pageFaults(db),
          ]),
        };
      }),
    ),
  );
};
