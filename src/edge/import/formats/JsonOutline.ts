/**
 * The places of the parts of a JSON text, without parsing it: byte ranges of members and elements near its root.
 *
 * Room: edge.
 *
 * A conversation's messages are stored as the bytes they came as, so they are cut out of their file by position.
 * Fed in pieces of any size; what it holds grows with the number of recorded parts (about 100 bytes each), never
 * with the size of the text. It checks brackets and strings only: whoever uses a range parses it, and that judges it.
 *
 * Decision: plain functions over bytes, no Effect: it sees every byte of an array-shaped file (measured: 300 MB/s
 * and more, against about 200 MB/s of `JSON.parse`).
 */

export interface Part {
  /** Absolute offset of its first byte and of the byte after its last. */
  readonly start: number;
  end: number;
  readonly kind: "object" | "array" | "string" | "scalar";
  /** Its name, when its parent is an object. */
  readonly key: string | undefined;
  /** Members or elements; absent when they are not recorded. */
  readonly parts: Array<Part> | undefined;
}

/** True when the members or elements of a container are recorded. `parents` is the way to it, root first. */
export type Descend = (part: Omit<Part, "end" | "parts">, parents: ReadonlyArray<Part>) => boolean;

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/**
 * Most parts that are recorded: about a gigabyte of memory. An export of 100,000 conversations has a few million; a list
 * of numbers of 90 MB has more, and took all memory that V8 has.
 */
const mostParts = 10_000_000;
/** Deepest nesting that is followed; V8's own `JSON.parse` gives up earlier. */
const maxDepth = 100_000;
/** Longest key that is kept: every key that is looked for is shorter. */
const maxKeyBytes = 256;

export const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

export class JsonOutline {
  /** The top-level values, in order: one for a document, several for joined lines. */
  readonly roots: Array<Part> = [];
  /** Reason that this is no JSON text, or is not outlined further, once that is known. */
  problem: string | undefined;
  /** True when it has more parts than are recorded: it may be JSON all the same. */
  isFull = false;

  private offset = 0;
  private readonly kinds: Array<number> = [];
  private readonly open: Array<Part> = [];
  /** The value that is being read and is not in `open`: a string, a scalar, or a container that is not recorded. */
  private current: Part | undefined;
  private inString = false;
  private escaped = false;
  private inScalar = false;
  private expectKey = false;
  private keyBytes: Array<number> | undefined;
  private key: string | undefined;
  private readonly descend: Descend;
  private partsLeft: number;

  constructor(descend: Descend, most = mostParts) {
    this.descend = descend;
    this.partsLeft = most;
  }

  /** True when a value has begun and not ended. */
  get isOpen(): boolean {
    return this.kinds.length > 0 || this.inString || this.inScalar;
  }

  push(chunk: Uint8Array): void {
    const { length } = chunk;
    for (let index = 0; index < length && this.problem === undefined; index++) {
      const byte = chunk[index] ?? 0;
      if (this.inString) {
        if (this.escaped) this.escaped = false;
        else if (byte === backslash) this.escaped = true;
        else if (byte === quote) {
          this.endString(this.offset + index + 1);
          continue;
        } else if (byte < 0x20) this.problem = "a control character stands in a string";
        if (this.keyBytes !== undefined && this.keyBytes.length < maxKeyBytes) this.keyBytes.push(byte);
        continue;
      }
      this.outside(byte, this.offset + index);
    }
    this.offset += length;
  }

  /** No more bytes will come. */
  end(): void {
    if (this.inScalar) this.endScalar(this.offset);
    if (this.problem === undefined && this.isOpen) this.problem = "it ends in the middle";
  }

  /** True when the next byte stands directly in a recorded container, or at the root. */
  private get recorded(): boolean {
    return this.kinds.length === this.open.length;
  }

