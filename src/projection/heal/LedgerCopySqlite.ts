/**
 * The ledger as a witness: its rows as far as they can be read and are whole, also from a damaged database.
 *
 * Room: projection.
 */
import Database from "better-sqlite3";
import { Effect, type Scope } from "effect";
import type { LogEntry } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import { readCheckpoint } from "../EngineSqlite.ts";
import { compactId } from "../fold/CompactId.ts";
import { isLost } from "../fold/CatchUp.ts";
import { isWhole } from "../verify/Compare.ts";
import { endOf, ledgerOf } from "../verify/LedgerSqlite.ts";
import type { LedgerCopy } from "./Merge.ts";

/** Reads; `otherwise` in place of what cannot be read. */
const orElse = <A>(work: () => A, otherwise: A): A => {
  try {
    return work();
  } catch {
    return otherwise;
  }
};

/** Most rows that a ledger is believed to have lost at its end: a checkpoint further ahead is damaged. */
const mostBehind = 10_000_000;

/** The last sequence by the rows, and by the checkpoint where that is no more than a loss. */
const lastOf = (rows: Sequence, checkpoint: Sequence): Sequence =>
  checkpoint - rows > mostBehind ? rows : Math.max(rows, checkpoint);

const copyOf = (db: Database.Database): LedgerCopy => {
  const ledger = ledgerOf(db);
  const end = orElse(() => endOf(ledger), undefined);
  const placesOf = db
    .prepare<[string | Uint8Array], Sequence>("SELECT sequence FROM events WHERE event_id = ?")
    .pluck();
  const rowsOf = (from: Sequence, to: Sequence): ReadonlyArray<LogEntry> => {
    try {
      return ledger.between(from, to);
    } catch {
      // A damaged page: row by row, and those of the page are missing.
      const found: Array<LogEntry> = [];
      for (let at = from; at <= to; at++) found.push(...orElse(() => ledger.between(at, at), []));
      return found;
    }
  };
  const between: LedgerCopy["between"] = (from, to) =>
    new Map(
      rowsOf(from, Math.min(to, end ?? to))
        .filter((entry) => !isLost(entry) && isWhole(entry))
        .map((entry) => [entry.sequence, entry]),
    );
  return {
    last:
      end ??
      lastOf(
        orElse(() => ledger.reach().last, 0),
        orElse(() => readCheckpoint(db).sequence, 0),
      ),
    between,
    end: orElse(() => readCheckpoint(db), undefined),
    hasEvent: (id) => orElse(() => placesOf.all(compactId(id)).some((at) => between(at, at).has(at)), false),
  };
};

/** Opens the ledger of a database until the scope closes; undefined when there is none that can be read. */
export const open = (file: string): Effect.Effect<LedgerCopy | undefined, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Database(file, { readonly: true, fileMustExist: true })),
    (db) => Effect.sync(() => db.close()),
  ).pipe(
    Effect.map((db): LedgerCopy => copyOf(db)),
    Effect.catchDefect(() => Effect.succeed(undefined)),
  );
