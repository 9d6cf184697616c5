/**
 * Event ids: time-ordered for what happens now, derived from content for what is imported.
 *
 * Room: domain.
 *
 * Both are UUIDs (RFC 9562). Version 7 holds the millisecond of its making, so the log knows how far back a
 * duplicate can lie. Version 8 is the head of a SHA-256: the same content in the same place is the same event. Version 5 is
 * made of a name that a caller gave, so that repeating a call is one event; the same name with other content is a conflict.
 */
import { createHash } from "node:crypto";

/** 32 bits of a number, as eight digits. */
const hex32 = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");

/** The last millisecond that a UUIDv7 can hold, in 48 bits. */
const lastMillis = 2 ** 48 - 1;

/**
 * A UUIDv7 from a millisecond and three random words of 32 bits, 28 of the first and 30 of the second (the caller's clock
 * and random source: this room has neither). Without bytes in between: an id is made for every event.
 */
export const fromTime = (millis: number, [first, second, third]: readonly [number, number, number]): string => {
  const time = Math.min(Math.max(Math.trunc(millis), 0), lastMillis)
    .toString(16)
    .padStart(12, "0");
  const a = hex32((first & 0x0fff_ffff) | 0x7000_0000);
  const b = hex32((second & 0x3fff_ffff) | 0x8000_0000);
  return `${time.slice(0, 8)}-${time.slice(8)}-${a.slice(0, 4)}-${b.slice(0, 4)}-${b.slice(4)}${hex32(third)}`;
};

/** A UUID from 16 bytes, with its version. */
const uuidOf = (bytes: Buffer, version: number): string => {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | (version << 4);
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const text = bytes.toString("hex");
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`;
};

/** A UUIDv8 from the parts that make this event what it is. Parts are length-prefixed: no two lists collide. */
export const fromContent = (...parts: ReadonlyArray<string | Uint8Array>): string => {
  const hash = createHash("sha256");
  for (const part of parts) {
    const bytes = typeof part === "string" ? Buffer.from(part, "utf8") : part;
    hash.update(`${bytes.byteLength}:`);
    hash.update(bytes);
  }
  return uuidOf(hash.digest().subarray(0, 16), 8);
};

/** A UUIDv5 from the parts of a name: length-prefixed, so that no two lists collide. */
export const fromName = (...parts: ReadonlyArray<string>): string => {
  const hash = createHash("sha1");
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:${part}`);
  return uuidOf(hash.digest().subarray(0, 16), 5);
};

/** True for an id that was derived: who derives one means the same event, whatever else its writers say of it. */
export const isDerived = (id: string): boolean => uuid.exec(id)?.[1] === "8";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The millisecond at which a UUIDv7 was made, or undefined for every other id. */
export const timeOf = (id: string): number | undefined =>
  uuid.exec(id)?.[1] === "7" ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
