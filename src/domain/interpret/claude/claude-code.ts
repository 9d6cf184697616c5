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
 * - A sub-agent's words inside `progress` lines (`agent_progress`) are a side chain, and copies of those in its own
 *   transcript: counted there when that is here, else here. They are 5.8 % of all tokens of a real corpus.
 * - Lines of a fork that name where they come from (`forkedFrom`) are copies too. Up to 2.0 a resumed session was a new
 *   file that begins with the lines of the old one, under its own `sessionId`: the ids of lines and messages are the same in
 *   both, and no line says which of them was first.
 * - A `summary` titles the thread that holds the line it names: of 52 in a real corpus 35 stand in another thread's file.
 */
import { timeOf } from "../../EntryTimes.ts";
import type { Fact } from "../../Fact.ts";
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
} from "../../Json.ts";
import { readBlocks } from "../blocks.ts";
import { describe } from "../describe.ts";
import { idAt, nameOf, noted, notUnderstood, threadDescribed } from "../facts.ts";
import { shownFile } from "../shown-files.ts";
import { afterAnswer, queuedCommand, queueOperation, takeQueued } from "./claude-queue.ts";
import { copiedFrom, copiedKeys } from "../copies.ts";
import { type Carry, type EntryContext, type Interpretation, type Interpreter, noCarry } from "../Interpreter.ts";
import { follow } from "../paths.ts";
import { anthropicUsage, isNothing, tokensBeside } from "../tokens.ts";

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
  "worktree-state",
]);

/** Rank of the lines that title a thread: a person's choice before the program's, and both before a summary. */
const titles: Readonly<Record<string, { readonly key: string; readonly rank: number }>> = {
  "custom-title": { key: "customTitle", rank: 3 },
  "ai-title": { key: "aiTitle", rank: 2 },
};

const summarized = (line: JsonObject): ReadonlyArray<Fact> => {
  const title = stringAt(line, "summary");
  const lineId = idAt(line, "leafUuid");
  if (title === undefined) return [notUnderstood(format, "summary without a title")];
  return lineId === undefined
    ? [noted("summary", title)]
    : [{ _tag: "LineTitled", lineId, title }, noted("summary", title)];
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

/** Duration of a tool's run, where its own result says so. A line with several results does not say whose. */
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

/** Fields that each line repeats about the thread: told once, and again when it changes. */
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
    relation:
      parent === undefined || parent === context.threadId ? undefined : parent === forkedFrom ? "fork" : "sub-agent",
  });
};

/** Usage once per (message id, request id). A `<synthetic>` message never met a provider: its zeros are no count. */
const usageOf = (line: JsonObject, message: JsonObject, messageId: string, threadId: string): ReadonlyArray<Fact> => {
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
      // In a thread of its own a sub-agent spends for itself.
      isSidechain: flagAt(line, "isSidechain") && (threadId === "" || stringAt(line, "sessionId") === threadId),
    },
  ];
};

const said = (line: JsonObject, type: string, context: EntryContext, carry: Carry): Interpretation => {
  const message = objectAt(line, "message");
  if (message === undefined) return { facts: [notUnderstood(format, `${type} line without a message`)] };
  const facts: Array<Fact> = [];
  const described = surroundings(line, context, carry, facts);
  const uuid = idAt(line, "uuid");
  const own = type === "assistant" ? idAt(message, "id") : undefined;
  const queued = type === "user" && !flagAt(line, "isMeta") ? takeQueued(described, message["content"]) : undefined;
  const origin = objectAt(line, "forkedFrom");
  const messageId = own ?? queued?.messageId ?? idAt(origin, "messageUuid") ?? uuid ?? context.eventId;
  const isTurn = type === "assistant" || !isAnswerOfTool(message);
  const way = followed(line, context, type === "assistant" ? afterAnswer(described) : (queued?.carry ?? described), {
    facts,
    messageId,
    isTurn,
  });
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
    parentMessageId: way.parentMessageId,
    path: way.path,
    model: stringAt(message, "model"),
    stopReason: stringAt(message, "stop_reason"),
    cwd: stringAt(line, "cwd"),
    branch: stringAt(line, "gitBranch"),
    isSidechain: flagAt(line, "isSidechain"),
    isMeta: flagAt(line, "isMeta") || flagAt(line, "isCompactSummary") || flagAt(line, "isApiErrorMessage"),
    twin: messageId === own || messageId === uuid ? { name: messageId, isOriginal: false } : undefined,
  });
  facts.push(...tools, ...shownFile(line, messageId));
  if (type === "assistant") facts.push(...usageOf(line, message, messageId, context.threadId));
  const from = stringAt(origin, "sessionId");
  return {
    facts:
      from === undefined || from === context.threadId ? facts : copiedFrom(facts, copiedKeys(context.threadId, from)),
    carry: way.carry,
  };
};

