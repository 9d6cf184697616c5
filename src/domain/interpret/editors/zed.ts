/**
 * Zed's agent threads, out of its `threads.db`: an object around its messages (0.3.0), or the shape before it.
 *
 * Room: domain.
 *
 * Choices: a person's message has an id; an answer is known by its first call, else as the last answer to that person's
 * message, because a thread is written anew as it grows. Usage is that of the whole thread, which Zed sums up.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, flagAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { describe } from "../describe.ts";
import { idAt, jsonText, nameOf, noted, notUnderstood, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { memo } from "../memory.ts";
import { anthropicUsage, tokensBeside } from "../tokens.ts";

const format = "zed";

/** One of Zed's tagged values (`{Text: …}`), as name and value. */
const tagged = (value: JsonValue): readonly [string, JsonValue] => {
  const [first] = isObject(value) ? Object.entries(value) : [];
  return first ?? [typeof value === "string" ? value : "", null];
};

interface Calls {
  readonly parts: Array<Part>;
  readonly facts: Array<Fact>;
}

const call = (block: JsonValue, into: Calls, messageId: string, { threadId }: EntryContext): void => {
  const callId = idAt(block, "id") ?? "";
  const about = {
    callId,
    name: stringAt(block, "name") ?? "",
    arguments: isObject(block) ? block["input"] : undefined,
  };
  into.parts.push(toolUse(about));
  into.facts.push(toolCalled({ ...about, callKey: threadKey(threadId, callId), messageId }));
};

const resultText = (content: JsonValue | undefined): string => {
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return (content as ReadonlyArray<JsonValue>).map(resultText).join("\n");
  const [, inner] = tagged(content ?? null);
  return stringAt(content, "text") ?? (typeof inner === "string" ? inner : jsonText(content));
};

const result = (block: JsonObject, callId: string, into: Calls, { threadId }: EntryContext): void => {
  const text = resultText(block["content"]);
  const isError = flagAt(block, "is_error");
  const failure = isError ? { type: "error", message: text } : undefined;
  into.parts.push({ type: "tool_result", callId, text, isError, bytes: sizeOf(block["content"]) });
  into.facts.push(toolReturned({ callKey: threadKey(threadId, callId), callId, result: block["content"], failure }));
};

const piece = (value: JsonValue, into: Calls, messageId: string, context: EntryContext): void => {
  const [tag, inner] = tagged(value);
  if (tag === "Text")
    into.parts.push({ type: "text", text: typeof inner === "string" ? inner : (stringAt(inner, "text") ?? "") });
  else if (tag === "Thinking") into.parts.push({ type: "thinking", text: stringAt(inner, "text") ?? "" });
  else if (tag === "RedactedThinking") into.parts.push({ type: "thinking", text: "", redacted: true });
  else if (tag === "ToolUse") call(inner, into, messageId, context);
  else if (tag === "Mention") into.parts.push({ type: "file", path: mentioned(inner) });
  else if (tag === "Image") into.parts.push({ type: "image", mediaType: null });
  else into.parts.push({ type: "other", kind: tag === "" ? "piece without a name" : tag });
};

const mentioned = (mention: JsonValue): string => {
  const uri = isObject(mention) ? mention["uri"] : undefined;
  const [, inner] = tagged(uri ?? null);
  return (
    stringAt(uri, "abs_path") ??
    stringAt(inner, "abs_path") ??
    stringAt(inner, "path") ??
    (typeof uri === "string" ? uri : "")
  );
};

const person = (said: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const messageId = idAt(said, "id") ?? context.eventId;
  const into: Calls = { parts: [], facts: [] };
  for (const one of arrayAt(said, "content")) piece(one, into, messageId, context);
  return {
    facts: [{ _tag: "MessageSaid", messageId, segment: "", role: "user", parts: into.parts }],
    carry: { ...carry, asked: memo(messageId) },
  };
};

const agent = (said: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const content = arrayAt(said, "content");
  const first = content.map((one) => objectAt(one, "ToolUse")).find((one) => one !== undefined);
  const asked = stringAt(carry, "asked");
  const messageId = idAt(first, "id") ?? (asked === undefined ? context.eventId : `${asked} answer`);
  const into: Calls = { parts: [], facts: [] };
  for (const one of content) piece(one, into, messageId, context);
  for (const [callId, one] of Object.entries(objectAt(said, "tool_results") ?? {}))
    if (isObject(one)) result(one, callId, into, context);
  const model = stringAt(objectAt(carry, "described"), "model");
  return {
    facts: [
      { _tag: "MessageSaid", messageId, segment: "", role: "assistant", parts: into.parts, model },
      ...into.facts,
    ],
  };
};

/** A message of the shape before 0.3.0: segments, tool uses and results beside each other. */
const older = (said: JsonObject, role: string, context: EntryContext): ReadonlyArray<Fact> => {
  const number = said["id"];
  const messageId = typeof number === "number" ? `message ${number}` : context.eventId;
  const into: Calls = { parts: [], facts: [] };
  for (const segment of arrayAt(said, "segments")) {
    const text = stringAt(segment, "text") ?? "";
    const type = stringAt(segment, "type");
    if (type === "redacted_thinking") into.parts.push({ type: "thinking", text: "", redacted: true });
    else into.parts.push(type === "thinking" ? { type: "thinking", text } : { type: "text", text });
  }
  for (const use of arrayAt(said, "tool_uses")) call(use, into, messageId, context);
  for (const one of arrayAt(said, "tool_results"))
    if (isObject(one)) result(one, idAt(one, "tool_use_id") ?? "", into, context);
  return [{ _tag: "MessageSaid", messageId, segment: "", role, parts: into.parts }, ...into.facts];
};

const frame = (around: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const model = stringAt(objectAt(around, "model"), "model");
  const parent = stringAt(objectAt(around, "subagent_context"), "parent_thread_id");
  const [tree] = arrayAt(objectAt(around, "initial_project_snapshot"), "worktree_snapshots");
  const after = describe(facts, carry, {
    client: { name: format },
    title: stringAt(around, "title") ?? stringAt(around, "summary"),
    model,
    provider: stringAt(objectAt(around, "model"), "provider"),
    cwd: stringAt(tree, "worktree_path") ?? stringAt(objectAt(around, "row"), "folder_paths")?.split("\n")[0],
    branch: stringAt(objectAt(tree, "git_state"), "current_branch"),
    parentThreadId: parent,
    relation: parent === undefined ? undefined : "sub-agent",
  });
  const usage = tokensBeside(around["cumulative_token_usage"], anthropicUsage);
  if (usage !== undefined)
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} thread`,
      providerMessageId: "thread",
      model,
      usage,
    });
  return { facts: [...facts, noted("thread")], carry: after };
};

export const zed: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (entry === "Resume") return { facts: [noted("resumed")] };
    if (!isObject(entry)) return { facts: [notUnderstood(format, "message that is no object")] };
    if (context.place === "frame") return frame(entry, context, carry);
    const user = objectAt(entry, "User");
    const answer = objectAt(entry, "Agent");
    const role = stringAt(entry, "role");
    if (user !== undefined) return person(user, context, carry);
    if (answer !== undefined) return agent(answer, context, carry);
    return { facts: role === undefined ? [notUnderstood(format, nameOf(entry["type"]))] : older(entry, role, context) };
  },
};
