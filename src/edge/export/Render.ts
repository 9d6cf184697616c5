/**
 * A conversation told in a format it did not come in.
 *
 * Room: edge.
 *
 * Lossy on purpose, and stable: the same thread gives the same bytes and the same ids every time.
 * - `openai-chat`: one line `{"id", "messages"}`. Thinking is left out; files are named in the text; roles that
 *   chat-completions does not know become `assistant` for a model's words and `user` for anyone else's.
 * - `claude-code`: one line for each message, chained by `parentUuid`. System words are a `system` line.
 * - `atif`: a trajectory (`RenderAtif.ts`).
 * - `codex`: a rollout of `session_meta` and one `response_item` for each thing said, called and answered.
 */
import type { Part } from "../../domain/thread/Content.ts";
import * as EventId from "../../domain/EventId.ts";
import { partsOf, type PlainMessages } from "./PlainMessages.ts";
import { renderAtif } from "./RenderAtif.ts";

export const renderings = ["openai-chat", "claude-code", "codex", "atif"] as const;
export type Rendering = (typeof renderings)[number];

const isoTime = (millis: number): string => new Date(millis).toISOString();

type Json = Readonly<Record<string, unknown>>;

/** Readable words of a part; undefined for one that is rendered otherwise or not at all. */
const wordsOf = (part: Part): string | undefined => {
  if (part.type === "text") return part.text;
  if (part.type === "file") return `[file: ${part.path}]`;
  return part.type === "other" ? `[${part.kind}]` : undefined;
};

/** A call's id; a call without one gets one from its place. */
const callIdOf = (callId: string, said: PlainMessages, index: number): string =>
  callId !== "" ? callId : `call_${EventId.fromContent(said.id, String(index)).slice(0, 8)}`;

const imageUrl = (part: Extract<Part, { readonly type: "image" }>): string =>
  part.url ?? `data:${part.mediaType ?? "image/png"};base64,${part.data ?? ""}`;

const chatRoles: ReadonlySet<string> = new Set(["system", "developer", "user", "assistant"]);

/** `tool` is left for messages that say something of their own and answer no call. */
const chatRole = (said: PlainMessages): string => {
  if (chatRoles.has(said.role)) return said.role;
  return said.model === undefined ? "user" : "assistant";
};

const chatContent = (parts: ReadonlyArray<Part>): string | ReadonlyArray<Json> => {
  const words = parts.map(wordsOf).filter((text) => text !== undefined);
  const images = parts.flatMap((part) =>
    part.type === "image" ? [{ type: "image_url", image_url: { url: imageUrl(part) } }] : [],
  );
  if (images.length === 0) return words.join("\n");
  return [...(words.length === 0 ? [] : [{ type: "text", text: words.join("\n") }]), ...images];
};

const argumentsText = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value ?? {}));

/** A message as chat-completions messages: results first, each its own; then what was said, with its calls. */
const chatMessages = (said: PlainMessages): ReadonlyArray<Json> => {
  const parts = partsOf(said);
  const results = parts.flatMap((part, index): ReadonlyArray<Json> =>
    part.type === "tool_result"
      ? [{ role: "tool", tool_call_id: callIdOf(part.callId, said, index), content: part.text }]
      : [],
  );
  const calls = parts.flatMap((part, index): ReadonlyArray<Json> =>
    part.type === "tool_use"
      ? [
          {
            id: callIdOf(part.callId, said, index),
            type: "function",
            function: { name: part.name, arguments: argumentsText(part.arguments) },
          },
        ]
      : [],
  );
  const content = chatContent(parts);
  const silent = content === "";
  if (silent && calls.length === 0)
    return results.length > 0 || parts.length > 0 ? results : [{ role: chatRole(said), content: "" }];
  if (calls.length > 0) return [{ role: "assistant", content: silent ? null : content, tool_calls: calls }, ...results];
  return [...results, { role: chatRole(said), content }];
};

const claudeBlock =
  (said: PlainMessages) =>
  (part: Part, index: number): Json => {
    switch (part.type) {
      case "thinking":
        return { type: "thinking", thinking: part.text, signature: part.signature ?? "" };
      case "tool_use":
        return {
          type: "tool_use",
          id: callIdOf(part.callId, said, index),
          name: part.name,
          input: part.arguments ?? {},
        };
      case "tool_result":
        return {
          type: "tool_result",
          tool_use_id: callIdOf(part.callId, said, index),
          content: part.text,
          is_error: part.isError === true,
        };
      case "image":
        return part.url == null
          ? {
              type: "image",
              source: { type: "base64", media_type: part.mediaType ?? "image/png", data: part.data ?? "" },
            }
          : { type: "image", source: { type: "url", url: part.url } };
      default:
        return { type: "text", text: wordsOf(part) ?? "" };
    }
  };

