/**
 * Lines out of chunks, with bounded memory.
 *
 * Room: edge.
 *
 * A chunk ends anywhere, also inside a character. A line that is too large is not kept: only its head, its tail and
 * its size, which is enough to see whose answer it is.
 */

/** A line without its newline. */
export type Line =
  | { readonly _tag: "Whole"; readonly text: string }
  | { readonly _tag: "Huge"; readonly head: string; readonly tail: string; readonly bytes: number };

/** Lines above this are not parsed: a message of 32 MiB is a file that was sent inline. */
export const maxLineBytes = 32 * 1024 * 1024;
/** Bytes of a larger one that are kept, at both ends. */
export const edgeBytes = 16 * 1024;

const newline = 0x0a;

export class Lines {
  #pieces: Array<Uint8Array> = [];
  /** Bytes of the line so far, kept or not. */
  #bytes = 0;
  #tail: Buffer = Buffer.alloc(0);
  /** After a gap the rest of the line is worthless. */
  #isTorn = false;
  readonly #maxLineBytes: number;

  constructor(limit = maxLineBytes) {
    this.#maxLineBytes = limit;
  }

  /** The lines that this chunk completes. */
  take(chunk: Uint8Array): ReadonlyArray<Line> {
    const lines: Array<Line> = [];
    let from = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      this.#keep(chunk.subarray(from, at));
      const line = this.end();
      if (line !== undefined) lines.push(line);
      from = at + 1;
    }
    this.#keep(chunk.subarray(from));
    return lines;
  }

  /** True when the last chunk ended with its line. */
  get isAtEnd(): boolean {
    return this.#bytes === 0 && !this.#isTorn;
  }

  /** The line that no newline has ended; undefined when there is none. The next chunk begins a new one. */
  end(): Line | undefined {
    const line = this.#isTorn || this.#bytes === 0 ? undefined : this.#line();
    this.#pieces = [];
    this.#bytes = 0;
    this.#tail = Buffer.alloc(0);
    this.#isTorn = false;
    return line;
  }

  /** Something is missing here: the line it is missing from is dropped, up to its newline. */
  gap(): void {
    this.end();
    this.#isTorn = true;
  }

  get #isHuge(): boolean {
    return this.#bytes > this.#maxLineBytes;
  }

  #line(): Line {
    const all = Buffer.concat(this.#pieces);
    if (!this.#isHuge) return { _tag: "Whole", text: all.toString("utf8") };
    const head = all.subarray(0, edgeBytes).toString("utf8");
    return { _tag: "Huge", head, tail: this.#tail.toString("utf8"), bytes: this.#bytes };
  }

  #keep(piece: Uint8Array): void {
    if (piece.byteLength === 0 || this.#isTorn) return;
    const wasHuge = this.#isHuge;
    this.#bytes += piece.byteLength;
    if (!this.#isHuge) {
      this.#pieces.push(piece);
      return;
    }
    if (!wasHuge) {
      // From here on only the two ends are kept. Copies, so that what lies between them is let go.
      const soFar = Buffer.concat([...this.#pieces, piece]);
      this.#pieces = [Buffer.from(soFar.subarray(0, edgeBytes))];
      this.#tail = Buffer.from(soFar.subarray(-edgeBytes));
      return;
    }
    this.#tail = Buffer.from(Buffer.concat([this.#tail, piece.subarray(-edgeBytes)]).subarray(-edgeBytes));
  }
}
