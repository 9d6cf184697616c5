/**
 * A snapshot as bytes: JSON behind a header that says how to read it, who vouches for it, and that it is whole.
 *
 * Room: snapshot.
 *
 * Bytes 0 to 1: `RS`. 2: version of this layout, 3 for plain and 4 for packed. 3 to 4: fold version, big-endian. 5 to 8: id of
 * the key. 9 to 20: a random nonce. 21 to 36: GMAC (AES-256-GCM over no text) of bytes 0 to 8 and of what follows. Then the
 * state as JSON, packed by zstd where the layout says so. A snapshot of another version or another key, damaged, forged or
 * not ours has no state: a miss, never an error. Nothing is unpacked before its GMAC holds.
 *
 * Decision: GMAC and not HMAC-SHA-256, because a cold read is mostly this: 82 KB take 15 µs with it, as the CRC-32 that it
 * replaces did, and 60 with HMAC.
 *
 * Decision: what is read is not held against the Schema again, because header and GMAC say that a holder of the key wrote
 * exactly these bytes, and it wrote what its Schema allows: half of the time that decoding a full window would take.
 *
 * Decision: packed only when the thread rests (`SnapshotStore`). A full window of 82 KB is 24 in zstd, which takes 0.19 ms of
 * processor to write and 0.07 to read, where everything else takes 0.13 and 0.09: too much for a thread that is in use. An
 * import writes one of each of its threads, most never read before they expire: all real sets take 3.0 MB of KV in place of
 * 12.2. The server's own compression is no way out: the first read of a block that the server has not in memory takes 3 to 5 ms
 * in place of 1 to 1.6.
 */
import { Option, Result, Schema } from "effect";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { foldVersion, maxStateBytes, ThreadState } from "../domain/thread/Thread.ts";
import { ofThisProcess, type SnapshotKey } from "./SnapshotKey.ts";

const magic = 0x5253;
/** 1 was zstd, 2 had a CRC-32. */
const plainLayout = 3;
const packedLayout = 4;
const idAt = 5;
const nonceAt = 9;
const nonceBytes = 12;
const macAt = nonceAt + nonceBytes;
const macBytes = 16;
const headerBytes = macAt + macBytes;
const algorithm = "aes-256-gcm";

export const maxSnapshotBytes = headerBytes + maxStateBytes;

const encodeState = Schema.encodeSync(ThreadState);

export interface Encoding {
  /** Default: this one. */
  readonly version?: number;
  readonly key?: SnapshotKey;
  /** Default: not packed. */
  readonly isPacked?: boolean;
}

export const encode = (state: ThreadState, encoding: Encoding = {}): Uint8Array => {
  const { isPacked = false, key = ofThisProcess, version = foldVersion } = encoding;
  const json = JSON.stringify(encodeState(state));
  const packed = isPacked ? zstdCompressSync(json) : undefined;
  const bytes = Buffer.alloc(headerBytes + (packed?.byteLength ?? Buffer.byteLength(json)));
  bytes.writeUInt16BE(magic, 0);
  bytes.writeUInt8(isPacked ? packedLayout : plainLayout, 2);
  bytes.writeUInt16BE(version, 3);
  bytes.set(key.id, idAt);
  const nonce = randomBytes(nonceBytes);
  bytes.set(nonce, nonceAt);
  if (packed === undefined) bytes.write(json, headerBytes, "utf8");
  else bytes.set(packed, headerBytes);
  const mac = createCipheriv(algorithm, key.secret, nonce);
  mac.setAAD(bytes.subarray(0, nonceAt)).setAAD(bytes.subarray(headerBytes));
  mac.final();
  bytes.set(mac.getAuthTag(), macAt);
  return bytes;
};

const isGenuine = (bytes: Buffer, key: SnapshotKey): boolean => {
  const mac = createDecipheriv(algorithm, key.secret, bytes.subarray(nonceAt, macAt), { authTagLength: macBytes });
  mac.setAAD(bytes.subarray(0, nonceAt)).setAAD(bytes.subarray(headerBytes));
  mac.setAuthTag(bytes.subarray(macAt, headerBytes));
  return Result.isSuccess(Result.try(() => mac.final()));
};

const isOurLayout = (bytes: Buffer): boolean =>
  bytes.byteLength > headerBytes &&
  bytes.byteLength <= maxSnapshotBytes &&
  bytes.readUInt16BE(0) === magic &&
  (bytes.readUInt8(2) === plainLayout || bytes.readUInt8(2) === packedLayout);

/** Throws what zlib throws, also for more than a state may have. */
const jsonIn = (bytes: Buffer): string =>
  bytes.readUInt8(2) === plainLayout
    ? bytes.toString("utf8", headerBytes)
    : zstdDecompressSync(bytes.subarray(headerBytes), { maxOutputLength: maxStateBytes }).toString("utf8");

const asBuffer = (value: Uint8Array): Buffer => Buffer.from(value.buffer, value.byteOffset, value.byteLength);

/** The state, or none for bytes that another version or another key wrote, that are damaged, forged, or something else. */
export const decode = (value: Uint8Array, key: SnapshotKey = ofThisProcess): Option.Option<ThreadState> => {
  const bytes = asBuffer(value);
  if (!isOurLayout(bytes) || bytes.readUInt16BE(3) !== foldVersion) return Option.none();
  if (isOfAnotherKey(value, key) || !isGenuine(bytes, key)) return Option.none();
  return Result.getSuccess(Result.try(() => JSON.parse(jsonIn(bytes)) as ThreadState));
};

/** True when a writer with another key wrote it, which alone may replace it. */
export const isOfAnotherKey = (value: Uint8Array, key: SnapshotKey): boolean => {
  const bytes = asBuffer(value);
  return isOurLayout(bytes) && Buffer.compare(bytes.subarray(idAt, nonceAt), key.id) !== 0;
};
