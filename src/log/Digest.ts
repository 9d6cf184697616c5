/**
 * The digest of what is stored, and the running hash over the order: what two copies of the stream are compared by.
 *
 * Room: log.
 *
 * Canonical form of a message: netstrings (`<bytes>:<text>,`, lengths in UTF-8 bytes) of the subject, of the number of
 * `ce-` headers, of each such header's name and value in the order of their names, and of the body. Of a header that is
 * there twice the first value counts, without white space around it: no reader sees more. Only `ce-` headers count, so
 * that what a server or a heal adds (`Nats-*`, `Recollect-*`) changes no digest.
 *
 * Leaf record: sequence (8 bytes, big-endian), netstrings of event id and subject, then the digest. It is small and
 * holds nothing of the event itself, so that a Merkle tree can be put on it: the leaf hash of RFC 6962 is
 * SHA-256(0x00 ‖ record).
 *
 * Running hash: chain(0) is 32 zero bytes, chain(n) = SHA-256(chain(n - 1) ‖ record(n)). Two prefixes of a stream are
 * equal when sequence and chain are: an event that is missing, changed, inserted or exchanged changes both from there on.
 */
import { hash } from "node:crypto";

/** Bytes of a digest and of a running hash. */
export const digestBytes = 32;

/** The running hash before the first event. */
export const zeroChain: Uint8Array = Buffer.alloc(digestBytes);

const netstring = (text: string): string => `${Buffer.byteLength(text)}:${text},`;

/** Used again for each small message: one call of the hash in place of three is half of its time. */
const scratch = Buffer.allocUnsafeSlow(16 * 1024);

const sha256 = (bytes: Uint8Array): Buffer => hash("sha256", bytes, "buffer");

/** `head` as UTF-8, then `body`, as one piece. */
const joined = (head: string, body: Uint8Array, tail: string): Uint8Array => {
  const most = head.length * 3 + body.byteLength + tail.length;
  const target = most <= scratch.byteLength ? scratch : Buffer.allocUnsafe(most);
  const at = target.write(head, 0, "utf8");
  target.set(body, at);
  const end = at + body.byteLength;
  return target.subarray(0, end + target.write(tail, end, "latin1"));
};

const prefix = "ce-";

/** Header names are few and nearly always the same: their order is kept. */
let lastNames = "";
let lastOrder: ReadonlyArray<string> = [];

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const orderOf = (headers: Readonly<Record<string, string>>): ReadonlyArray<string> => {
  let names = "";
  for (const name in headers) if (name.startsWith(prefix)) names += `${name}\n`;
  if (names === lastNames) return lastOrder;
  lastNames = names;
  return (lastOrder = Object.keys(headers)
    .filter((name) => name.startsWith(prefix))
    .toSorted(byName));
};

/** Stored content: the wire form of an event, or of anything else in the stream. */
export interface Digestible {
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** SHA-256 over the canonical form. */
export const digestOf = ({ body, headers, subject }: Digestible): Buffer => {
  const names = orderOf(headers);
  let head = netstring(subject) + netstring(String(names.length));
  for (const name of names) head += netstring(name) + netstring(headers[name] ?? "");
  return sha256(joined(`${head}${body.byteLength}:`, body, ","));
};

/** Leaf of the hash over the order. */
export interface Leaf {
  readonly sequence: number;
  /** Empty for a message that is no event. */
  readonly id: string;
  readonly subject: string;
  readonly digest: Uint8Array;
}

const placeBytes = 8;

/** Writes the record at an offset and answers where it ends. */
const writeLeaf = (target: Buffer, at: number, { digest, id, sequence, subject }: Leaf): number => {
  target.writeBigUInt64BE(BigInt(sequence), at);
  const end = at + placeBytes + target.write(netstring(id) + netstring(subject), at + placeBytes, "utf8");
  target.set(digest, end);
  return end + digest.byteLength;
};

const roomOf = ({ digest, id, subject }: Leaf): number =>
  placeBytes + 3 * (id.length + subject.length) + 16 + digest.byteLength;

export const leafRecord = (leaf: Leaf): Uint8Array => {
  const target = Buffer.alloc(roomOf(leaf));
  return target.subarray(0, writeLeaf(target, 0, leaf));
};

/** The running hash after one more event. */
export const chained = (chain: Uint8Array, leaf: Leaf): Buffer => {
  const most = digestBytes + roomOf(leaf);
  const target = most <= scratch.byteLength ? scratch : Buffer.alloc(most);
  target.set(chain, 0);
  return sha256(target.subarray(0, writeLeaf(target, digestBytes, leaf)));
};

export const equal = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  one !== undefined && other !== undefined && Buffer.compare(one, other) === 0;

/** As text: lower-case hexadecimal. */
export const hex = (digest: Uint8Array): string =>
  Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("hex");
