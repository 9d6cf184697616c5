/**
 * Interpreter memory of each thread, kept beside the rows so that a restart goes on where it was.
 *
 * Room: projection.
 *
 * Read here, on the thread that interprets; written with the rows of their batch, perhaps on another. A memory that is not
 * committed yet is remembered until it is. Plain functions: asked once for every event of a thread.
 */
import type { Database } from "better-sqlite3";
import { type History, keyOf } from "../../domain/History.ts";
import { type Carry, noCarry } from "../../domain/interpret/Interpreter.ts";
import { Recent } from "../write/NamesSqlite.ts";

/** Most threads whose carry is kept in memory. Imports write threads one after another, so few are needed at once. */
const remembered = 10_000;

export interface Kept {
  readonly history: History;
  readonly carry: Carry;
}

export interface InterpreterMemory {
  readonly of: (history: History) => Carry;
  readonly keep: (history: History, carry: Carry) => void;
  /** Memory that was kept since the last time, to be written. */
  readonly take: () => ReadonlyArray<Kept>;
  /** Commits `kept`. */
  readonly written: (kept: ReadonlyArray<Kept>) => void;
  /** Drops what is not committed: it is interpreted anew. */
  readonly forget: () => void;
}

export const make = (db: Database): InterpreterMemory => {
  const select = db
    .prepare<[string, string], string>(
      `SELECT carry FROM carries WHERE thread_id = (SELECT name FROM names WHERE text = ?)
       AND tenant = (SELECT name FROM names WHERE text = ?)`,
    )
    .pluck();
  const known = new Recent<string, Carry>(remembered);
  /** Kept since the last `take`, and all that is not committed. Batches are bounded, so are these. */
  let changed = new Map<string, Kept>();
  const uncommitted = new Map<string, Carry>();
  return {
    of: (history) => {
      const key = keyOf(history);
      const cached = uncommitted.get(key) ?? known.get(key);
      if (cached !== undefined) return cached;
      const stored = select.get(history.id, history.tenant);
      const carry = stored === undefined ? noCarry : (JSON.parse(stored) as Carry);
      known.set(key, carry);
      return carry;
    },
    keep: (history, carry) => {
      const key = keyOf(history);
      changed.set(key, { history, carry });
      uncommitted.set(key, carry);
    },
    take: () => {
      const kept = [...changed.values()];
      changed = new Map();
      return kept;
    },
    written: (kept) => {
      for (const { carry, history } of kept) {
        const key = keyOf(history);
        if (uncommitted.get(key) !== carry) continue;
        uncommitted.delete(key);
        known.set(key, carry);
      }
    },
    forget: () => {
      known.clear();
      changed = new Map();
      uncommitted.clear();
    },
  };
};
