/**
 * A map from event ids to small numbers, in typed arrays beside the JavaScript heap.
 *
 * Room: edge. In: none. Out: Threads, Tally.
 *
 * Decision: a file may hold millions of entries, and a `Set` of 36-character strings costs about 100 bytes an entry
 * on the heap. Here an entry costs 20 bytes at a load of at most two thirds, so 30 to 60 bytes, and nothing for the
 * garbage collector to walk. Keys are compared in full: two ids never meet by accident.
 */
import { hash as digestOf } from "node:crypto";

const smallest = 16;

/** The four words of a UUID, or of any other text by its MD5 (a name for counting, not for trust). */
const wordsOf = (id: string): readonly [number, number, number, number] => {
  const text = id.length === 36 && id[8] === "-" ? id.replaceAll("-", "") : digestOf("md5", id, "hex");
  return [
    Number.parseInt(text.slice(0, 8), 16) >>> 0,
    Number.parseInt(text.slice(8, 16), 16) >>> 0,
    Number.parseInt(text.slice(16, 24), 16) >>> 0,
    Number.parseInt(text.slice(24, 32), 16) >>> 0,
  ];
};

/** Values are whole numbers from 1; an absent id has the value 0. */
export class IdTable {
  private keys = new Uint32Array(smallest * 4);
  private values = new Uint32Array(smallest);
  private count = 0;

  /** How many ids are in it. */
  get size(): number {
    return this.count;
  }

  /** Memory it holds, in bytes. */
  get bytes(): number {
    return this.values.length * 20;
  }

  get(id: string): number {
    const [a, b, c, d] = wordsOf(id);
    return this.values[this.slotOf(a, b, c, d)] ?? 0;
  }

  set(id: string, value: number): void {
    const [a, b, c, d] = wordsOf(id);
    this.put(a, b, c, d, value);
  }

  /** Adds one to the id's value and returns the new value. */
  increment(id: string): number {
    const [a, b, c, d] = wordsOf(id);
    const slot = this.slotOf(a, b, c, d);
    const value = (this.values[slot] ?? 0) + 1;
    this.put(a, b, c, d, value);
    return value;
  }

  private put(a: number, b: number, c: number, d: number, value: number): void {
    let slot = this.slotOf(a, b, c, d);
    if (this.values[slot] === 0) {
      if ((this.count + 1) * 3 > this.values.length * 2) {
        this.grow();
        slot = this.slotOf(a, b, c, d);
      }
      this.count++;
      this.keys.set([a, b, c, d], slot * 4);
    }
    this.values[slot] = value;
  }

  /** Where the key is, or the free slot where it belongs. Ids are hashes, so their first word is a good place to start. */
  private slotOf(a: number, b: number, c: number, d: number): number {
    const mask = this.values.length - 1;
    for (let slot = (a ^ d) & mask; ; slot = (slot + 1) & mask) {
      if (this.values[slot] === 0) return slot;
      const at = slot * 4;
      const { keys } = this;
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
      const to = this.slotOf(key[0] ?? 0, key[1] ?? 0, key[2] ?? 0, key[3] ?? 0);
      this.keys.set(key, to * 4);
      this.values[to] = value;
    }
  }
}
