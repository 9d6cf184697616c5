/**
 * Content blocks of the Agent Client Protocol as parts of a message.
 *
 * Room: edge.
 */
import { arrayAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../../domain/Json.ts";
import type { Part, Program } from "../../../domain/thread/Content.ts";

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

/** The blocks inside a tool call's contents. */
export const contentsOf = (content: JsonValue | undefined): ReadonlyArray<JsonValue> =>
  Array.isArray(content)
    ? (content as ReadonlyArray<JsonValue>).flatMap((one) =>
        isObject(one) && one["type"] === "content" && one["content"] !== undefined ? [one["content"]] : [],
      )
    : [];

export const programOf = (info: JsonObject | undefined): Program | null => {
  const name = stringAt(info, "name");
  return name === undefined ? null : { name, version: stringAt(info, "version") ?? null };
};

/** Of params; contents of files are not what an audit needs twice. */
const mostParamUnits = 16 * 1024;

/** Params as they are recorded: without the session, which is the thread, and without what is large. */
export const paramsOf = (given: JsonObject): JsonValue => {
  const params = Object.fromEntries(Object.entries(given).filter(([name]) => name !== "sessionId"));
  const text = JSON.stringify(params);
  return text.length <= mostParamUnits ? params : { notRecorded: `${Buffer.byteLength(text)} bytes` };
};
