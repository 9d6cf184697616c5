/**
 * Content blocks of the chat APIs as parts: text, thinking, images, files. Tools are the formats' own matter.
 *
 * Room: domain.
 *
 * Inline bytes (base64 images, a provider's signature of a thought) are left in the entry: a fact says that they are
 * there, and is never as large as they are.
 */
import type { Part } from "../thread/Content.ts";
import { isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../Json.ts";

const text = (said: string): ReadonlyArray<Part> => [{ type: "text", text: said }];

/** An image from a URL; a `data:` URL gives its media type and leaves its bytes in the entry. */
export const imageAt = (url: string | undefined, mediaType?: string): Part =>
  url === undefined || url.startsWith("data:")
    ? {
        type: "image",
        mediaType: mediaType ?? (url === undefined ? null : (/^data:([^;,]{1,100})/.exec(url)?.[1] ?? null)),
      }
    : { type: "image", url, mediaType: mediaType ?? null };

const imageOf = (block: JsonObject): Part => {
  const source = objectAt(block, "source") ?? block;
  const url =
    stringAt(source, "url") ??
    stringAt(source, "image_url") ??
    stringAt(objectAt(block, "image_url"), "url") ??
    stringAt(block, "image");
  return imageAt(url, stringAt(source, "media_type") ?? stringAt(source, "mimeType"));
};

const fileOf = (block: JsonObject): Part => {
  const inner = objectAt(block, "file") ?? objectAt(block, "source") ?? block;
  const named = (key: string): string | undefined => stringAt(block, key) ?? stringAt(inner, key);
  const url = named("url");
  return {
    type: "file",
    path:
      named("path") ??
      named("filename") ??
      named("title") ??
      (url?.startsWith("data:") ? undefined : url) ??
      named("file_id") ??
      "",
    mediaType: named("media_type") ?? named("mime") ?? named("mimeType") ?? null,
  };
};

/** The words of a thought: Anthropic's `thinking`, OpenAI's `summary` and `content`, Inspect's `reasoning`. */
export const thinkingText = (block: JsonObject): string => {
  const own = stringAt(block, "thinking") ?? stringAt(block, "reasoning") ?? stringAt(block, "text");
  if (own !== undefined) return own;
  return [block["summary"], block["content"]].flatMap(wordsOf).join("\n\n");
};

/** The texts of a string, of an array of blocks, or of nothing. */
export const wordsOf = (content: JsonValue | undefined): ReadonlyArray<string> => {
  if (typeof content === "string") return content === "" ? [] : [content];
  if (!Array.isArray(content)) return [];
  return (content as ReadonlyArray<JsonValue>).flatMap((block) => {
    const said = typeof block === "string" ? block : stringAt(block, "text");
    return said === undefined || said === "" ? [] : [said];
  });
};

/** One block as parts. An unknown kind is named, and its visible text is kept. */
export const partsOfBlock = (block: JsonValue): ReadonlyArray<Part> => {
  if (typeof block === "string") return text(block);
  if (!isObject(block)) return [{ type: "other", kind: "block that is no object" }];
  const type = stringAt(block, "type") ?? "";
  switch (type) {
    case "text":
    case "input_text":
    case "output_text":
    case "summary_text":
    case "Text":
      return text(stringAt(block, "text") ?? "");
    case "refusal":
      return text(stringAt(block, "refusal") ?? "");
    case "thinking":
    case "reasoning":
      return [
        { type: "thinking", text: thinkingText(block), ...(block["redacted"] === true ? { redacted: true } : {}) },
      ];
    case "redacted_thinking":
      return [{ type: "thinking", text: "", redacted: true }];
    case "image":
    case "image_url":
    case "input_image":
      return [imageOf(block)];
    case "document":
    case "file":
    case "input_file":
      return [fileOf(block)];
    default: {
      const said = stringAt(block, "text");
      const named = { type: "other", kind: type === "" ? "block without a type" : type } as const;
      if (type === "" && said !== undefined) return text(said);
      return said === undefined || said === "" ? [named] : [named, ...text(said)];
    }
  }
};

/** A message's content: one string, blocks, or nothing. */
export const partsOf = (content: JsonValue | undefined): ReadonlyArray<Part> => {
  if (content === undefined || content === null || content === "") return [];
  if (Array.isArray(content)) return (content as ReadonlyArray<JsonValue>).flatMap(partsOfBlock);
  return partsOfBlock(content);
};
