/**
 * The mark in a secret's place: `[redacted:RULE:DIGEST]`.
 *
 * Room: domain.
 *
 * The digest is the beginning of an HMAC-SHA-256 of the secret under a key of the store, so equal secrets have equal
 * marks and can be counted, and a secret cannot be found by trying candidates without the key.
 */
import { createHmac } from "node:crypto";

/** Hexadecimal characters of a digest: 64 bits, so that a million secrets of one store have no two alike by chance. */
const digestLength = 16;

export const digestOf = (key: Uint8Array, secret: string): string =>
  createHmac("sha256", key).update(secret, "utf8").digest("hex").slice(0, digestLength);

export const markOf = (rule: string, digest: string): string => `[redacted:${rule}:${digest}]`;

export const markStart = "[redacted:";

const marks = /\[redacted:([a-z0-9-]{1,64}):([0-9a-f]{16})\]/g;

/** Every mark in a text. */
export const marksIn = (text: string): ReadonlyArray<{ readonly rule: string; readonly digest: string }> =>
  text.includes(markStart) ? Array.from(text.matchAll(marks), ([, rule = "", digest = ""]) => ({ rule, digest })) : [];

/** The text without the digests of its marks: the same for every key, so that two machines say of a message that it is one. */
export const withoutDigests = (text: string): string =>
  text.includes(markStart) ? text.replaceAll(marks, "[redacted:$1]") : text;
