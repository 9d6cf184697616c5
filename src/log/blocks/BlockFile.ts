/**
 * One block of a stream's files as nats-server keeps it: records one after another, each with its checksum.
 *
 * Room: log.
 *
 * Promises: a record is given only when its checksum holds; damage costs the records it lies in and no others, because
 * the next whole record is searched for behind it. Tried against files of nats-server 2.12 to 2.15; the form has been
 * the same since 2.2 (`server/filestore.go`).
 *
 * A record: length and whether there are headers (4 bytes), sequence (8), nanoseconds (8), length of the subject (2),
 * subject, [length of the headers (4), headers], body, checksum (8); little-endian. The checksum's key is made of the
 * stream's name and the block's number, so a block is read by both.
 */
import { createHash } from "node:crypto";
import type { StoredMessage } from "../Envelope.ts";
import { parseHeaders } from "../read/MessageNats.ts";
import * as HighwayHash from "./HighwayHash.ts";
import * as S2 from "./S2.ts";

/** A stored message with everything that the file says of it. */
export interface BlockRecord {
  readonly sequence: number;
  /** Time in the stream, nanoseconds since the epoch. */
  readonly nanos: bigint;
  readonly subject: string;
  /** `NATS/1.0` and the lines, as they are stored; empty without headers. */
  readonly headers: Uint8Array;
  readonly body: Uint8Array;
}

const size = { length: 4, fixed: 22, headers: 4, checksum: 8 } as const;
const withHeaders = 0x8000_0000;
/** Marks of a message that was removed, in the highest bits of its sequence. */
const removed = 0xc0;
/** nats-server takes at most 64 MB in one message. */
const maxRecordBytes = 64 * 1024 * 1024 + 8192;
const maxSubjectBytes = 4096;

/** First bytes of a compressed block. */
export const compressedMark = Buffer.from("cmp");
const s2Algorithm = 1;

export const keyOf = (stream: string, block: number): Uint8Array =>
  createHash("sha256").update(`${stream}-${block}`).digest();

/** Length of a record, bytes. */
export const recordBytes = ({ body, headers, subject }: BlockRecord): number =>
  size.fixed +
  Buffer.byteLength(subject) +
  (headers.length === 0 ? 0 : size.headers + headers.length) +
  body.length +
  size.checksum;

/** Writes one record into `target` at `at`; returns where it ends. */
export const writeRecord = (hash: HighwayHash.HighwayHash, record: BlockRecord, target: Buffer, at: number): number => {
  const { body, headers, nanos, sequence, subject } = record;
  const total = recordBytes(record);
  target.writeUInt32LE((total | (headers.length > 0 ? withHeaders : 0)) >>> 0, at);
  target.writeBigUInt64LE(BigInt(sequence), at + 4);
  target.writeBigInt64LE(nanos, at + 12);
  const subjectBytes = target.write(subject, at + size.fixed, "utf8");
  target.writeUInt16LE(subjectBytes, at + 20);
  let to = at + size.fixed + subjectBytes;
  hash.write(target.subarray(at + 4, at + 20));
  hash.write(target.subarray(at + size.fixed, to));
  if (headers.length > 0) {
    to = target.writeUInt32LE(headers.length, to);
    target.set(headers, to);
    hash.write(headers);
    to += headers.length;
  }
  target.set(body, to);
  hash.write(body);
  target.set(hash.sum(), to + body.length);
  return at + total;
};

interface Parsed {
  readonly record: BlockRecord;
  readonly isRemoved: boolean;
  readonly next: number;
}

