/**
 * Content blocks of the Agent Client Protocol as parts of a message.
 *
 * Room: edge.
 */
import { arrayAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../domain/Json.ts";
import type { Part } from "../../domain/thread/Content.ts";

const kept = (block: JsonValue, kind: string): Part => ({ type: "other", kind, value: block });

/** One block; an unknown one is kept as it came. */
export const partOf = (block: JsonValue | undefined): Part => {
  if (!isObject(block)) return kept(block ?? null, "block");
  const type = stringAt(block, "type") ?? "block";
  const [data, mediaType] = [stringAt(block, "data"), stringAt(block, "mimeType")];
  if (type === "text") return { type: "text", text: stringAt(block, "text") ?? "" };
  if (type === "image" && data !== undefined) return { type: "image", mediaType: mediaType ?? null, data };
  if (type === "audio" && data !== undefined) return { type: "file", path: "", mediaType: mediaType ?? "audio", data };
  if (type === "resource_link")
    return { type: "file", path: stringAt(block, "uri") ?? "", mediaType: mediaType ?? null };
  const resource = type === "resource" ? objectAt(block, "resource") : undefined;
  const text = stringAt(resource, "text");
  if (resource === undefined || text === undefined) return kept(block, type);
  return { type: "file", path: stringAt(resource, "uri") ?? "", data: Buffer.from(text).toString("base64") };
};

export const partsOf = (holder: JsonObject | undefined, field: string): ReadonlyArray<Part> =>
  arrayAt(holder, field).map(partOf);

/** Adjacent words are one text; thoughts stay beside what was said. */
export const joined = (parts: ReadonlyArray<Part>): ReadonlyArray<Part> => {
  const all: Array<Part> = [];
  for (const part of parts) {
    const last = all.at(-1);
    const isMore = (part.type === "text" || part.type === "thinking") && last?.type === part.type;
    if (isMore && "text" in last) all[all.length - 1] = { ...last, text: last.text + part.text };
    else all.push(part);
  }
  return all;
};
