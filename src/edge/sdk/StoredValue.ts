/**
 * A value on its way into an event and back: JSON, with bytes spelled in it, and in the object store when it is large.
 *
 * Room: edge.
 */
import { createHash } from "node:crypto";
import type { AppendedEvent, RecollectHistory } from "./Client.ts";
import { SdkRefused } from "./SdkRefused.ts";

export interface BlobAt {
  readonly sha256: string;
  readonly bytes: number;
}

/** A value as an event holds it: itself, or where its JSON text lies. */
export interface Stored {
  readonly entry?: unknown;
  readonly blob?: BlobAt | undefined;
}

type Blobs = NonNullable<AppendedEvent["blobs"]>;

/**
 * Largest value inside its event, in bytes of JSON.
 *
 * Decision: 256 KiB, as fields of our own events, so that an append of several stays below what the log takes at once.
 */
const inlineBytes = 256 * 1024;

const marker = "$recollect:bytes";

/** JSON has no bytes, and `Buffer` would spell itself as a list of numbers: both are spelled in base64. */
const spelled = (value: unknown): unknown => {
  if (value instanceof Uint8Array) {
    const base64 = Buffer.from(value).toString("base64");
    return Buffer.isBuffer(value) ? { [marker]: base64, isBuffer: true } : { [marker]: base64 };
  }
  if (Array.isArray(value)) return value.some(needsSpelling) ? value.map(spelled) : value;
  if (typeof value !== "object" || value === null || typeof (value as { toJSON?: unknown }).toJSON === "function")
    return value;
  return needsSpelling(value)
    ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, spelled(inner)]))
    : value;
};

const needsSpelling = (value: unknown): boolean => {
  if (typeof value !== "object" || value === null) return false;
  return value instanceof Uint8Array || Object.values(value).some(needsSpelling);
};

const unspelled = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(unspelled);
  const bytes = (value as Record<string, unknown>)[marker];
  if (typeof bytes === "string")
    return "isBuffer" in value ? Buffer.from(bytes, "base64") : new Uint8Array(Buffer.from(bytes, "base64"));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unspelled(inner)]));
};

/** The JSON text of a value. Two values of one text are one. */
export const textOf = (value: unknown): string => JSON.stringify(spelled(value) ?? null);

/** The value of a JSON text, bytes and all. */
export const valueOf = (text: string): unknown => {
  const value: unknown = JSON.parse(text);
  return text.includes(marker) ? unspelled(value) : value;
};

/** A value in JSON alone: what an event holds, and what is compared. */
export const plain = (value: unknown): unknown => JSON.parse(textOf(value));

export const digestOf = (...texts: ReadonlyArray<string>): string => {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${text.length}:`).update(text);
  return hash.digest("hex");
};

/** Form of a JSON text in an event, and the blob that must be there before it. */
export const stored = (
  text: string,
  inline = inlineBytes,
): { readonly value: Stored; readonly blobs: Blobs; readonly bytes: number } => {
  const length = Buffer.byteLength(text, "utf8");
  if (length <= inline) return { value: { entry: JSON.parse(text) }, blobs: [], bytes: length };
  const bytes = Buffer.from(text, "utf8");
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { value: { blob: { sha256, bytes: bytes.byteLength } }, blobs: [{ sha256, bytes }], bytes: 128 };
};

/** The JSON text that an event holds. Rejects with `SdkRefused` when its blob is lost. */
export const storedText = async (history: RecollectHistory, { blob, entry }: Stored): Promise<string> => {
  if (blob == null) return JSON.stringify(entry ?? null);
  const bytes = await history.blob(blob.sha256);
  if (bytes !== undefined) return Buffer.from(bytes).toString("utf8");
  const message = `The object store has lost ${blob.sha256}, ${blob.bytes} bytes of ${history.id}.`;
  throw new SdkRefused(
    "Lost",
    message,
    "recollect verify says what else is lost; recollect heal puts back what can be.",
  );
};

/** The value that an event holds. */
export const storedValue = async (history: RecollectHistory, value: Stored): Promise<unknown> =>
  valueOf(await storedText(history, value));