/** The record at a place; undefined when none that is whole begins there. */
const parseAt = (hash: HighwayHash.HighwayHash, bytes: Buffer, at: number): Parsed | undefined => {
  if (at + size.fixed + size.checksum > bytes.length) return undefined;
  const word = bytes.readUInt32LE(at);
  const total = word & 0x7fff_ffff;
  const end = at + total;
  const subjectBytes = bytes.readUInt16LE(at + 20);
  const least = size.fixed + subjectBytes + size.checksum;
  if (total > maxRecordBytes || end > bytes.length || subjectBytes > maxSubjectBytes || total < least) return undefined;
  const afterSubject = at + size.fixed + subjectBytes;
  let bodyAt = afterSubject;
  let headers: Buffer = Buffer.alloc(0);
  if (word >= withHeaders) {
    if (total < least + size.headers) return undefined;
    const headerBytes = bytes.readUInt32LE(afterSubject);
    bodyAt = afterSubject + size.headers + headerBytes;
    if (bodyAt > end - size.checksum) return undefined;
    headers = bytes.subarray(afterSubject + size.headers, bodyAt);
  }
  const body = bytes.subarray(bodyAt, end - size.checksum);
  hash.write(bytes.subarray(at + 4, at + 20));
  hash.write(bytes.subarray(at + size.fixed, afterSubject));
  if (headers.length > 0) hash.write(headers);
  hash.write(body);
  const sum = hash.sum();
  for (let byte = 0; byte < size.checksum; byte++)
    if (bytes[end - size.checksum + byte] !== sum[byte]) return undefined;
  const isRemoved = ((bytes[at + 11] ?? 0) & removed) !== 0 || subjectBytes === 0;
  const record: BlockRecord = {
    sequence: isRemoved ? 0 : Number(bytes.readBigUInt64LE(at + 4)),
    nanos: bytes.readBigInt64LE(at + 12),
    subject: bytes.toString("utf8", at + size.fixed, afterSubject),
    headers,
    body,
  };
  return { record, isRemoved, next: end };
};

/** Start of the next whole record, behind a damaged one. */
const resync = (hash: HighwayHash.HighwayHash, bytes: Buffer, from: number): number => {
  // Mostly the damage is inside a record and its length is right.
  const told = from + size.length <= bytes.length ? bytes.readUInt32LE(from) & 0x7fff_ffff : 0;
  if (told > 0 && parseAt(hash, bytes, from + told) !== undefined) return from + told;
  for (let at = from + 1; at + size.fixed + size.checksum <= bytes.length; at++) {
    // A record's subject is never empty, and the highest byte of its length holds only the mark of headers.
    if (((bytes[at + 3] ?? 0) & 0x7c) !== 0 || bytes.readUInt16LE(at + 20) === 0) continue;
    if (parseAt(hash, bytes, at) !== undefined) return at;
  }
  return bytes.length;
};

export interface Block {
  readonly records: ReadonlyArray<BlockRecord>;
  readonly isCompressed: boolean;
  /** Stretches of bytes that hold no whole record. 0 for a block that is well. */
  readonly damages: number;
}

/** The bytes of a block as records, decompressed where they are compressed. */
const unpacked = (
  bytes: Buffer,
): { readonly bytes: Buffer; readonly isCompressed: boolean; readonly broken: number } => {
  if (!bytes.subarray(0, 3).equals(compressedMark) || bytes[3] !== s2Algorithm)
    return { bytes, isCompressed: false, broken: 0 };
  try {
    const { next } = S2.uvarint(bytes, 4);
    const decoded = S2.decode(bytes.subarray(next, bytes.length - size.checksum));
    const whole = Buffer.concat([decoded.bytes, bytes.subarray(bytes.length - size.checksum)]);
    return { bytes: whole, isCompressed: true, broken: decoded.broken };
  } catch {
    return { bytes: Buffer.alloc(0), isCompressed: true, broken: 1 };
  }
};

/** Reads a block's bytes. Never throws. The records share the bytes' memory. */
export const readBlock = (stream: string, block: number, file: Buffer): Block => {
  const hash = HighwayHash.make(keyOf(stream, block));
  const { broken, bytes, isCompressed } = unpacked(file);
  const records: Array<BlockRecord> = [];
  let damages = broken;
  for (let at = 0; at < bytes.length;) {
    const parsed = parseAt(hash, bytes, at);
    if (parsed === undefined) {
      damages += 1;
      at = resync(hash, bytes, at);
      continue;
    }
    if (!parsed.isRemoved) records.push(parsed.record);
    at = parsed.next;
  }
  return { records, isCompressed, damages };
};

/** As the log reads it. */
export const storedOf = ({ body, headers, nanos, sequence, subject }: BlockRecord): StoredMessage => ({
  sequence,
  recordedAt: Number(nanos / 1_000_000n),
  subject,
  headers: headers.length === 0 ? {} : parseHeaders(Buffer.from(headers).toString("utf8")),
  body,
});
