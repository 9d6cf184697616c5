/**
 * Pictures that an entry holds, in the order in which they stand: inline as base64, or by the SHA-256 of what the store keeps.
 *
 * Room: edge.
 *
 * A picture is what its first bytes say, and one of four kinds that no browser runs; all else is none.
 */
import { isObject, type JsonValue } from "../../../domain/Json.ts";

export type Picture = { readonly base64: string } | { readonly sha256: string };

/** Deepest nesting that is searched; no agent writes deeper entries. */
const deepest = 40;

const dataUrl = /^data:image\/[\w.+-]{1,40};base64,/;

const text = (value: JsonValue | undefined): string | undefined => (typeof value === "string" ? value : undefined);

const saysImage = (value: JsonValue | undefined): boolean => typeof value === "string" && value.startsWith("image");

/** Picture that a node itself is. */
const pictureOf = (node: { readonly [key: string]: JsonValue }): Picture | undefined => {
  const isImage = [node["type"], node["media_type"], node["mediaType"], node["mimeType"], node["mime_type"]].some(
    saysImage,
  );
  if (!isImage) return undefined;
  const { blob } = node;
  const sha256 = isObject(blob) ? text(blob["sha256"]) : undefined;
  if (sha256 !== undefined) return { sha256 };
  const data = text(node["data"]);
  return data === undefined || data === "" ? undefined : { base64: data.replace(dataUrl, "") };
};

export const picturesIn = (value: JsonValue, depth = 0): ReadonlyArray<Picture> => {
  if (typeof value === "string") {
    const found = dataUrl.exec(value);
    return found === null ? [] : [{ base64: value.slice(found[0].length) }];
  }
  if (depth > deepest || typeof value !== "object" || value === null) return [];
  const own = isObject(value) ? pictureOf(value) : undefined;
  return own === undefined ? Object.values(value).flatMap((inner) => picturesIn(inner, depth + 1)) : [own];
};

const kinds: ReadonlyArray<readonly [type: string, isIt: (bytes: Uint8Array) => boolean]> = [
  ["image/png", (bytes) => Buffer.from(bytes.subarray(0, 8)).toString("latin1") === "\u0089PNG\r\n\u001a\n"],
  ["image/jpeg", (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff],
  ["image/gif", (bytes) => /^GIF8[79]a/.test(Buffer.from(bytes.subarray(0, 6)).toString("latin1"))],
  ["image/webp", (bytes) => /^RIFF.{4}WEBP/s.test(Buffer.from(bytes.subarray(0, 12)).toString("latin1"))],
];

/** Media type by the first bytes; undefined for what is shown to no browser. */
export const typeOf = (bytes: Uint8Array): string | undefined => kinds.find(([, isIt]) => isIt(bytes))?.[0];
