/**
 * Names: text that recurs in many rows, kept once and referred to by number.
 *
 * Room: projection.
 *
 * Plain functions: this is asked several times for every row.
 */
import type { Database } from "better-sqlite3";

/** Most names remembered: some 5 MB. A name that falls out is read from the table again. */
const remembered = 50_000;

/**
 * A map that forgets what was not used lately: two halves, of which the older is dropped when the newer is full.
 * Keeping exact order of use by removing and adding again made one Map ten times slower than all of SQLite's work.
 */
export class Recent<K, V> {
  readonly #half: number;
  #newer = new Map<K, V>();
  #older = new Map<K, V>();

  constructor(limit: number) {
    this.#half = Math.ceil(limit / 2);
  }

  get(key: K): V | undefined {
    const found = this.#newer.get(key);
    if (found !== undefined) return found;
    const older = this.#older.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: K, value: V): void {
    this.#newer.set(key, value);
    if (this.#newer.size < this.#half) return;
    this.#older = this.#newer;
    this.#newer = new Map();
  }

  clear(): void {
    this.#newer.clear();
    this.#older.clear();
  }
}

export interface Names {
  /** The number of a text; a new one is written in the caller's transaction. */
  readonly numberOf: (text: string) => number;
  /** After a rollback: numbers given in the transaction are no longer true. */
  readonly forget: () => void;
}

export const make = (db: Database): Names => {
  const insert = db.prepare<[string]>("INSERT INTO names (text) VALUES (?) ON CONFLICT DO NOTHING");
  const select = db.prepare<[string], number>("SELECT name FROM names WHERE text = ?").pluck();
  const numbers = new Recent<string, number>(remembered);
  return {
    numberOf: (text) => {
      const known = numbers.get(text);
      if (known !== undefined) return known;
      // Most texts that are not remembered are new ones.
      const { changes, lastInsertRowid } = insert.run(text);
      const stored = changes === 1 ? Number(lastInsertRowid) : select.get(text);
      if (stored === undefined) throw new Error(`the name ${text} is neither new nor known`);
      numbers.set(text, stored);
      return stored;
    },
    forget: () => {
      numbers.clear();
    },
  };
};
