/**
 * A conversation told in a format it did not come in.
 *
 * Room: edge. In: domain. Out: Export.
 *
 * What is lost: signatures of thoughts, notices, forks, token counts, and whatever the format has no place for. Ids are
 * derived from the thread and its messages, so telling twice gives the same lines.
 */
import { Stream } from "effect";
import type { Part } from "../../domain/Content.ts";
import * as EventId from "../../domain/EventId.ts";
import { partsOf, type ThreadMessage } from "../../domain/ThreadMessage.ts";

export type Rendering = "openai-chat" | "claude-code" | "codex";

const textIn = (parts: ReadonlyArray<Part>): string =>
  parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n");

const argumentsText = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value ?? {}));

/** The roles every chat knows; a speaker of another kind spoke for the assistant's side. */
const roleOf = (role: string): "system" | "developer" | "user" | "assistant" | "tool" =>
  role === "system" || role === "developer" || role === "user" || role === "tool" ? role : "assistant";

/** One message as chat-completions messages: tool results are messages of their own. */
const chatMessages = (message: ThreadMessage): ReadonlyArray<Record<string, unknown>> => {
  const parts = partsOf(message);
  const calls = parts.flatMap((part) =>
    part.type === "tool_use"
      ? [{ id: part.callId, type: "function", function: { name: part.name, arguments: argumentsText(part.arguments) } }]
      : [],
  );
  const results = parts.flatMap((part) =>
    part.type === "tool_result" ? [{ role: "tool", tool_call_id: part.callId, content: part.text }] : [],
  );
  const text = textIn(parts);
  const role = roleOf(message.role);
  if (text === "" && calls.length === 0) return results;
  const own = { role: role === "tool" ? "assistant" : role, content: text === "" ? null : text };
  return [...results, calls.length > 0 ? { ...own, tool_calls: calls } : own];
};

/** One message as Anthropic content blocks. */
const blocksOf = (message: ThreadMessage): ReadonlyArray<Record<string, unknown>> =>
  partsOf(message).flatMap((part): ReadonlyArray<Record<string, unknown>> => {
    switch (part.type) {
      case "text":
        return [{ type: "text", text: part.text }];
      case "thinking":
        return [{ type: "thinking", thinking: part.text, signature: part.signature ?? "" }];
      case "tool_use":
        return [{ type: "tool_use", id: part.callId, name: part.name, input: part.arguments ?? {} }];
      case "tool_result":
        return [{ type: "tool_result", tool_use_id: part.callId, content: part.text, is_error: part.isError === true }];
      default:
        return [];
    }
  });

const isoTime = (millis: number): string => new Date(millis).toISOString();

/** A line of a Claude Code transcript, a child of the line before. */
const claudeLine = (threadId: string, message: ThreadMessage, parent: string | null) => {
  const uuid = EventId.fromContent("export", threadId, message.messageId);
  const type = message.role === "assistant" || roleOf(message.role) === "assistant" ? "assistant" : "user";
  const body =
    type === "assistant"
      ? {
          id: message.messageId,
          type: "message",
          role: "assistant",
          model: message.model ?? "",
          content: blocksOf(message),
        }
      : { role: "user", content: blocksOf(message) };
  const timestamp = isoTime(message.occurredAt);
  const line = {
    parentUuid: parent,
    isSidechain: false,
    sessionId: threadId,
    type,
    uuid,
    timestamp,
    cwd: message.cwd ?? "",
    message: body,
  };
  return [uuid, JSON.stringify(line)] as const;
};

/** Rollout items of a message: what was said, then calls and results. */
const codexLines = (message: ThreadMessage): ReadonlyArray<string> => {
  const timestamp = isoTime(message.occurredAt);
  const item = (payload: Record<string, unknown>) => JSON.stringify({ timestamp, type: "response_item", payload });
  const role = roleOf(message.role);
  const text = textIn(partsOf(message));
  const kind = role === "assistant" ? "output_text" : "input_text";
  const said = text === "" || role === "tool" ? [] : [item({ type: "message", role, content: [{ type: kind, text }] })];
  const rest = partsOf(message).flatMap((part) => {
    if (part.type === "tool_use") {
      return [
        item({
          type: "function_call",
          name: part.name,
          arguments: argumentsText(part.arguments),
          call_id: part.callId,
        }),
      ];
    }
    return part.type === "tool_result"
      ? [item({ type: "function_call_output", call_id: part.callId, output: part.text })]
      : [];
  });
  return [...said, ...rest];
};

/** The conversation as lines, one JSON value each. */
export const render = <E>(
  format: Rendering,
  threadId: string,
  messages: Stream.Stream<ThreadMessage, E>,
): Stream.Stream<string, E> => {
  switch (format) {
    case "openai-chat": {
      const head = JSON.stringify({ id: threadId }).slice(0, -1);
      let written = 0;
      return Stream.mkString(
        Stream.make(`${head},"messages":[`).pipe(
          Stream.concat(
            messages.pipe(
              Stream.flatMap((message) => Stream.fromIterable(chatMessages(message))),
              Stream.map((message) => `${written++ === 0 ? "" : ","}${JSON.stringify(message)}`),
            ),
          ),
          Stream.concat(Stream.make("]}")),
        ),
      ).pipe(Stream.fromEffect);
    }
    case "claude-code": {
      let parent: string | null = null;
      return Stream.map(messages, (message) => {
        const [uuid, line] = claudeLine(threadId, message, parent);
        parent = uuid;
        return line;
      });
    }
    case "codex": {
      const meta = (message: ThreadMessage) =>
        JSON.stringify({
          timestamp: isoTime(message.occurredAt),
          type: "session_meta",
          payload: { id: threadId, cwd: message.cwd ?? "" },
        });
      let isFirst = true;
      return Stream.flatMap(messages, (message) => {
        const lines = isFirst ? [meta(message), ...codexLines(message)] : codexLines(message);
        isFirst = false;
        return Stream.fromIterable(lines);
      });
    }
  }
};
