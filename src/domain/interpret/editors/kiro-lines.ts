/**
 * Kiro CLI's sessions since 2 (`~/.kiro/sessions/cli/<id>.jsonl`): a prompt, an answer or results of tools a line.
 *
 * Room: domain.
 *
 * A line is known by its `message_id`, its blocks are `{kind, data}`. Only prompts say a time. Kiro counts credits, not tokens.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { idAt, jsonText, nameOf, noted, notUnderstood, sizeOf } from "../facts.ts";
import type { EntryContext, Interpreter } from "../Interpreter.ts";

const format = "kiro-lines";

const roles: Readonly<Record<string, string>> = { Prompt: "user", AssistantMessage: "assistant", ToolResults: "tool" };

interface Read {
  readonly parts: ReadonlyArray<Part>;
  readonly facts: ReadonlyArray<Fact>;
}

const only = (part: Part): Read => ({ parts: [part], facts: [] });

const textOf = (data: JsonValue | undefined): string =>
  typeof data === "string" ? data : (stringAt(data, "text") ?? jsonText(data ?? null));

const called = (data: JsonObject, messageId: string, { eventId, threadId }: EntryContext): Read => {
  const callId = idAt(data, "toolUseId") ?? eventId;
  const about = { callId, name: stringAt(data, "name") ?? "", arguments: data["input"] };
  return {
    parts: [toolUse(about)],
    facts: [toolCalled({ ...about, callKey: threadKey(threadId, callId), messageId })],
  };
};

const returned = (data: JsonObject, { threadId }: EntryContext): Read => {
  const callId = idAt(data, "toolUseId") ?? "";
  const text = arrayAt(data, "content")
    .map((piece) => textOf(isObject(piece) ? piece["data"] : piece))
    .join("\n");
  const isError = /error/i.test(stringAt(data, "status") ?? "");
  const failure = isError ? { type: "error", message: text } : undefined;
  return {
    parts: [{ type: "tool_result", callId, text, isError, bytes: sizeOf(text) }],
    facts: [toolReturned({ callKey: threadKey(threadId, callId), callId, result: text, failure })],
  };
};

const read = (block: JsonValue, messageId: string, context: EntryContext): Read => {
  const kind = stringAt(block, "kind") ?? "";
  const data = isObject(block) ? block["data"] : undefined;
  if (kind === "text")
    return textOf(data) === "" ? { parts: [], facts: [] } : only({ type: "text", text: textOf(data) });
  if (kind === "thinking") return only({ type: "thinking", text: textOf(data) });
  if (kind === "image") return only({ type: "image", mediaType: null });
  if (kind === "toolUse" && isObject(data)) return called(data, messageId, context);
  if (kind === "toolResult" && isObject(data)) return returned(data, context);
  return only({ type: "other", kind: kind === "" ? "block without a kind" : kind });
};

export const kiroLines: Interpreter = {
  format,
  interpret: (entry, context) => {
    const kind = nameOf(isObject(entry) ? entry["kind"] : undefined);
    const data = objectAt(entry, "data");
    if (data === undefined) return { facts: [notUnderstood(format, kind)] };
    const role = Object.hasOwn(roles, kind) ? roles[kind] : undefined;
    if (kind === "Compaction")
      return { facts: [{ _tag: "Compacted", summary: stringAt(data, "summary") }, noted(kind)] };
    if (role === undefined) return { facts: [notUnderstood(format, kind)] };
    const messageId = idAt(data, "message_id") ?? context.eventId;
    const pieces = arrayAt(data, "content").map((block) => read(block, messageId, context));
    const parts = pieces.flatMap((piece) => piece.parts);
    return {
      facts: [{ _tag: "MessageSaid", messageId, segment: "", role, parts }, ...pieces.flatMap((piece) => piece.facts)],
    };
  },
};