/** A sub-agent's message inside a line of its parent's transcript. */
const progressed = (line: JsonObject, context: EntryContext): ReadonlyArray<Fact> => {
  const data = objectAt(line, "data");
  const told = objectAt(data, "message");
  const type = stringAt(told, "type");
  if (told === undefined || (type !== "assistant" && type !== "user")) return [];
  const inner: JsonObject = {
    ...told,
    isSidechain: true,
    cwd: line["cwd"] ?? null,
    gitBranch: line["gitBranch"] ?? null,
  };
  const at = timeOf(told);
  const facts = said(inner, type, { ...context, threadId: "" }, noCarry).facts.filter(
    ({ _tag }) => _tag !== "ThreadDescribed" && _tag !== "LineKnown" && _tag !== "PathTaken",
  );
  const agent = idAt(data, "agentId");
  const from = agent === undefined ? undefined : `${stringAt(line, "sessionId") ?? context.threadId}/agent-${agent}`;
  return copiedFrom(
    at === undefined ? facts : facts.map((fact) => ({ ...fact, at })),
    copiedKeys(context.threadId, from),
  );
};

/** A message without words of anybody: results of tools only. */
const isAnswerOfTool = (message: JsonObject): boolean =>
  arrayAt(message, "content").some((block) => stringAt(block, "type") === "tool_result");

/** Goes on along the tree of lines. A side chain inside its parent's transcript has a way of its own, which is never asked for. */
const followed = (
  line: JsonObject,
  context: EntryContext,
  carry: Carry,
  {
    facts,
    ...step
  }: {
    readonly facts: Array<Fact>;
    readonly messageId?: string;
    readonly isTurn: boolean;
    readonly isPassing?: boolean;
  },
): ReturnType<typeof follow> => {
  const lineId = idAt(line, "uuid");
  const parentId = idAt(line, "parentUuid");
  const isBeside = flagAt(line, "isSidechain") && stringAt(line, "sessionId") === context.threadId;
  return lineId === undefined || !("parentUuid" in line) || isBeside || context.threadId === ""
    ? { carry, path: undefined, parentMessageId: parentId }
    : follow(facts, carry, { ...step, lineId, parentId, at: timeOf(line) });
};

const compacted = (line: JsonObject): Fact => {
  const about = objectAt(line, "compactMetadata");
  return { _tag: "Compacted", trigger: stringAt(about, "trigger"), tokensBefore: countAt(about, "preTokens") };
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
    if (type === "summary") return { facts: summarized(entry) };
    if (type === "queue-operation") return queueOperation(entry, context, carry);
    if (type === "tag") {
      const tag = stringAt(entry, "tag");
      return { facts: tag === undefined || tag === "" ? [noted(type)] : [threadDescribed({ tagsAdded: [tag] })] };
    }
    const isKnown = type === "system" || type === "progress" || notices.has(type);
    // A line of a newer version has its place in the tree all the same.
    const facts: Array<Fact> = isKnown ? [] : [notUnderstood(format, type)];
    const after = surroundings(entry, context, carry, facts);
    if (!isKnown) return { facts, carry: followed(entry, context, after, { facts, isTurn: false }).carry };
    const attachment = objectAt(entry, "attachment");
    if (attachment !== undefined && stringAt(attachment, "type") === "queued_command") {
      const queued = takeQueued(after, attachment["prompt"]);
      const messageId = queued.messageId ?? idAt(entry, "uuid") ?? context.eventId;
      const way = followed(entry, context, queued.carry, { facts, messageId, isTurn: false });
      facts.push(queuedCommand(attachment, messageId, way));
      return { facts, carry: way.carry };
    }
    const way = followed(entry, context, after, { facts, isTurn: false, isPassing: type !== "system" });
    if (stringAt(objectAt(entry, "data"), "type") === "agent_progress") facts.push(...progressed(entry, context));
    if (type === "system" && stringAt(entry, "subtype") === "compact_boundary") facts.push(compacted(entry));
    facts.push(noticeOf(entry, type));
    return { facts, carry: way.carry };
  },
  source: summarized,
};
