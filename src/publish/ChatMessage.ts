/**
 * A message as a client holds it: in our own words, or in those of the chat-completions API.
 *
 * Room: publish. In: domain. Out: Sync.
 *
 * Unlike an interpreter, which leaves inline bytes in the entry it reads, this keeps them: there is no entry.
 */
import type { Part } from "../domain/Content.ts";
import type { EventData } from "../domain/Event.ts";
import { chatMessage } from "../domain/interpret/chatMessage.ts";
import { noCarry } from "../domain/interpret/Interpreter.ts";
import { partsOfBlock } from "../domain/interpret/parts.ts";
import { isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../domain/Json.ts";
import type { Given } from "./Compose.ts";

type Message = Given<EventData<"thread.message_appended">>;

/**
 * `text` or `parts`, as `say` takes them; or `content`, `tool_calls` and `tool_call_id`, as chat-completions has them.
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

const chatKeys = new Set([
  "text",
  "parts",
  "content",
  "name",
  "id",
  "refusal",
  "audio",
  "annotations",
  "function_call",
]);
const isChatKey = (key: string): boolean => chatKeys.has(key) || /^(?:tool_call|reasoning)/.test(key);

const dataUrl = /^data:([^;,]{1,100});base64,(.*)$/s;

/** An image that is sent with its bytes; every other block as the interpreters read it. */
const blockParts = (block: JsonValue): ReadonlyArray<Part> => {
  const url = stringAt(objectAt(block, "image_url"), "url") ?? stringAt(block, "image_url");
  const [, mediaType, data] = dataUrl.exec(url ?? "") ?? [];
  return mediaType === undefined || data === undefined ? partsOfBlock(block) : [{ type: "image", mediaType, data }];
};

const chatParts = (message: JsonObject): ReadonlyArray<Part> => {
  const { content } = message;
  const role = stringAt(message, "role") ?? "";
  const isTool = role === "tool" || role === "function";
  const blocks = Array.isArray(content) && !isTool ? (content as ReadonlyArray<JsonValue>) : undefined;
  const plain = blocks === undefined ? message : { ...message, content: null };
  const context = { threadId: "", eventId: "", occurredAt: 0, place: "element" } as const;
  const [said] = chatMessage(plain, context, noCarry).facts;
  const parts = said?._tag === "MessageSaid" ? said.parts : [];
  const thoughts = parts.filter(({ type }) => type === "thinking");
  const rest = parts.filter(({ type }) => type !== "thinking");
  return [...thoughts, ...(blocks ?? []).flatMap(blockParts), ...rest];
};

/** The message's parts, and what else is known of it. Nothing is checked here: the event's Schema does. */
export const messageOf = (
  given: ChatMessage,
): { readonly parts: ReadonlyArray<Part>; readonly more: Partial<Message> } => {
  const { content, text: words, ...rest } = given;
  // Long texts are not gone through to be copied: they come again each turn.
  const isPlain = typeof content === "string";
  const json: unknown = JSON.parse(JSON.stringify(isPlain ? rest : { ...rest, content }));
  const message: JsonObject = { ...(isObject(json) ? json : {}), ...(isPlain ? { content } : {}) };
  const own = Object.entries(message).filter(([key]) => !isChatKey(key));
  const author = given.author ?? given.name;
  const more = { ...Object.fromEntries(own), ...(author == null ? {} : { author }) } as Partial<Message>;
  const said: ReadonlyArray<Part> = words === undefined ? [] : [{ type: "text", text: words }];
  const isOurs = words !== undefined || given.parts !== undefined;
  const parts = isOurs
    ? [...said, ...((message["parts"] ?? []) as unknown as ReadonlyArray<Part>)]
    : chatParts(message);
  return { parts, more };
};
