/**
 * Event ids: time-ordered for what happens now, derived from content for what is imported.
 *
 * Room: domain. In: none. Out: publish, edge, log.
 *
 * Both are UUIDs (RFC 9562). Version 7 holds the millisecond of its making, so the log knows how far back a
 * duplicate can lie. Version 8 is the head of a SHA-256: the same content in the same place is the same event.
 */
import { createHash } from "node:crypto";

const hex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");

const format = (bytes: Uint8Array, version: 7 | 8): string => {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | (version << 4);
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const text = hex(bytes);
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20, 32)}`;
};

/** A UUIDv7 from a millisecond and ten random bytes (the caller's clock and random source: this room has neither). */
export const fromTime = (millis: number, random: Uint8Array): string => {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(Math.trunc(millis)) << 16n);
  bytes.set(random.subarray(0, 10), 6);
  return format(bytes, 7);
};

/** A UUIDv8 from the parts that make this event what it is. Parts are length-prefixed: no two lists collide. */
export const fromContent = (...parts: ReadonlyArray<string | Uint8Array>): string => {
  const hash = createHash("sha256");
  for (const part of parts) {
    const bytes = typeof part === "string" ? Buffer.from(part, "utf8") : part;
    hash.update(`${bytes.byteLength}:`);
    hash.update(bytes);
  }
  return format(hash.digest().subarray(0, 16), 8);
};

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The millisecond at which a UUIDv7 was made, or undefined for every other id. */
export const timeOf = (id: string): number | undefined =>
  uuid.exec(id)?.[1] === "7" ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
