/**
 * Conversation documents of agents that have a shape of their own: which members give one away, and how it is named.
 *
 * Room: edge.
 */
import { type JsonObject, stringAt } from "../../../domain/Json.ts";
import type { ChatFormat } from "../Entry.ts";

interface Shape {
  readonly format: ChatFormat;
  /** The member that holds the messages. */
  readonly messages: string;
  /** Members that must be there, and of which one must. */
  readonly has?: ReadonlyArray<string>;
  readonly hasOne?: ReadonlyArray<string>;
  /** Test of its small members. */
  readonly says?: (fields: JsonObject) => boolean;
  /** The thread's name by its small members; undefined where it has none of its own. */
  readonly name: (fields: JsonObject) => string | undefined;
}

const at =
  (...keys: ReadonlyArray<string>) =>
  (fields: JsonObject): string | undefined => {
    for (const key of keys) {
      const found = stringAt(fields, key);
      if (found !== undefined && found !== "") return found;
    }
    return undefined;
  };

const shapes: ReadonlyArray<Shape> = [
  {
    format: "chatgpt",
    messages: "mapping",
    hasOne: ["current_node", "create_time", "title"],
    name: at("conversation_id", "id"),
  },
  { format: "claude-ai", messages: "chat_messages", has: ["uuid"], name: at("uuid") },
  { format: "vscode-chat", messages: "requests", has: ["sessionId"], name: at("sessionId") },
  { format: "atif", messages: "steps", has: ["schema_version", "agent"], name: at("session_id", "trajectory_id") },
  {
    format: "amp",
    messages: "messages",
    has: ["v", "id"],
    says: (fields) => stringAt(fields, "id")?.startsWith("T-") === true,
    name: at("id"),
  },
  {
    format: "cline",
    messages: "messages",
    has: ["version", "sessionId", "updated_at"],
    says: (fields) => fields["version"] === 1,
    name: at("sessionId"),
  },
  { format: "continue", messages: "history", has: ["sessionId", "workspaceDirectory"], name: at("sessionId") },
  { format: "kiro", messages: "history", has: ["conversation_id"], name: at("conversation_id") },
  {
    format: "zed",
    messages: "messages",
    has: ["version", "updated_at"],
    hasOne: ["title", "summary"],
    says: (fields) => /^0\.[1-9]\.\d+$/.test(stringAt(fields, "version") ?? ""),
    name: at("id", "row.id"),
  },
];

/** The shape of an object by its members' names, and the small ones' values. */
export const shapeOf = (
  messages: string | undefined,
  members: ReadonlySet<string>,
  fields: JsonObject,
): { readonly format: ChatFormat; readonly name: string | undefined } | undefined => {
  const found = shapes.find(
    (shape) =>
      shape.messages === messages &&
      (shape.has ?? []).every((key) => members.has(key)) &&
      (shape.hasOne === undefined || shape.hasOne.some((key) => members.has(key))) &&
      (shape.says?.(fields) ?? true),
  );
  return found === undefined ? undefined : { format: found.format, name: found.name(fields) };
};
