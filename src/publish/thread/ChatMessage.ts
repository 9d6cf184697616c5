/**
 * A message as a client holds it: in our own words, or in those of the chat-completions API.
 *
 * Room: publish.
 *
 * Unlike an interpreter, which leaves inline bytes in the entry it reads, this keeps them: there is no entry.
 */
import { Result } from "effect";
import type { Part } from "../../domain/thread/Content.ts";
import type { EventData } from "../../domain/Event.ts";
import { readBlocks } from "../../domain/interpret/blocks.ts";
import { chatMessage } from "../../domain/interpret/chats/chatMessage.ts";
import { noCarry } from "../../domain/interpret/Interpreter.ts";
import { isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../domain/Json.ts";
import type { Given } from "../write/NewEvent.ts";

type Message = Given<EventData<"thread.message_appended">>;

/**
 * `text` or `parts`, as `say` takes them; or `content`, `tool_calls` and `tool_call_id`, as chat-completions has them.
 * Blocks may be those of chat-completions, of Responses, of Anthropic's Messages or of MCP; an unknown one is kept
 * as it came.
 * Whatever else a message of ours may hold may stand beside: model, usage, stopReason.
 */
export interface ChatMessage extends Partial<Omit<Message, "parts" | "normalised" | "resent">> {
  readonly role: string;
  readonly text?: string | undefined;
  readonly parts?: Message["parts"] | undefined;
  readonly content?: unknown;
  readonly name?: string | undefined;
  readonly tool_calls?: unknown;
  readonly tool_call_id?: string | undefined;
  readonly id?: string | undefined;
}

/** A message that is none, or whose content no chat API has. */
export class NoMessage {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

const chatKeys = new Set(["text", "parts", "content", "name", "id", "refusal", "audio", "function_call"]);
const isChatKey = (key: string): boolean => chatKeys.has(key) || /^(?:tool_call|reasoning)/.test(key);

const dataUrl = /^data:([^;,]{0,100})[^,]{0,100};base64,(.*)$/s;

interface Inline {
  readonly mediaType: string | null;
  /** Base64. */
  readonly data: string;
}

/** Bytes that stand in the block itself, as the chat APIs and MCP write them: a data URL, or base64 beside its type. */
const inlineOf = (block: JsonObject): Inline | undefined => {
  const type = stringAt(block, "type") ?? "";
  const inner = objectAt(block, type) ?? objectAt(block, "source") ?? block;
  const named = (key: string) => stringAt(inner, key) ?? stringAt(block, key);
  const url = named("url") ?? named("image_url") ?? named("file_data");
  const [, mediaType, data] = dataUrl.exec(url ?? "") ?? [];
  if (data !== undefined) return { mediaType: mediaType === undefined || mediaType === "" ? null : mediaType, data };
  const bytes = named("data");
  if (bytes === undefined || stringAt(inner, "type") === "text") return undefined;
  const format = named("format");
  return {
    mediaType: named("media_type") ?? named("mimeType") ?? (format === undefined ? null : `audio/${format}`),
    data: bytes,
  };
};

/** Kinds of blocks that are parts with all they say. Of others nothing may be left out, whatever it is. */
const isWhole = (block: JsonObject, part: Part): boolean => {
  if (part.type === "image") return part.url != null;
  if (part.type === "file")
    return part.path !== "" && !isObject(block["source"]) && stringAt(block, "data") === undefined;
  return part.type !== "other";
};

const handedOver = new Set([
  "image",
  "image_url",
  "input_image",
  "document",
  "file",
  "input_file",
  "audio",
  "input_audio",
]);

/** A block with all it says: unlike an entry, which an event holds as it came, what is left out here is gone. */
const blockParts = (block: JsonValue): ReadonlyArray<Part> => {
  const parts = readBlocks([block], { messageId: "", callKey: (callId) => callId }).parts;
  if (!isObject(block))
    return typeof block === "string" ? parts : [{ type: "other", kind: "block that is no object", value: block }];
  const type = stringAt(block, "type") ?? "";
  const inline = handedOver.has(type) ? inlineOf(block) : undefined;
  const [first] = parts;
  if (inline !== undefined) {
    if (first?.type === "image") return [{ type: "image", ...inline }];
    return [{ type: "file", path: first?.type === "file" ? first.path : "", ...inline }];
  }
  if (first?.type === "thinking") {
    // The provider's proof, or what it hides: the client must send both back.
    const signature = stringAt(block, "signature") ?? stringAt(block, "data");
    return [signature === undefined ? first : { ...first, signature }];
  }
  // Parts of a tool's answer beside its words: images, files.
  if (first?.type === "tool_result") return [first, ...beside(block["content"])];
  if (first === undefined || isWhole(block, first)) return parts;
  return [{ type: "other", kind: first.type === "other" ? first.kind : type, value: block }, ...parts.slice(1)];
};

/** The blocks of a tool's answer that are no words. */
const beside = (content: JsonValue | undefined): ReadonlyArray<Part> =>
  Array.isArray(content)
    ? (content as ReadonlyArray<JsonValue>).flatMap(blockParts).filter(({ type }) => type !== "text")
    : [];

const chatParts = (message: JsonObject): ReadonlyArray<Part> => {
  const { content } = message;
  const role = stringAt(message, "role") ?? "";
  const isTool = role === "tool" || role === "function";
  const blocks = Array.isArray(content) ? (content as ReadonlyArray<JsonValue>) : isObject(content) ? [content] : [];
  const plain = isTool || blocks.length === 0 ? message : { ...message, content: null };
  const context = { threadId: "", eventId: "", occurredAt: 0, place: "element" } as const;
  const [said] = chatMessage(plain, context, noCarry).facts;
  const parts = said?._tag === "MessageSaid" ? said.parts : [];
  const thoughts = parts.filter(({ type }) => type === "thinking");
  const rest = parts.filter(({ type }) => type !== "thinking");
  const spoken = objectAt(message, "audio");
  const data = stringAt(spoken, "data");
  const voice: ReadonlyArray<Part> =
    data === undefined ? [] : [{ type: "file", path: stringAt(spoken, "id") ?? "", mediaType: "audio", data }];
  return isTool
    ? [...thoughts, ...rest, ...beside(blocks)]
    : [...thoughts, ...blocks.flatMap(blockParts), ...rest, ...voice];
};

const isContent = (content: unknown): boolean =>
  content == null || typeof content === "string" || typeof content === "object";

/** The message's parts, and what else is known of it. The event's Schema checks the rest. */
export const messageOf = (
  given: ChatMessage,
): Result.Result<{ readonly parts: ReadonlyArray<Part>; readonly more: Partial<Message> }, NoMessage> => {
  if (!isObject(given)) return Result.fail(new NoMessage("it is no object"));
  const { content, text: words, ...rest } = given as ChatMessage;
  if (!isContent(content)) {
    return Result.fail(new NoMessage(`its content is a ${typeof content}, and must be a text, blocks or nothing`));
  }
  // Long texts are not gone through to be copied: they come again each turn.
  const isPlain = typeof content === "string";
  const copied = Result.try(() => JSON.parse(JSON.stringify(isPlain ? rest : { ...rest, content })) as unknown);
  if (Result.isFailure(copied)) return Result.fail(new NoMessage(`it is not JSON: ${String(copied.failure)}`));
  const json = copied.success;
  const message: JsonObject = { ...(isObject(json) ? json : {}), ...(isPlain ? { content } : {}) };
  const own = Object.entries(message).filter(([key]) => !isChatKey(key));
  const author = rest.author ?? rest.name;
  const more = { ...Object.fromEntries(own), ...(author == null ? {} : { author }) } as Partial<Message>;
  const said: ReadonlyArray<Part> = words === undefined ? [] : [{ type: "text", text: words }];
  const isOurs = words !== undefined || rest.parts !== undefined;
  const parts = isOurs
    ? [...said, ...((message["parts"] ?? []) as unknown as ReadonlyArray<Part>)]
    : chatParts(message);
  return Result.succeed({ parts, more });
};
