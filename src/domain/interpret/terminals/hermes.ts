/**
 * Hermes' database: rows of the tables sessions and messages, a message in the shape of chat completions.
 *
 * Room: domain.
 *
 * Usage is that of the whole session, which its row sums up. A session that goes on after a compression is a new one,
 * whose parent is the old.
 */
import type { Fact } from "../../Fact.ts";
import { amountAt, countAt, isObject, type JsonObject, numberAt, stringAt } from "../../Json.ts";
import { chatMessage } from "../chats/chatMessage.ts";
import { describe } from "../describe.ts";
import { nameOf, noted, notUnderstood } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";

const format = "hermes";

const session = (row: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const model = stringAt(row, "model");
  const after = describe(facts, carry, {
    client: { name: format },
    title: stringAt(row, "title"),
    model,
    provider: stringAt(row, "billing_provider"),
    parentThreadId: stringAt(row, "parent_session_id"),
    cwd: stringAt(row, "cwd"),
    branch: stringAt(row, "git_branch"),
  });
  const usage = {
    input: countAt(row, "input_tokens") ?? null,
    output: countAt(row, "output_tokens") ?? null,
    cacheRead: countAt(row, "cache_read_tokens") ?? null,
    cacheWrite: countAt(row, "cache_write_tokens") ?? null,
    reasoning: countAt(row, "reasoning_tokens") ?? null,
  };
  if ((usage.input ?? 0) + (usage.output ?? 0) > 0)
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} session`,
      providerMessageId: "session",
      model,
      usage,
      costUsd: amountAt(row, "actual_cost_usd") ?? amountAt(row, "estimated_cost_usd"),
    });
  return { facts: [...facts, noted("session")], carry: after };
};

const message = (row: JsonObject, role: string, context: EntryContext, carry: Carry): Interpretation => {
  const id = numberAt(row, "id");
  const shaped: JsonObject = {
    role,
    content: row["content"] ?? null,
    ...(Array.isArray(row["tool_calls"]) ? { tool_calls: row["tool_calls"] } : {}),
    ...(stringAt(row, "tool_call_id") === undefined ? {} : { tool_call_id: row["tool_call_id"] ?? "" }),
    ...(stringAt(row, "reasoning") === undefined ? {} : { reasoning_content: row["reasoning"] ?? "" }),
  };
  return chatMessage(shaped, context, carry, {
    messageId: id === undefined ? context.eventId : `message ${id}`,
    stopReason: stringAt(row, "finish_reason"),
  });
};

export const hermes: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "row that is no object")] };
    const role = stringAt(entry, "role");
    if (entry["table"] === "sessions") return session(entry, context, carry);
    if (entry["table"] === "messages" && role !== undefined) return message(entry, role, context, carry);
    return { facts: [notUnderstood(format, nameOf(entry["table"]))] };
  },
};
