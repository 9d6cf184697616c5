/**
 * A part of which an event holds only the head, with the bytes that were too large for it in their place again.
 *
 * Room: domain.
 */
import type { Part } from "./thread/Content.ts";

/** A text that is no JSON was kept as it is: a model's invalid arguments. */
export const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
};

/** The part as it was said; `bytes` are those that its reference names. */
export const wholePart = (part: Part, bytes: Uint8Array): Part => {
  const { blob: _, ...rest } = part;
  const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (rest.type) {
    case "text":
    case "thinking":
    case "tool_result":
      return { ...rest, text: content.toString("utf8") };
    case "tool_use":
      return { ...rest, arguments: jsonOf(content.toString("utf8")) };
    case "other":
      return { ...rest, value: jsonOf(content.toString("utf8")) };
    case "image":
    case "file":
      return { ...rest, data: content.toString("base64") };
  }
};
