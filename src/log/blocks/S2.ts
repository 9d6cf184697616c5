/**
 * S2 decoded: how nats-server compresses the blocks of a stream (the framed format of Go's `s2`, a superset of Snappy).
 *
 * Room: log.
 *
 * Decoding only, because nothing of ours is ever compressed with it. A damaged piece comes out as zeros of its length,
 * so that the pieces behind it stay where they were: a piece has at most 1 MB, and what it held is judged record by
 * record from checksums.
 */

export interface Decoded {
  readonly bytes: Buffer;
  /** Pieces that could not be decoded, and are zeros. */
  readonly broken: number;
}

const chunk = { compressed: 0x00, plain: 0x01, firstSkippable: 0x80 } as const;
const checksumBytes = 4;

/** A fault inside one piece. */
class Corrupt extends Error {}

/** A length as a variable number of bytes, low ones first. */
export const uvarint = (bytes: Uint8Array, from: number): { readonly value: number; readonly next: number } => {
  let value = 0;
  for (let at = from, scale = 1; at < Math.min(bytes.length, from + 8); at++, scale *= 128) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, next: at + 1 };
  }
  throw new Corrupt("a length does not end");
};

/** Little-endian number of `count` bytes. */
const numberAt = (bytes: Buffer, at: number, count: number): number => {
  if (at + count > bytes.length) throw new Corrupt("it ends too early");
  return bytes.readUIntLE(at, count);
};

interface Step {
  readonly length: number;
  readonly next: number;
}

/** Lengths of 60 and more stand in the bytes after the tag. */
const literal = (source: Buffer, at: number, tag: number): Step => {
  const short = tag >> 2;
  const extra = short < 60 ? 0 : short - 59;
  const length = extra === 0 ? short + 1 : numberAt(source, at + 1, extra) + 1;
  return { length, next: at + 1 + extra };
};

/** A copy from the offset of the one before. */
const repeated = (source: Buffer, at: number, tag: number): Step => {
  const short = (tag >> 2) & 7;
  if (short < 5) return { length: short + 4, next: at };
  const extra = short - 4;
  const base = extra === 1 ? 4 : extra === 2 ? 256 : 65_536;
  return { length: numberAt(source, at, extra) + base + 4, next: at + extra };
};

/** Copies that overlap what they make repeat it. */
const copy = (target: Buffer, to: number, offset: number, length: number): void => {
  if (offset <= 0 || offset > to || to + length > target.length) throw new Corrupt("a copy reaches outside");
  if (offset >= length) target.copyWithin(to, to - offset, to - offset + length);
  else for (let at = to; at < to + length; at++) target[at] = target[at - offset] ?? 0;
};

/** Decodes one piece into `target`, which has its length. */
const decodeBlock = (source: Buffer, from: number, target: Buffer): void => {
  let to = 0;
  let offset = 1;
  for (let at = from; at < source.length;) {
    const tag = source[at] ?? 0;
    let step: Step;
    if ((tag & 3) === 0) {
      step = literal(source, at, tag);
      if (step.next + step.length > source.length || to + step.length > target.length)
        throw new Corrupt("a literal reaches outside");
      source.copy(target, to, step.next, step.next + step.length);
      to += step.length;
      at = step.next + step.length;
      continue;
    }
    if ((tag & 3) === 1) {
      const short = ((tag & 0xe0) << 3) | numberAt(source, at + 1, 1);
      if (short === 0) step = repeated(source, at + 2, tag);
      else {
        offset = short;
        step = { length: ((tag >> 2) & 7) + 4, next: at + 2 };
      }
    } else {
      const width = (tag & 3) === 2 ? 2 : 4;
      offset = numberAt(source, at + 1, width);
      step = { length: (tag >> 2) + 1, next: at + 1 + width };
    }
    copy(target, to, offset, step.length);
    to += step.length;
    at = step.next;
  }
  if (to !== target.length) throw new Corrupt("it is shorter than it says");
};

/** The largest piece that `s2` writes. */
const maxPieceBytes = 4 * 1024 * 1024;

/** One compressed piece; undefined when not even its length can be read. */
const piece = (body: Buffer): { readonly bytes: Buffer; readonly broken: number } | undefined => {
  try {
    const { next, value } = uvarint(body, 0);
    if (value > maxPieceBytes) return undefined;
    const bytes = Buffer.alloc(value);
    try {
      decodeBlock(body, next, bytes);
      return { bytes, broken: 0 };
    } catch {
      return { bytes: Buffer.alloc(value), broken: 1 };
    }
  } catch {
    return undefined;
  }
};

/** Decodes as much as can be: never throws. */
export const decode = (source: Buffer): Decoded => {
  const parts: Array<Buffer> = [];
  let broken = 0;
  for (let at = 0; at + 4 <= source.length;) {
    const type = source[at] ?? 0;
    const length = source.readUIntLE(at + 1, 3);
    const body = source.subarray(at + 4, at + 4 + length);
    at += 4 + length;
    if (type >= chunk.firstSkippable) continue;
    if (type > chunk.plain || body.length < Math.max(length, checksumBytes)) {
      broken += 1;
      break;
    }
    if (type === chunk.plain) parts.push(body.subarray(checksumBytes));
    else {
      const decoded = piece(body.subarray(checksumBytes));
      broken += decoded?.broken ?? 1;
      if (decoded !== undefined) parts.push(decoded.bytes);
    }
  }
  return { bytes: Buffer.concat(parts), broken };
};
