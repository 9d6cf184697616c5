/**
 * Names: text that recurs in many rows, kept once and referred to by number.
 *
 * Room: projection. In: none. Out: ReadModelSqlite, Verify.
 *
 * Plain functions: this is asked several times for every row.
 */
import type { Database } from "better-sqlite3";

/** Most names remembered in either direction: some 10 MB. What falls out is read from the table again. */
const remembered = 50_000;

/** A map that forgets what was used longest ago. */
export class Recent<K, V> {
  readonly #entries = new Map<K, V>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: K): V | undefined {
    const found = this.#entries.get(key);
    // Insertion order is the order of use. Moving an entry costs two map operations, so only a full map is kept in order.
    if (found !== undefined && this.#entries.size * 2 > this.#limit) {
      this.#entries.delete(key);
      this.#entries.set(key, found);
    }
    return found;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#limit) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }

  clear(): void {
    this.#entries.clear();
  }
}

export interface Names {
  /** The number of a text; a new one is written in the caller's transaction. */
  readonly numberOf: (text: string) => number;
  /** The text of a number, or null for null and for a number that is no name. */
  readonly textOf: (name: number | null) => string | null;
  /** After a rollback: numbers given in the transaction are no longer true. */
  readonly forget: () => void;
}

export const make = (db: Database): Names => {
  const insert = db.prepare<[string]>("INSERT INTO names (text) VALUES (?) ON CONFLICT DO NOTHING");
  const select = db.prepare<[string], number>("SELECT name FROM names WHERE text = ?").pluck();
  const read = db.prepare<[number], string>("SELECT text FROM names WHERE name = ?").pluck();
  const numbers = new Recent<string, number>(remembered);
  const texts = new Recent<number, string>(remembered);
  return {
    numberOf: (text) => {
      const known = numbers.get(text);
      if (known !== undefined) return known;
      const stored = select.get(text) ?? Number(insert.run(text).lastInsertRowid);
      numbers.set(text, stored);
      return stored;
    },
    textOf: (name) => {
      if (name === null) return null;
      const known = texts.get(name);
      if (known !== undefined) return known;
      const stored = read.get(name);
      if (stored !== undefined) texts.set(name, stored);
      return stored ?? null;
    },
    forget: () => {
      numbers.clear();
      texts.clear();
    },
  };
};
