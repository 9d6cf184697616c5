/**
 * A map from event ids to small numbers, in typed arrays beside the JavaScript heap.
 *
 * Room: edge.
 *
 * Decision: a file may hold millions of entries, and a `Set` of 36-character strings costs about 100 bytes an entry
 * on the heap. Here an entry costs 20 bytes at a load of at most two thirds, so 30 to 60 bytes, and nothing for the
 * garbage collector to walk. Keys are compared in full: two ids never meet by accident.
 */
import { hash as digestOf } from "node:crypto";

const smallest = 16;

const isUuid = (id: string): boolean => id.length === 36 && id[8] === "-" && id[13] === "-" && id[18] === "-";

/** The id whose words were made last, and those words: an entry's id is looked up several times in a row. */
let lastId = "";
const lastWords = new Uint32Array(4);

/** The four words of a UUID, or of any other text by its MD5 (a name for counting, not for trust). */
const wordsOf = (id: string): Uint32Array => {
  if (id === lastId && id !== "") return lastWords;
  lastId = id;
  const text = isUuid(id) ? id : digestOf("md5", id, "hex");
  const shift = isUuid(id) ? 1 : 0;
  lastWords[0] = Number.parseInt(text.slice(0, 8), 16);
  lastWords[1] = Number.parseInt(text.slice(8 + shift, 12 + shift) + text.slice(12 + 2 * shift, 16 + 2 * shift), 16);
  lastWords[2] = Number.parseInt(
    text.slice(16 + 3 * shift, 20 + 3 * shift) + text.slice(20 + 4 * shift, 24 + 4 * shift),
    16,
  );
  lastWords[3] = Number.parseInt(text.slice(24 + 4 * shift, 32 + 4 * shift), 16);
  return lastWords;
};

/** Values are whole numbers from 1; an absent id has the value 0. */
export class IdTable {
  private keys = new Uint32Array(smallest * 4);
  private values = new Uint32Array(smallest);
  private count = 0;

  /** Number of ids. */
  get size(): number {
    return this.count;
  }

  /** Memory it holds, in bytes. */
  get bytes(): number {
    return this.values.length * 20;
  }

  get(id: string): number {
    return this.values[this.slotOf(wordsOf(id))] ?? 0;
  }

  set(id: string, value: number): void {
    this.put(wordsOf(id), value);
  }

  /** Adds one to the id's value and returns the new value. */
  increment(id: string): number {
    const words = wordsOf(id);
    const value = (this.values[this.slotOf(words)] ?? 0) + 1;
    this.put(words, value);
    return value;
  }

  private put(words: Uint32Array, value: number): void {
    let slot = this.slotOf(words);
    if (this.values[slot] === 0) {
      if ((this.count + 1) * 3 > this.values.length * 2) {
        this.grow();
        slot = this.slotOf(words);
      }
      this.count++;
      this.keys.set(words, slot * 4);
    }
    this.values[slot] = value;
  }

  /** Slot of the key, or the free one where it belongs. Ids are hashes, so their first word is a good place to start. */
  private slotOf(words: Uint32Array): number {
    const a = words[0] ?? 0;
    const b = words[1] ?? 0;
    const c = words[2] ?? 0;
    const d = words[3] ?? 0;
    const { keys, values } = this;
    const mask = values.length - 1;
    for (let slot = (a ^ d) & mask; ; slot = (slot + 1) & mask) {
      if (values[slot] === 0) return slot;
      const at = slot * 4;
      if (keys[at] === a && keys[at + 1] === b && keys[at + 2] === c && keys[at + 3] === d) return slot;
    }
  }

  private grow(): void {
    const { keys, values } = this;
    this.keys = new Uint32Array(keys.length * 2);
    this.values = new Uint32Array(values.length * 2);
    for (let slot = 0; slot < values.length; slot++) {
      const value = values[slot] ?? 0;
      if (value === 0) continue;
      const key = keys.subarray(slot * 4, slot * 4 + 4);
      const to = this.slotOf(key);
      this.keys.set(key, to * 4);
      this.values[to] = value;
    }
  }
}
