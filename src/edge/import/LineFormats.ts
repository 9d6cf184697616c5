/**
 * Formats whose entry is a line: how to recognise one by its content, and which session a line belongs to.
 *
 * Room: edge.
 *
 * Field names were read off real files; a format is recognised by what its lines must have, never by the file's name.
 */
import { isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../domain/Json.ts";
import type { Format } from "./Entry.ts";

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
const droidTypes = anyOf("system", "message", "tool_call", "tool_result", "completion");
const grokTypes = anyOf("system", "user", "assistant", "reasoning", "tool_result", "backend_tool_call");

const isClaude = (line: JsonObject, type: string): boolean => {
  if (type === "summary") return "leafUuid" in line;
  if (type === "file-history-snapshot") return "messageId" in line;
  if (typeof line["sessionId"] !== "string") return false;
  return claudeAside.has(type) || (claudeTypes.has(type) && ("uuid" in line || "parentUuid" in line));
};

const isGemini = (line: JsonObject): boolean =>
  (typeof line["sessionId"] === "string" &&
    typeof line["projectHash"] === "string" &&
    !Array.isArray(line["messages"])) ||
  isObject(line["$set"]);

const isPi = (line: JsonObject, type: string): boolean =>
  (type === "session" && typeof line["id"] === "string" && ("cwd" in line || "timestamp" in line)) ||
  (type === "message" && typeof objectAt(line, "message")?.["timestamp"] === "number");

const isDroid = (line: JsonObject, type: string): boolean =>
  (type === "session_start" && typeof line["id"] === "string") ||
  (droidTypes.has(type) && (typeof line["session_id"] === "string" || typeof line["sessionId"] === "string")) ||
  (type === "message" && typeof line["id"] === "string" && isObject(line["message"]) && "role" in line["message"]);

const isGrok = (line: JsonObject, type: string): boolean =>
  grokTypes.has(type) &&
  !("message" in line) &&
  !("role" in line) &&
  !("timestamp" in line) &&
  ("content" in line || "summary" in line || isObject(line["kind"]));

/** The format of a line, or undefined when no format's lines look like it. The first that fits wins. */
export const formatOfLine = (line: JsonValue): Format | undefined => {
  if (!isObject(line)) return undefined;
  const type = stringAt(line, "type");
  if (typeof line["step_index"] === "number" && type !== undefined) return "antigravity";
  if (typeof line["ts"] === "string" && typeof line["dir"] === "string" && typeof line["kind"] === "string")
    return "codex-tui";
  if (type === undefined) {
    if (isGemini(line)) return "gemini-cli";
    if (typeof line["role"] === "string" && isObject(line["message"])) return "cursor";
    // The oldest rollouts begin with their session without a type.
    return "instructions" in line && "timestamp" in line && typeof line["id"] === "string" ? "codex" : undefined;
  }
  if (codexExecTypes.has(type)) return "codex-exec";
  if (isObject(line["payload"]) && typeof line["timestamp"] === "string") return "codex";
  if (isClaude(line, type)) return "claude-code";
  if (isObject(line["data"]) && type.includes(".")) return "copilot";
  if (isPi(line, type)) return "pi";
  if (isDroid(line, type)) return "droid";
  return isGrok(line, type) ? "grok" : undefined;
};

/** The session a line names by itself, or undefined. */
export const sessionOfLine = (format: Format, line: JsonValue | undefined): string | undefined => {
  switch (format) {
    case "claude-code":
    case "gemini-cli":
      return stringAt(line, "sessionId");
    case "codex":
      if (stringAt(line, "type") === "session_meta") return stringAt(objectAt(line, "payload"), "id");
      return isObject(line) && "instructions" in line && !("type" in line) ? stringAt(line, "id") : undefined;
    case "codex-exec":
      return stringAt(line, "type") === "thread.started" ? stringAt(line, "thread_id") : undefined;
    case "codex-tui": {
      const message = objectAt(objectAt(line, "payload"), "msg");
      return stringAt(message, "type") === "session_configured" ? stringAt(message, "session_id") : undefined;
    }
    case "pi":
      return stringAt(line, "type") === "session" ? stringAt(line, "id") : undefined;
    case "copilot":
      return stringAt(line, "type") === "session.start" ? stringAt(objectAt(line, "data"), "sessionId") : undefined;
    case "droid":
      if (stringAt(line, "type") === "session_start") return stringAt(line, "id");
      return stringAt(line, "session_id") ?? stringAt(line, "sessionId");
    default:
      return undefined;
  }
};

/**
 * Formats whose file is one session, whatever its later lines say: a forked Codex rollout holds its parent's
 * `session_meta` after its own.
 */
export const isOneSession = (format: Format): boolean => format === "codex" || format === "copilot";
