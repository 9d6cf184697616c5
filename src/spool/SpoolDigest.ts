/**
 * The digest of a waiting command: SHA-256 over everything that is delivered, so that a changed row is seen.
 *
 * Room: spool.
 *
 * Each part is preceded by its length, so that no two commands have the same bytes. The number is part of it: rows that
 * have changed places are found too.
 */
import { createHash } from "node:crypto";

export interface Digested {
  readonly position: number;
  readonly target: string;
  readonly body: string;
  /** In the order of their names. */
  readonly blobs: ReadonlyArray<{ readonly sha256: string; readonly digest: string }>;
}

const length = Buffer.alloc(8);

export const digestOf = ({ blobs, body, position, target }: Digested): string => {
  const hash = createHash("sha256");
  const add = (part: string) => {
    length.writeBigUInt64BE(BigInt(Buffer.byteLength(part)));
    hash.update(length).update(part);
  };
  add(String(position));
  add(target);
  add(body);
  for (const { digest, sha256 } of blobs) {
    add(sha256);
    add(digest);
  }
  return hash.digest("hex");
};

export const digestOfBytes = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
