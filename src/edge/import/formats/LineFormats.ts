/**
 * Formats whose entry is a line: how to recognise one by its content, and which session a line belongs to.
 *
 * Room: edge.
 *
 * Field names were read off real files; a format is recognised by what its lines must have, never by the file's name.
 * No line is of two formats: where two programs write the same line (a `system` line that begins a stream), it says
 * nothing, and the other lines of the file decide.
 */
import { isObject, type JsonObject, type JsonValue, numberAt, objectAt, stringAt } from "../../../domain/Json.ts";
import { spanSession } from "../../../domain/interpret/traces/spans.ts";
import type { LineFormat } from "../Entry.ts";

const anyOf = (...words: ReadonlyArray<string>): ReadonlySet<string> => new Set(words);

const claudeTypes = anyOf("user", "assistant", "system", "progress", "attachment");
const claudeAside = anyOf(
  "queue-operation",
  "custom-title",
  "ai-title",
  "last-prompt",
  "tag",
  "agent-name",
  "mode",
  "permission-mode",
  "pr-link",
  "attribution-snapshot",
  "content-replacement",
);
const codexExecTypes = anyOf(
  "thread.started",
  "turn.started",
  "turn.completed",
  "turn.failed",
  "item.started",
  "item.updated",
  "item.completed",
);
const droidTypes = anyOf("message", "tool_call", "tool_result", "completion");
const grokTypes = anyOf("system", "user", "assistant", "reasoning", "tool_result", "backend_tool_call");

interface Recogniser {
  readonly format: LineFormat;
  /** True when the line can only be one of this format; `type` is its own word for what it is, if it has one. */
  readonly isLine: (line: JsonObject, type: string | undefined) => boolean;
  /** The session that a line names by itself. */
  readonly sessionOf?: (line: JsonObject, type: string | undefined) => string | undefined;
  /** A file is one session, whatever its later lines say: a forked Codex rollout holds its parent's `session_meta`. */
  readonly isOneSession?: boolean;
}

const has = (line: JsonObject, key: string): boolean => typeof line[key] === "string";

const isClaude = (line: JsonObject, type: string | undefined): boolean => {
  if (type === undefined) return false;
  if (type === "summary") return "leafUuid" in line;
  if (type === "file-history-snapshot") return "messageId" in line;
  if (!has(line, "sessionId")) return false;
  if (claudeAside.has(type)) return true;
  if (!claudeTypes.has(type) || !("uuid" in line || "parentUuid" in line) || "systemPayload" in line) return false;
  // Qwen Code writes lines around Gemini's messages, which have parts in place of content.
  return !(type === "user" || type === "assistant") || !Array.isArray(objectAt(line, "message")?.["parts"]);
};

const isQwen = (line: JsonObject, type: string | undefined): boolean =>
  has(line, "sessionId") &&
  has(line, "uuid") &&
  (type === "system" ? "systemPayload" in line : Array.isArray(objectAt(line, "message")?.["parts"]));

const isClaudeStream = (line: JsonObject, type: string | undefined): boolean => {
  if (!has(line, "session_id") || type === undefined) return false;
  if (type === "assistant" || type === "user") return "content" in (objectAt(line, "message") ?? {});
  if (type === "result") return "num_turns" in line || "total_cost_usd" in line || "duration_api_ms" in line;
  if (type === "stream_event") return isObject(line["event"]);
  return type === "system" && (has(line, "claude_code_version") || has(line, "apiKeySource"));
};

const isGemini = (line: JsonObject, type: string | undefined): boolean =>
  type === undefined &&
  ((has(line, "sessionId") && has(line, "projectHash") && !Array.isArray(line["messages"])) || isObject(line["$set"]));

const isPi = (line: JsonObject, type: string | undefined): boolean =>
  (type === "session" && has(line, "id") && ("cwd" in line || "timestamp" in line)) ||
  (type === "message" && typeof objectAt(line, "message")?.["timestamp"] === "number");

const isDroid = (line: JsonObject, type: string | undefined): boolean =>
  !("uuid" in line) &&
  ((type === "session_start" && has(line, "id")) ||
    (droidTypes.has(type ?? "") && (has(line, "session_id") || has(line, "sessionId"))) ||
    (type === "message" &&
      has(line, "id") &&
      isObject(line["message"]) &&
      "role" in line["message"] &&
      !("timestamp" in line["message"])));

const isGrok = (line: JsonObject, type: string | undefined): boolean =>
  grokTypes.has(type ?? "") &&
  !("message" in line || "role" in line || "timestamp" in line || "session_id" in line || "sessionId" in line) &&
  ("content" in line || "summary" in line || isObject(line["kind"]));

const isGoose = (line: JsonObject): boolean =>
  (has(line, "working_dir") && ("message_count" in line || has(line, "description"))) ||
  (has(line, "role") && typeof line["created"] === "number" && Array.isArray(line["content"]));

/** A log of mutations: the whole state, then what is set, appended and deleted, each at a path. */
const isVscodeChat = (line: JsonObject): boolean => {
  const kind = numberAt(line, "kind");
  if (kind === 0) return Array.isArray(objectAt(line, "v")?.["requests"]);
  return kind !== undefined && kind >= 1 && kind <= 3 && Array.isArray(line["k"]);
};

const isKimi = (line: JsonObject, type: string | undefined): boolean =>
  (typeof line["timestamp"] === "number" &&
    has(objectAt(line, "message") ?? {}, "type") &&
    isObject(objectAt(line, "message")?.["payload"])) ||
  (type === "metadata" && has(line, "protocol_version") && !("created_at" in line)) ||
  line["role"] === "_checkpoint" ||
  line["role"] === "_usage";

