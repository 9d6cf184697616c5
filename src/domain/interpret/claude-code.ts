/**
 * Claude Code's transcript: one JSON object a line.
 *
 * Room: domain.
 *
 * Choices:
 * - An assistant message is one `message.id`, written as several lines: each line is a segment. A `user` line is one
 *   message of its `message.role`, tool results included.
 * - `parentMessageId` is the line's `parentUuid`: it names a line, which is a message (user) or a segment (assistant).
 * - A call is known by the provider's id, unique in the world, so a resumed session that repeats it adds nothing; usage by
 *   message id and request id, the last line seen holds.
 * - A sub-agent's words inside `progress` lines (`agent_progress`) are notices: the sub-agent's own transcript, a thread
 *   of its own, has them as messages, and counting both would count its calls twice.
 * - `summary` lines title the thread unless an `ai-title` or `custom-title` does.
 */
import type { Fact } from "../Fact.ts";
import {
  amountAt,
  arrayAt,
  countAt,
  flagAt,
  isObject,
  type JsonObject,
  numberAt,
  objectAt,
  stringAt,
} from "../Json.ts";
import { readBlocks } from "./blocks.ts";
import { describe } from "./describe.ts";
import { idAt, nameOf, noted, notUnderstood, threadDescribed } from "./facts.ts";
import { shownFile } from "./shown-files.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "./Interpreter.ts";
import { anthropicUsage, isNothing, tokensBeside } from "./tokens.ts";

const format = "claude-code";

/** Lines that are known and say nothing that is counted. */
const notices: ReadonlySet<string> = new Set([
  "agent-color",
  "agent-name",
  "agent-setting",
  "attachment",
  "attribution-snapshot",
  "content-replacement",
  "file-history-snapshot",
  "last-prompt",
  "mode",
  "permission-mode",
  "pr-link",
  "queue-operation",
  "worktree-state",
]);

/** Which line titles the thread when several do: a person's choice before the program's, and that before a summary. */
const titles: Readonly<Record<string, { readonly key: string; readonly rank: number }>> = {
  "custom-title": { key: "customTitle", rank: 3 },
  "ai-title": { key: "aiTitle", rank: 2 },
  summary: { key: "summary", rank: 1 },
};

const titled = (line: JsonObject, type: string, carry: Carry): Interpretation => {
  const { key, rank } = titles[type] ?? { key: "", rank: 0 };
  const title = stringAt(line, key);
  if (title === undefined) return { facts: [notUnderstood(format, `${type} without a title`)] };
  const facts: Array<Fact> = [];
  if (rank < (countAt(carry, "titleRank") ?? 0)) return { facts: [noted(type, title)] };
  const after = describe(facts, carry, { title });
  facts.push(noted(type, title));
  return { facts, carry: { ...after, titleRank: rank } };
};

/** How long a tool ran, where its own result says so. A line with several results does not say whose. */
const durationOf = (line: JsonObject): number | undefined => {
  const results = arrayAt(objectAt(line, "message"), "content").filter(
    (block) => stringAt(block, "type") === "tool_result",
  );
  const outcome = objectAt(line, "toolUseResult");
  if (results.length !== 1 || outcome === undefined) return undefined;
  const seconds = numberAt(outcome, "durationSeconds");
  return (
    numberAt(outcome, "durationMs") ??
    numberAt(outcome, "totalDurationMs") ??
    (seconds === undefined ? undefined : seconds * 1000)
  );
};

/** What each line repeats about the thread: told once, and again when it changes. */
const surroundings = (line: JsonObject, context: EntryContext, carry: Carry, facts: Array<Fact>): Carry => {
  const version = stringAt(line, "version");
  const session = stringAt(line, "sessionId");
  const forkedFrom = stringAt(objectAt(line, "forkedFrom"), "sessionId");
  // A sub-agent's file stands in the session of its parent, but is a thread of its own.
  const parent = flagAt(line, "isSidechain") && session !== context.threadId ? session : forkedFrom;
  const model = stringAt(objectAt(line, "message"), "model");
  return describe(facts, carry, {
    client: version === undefined ? undefined : { name: format, version },
    cwd: stringAt(line, "cwd"),
    branch: stringAt(line, "gitBranch"),
    session,
    model: model === "<synthetic>" ? undefined : model,
    parentThreadId: parent === context.threadId ? undefined : parent,
  });
};

