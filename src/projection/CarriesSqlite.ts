/**
 * What interpreters remember of each thread, kept beside the rows so that a restart goes on where it was.
 *
 * Room: projection. In: domain, NamesSqlite. Out: FoldSqlite.
 *
 * Plain functions: asked once for every event of a thread.
 */
import type { Database } from "better-sqlite3";
import { type History, keyOf } from "../domain/History.ts";
import { type Carry, noCarry } from "../domain/interpret/Interpreter.ts";
import { type Names, Recent } from "./NamesSqlite.ts";

/** Most threads whose carry is kept in memory. Imports write threads one after another, so few are needed at once. */
const remembered = 10_000;

export interface Carries {
  readonly of: (history: History) => Carry;
  readonly keep: (history: History, carry: Carry) => void;
  /** Writes what was kept since the last time, in the caller's transaction. */
  readonly flush: () => void;
  /** After a rollback. */
  readonly forget: () => void;
}

export const make = (options: { readonly db: Database; readonly names: Names }): Carries => {
  const { db, names } = options;
  const select = db
    .prepare<[number, number], string>("SELECT carry FROM carries WHERE thread_id = ? AND tenant = ?")
    .pluck();
  const upsert = db.prepare<[number, number, string]>(
    "INSERT INTO carries VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET carry = excluded.carry",
  );
  const known = new Recent<string, Carry>(remembered);
  /** Not yet written; a batch is bounded, so is this. */
  const changed = new Map<string, { readonly history: History; readonly carry: Carry }>();
  return {
    of: (history) => {
      const key = keyOf(history);
      const cached = changed.get(key)?.carry ?? known.get(key);
      if (cached !== undefined) return cached;
      const stored = select.get(names.numberOf(history.id), names.numberOf(history.tenant));
      const carry = stored === undefined ? noCarry : (JSON.parse(stored) as Carry);
      known.set(key, carry);
      return carry;
    },
    keep: (history, carry) => {
      changed.set(keyOf(history), { history, carry });
    },
    flush: () => {
      for (const [key, { history, carry }] of changed) {
        upsert.run(names.numberOf(history.id), names.numberOf(history.tenant), JSON.stringify(carry));
        known.set(key, carry);
      }
      changed.clear();
    },
    forget: () => {
      known.clear();
      changed.clear();
    },
  };
};