const kimiCodeTypes =
  /^(?:config|context|cron|full_compaction|goal|interaction|llm|mcp|permission|plan|plan_mode|profile|swarm_mode|task|token_counting|tools|turn|usage)\.[a-z_]+$/;

/** A record with its fields beside its type, and the moment in `time`. */
const isKimiCode = (line: JsonObject, type: string | undefined): boolean =>
  (type === "metadata" && has(line, "protocol_version") && typeof line["created_at"] === "number") ||
  (type !== undefined && kimiCodeTypes.test(type) && typeof line["time"] === "number" && !("data" in line));

const isClaudeHistory = (line: JsonObject): boolean =>
  has(line, "display") && has(line, "project") && typeof line["timestamp"] === "number";

const isLangfuse = (line: JsonObject, type: string | undefined): boolean =>
  has(line, "traceId") && has(line, "id") && /^[A-Z]+$/.test(type ?? "") && ("startTime" in line || "input" in line);

const droidSession = (line: JsonObject, type: string | undefined): string | undefined =>
  type === "session_start" ? stringAt(line, "id") : (stringAt(line, "session_id") ?? stringAt(line, "sessionId"));

const sessionId = (line: JsonObject): string | undefined => stringAt(line, "sessionId");

const recognisers: ReadonlyArray<Recogniser> = [
  { format: "antigravity", isLine: (line) => typeof line["step_index"] === "number" && has(line, "type") },
  {
    format: "codex-tui",
    isLine: (line) => has(line, "ts") && has(line, "dir") && has(line, "kind"),
    sessionOf: (line) => {
      const message = objectAt(objectAt(line, "payload"), "msg");
      return stringAt(message, "type") === "session_configured" ? stringAt(message, "session_id") : undefined;
    },
  },
  {
    format: "codex-exec",
    isLine: (_line, type) => codexExecTypes.has(type ?? ""),
    sessionOf: (line, type) => (type === "thread.started" ? stringAt(line, "thread_id") : undefined),
  },
  {
    format: "codex",
    isLine: (line, type) =>
      type === undefined
        ? // The oldest rollouts begin with their session without a type.
          "instructions" in line && "timestamp" in line && has(line, "id")
        : isObject(line["payload"]) && has(line, "timestamp"),
    sessionOf: (line, type) => {
      if (type === "session_meta") return stringAt(objectAt(line, "payload"), "id");
      return type === undefined && "instructions" in line ? stringAt(line, "id") : undefined;
    },
    isOneSession: true,
  },
  {
    format: "codex-index",
    isLine: (line) => has(line, "thread_name") && has(line, "id"),
    sessionOf: (line) => stringAt(line, "id"),
  },
  { format: "claude-code", isLine: isClaude, sessionOf: sessionId },
  { format: "qwen", isLine: isQwen, sessionOf: sessionId },
  { format: "claude-stream", isLine: isClaudeStream, sessionOf: (line) => stringAt(line, "session_id") },
  {
    format: "claude-history",
    isLine: isClaudeHistory,
    sessionOf: (line) => sessionId(line) ?? `history/${stringAt(line, "project") ?? ""}`,
  },
  { format: "gemini-cli", isLine: isGemini, sessionOf: sessionId },
  {
    format: "cursor",
    isLine: (line, type) => type === undefined && has(line, "role") && isObject(line["message"]),
  },
  {
    format: "copilot",
    isLine: (line, type) => isObject(line["data"]) && type?.includes(".") === true,
    sessionOf: (line, type) => (type === "session.start" ? stringAt(objectAt(line, "data"), "sessionId") : undefined),
    isOneSession: true,
  },
  {
    format: "pi",
    isLine: isPi,
    sessionOf: (line, type) => (type === "session" ? stringAt(line, "id") : undefined),
  },
  { format: "droid", isLine: isDroid, sessionOf: droidSession },
  { format: "grok", isLine: isGrok },
  { format: "goose", isLine: isGoose },
  {
    format: "vscode-chat",
    isLine: isVscodeChat,
    sessionOf: (line) => stringAt(objectAt(line, "v"), "sessionId"),
    isOneSession: true,
  },
  { format: "kimi", isLine: isKimi },
  { format: "kimi-code", isLine: isKimiCode },
  {
    format: "kiro-lines",
    isLine: (line) =>
      /^(?:Prompt|AssistantMessage|ToolResults)$/.test(stringAt(line, "kind") ?? "") && isObject(line["data"]),
  },
  {
    format: "langfuse",
    isLine: isLangfuse,
    sessionOf: (line) => stringAt(line, "sessionId") ?? stringAt(line, "traceId"),
  },
  { format: "otel", isLine: (line) => spanSession(line) !== undefined, sessionOf: spanSession },
];

const byFormat: ReadonlyMap<string, Recogniser> = new Map(recognisers.map((each) => [each.format, each]));

/** The formats that a line can only be of: one, or none. More than one is a fault of this table. */
export const formatsOfLine = (line: JsonValue): ReadonlyArray<LineFormat> => {
  if (!isObject(line)) return [];
  const type = stringAt(line, "type");
  return recognisers.filter(({ isLine }) => isLine(line, type)).map(({ format }) => format);
};

/** The format of a line, or undefined when no format's lines look like it. */
export const formatOfLine = (line: JsonValue): LineFormat | undefined => {
  if (!isObject(line)) return undefined;
  const type = stringAt(line, "type");
  return recognisers.find(({ isLine }) => isLine(line, type))?.format;
};

/** The session a line names by itself, or undefined. */
export const sessionOfLine = (format: string, line: JsonValue | undefined): string | undefined =>
  isObject(line) ? byFormat.get(format)?.sessionOf?.(line, stringAt(line, "type")) : undefined;

/** Formats whose file is one session. */
export const isOneSession = (format: string): boolean => byFormat.get(format)?.isOneSession === true;
