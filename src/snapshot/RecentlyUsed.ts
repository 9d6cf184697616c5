/**
 * Values by key in bounded memory: what was used longest ago goes first.
 *
 * Room: snapshot.
 *
 * A plain mutable table, because a look into it is the whole cost of a warm read. The caller says with each value how many
 * bytes it takes; a single value larger than the table is not held.
 */
interface Kept<Value> {
  readonly value: Value;
  bytes: number;
}

export class RecentlyUsed<Value> {
  /** In the order in which they were last used. */
  readonly #kept = new Map<string, Kept<Value>>();
  #bytes = 0;
  #forgotten = 0;
  #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#kept.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Number of values that had to go for others. */
  get forgotten(): number {
    return this.#forgotten;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** From now on so many bytes are held. */
  set maxBytes(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#makeRoom();
  }

  /** The value, left where it stands in the order. */
  peek(key: string): Value | undefined {
    return this.#kept.get(key)?.value;
  }

  /** The value, from now on the last to go. */
  use(key: string): Value | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.value;
  }

  /** Puts a value in, or another in its place, as the last to go. */
  put(key: string, value: Value, bytes: number): void {
    this.delete(key);
    this.#kept.set(key, { value, bytes });
    this.#bytes += bytes;
    this.#makeRoom();
  }

  /** The value takes another size now. */
  resize(key: string, bytes: number): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#bytes += bytes - kept.bytes;
    kept.bytes = bytes;
    this.#makeRoom();
  }

  delete(key: string): boolean {
    const kept = this.#kept.get(key);
    if (kept === undefined) return false;
    this.#bytes -= kept.bytes;
    return this.#kept.delete(key);
  }

  clear(): void {
    this.#kept.clear();
    this.#bytes = 0;
  }

  keys(): IterableIterator<string> {
    return this.#kept.keys();
  }

  *values(): Generator<Value> {
    for (const { value } of this.#kept.values()) yield value;
  }

  #makeRoom(): void {
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.delete(oldest);
      this.#forgotten++;
    }
  }
}