const claudeUsage = (said: PlainMessages): Json => ({
  input_tokens: said.usage?.input ?? 0,
  output_tokens: said.usage?.output ?? 0,
  cache_read_input_tokens: said.usage?.cacheRead ?? 0,
  cache_creation_input_tokens: said.usage?.cacheWrite ?? 0,
});

const claudeMessage = (said: PlainMessages): Json => {
  const content = partsOf(said).map(claudeBlock(said));
  const speaks = chatRole(said) === "assistant" && said.role !== "tool";
  if (!speaks) return { type: "user", message: { role: "user", content } };
  const { id, model = "unknown", stopReason = null } = said;
  return {
    type: "assistant",
    requestId: id,
    message: {
      id,
      type: "message",
      role: "assistant",
      model,
      content,
      stop_reason: stopReason,
      stop_sequence: null,
      usage: claudeUsage(said),
    },
  };
};

const claudeLines = (messages: ReadonlyArray<PlainMessages>, sessionId: string): ReadonlyArray<Json> => {
  let parentUuid: string | null = null;
  return messages.map((said) => {
    const uuid = EventId.fromContent("rendered", sessionId, said.id);
    const { cwd, branch: gitBranch } = said;
    const isSystem = said.role === "system" || said.role === "developer";
    const words = partsOf(said).flatMap((part) => wordsOf(part) ?? []);
    const line = {
      parentUuid,
      isSidechain: false,
      userType: "external",
      ...(cwd === undefined ? {} : { cwd }),
      ...(gitBranch === undefined ? {} : { gitBranch }),
      sessionId,
      ...(isSystem
        ? { type: "system", subtype: "informational", content: words.join("\n"), level: "info" }
        : claudeMessage(said)),
      uuid,
      timestamp: isoTime(said.occurredAt),
    };
    parentUuid = uuid;
    return line;
  });
};

/** Rollout items of a message: what was thought and said, then calls and results. */
const codexItems = (said: PlainMessages): ReadonlyArray<Json> => {
  const parts = partsOf(said);
  const timestamp = isoTime(said.occurredAt);
  const item = (payload: Json): Json => ({ timestamp, type: "response_item", payload });
  const role = chatRole(said);
  const words = parts.flatMap((part) => wordsOf(part) ?? []).join("\n");
  const images = parts.flatMap((part) =>
    part.type === "image" ? [{ type: "input_image", image_url: imageUrl(part) }] : [],
  );
  const content = [
    ...(words === "" ? [] : [{ type: role === "assistant" ? "output_text" : "input_text", text: words }]),
    ...images,
  ];
  return [
    ...(content.length === 0 ? [] : [item({ type: "message", role, content })]),
    ...parts.flatMap((part, index): ReadonlyArray<Json> => {
      const call_id = part.type === "tool_use" || part.type === "tool_result" ? callIdOf(part.callId, said, index) : "";
      switch (part.type) {
        case "thinking":
          return [item({ type: "reasoning", summary: [{ type: "summary_text", text: part.text }] })];
        case "tool_use":
          return [item({ type: "function_call", name: part.name, arguments: argumentsText(part.arguments), call_id })];
        case "tool_result":
          return [item({ type: "function_call_output", call_id, output: part.text })];
        default:
          return [];
      }
    }),
  ];
};

const codexLines = (messages: ReadonlyArray<PlainMessages>, threadId: string): ReadonlyArray<Json> => {
  const [first] = messages;
  const timestamp = isoTime(first?.occurredAt ?? 0);
  const cwd = messages.find((said) => said.cwd !== undefined)?.cwd ?? "";
  const meta = { timestamp, type: "session_meta", payload: { id: threadId, timestamp, cwd } };
  return [meta, ...messages.flatMap(codexItems)];
};

/** The conversation as lines, one JSON value each. */
export const render = (
  messages: ReadonlyArray<PlainMessages>,
  options: { readonly threadId: string; readonly format: Rendering },
): ReadonlyArray<string> => {
  const { format, threadId } = options;
  switch (format) {
    case "openai-chat":
      return [JSON.stringify({ id: threadId, messages: messages.flatMap(chatMessages) })];
    case "claude-code":
      return claudeLines(messages, threadId).map((line) => JSON.stringify(line));
    case "codex":
      return codexLines(messages, threadId).map((line) => JSON.stringify(line));
    case "atif":
      return [renderAtif(messages, threadId)];
  }
};
