/**
 * OpenCode's database since 1.2: rows of the tables session, message and part, whose `data` is what the files held.
 *
 * Room: domain.
 *
 * A row is read as the file of the older storage would be, so a session that was moved into the database is the same
 * thread with the same messages.
 */
import { isObject, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import { nameOf, notUnderstood } from "../facts.ts";
import type { Interpreter } from "../Interpreter.ts";
import { opencode } from "./opencode.ts";

const format = "opencode-db";

const asFile = (row: JsonObject): JsonObject | undefined => {
  const data = objectAt(row, "data") ?? {};
  const id = row["id"] ?? null;
  switch (stringAt(row, "table")) {
    case "session":
      return {
        id,
        projectID: row["project_id"] ?? null,
        title: row["title"] ?? null,
        directory: row["directory"] ?? null,
        version: row["version"] ?? null,
        parentID: row["parent_id"] ?? null,
        time: { created: row["time_created"] ?? null },
      };
    case "message":
      return { ...data, id, sessionID: row["session_id"] ?? null };
    case "part":
      return { ...data, id, messageID: row["message_id"] ?? null, sessionID: row["session_id"] ?? null };
    default:
      return undefined;
  }
};

export const opencodeDb: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    const file = isObject(entry) ? asFile(entry) : undefined;
    if (file === undefined)
      return { facts: [notUnderstood(format, isObject(entry) ? nameOf(entry["table"]) : "row that is no object")] };
    return opencode.interpret(file, context, carry);
  },
};
