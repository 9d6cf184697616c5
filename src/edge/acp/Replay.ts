/**
 * A recorded conversation as updates of the Agent Client Protocol, as an agent tells them while it loads a session.
 *
 * Room: edge.
 *
 * Prompts, answers, thoughts, compactions and tool calls with their outcome, in order. Left out is what an editor does not
 * draw: notices and instructions of programs, side chains, branches that were given up, and copies of another thread.
 */
import type { JsonObject, JsonValue } from "../../domain/Json.ts";
import type { CompactionRow, MessageRow, PartRow, ToolCallRow } from "../../query/Query.ts";

/** Kinds of tools that the protocol knows; every other one is `other`. */
const toolKinds: ReadonlySet<string> = new Set([
  "read",
  "edit",
  "delete",
  "move",
  "search",
  "execute",
  "think",
  "fetch",
  "switch_mode",
]);

/** Kinds of messages that an editor draws. */
const drawn: ReadonlySet<string> = new Set(["prompt", "command", "task", "answer"]);

/** Longest text of one update, in UTF-16 units: an editor draws it whole. */
export const mostUnits = 256 * 1024;

const bounded = (text: string): string =>
  text.length <= mostUnits
    ? text
    : `${text.slice(0, mostUnits).toWellFormed()}\n[${text.length - mostUnits} more characters in the record]`;

export const textOf = (text: string): JsonObject => ({ type: "text", text: bounded(text) });

const asJson = (text: string): JsonValue => {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text;
  }
};

/** Tool uses and results stand in their calls. */
const partText = ({ contentBytes, refersTo, text, type }: PartRow): string | undefined => {
  if (type === "tool_use" || type === "tool_result") return undefined;
  if (type === "text" || type === "thinking") return text === null || text === "" ? undefined : text;
  return `[${type}${refersTo === null ? "" : ` ${refersTo}`}, ${contentBytes} bytes]`;
};

const updatesOf = ({ isAbandoned, isCopied, isMeta, isSidechain, kind, messageId, parts, role }: MessageRow) => {
  if (isAbandoned === 1 || isCopied === 1 || isMeta === 1 || isSidechain === 1 || !drawn.has(kind)) return [];
  return parts.flatMap((part): ReadonlyArray<JsonObject> => {
    const text = partText(part);
    if (text === undefined) return [];
    const said = role === "user" ? "user_message_chunk" : "agent_message_chunk";
    const sessionUpdate = part.type === "thinking" ? "agent_thought_chunk" : said;
    return [{ sessionUpdate, messageId, content: textOf(text) }];
  });
};

const callUpdate = (call: ToolCallRow): JsonObject => {
  const { callKey, outcome, server, toolName } = call;
  const told = outcome === "error" ? (call.errorMessage ?? call.result) : call.result;
  const answered = outcome === "unknown" ? "No answer is recorded." : (told ?? "");
  const input = call.arguments;
  return {
    sessionUpdate: "tool_call",
    toolCallId: callKey,
    title: server === null ? toolName : `${server}/${toolName}`,
    kind: toolKinds.has(toolName) ? toolName : "other",
    status: outcome === "ok" ? "completed" : "failed",
    content: answered === "" ? [] : [{ type: "content", content: textOf(answered) }],
    ...(input === null ? {} : { rawInput: input.length <= mostUnits ? asJson(input) : bounded(input) }),
  };
};

/** Updates of a part of a thread, in the order of the record. */
export const updates = (part: {
  readonly messages: ReadonlyArray<MessageRow>;
  readonly calls: ReadonlyArray<ToolCallRow>;
  readonly compactions: ReadonlyArray<CompactionRow>;
}): ReadonlyArray<JsonObject> =>
  [
    ...part.messages.map((message) => ({ sequence: message.sequence, told: updatesOf(message) })),
    ...part.calls.map((call) => ({ sequence: call.sequence, told: [callUpdate(call)] })),
    ...part.compactions.map(({ sequence, summary }) => ({
      sequence,
      told: [
        { sessionUpdate: "agent_thought_chunk", content: textOf(summary ?? "What was said so far was compacted.") },
      ],
    })),
  ]
    // Stable: at one sequence a message stands before its calls.
    .toSorted((left, right) => left.sequence - right.sequence)
    .flatMap(({ told }) => told);
