/**
 * Tasks of the Agent2Agent protocol: the messages and artifacts that a task has beyond what it had.
 *
 * Room: domain.
 *
 * An entry is the task's id and a patch; messages are found in it by their `messageId`, and the same id again replaces the
 * message. An artifact is a message of the agent; parts that are added to one later are in the entry, and are not told again.
 * Read from @a2a-js/sdk 1.3.0: parts as `content: { $case, value }`, and as `kind` in the protocol's version 0.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { idAt, noted, notUnderstood } from "../facts.ts";
import type { Interpreter } from "../Interpreter.ts";

const format = "a2a";

/** Depth in a patch up to which messages are looked for, and their number. */
const deepest = 8;
const most = 1_000;

const partOf = (part: JsonValue): ReadonlyArray<Part> => {
  if (!isObject(part)) return [];
  const content = objectAt(part, "content");
  const kind = stringAt(content, "$case") ?? stringAt(part, "kind") ?? "";
  const value = content === undefined ? undefined : content["value"];
  const text = kind === "text" ? (typeof value === "string" ? value : stringAt(part, "text")) : undefined;
  if (text !== undefined) return [{ type: "text", text }];
  const file = objectAt(part, "file");
  const path = stringAt(part, "filename") ?? stringAt(file, "name") ?? stringAt(file, "uri") ?? "";
  const mediaType = stringAt(part, "mediaType") ?? stringAt(file, "mimeType") ?? null;
  if (kind === "url" && typeof value === "string")
    return [{ type: "file", path: path === "" ? value : path, mediaType }];
  if (kind === "raw" || kind === "file" || kind === "url") return [{ type: "file", path, mediaType }];
  return [{ type: "other", kind: kind === "" ? "part" : kind }];
};

const roleOf = (message: JsonObject): string => {
  const role = message["role"];
  if (role === 1 || role === "user" || role === "ROLE_USER") return "user";
  return role === 2 || role === "agent" || role === "ROLE_AGENT"
    ? "assistant"
    : String(typeof role === "string" ? role : "unknown");
};

const messagesIn = (value: JsonValue | undefined, facts: Array<Fact>, task: string, depth = 0): void => {
  if (typeof value !== "object" || value === null || depth > deepest || facts.length >= most) return;
  if (!isObject(value)) {
    for (const item of value as ReadonlyArray<JsonValue>) messagesIn(item, facts, task, depth + 1);
    return;
  }
  const parts = arrayAt(value, "parts").flatMap(partOf);
  const messageId = idAt(value, "messageId");
  const artifactId = idAt(value, "artifactId");
  if (messageId !== undefined && parts.length > 0)
    facts.push({ _tag: "MessageSaid", messageId, segment: "", role: roleOf(value), parts });
  else if (artifactId !== undefined && parts.length > 0) {
    const author = idAt(value, "name");
    facts.push({
      _tag: "MessageSaid",
      messageId: `${task} ${artifactId}`,
      segment: "",
      role: "assistant",
      parts,
      author,
    });
  } else for (const inner of Object.values(value)) messagesIn(inner, facts, task, depth + 1);
};

export const a2a: Interpreter = {
  format,
  interpret: (entry) => {
    const task = idAt(entry, "task");
    if (!isObject(entry) || task === undefined) return { facts: [notUnderstood(format, "entry that is no task")] };
    const facts: Array<Fact> = [];
    messagesIn(entry["patch"], facts, task);
    return { facts: facts.length === 0 ? [noted("task")] : facts };
  },
};
