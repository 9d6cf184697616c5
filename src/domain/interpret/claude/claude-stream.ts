/**
 * The output of `claude -p --output-format stream-json`: the lines of a session as they come, one JSON object a line.
 *
 * Room: domain.
 *
 * A second witness: the same session is in Claude Code's own transcript, with more, so all of it counts only where that
 * is not there. Its lines are read as the transcript's are; `result` repeats the last answer and sums the usage, and
 * only its cost is news. Deltas (`stream_event`) come again as whole messages.
 */
import type { Fact } from "../../Fact.ts";
import { amountAt, isObject, type JsonObject, stringAt } from "../../Json.ts";
import { claudeCode } from "./claude-code.ts";
import { describe } from "../describe.ts";
import { idAt, nameOf, noted, notUnderstood } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";

const format = "claude-stream";

const notices: ReadonlySet<string> = new Set([
  "stream_event",
  "result",
  "rate_limit_event",
  "tool_progress",
  "tool_use_summary",
  "auth_status",
  "prompt_suggestion",
  "keep_alive",
  "control_request",
  "control_response",
  "control_cancel_request",
]);

/** The line as the transcript would have it. */
const asTranscript = (line: JsonObject): JsonObject => ({
  ...line,
  sessionId: stringAt(line, "session_id") ?? null,
  isSidechain: typeof line["parent_tool_use_id"] === "string",
});

const secondHand = (fact: Fact): Fact =>
  fact._tag === "MessageSaid" ||
  fact._tag === "ToolWasCalled" ||
  fact._tag === "ToolHasReturned" ||
  fact._tag === "TokensUsed"
    ? { ...fact, secondHand: true }
    : fact;

const opened = (line: JsonObject, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const version = stringAt(line, "claude_code_version");
  const after = describe(facts, carry, {
    client: { name: "claude-code", ...(version === undefined ? {} : { version }) },
    cwd: stringAt(line, "cwd"),
    session: stringAt(line, "session_id"),
    model: stringAt(line, "model"),
  });
  return { facts: [...facts, noted("system init")], carry: after };
};

/** Cost of the whole run; its usage is the sum of what the messages told. */
const resultFacts = (line: JsonObject, { threadId }: EntryContext): ReadonlyArray<Fact> => {
  const note = noted(`result ${stringAt(line, "subtype") ?? ""}`.trim());
  const costUsd = amountAt(line, "total_cost_usd");
  if (costUsd === undefined) return [note];
  const id = idAt(line, "uuid") ?? "result";
  const usageKey = `${threadId} ${id}`;
  return [note, { _tag: "TokensUsed", usageKey, providerMessageId: id, usage: {}, costUsd, secondHand: true }];
};

export const claudeStream: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "line that is no object")] };
    const type = nameOf(entry["type"]);
    if (type === "system" && stringAt(entry, "subtype") === "init") return opened(entry, carry);
    if (type === "system") return { facts: [noted(`system ${stringAt(entry, "subtype") ?? ""}`.trim())] };
    if (type === "result") return { facts: resultFacts(entry, context) };
    if (notices.has(type)) return { facts: [noted(type)] };
    if (type !== "assistant" && type !== "user") return { facts: [notUnderstood(format, type)] };
    const told = claudeCode.interpret(asTranscript(entry), context, carry);
    return { ...told, facts: told.facts.map(secondHand) };
  },
};
