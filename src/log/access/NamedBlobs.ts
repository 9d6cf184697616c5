/**
 * Bytes that lie beside the stream, by the references of an event: its own (`blob`, and `outputBlob` and the like) and those
 * of its parts.
 *
 * Room: log.
 *
 * The sizes are those that the event says. A worker, who puts the bytes into the object store itself, is trusted with it.
 */
import { isObject } from "../../domain/Json.ts";

const marker = Buffer.from('"sha256"');

const bytesOf = (reference: unknown): number =>
  isObject(reference) && typeof reference["sha256"] === "string" && Number.isSafeInteger(reference["bytes"])
    ? Math.max(0, Number(reference["bytes"]))
    : 0;

/** Sum over all references of an event's body; none where it is no JSON. */
export const bytesNamed = (body: Uint8Array): number => {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (!bytes.includes(marker)) return 0;
  try {
    const data: unknown = JSON.parse(bytes.toString("utf8"));
    if (!isObject(data)) return 0;
    const parts: ReadonlyArray<unknown> = Array.isArray(data["parts"]) ? data["parts"] : [];
    const own = Object.entries(data).flatMap(([name, value]) => (/^blob$|Blob$/.test(name) ? [value] : []));
    const ofParts = parts.map((part) => (isObject(part) ? part["blob"] : undefined));
    return [...own, ...ofParts].reduce((sum: number, reference) => sum + bytesOf(reference), 0);
  } catch {
    return 0;
  }
};
