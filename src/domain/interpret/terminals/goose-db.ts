/**
 * Goose's database since 1.10: rows of the tables sessions and messages.
 *
 * Room: domain.
 *
 * Usage is that of the whole session, which its row sums up as it goes on. Messages that only the model sees are words of
 * the program. A session that is copied keeps the ids and times of its messages: they count once.
 */
import { arrayAt, isObject, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import type { Fact } from "../../Fact.ts";
import { timeOf } from "../../EntryTimes.ts";
import { twins } from "../copies.ts";
import { describe } from "../describe.ts";
import { nameOf, noted, notUnderstood } from "../facts.ts";
import { gooseUsage } from "./goose.ts";
import { gooseContent } from "./gooseMessage.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";

const format = "goose-db";

const session = (row: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const name = stringAt(row, "name");
  const model = stringAt(objectAt(row, "model_config_json"), "model_name");
  const parent = stringAt(row, "parent_session_id");
  const isSubAgent = stringAt(row, "session_type") === "sub_agent";
  const after = describe(facts, carry, {
    client: { name: "goose" },
    title: name === undefined || name === "" ? stringAt(row, "description") : name,
    cwd: stringAt(row, "working_dir"),
    provider: stringAt(row, "provider_name"),
    model,
    parentThreadId: parent,
    relation: parent !== undefined && isSubAgent ? "sub-agent" : undefined,
  });
  return { facts: [...facts, ...gooseUsage(row, context.threadId, model), noted("session")], carry: after };
};

const message = (row: JsonObject, role: string, context: EntryContext): ReadonlyArray<Fact> => {
  const messageId = `message ${String(row["message_id"] ?? row["id"] ?? context.eventId)}`;
  const { parts, facts } = gooseContent(arrayAt(row, "content_json"), messageId, context);
  const isHidden = objectAt(row, "metadata_json")?.["userVisible"] === false;
  const told: ReadonlyArray<Fact> = [
    { _tag: "MessageSaid", messageId, segment: "", role, parts, isMeta: isHidden ? true : undefined },
    ...facts,
  ];
  const at = timeOf(row);
  return twins(told, at === undefined || row["message_id"] === undefined ? undefined : `goose ${at} ${messageId}`);
};

export const gooseDb: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "row that is no object")] };
    const role = stringAt(entry, "role");
    if (entry["table"] === "sessions") return session(entry, context, carry);
    if (entry["table"] === "messages" && role !== undefined) return { facts: message(entry, role, context) };
    return { facts: [notUnderstood(format, nameOf(entry["table"]))] };
  },
};
