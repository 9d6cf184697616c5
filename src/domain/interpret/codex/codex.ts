/**
 * Codex's rollout: one JSON object a line, `{timestamp, ordinal?, type, payload}`; and its first, bare shape.
 *
 * Room: domain.
 *
 * Choices:
 * - Messages, calls and results are `response_item`s; `event_msg` tells the same again and only adds how a tool ended.
 *   So a thought (`reasoning`), which belongs to no message, is a notice of kind `thinking` with its words.
 * - A call is known by thread and call id. History that is sent again inside a file has the same ids and adds nothing;
 *   the `replacement_history` of a compaction is not read at all.
 * - Usage is the `token_usage_record`; where a thread has none (older versions), each `token_count` whose total moved.
 * - A second `session_meta` is the parent's, and what follows it a copy of the parent's lines (`codexLineage.ts`).
 */
import { shortId } from "../../Truncate.ts";
import type { Fact } from "../../Fact.ts";
import { millisOf, timeOf } from "../../EntryTimes.ts";
import { arrayAt, countAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { callEnded, isResponseItem, responseItem } from "./codexItems.ts";
import { beginAgain, descend, nameCount, originOf } from "./codexLineage.ts";
import { copiedFrom, movedKeys } from "../copies.ts";
import { describe } from "../describe.ts";
import { idAt, jsonText, nameOf, noted, notUnderstood } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { memo, withList } from "../memory.ts";
import { goBack } from "../paths.ts";
import { codexUsage, tokensInside } from "../tokens.ts";

const format = "codex";

const notices: ReadonlySet<string> = new Set([
  "inter_agent_communication",
  "inter_agent_communication_metadata",
  "realtime_item",
  "retained_context",
  "security_risk_score",
  "world_state",
]);

/** The thread that this one was spawned by or forked from, as `session_meta` tells it. */
const parentOf = (meta: JsonObject): string | undefined =>
  stringAt(objectAt(objectAt(objectAt(meta, "source"), "subagent"), "thread_spawn"), "parent_thread_id") ??
  idAt(meta, "parent_thread_id") ??
  idAt(meta, "forked_from_id");

const sessionMeta = (meta: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const id = idAt(meta, "id");
  const at = millisOf(meta["timestamp"]);
  if (id !== undefined && id !== context.threadId && carry["described"] !== undefined) {
    if (carry["from"] !== undefined) return { facts: [noted("session_meta of the parent")] };
    const parent = describe(facts, carry, { parentThreadId: id, relation: "fork" });
    return {
      facts: [...facts, noted("session_meta of the parent")],
      carry: descend(parent, memo(id), context.occurredAt),
    };
  }
  const parent = parentOf(meta);
  const isSubAgent = objectAt(meta, "source")?.["subagent"] !== undefined;
  const after = describe(facts, carry, {
    client: { name: stringAt(meta, "originator") ?? format, version: stringAt(meta, "cli_version") ?? null },
    provider: stringAt(meta, "model_provider"),
    cwd: stringAt(meta, "cwd"),
    branch: stringAt(objectAt(meta, "git"), "branch"),
    session: stringAt(meta, "session_id") ?? idAt(meta, "id"),
    parentThreadId: parent,
    relation: parent === undefined ? undefined : isSubAgent ? "sub-agent" : "fork",
  });
  facts.push(noted("session_meta"));
  const descended = descend(beginAgain(after, context.occurredAt), parent === undefined ? undefined : memo(parent), at);
  return { facts, carry: isSubAgent ? { ...descended, subAgent: true } : descended };
};

const turnContext = (turn: JsonObject, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const after = describe(facts, carry, { model: stringAt(turn, "model"), cwd: stringAt(turn, "cwd") });
  facts.push(noted("turn_context"));
  return { facts, carry: after };
};

/** Content of the last `turn_context` and `session_meta`, for the messages and counts that follow. */
const modelOf = (carry: Carry): { readonly model: string | undefined; readonly provider: string | undefined } => {
  const known = objectAt(carry, "described");
  return { model: stringAt(known, "model"), provider: stringAt(known, "provider") };
};

const usageRecord = (record: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const usage = tokensInside(record["usage"], codexUsage);
  if (usage === undefined) return { facts: [notUnderstood(format, "token_usage_record without usage")] };
  const responseId = idAt(record, "response_id") ?? context.eventId;
  return {
    facts: [
      {
        _tag: "TokensUsed",
        usageKey: `${context.threadId} ${shortId(responseId)}`,
        providerMessageId: responseId,
        ...modelOf(carry),
        usage,
      },
    ],
    carry: carry["usageRecords"] === true ? carry : { ...carry, usageRecords: true },
  };
};

/** Older Codex repeats `token_count` while nothing was used: it counts when its total moved. */
const tokenCount = (event: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const info = objectAt(event, "info");
  const usage = tokensInside(info?.["last_token_usage"], codexUsage);
  if (usage === undefined || carry["usageRecords"] === true) return { facts: [noted("token_count")] };
  const totals = jsonText(info?.["total_token_usage"]);
  const total = memo(totals);
  if (total !== "null" && total === stringAt(carry, "tokenTotal")) return { facts: [noted("token_count")] };
  const name = total === "null" ? context.eventId : nameCount(totals, carry);
  return {
    facts: [
      {
        _tag: "TokensUsed",
        usageKey: `${context.threadId} ${name}`,
        providerMessageId: context.eventId,
        ...modelOf(carry),
        usage,
      },
    ],
    carry: { ...carry, tokenTotal: total },
  };
};

/** The last turns are taken back. Of the prompts that are remembered the oldest stands for those before. */
const rolledBack = (event: JsonObject, carry: Carry): Interpretation => {
  const turns = countAt(event, "num_turns") ?? 0;
  const prompts = arrayAt(carry, "prompts");
  const from = prompts.at(-turns) ?? prompts[0];
  if (turns === 0 || typeof from !== "string") return { facts: [noted("thread_rolled_back")] };
  const facts: Array<Fact> = [];
  const after = goBack(facts, carry, { from, isInclusive: true });
  return {
    facts: [...facts, noted("thread_rolled_back")],
    carry: withList(after, "prompts", prompts.slice(0, -turns)),
  };
};

const eventMessage = (event: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const type = nameOf(event["type"]);
  if (type === "token_count") return tokenCount(event, context, carry);
  if (type === "thread_rolled_back") return rolledBack(event, carry);
  if (type === "thread_name_updated") {
    const facts: Array<Fact> = [];
    const after = describe(facts, carry, { title: stringAt(event, "thread_name") ?? stringAt(event, "name") });
    return { facts: [...facts, noted(type)], carry: after };
  }
  const item = objectAt(event, "item");
  const kind = item === undefined ? type : `${type} ${nameOf(item["type"])}`;
  const text =
    type === "error" || type === "stream_error" || type === "warning" ? stringAt(event, "message") : undefined;
  return { facts: [noted(kind, text)], carry: callEnded(event, carry) };
};

/** One line as its type and what it holds: today's envelope, or a bare line of 2025's first rollouts. */
const opened = (line: JsonObject): { readonly type: string; readonly payload: JsonValue } => {
  const payload = line["payload"];
  const type = nameOf(line["type"]);
  if (payload !== undefined) return { type, payload };
  if (typeof line["record_type"] === "string") return { type: "state", payload: line };
  if (isResponseItem(type)) return { type: "response_item", payload: line };
  const bareMeta =
    typeof line["id"] === "string" && typeof line["timestamp"] === "string" && line["type"] === undefined;
  return { type: bareMeta ? "session_meta" : type, payload: line };
};

const compacted = (payload: JsonObject): Fact => {
  const summary = stringAt(payload, "message");
  return { _tag: "Compacted", summary: summary === "" ? undefined : summary };
};

/** Facts of a line that may be a copy of the parent's. */
const ofLineage = (told: Interpretation, entry: JsonObject, threadId: string, carry: Carry): Interpretation => {
  const from = originOf(carry, timeOf(entry));
  return from === undefined ? told : { ...told, facts: copiedFrom(told.facts, movedKeys(threadId, from)) };
};

const line = (entry: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const { type, payload } = opened(entry);
  if (notices.has(type) || type === "state") return { facts: [noted(type)] };
  if (!isObject(payload)) return { facts: [notUnderstood(format, `${type} without a payload`)] };
  switch (type) {
    case "session_meta":
      return sessionMeta(payload, context, carry);
    case "turn_context":
      return turnContext(payload, carry);
    case "response_item":
      return responseItem(payload, context, carry, modelOf(carry));
    case "event_msg":
      return eventMessage(payload, context, carry);
    case "token_usage_record":
      return usageRecord(payload, context, carry);
    case "compacted":
      return { facts: [compacted(payload), noted(type, stringAt(payload, "message"))] };
    default:
      return { facts: [notUnderstood(format, type)] };
  }
};

export const codex: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "line that is no object")] };
    return ofLineage(line(entry, context, carry), entry, context.threadId, carry);
  },
};