  private outside(byte: number, at: number): void {
    if (isSpace(byte)) {
      if (this.inScalar) this.endScalar(at);
    } else if (byte === quote) {
      this.beginString(at);
    } else if (byte === openBrace || byte === openBracket) {
      this.beginContainer(byte, at);
    } else if (byte === closeBrace || byte === closeBracket) {
      if (this.inScalar) this.endScalar(at);
      this.endContainer(byte === closeBrace ? openBrace : openBracket, at + 1);
    } else if (byte === comma || byte === colon) {
      if (this.inScalar) this.endScalar(at);
      if (this.kinds.length === 0) this.problem = "it begins with no object or array";
      if (byte === comma && this.recorded) this.expectKey = this.kinds.at(-1) === openBrace;
    } else if (this.recorded && !this.inScalar) {
      this.inScalar = true;
      this.current = this.begin("scalar", at, false);
    }
  }

  private begin(kind: Part["kind"], start: number, recorded: boolean): Part {
    const part: Part = { start, end: start, kind, key: this.key, parts: recorded ? [] : undefined };
    if (--this.partsLeft < 0) {
      this.isFull = true;
      this.problem = "it has too many values for one document: divide it into several files, and import those";
    }
    const parent = this.open.at(-1);
    (parent === undefined ? this.roots : parent.parts)?.push(part);
    this.key = undefined;
    return part;
  }

  private beginString(at: number): void {
    this.inString = true;
    if (!this.recorded) return;
    if (this.expectKey) this.keyBytes = [];
    else this.current = this.begin("string", at, false);
  }

  private endString(end: number): void {
    this.inString = false;
    if (!this.recorded) return;
    if (this.keyBytes === undefined) {
      if (this.current !== undefined) this.current.end = end;
      this.current = undefined;
      return;
    }
    const text = Buffer.from(this.keyBytes).toString("utf8");
    this.keyBytes = undefined;
    this.expectKey = false;
    try {
      this.key = String(JSON.parse(`"${text}"`));
    } catch {
      this.key = text;
    }
  }

  private endScalar(end: number): void {
    this.inScalar = false;
    if (this.current !== undefined) this.current.end = end;
    this.current = undefined;
  }

  private beginContainer(bracket: number, at: number): void {
    if (this.kinds.length >= maxDepth) {
      this.problem = `it is nested deeper than ${maxDepth}`;
      return;
    }
    if (this.recorded) {
      const kind = bracket === openBrace ? "object" : "array";
      const follow = this.descend({ start: at, kind, key: this.key }, this.open);
      const part = this.begin(kind, at, follow);
      if (follow) this.open.push(part);
      else this.current = part;
      if (follow) this.expectKey = bracket === openBrace;
    }
    this.kinds.push(bracket);
  }

  private endContainer(bracket: number, end: number): void {
    if (this.kinds.pop() !== bracket) {
      this.problem = "its brackets do not match";
      return;
    }
    if (this.open.length > this.kinds.length) {
      const part = this.open.pop();
      if (part !== undefined) part.end = end;
    } else if (this.recorded) {
      if (this.current !== undefined) this.current.end = end;
      this.current = undefined;
    }
    this.expectKey = false;
  }
}

/** The outline of a text that is in memory. */
export const outlineOf = (bytes: Uint8Array, descend: Descend): JsonOutline => {
  const outline = new JsonOutline(descend);
  outline.push(bytes);
  outline.end();
  return outline;
};

/** The top-level values of a text, none of their parts. */
export const valuesOf = (bytes: Uint8Array): JsonOutline => outlineOf(bytes, () => false);

/** The same JSON without the white space between its tokens, so that it fits on one line. */
export const compact = (bytes: Uint8Array): Buffer => {
  const out = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let inString = false;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] ?? 0;
    if (inString) {
      if (byte === backslash) {
        out[length++] = byte;
        index++;
        out[length++] = bytes[index] ?? 0;
        continue;
      }
      if (byte === quote) inString = false;
    } else if (isSpace(byte)) continue;
    else if (byte === quote) inString = true;
    out[length++] = byte;
  }
  return out.subarray(0, length);
};