/** Usage once per (message id, request id). A `<synthetic>` message never met a provider: its zeros are no count. */
const usageOf = (line: JsonObject, message: JsonObject, messageId: string): ReadonlyArray<Fact> => {
  const usage = tokensBeside(message["usage"], anthropicUsage);
  const model = stringAt(message, "model");
  if (usage === undefined || (model === "<synthetic>" && isNothing(usage))) return [];
  const requestId = idAt(line, "requestId");
  return [
    {
      _tag: "TokensUsed",
      usageKey: `${messageId} ${requestId ?? ""}`,
      providerMessageId: messageId,
      requestId,
      messageId,
      model,
      usage,
      costUsd: amountAt(line, "costUSD"),
      isSidechain: flagAt(line, "isSidechain"),
    },
  ];
};

const said = (line: JsonObject, type: string, context: EntryContext, carry: Carry): Interpretation => {
  const message = objectAt(line, "message");
  if (message === undefined) return { facts: [notUnderstood(format, `${type} line without a message`)] };
  const facts: Array<Fact> = [];
  const after = surroundings(line, context, carry, facts);
  const uuid = idAt(line, "uuid");
  const own = type === "assistant" ? idAt(message, "id") : undefined;
  const messageId = own ?? uuid ?? context.eventId;
  const { parts, facts: tools } = readBlocks(message["content"], {
    messageId,
    callKey: (callId, index) => (callId === "" ? `${context.threadId} ${context.eventId} ${index}` : callId),
    durationMillis: durationOf(line),
  });
  facts.push({
    _tag: "MessageSaid",
    messageId,
    segment: own === undefined ? "" : (uuid ?? context.eventId),
    role: stringAt(message, "role") ?? type,
    parts,
    author: stringAt(line, "agentName"),
    parentMessageId: stringAt(line, "parentUuid"),
    model: stringAt(message, "model"),
    stopReason: stringAt(message, "stop_reason"),
    cwd: stringAt(line, "cwd"),
    branch: stringAt(line, "gitBranch"),
    isSidechain: flagAt(line, "isSidechain"),
    isMeta: flagAt(line, "isMeta") || flagAt(line, "isCompactSummary") || flagAt(line, "isApiErrorMessage"),
  });
  facts.push(...tools, ...shownFile(line, messageId));
  if (type === "assistant") facts.push(...usageOf(line, message, messageId));
  return { facts, carry: after };
};

/** The kind of a notice: the line's type with what it is about. */
const noticeOf = (line: JsonObject, type: string): Fact => {
  const data = objectAt(line, "data");
  if (type === "progress") return noted(stringAt(data, "type") ?? type);
  if (type === "system") return noted(`system ${stringAt(line, "subtype") ?? ""}`.trim(), stringAt(line, "content"));
  return noted(type);
};

export const claudeCode: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "line that is no object")] };
    const type = nameOf(entry["type"]);
    if (type === "assistant" || type === "user") return said(entry, type, context, carry);
    if (Object.hasOwn(titles, type)) return titled(entry, type, carry);
    if (type === "tag") {
      const tag = stringAt(entry, "tag");
      return { facts: tag === undefined || tag === "" ? [noted(type)] : [threadDescribed({ tagsAdded: [tag] })] };
    }
    if (type !== "system" && type !== "progress" && !notices.has(type)) return { facts: [notUnderstood(format, type)] };
    const facts: Array<Fact> = [];
    const after = surroundings(entry, context, carry, facts);
    facts.push(noticeOf(entry, type));
    return { facts, carry: after };
  },
};
