/**
 * The lines of `codex exec --json`: what a rollout tells, told by a second witness.
 *
 * Room: domain.
 *
 * Its thread id is that of the rollout, so every fact is `secondHand`: counted only where it is not told first-hand.
 * Item ids start again at each run, so a run (its `thread.started` line) is part of every id; usage is cumulative over
 * the thread, so what is counted is the difference to the turn before, kept in the carry. Carry keys begin with `exec`,
 * because the rollout's interpreter reads the same thread and shares the carry.
 */
import { shortId } from "../../Truncate.ts";
import type { TokenUsage } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { isObject, type JsonObject, type JsonValue, numberAt, objectAt, stringAt } from "../../Json.ts";
import { type Failure, toolCalled, toolReturned } from "../calls.ts";
import { idAt, jsonText, nameOf, noted, notUnderstood, thought } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { memo } from "../memory.ts";
import { codexUsage, tokensInside } from "../tokens.ts";

const format = "codex-exec";

const kinds = ["input", "output", "cacheRead", "cacheWrite", "reasoning"] as const;

/** Usage of this turn: the total less the total before. A total that fell is a new count, not a negative one. */
const difference = (total: TokenUsage, before: JsonValue | undefined): TokenUsage => {
  const fell = kinds.some((kind) => (total[kind] ?? 0) < (numberAt(before, kind) ?? 0));
  const since = (kind: (typeof kinds)[number]): number | null =>
    total[kind] == null ? null : total[kind] - (fell ? 0 : (numberAt(before, kind) ?? 0));
  return {
    input: since("input"),
    output: since("output"),
    cacheRead: since("cacheRead"),
    cacheWrite: since("cacheWrite"),
    reasoning: since("reasoning"),
    cacheInInput: true,
  };
};

const turnCompleted = (line: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const total = tokensInside(line["usage"], codexUsage);
  if (total === undefined) return { facts: [noted("turn.completed")] };
  return {
    facts: [
      {
        _tag: "TokensUsed",
        usageKey: `${context.threadId} exec ${context.eventId}`,
        providerMessageId: context.eventId,
        usage: difference(total, carry["execTotal"]),
        secondHand: true,
      },
    ],
    carry: { ...carry, execTotal: Object.fromEntries(kinds.map((kind) => [kind, total[kind] ?? null])) },
  };
};

/** Items that are tool calls: the name and server they are called by, and which keys hold what was asked. */
const callOf = (
  item: JsonObject,
):
  | { readonly name: string; readonly server?: string | undefined; readonly arguments: JsonValue | undefined }
  | undefined => {
  switch (item["type"]) {
    case "command_execution":
      return { name: "exec_command", arguments: { command: item["command"] ?? null } };
    case "mcp_tool_call":
      return { name: stringAt(item, "tool") ?? "", server: stringAt(item, "server"), arguments: item["arguments"] };
    case "file_change":
      return { name: "apply_patch", arguments: { changes: item["changes"] ?? null } };
    case "web_search":
      return { name: "web_search", arguments: { query: item["query"] ?? null } };
    default:
      return undefined;
  }
};

/** Failure of a completed call; undefined when it did not. A search has no status: that it completed is its success. */
const failureOf = (item: JsonObject): Failure | undefined => {
  const status = stringAt(item, "status");
  if (status === undefined || status === "completed") return undefined;
  const exitCode = numberAt(item, "exit_code");
  if (exitCode !== undefined && exitCode !== 0) return { type: "exit_code", message: `exit code ${exitCode}` };
  const error = item["error"];
  return { type: status, message: stringAt(error, "message") ?? (error == null ? status : jsonText(error)) };
};

const item = (line: JsonObject, type: string, context: EntryContext, carry: Carry): ReadonlyArray<Fact> => {
  const told = objectAt(line, "item");
  if (told === undefined) return [notUnderstood(format, `${type} without an item`)];
  const kind = nameOf(told["type"]);
  const callId = idAt(told, "id") ?? context.eventId;
  const call = callOf(told);
  if (call !== undefined) {
    const callKey = `${context.threadId} exec ${stringAt(carry, "execRun") ?? ""} ${shortId(callId)}`;
    const facts: Array<Fact> = [{ ...toolCalled({ ...call, callKey, callId }), secondHand: true }];
    if (type === "item.completed") {
      const result = told["aggregated_output"] ?? told["result"];
      facts.push({ ...toolReturned({ callKey, callId, result, failure: failureOf(told) }), secondHand: true });
    }
    return facts;
  }
  if (type !== "item.completed") return [noted(`${type} ${kind}`)];
  const text = stringAt(told, "text") ?? stringAt(told, "message");
  if (kind === "reasoning") return [thought(text ?? "")];
  if (kind !== "agent_message") return [noted(`${type} ${kind}`, text)];
  const parts = [{ type: "text", text: text ?? "" }] as const;
  return [{ _tag: "MessageSaid", messageId: context.eventId, segment: "", role: "assistant", parts, secondHand: true }];
};

export const codexExec: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "line that is no object")] };
    const type = nameOf(entry["type"]);
    switch (type) {
      case "thread.started":
        return { facts: [noted(type)], carry: { ...carry, execRun: memo(context.eventId) } };
      case "turn.started":
        return { facts: [noted(type)] };
      case "turn.completed":
        return turnCompleted(entry, context, carry);
      case "turn.failed":
        return { facts: [noted(type, stringAt(objectAt(entry, "error"), "message"))] };
      case "error":
        return { facts: [noted(type, stringAt(entry, "message"))] };
      case "item.started":
      case "item.updated":
      case "item.completed":
        return { facts: item(entry, type, context, carry) };
      default:
        return { facts: [notUnderstood(format, type)] };
    }
  },
};
