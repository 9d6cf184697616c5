/**
 * A refused event tried again: whether the projections of today would take it, by a fold of its own history.
 *
 * Room: projection.
 *
 * Nothing of the live database changes: rows merge in the order of events, so an event that was left out is brought in by
 * `rebuild` alone, and this says beforehand whether that helps.
 */
import Database from "better-sqlite3";
import { Clock, Effect, type Scope } from "effect";
import type { LogEntry } from "../domain/Event.ts";
import type { Sequence } from "../domain/History.ts";
import type { Projection } from "./Projection.ts";
import type { StorageTrouble } from "./ReadModel.ts";
import * as ReadModelSqlite from "./ReadModelSqlite.ts";
import * as Generations from "./rebuild/Generations.ts";
import { attemptOn } from "./rebuild/LedgerFileSqlite.ts";
import { ledgerOf } from "./verify/LedgerSqlite.ts";

/** Events of the history before it that are folded first: an interpreter may remember any of them. */
const mostBefore = 2_000;

export interface Tried {
  /** Projections that refuse it still, each with its reason; none: it would be taken. */
  readonly refusals: ReadonlyArray<{ readonly projection: string; readonly reason: string }>;
}

const historyUpTo = (file: string, sequence: Sequence): ReadonlyArray<LogEntry> => {
  const db = new Database(file, { readonly: true, fileMustExist: true });
  try {
    const sequences = db
      .prepare<[Sequence, number], Sequence>(
        `SELECT e.sequence FROM events e JOIN events r ON r.history_id = e.history_id AND r.kind = e.kind AND r.tenant = e.tenant
         WHERE r.sequence = ? AND e.sequence <= r.sequence ORDER BY e.sequence DESC LIMIT ?`,
      )
      .pluck()
      .all(sequence, mostBefore);
    const ledger = ledgerOf(db);
    // A message that is no event has no history.
    const all = sequences.length === 0 ? [sequence] : sequences.toReversed();
    return all.flatMap((one) => ledger.at(one) ?? []);
  } finally {
    db.close();
  }
};

/** Undefined where the ledger has no such event. */
export const tryAgain = (options: {
  /** Path of the live database. */
  readonly path: string;
  readonly projections: ReadonlyArray<Projection>;
  readonly sequence: Sequence;
}): Effect.Effect<Tried | undefined, StorageTrouble> =>
  Effect.gen(function* () {
    const { path, projections, sequence } = options;
    const live = Generations.current(path) ?? path;
    const entries = yield* attemptOn(path, () => historyUpTo(live, sequence));
    if (entries.at(-1)?.sequence !== sequence) return undefined;
    const file = `${path}.try-${process.pid}-${sequence}`;
    yield* removedLater(file);
    const model = yield* Effect.acquireRelease(
      ReadModelSqlite.open({ file, projections, durability: "scratch" }),
      ({ close }) => close,
    );
    const now = yield* Clock.currentTimeMillis;
    // Without the holes that other histories leave.
    const incoming = entries.map((entry, at) => ({ entry: { ...entry, sequence: at + 1 } }));
    yield* model.apply({ incoming, streamCreated: 1, now });
    const refusals = yield* attemptOn(file, () => {
      const db = new Database(file, { readonly: true });
      try {
        return db
          .prepare<[Sequence], { readonly projection: string; readonly reason: string }>(
            "SELECT projection, reason FROM v_dead_letters WHERE sequence = ?",
          )
          .all(entries.length);
      } finally {
        db.close();
      }
    });
    return { refusals };
  }).pipe(Effect.scoped, Effect.withSpan("projection.tryAgain"));

const removedLater = (file: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => Generations.remove(file)),
    () => Effect.sync(() => Generations.remove(file)),
  );
