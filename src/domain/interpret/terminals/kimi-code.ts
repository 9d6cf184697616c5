/**
 * Kimi Code's records (`agents/<agent>/wire.jsonl`, protocol 1.0 to 1.5): an event of one agent a line, with its fields beside
 * `type` and `time`.
 *
 * Room: domain.
 *
 * Choices:
 * - Messages are those of the context (`context.append_message`) and of the steps (`context.append_loop_event`);
 *   `turn.prompt` and `turn.steer` say the same once more.
 * - A step is one message under its id, each piece of it a segment.
 * - Tokens are those of `usage.record`, which names the model and counts compactions too; a step's own are among them.
 * - A fork of a session begins with copies of its lines, times included: they count once.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import {
  arrayAt,
  countAt,
  flagAt,
  isObject,
  type JsonObject,
  type JsonValue,
  numberAt,
  objectAt,
  stringAt,
} from "../../Json.ts";
import { threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { twins } from "../copies.ts";
import { describe } from "../describe.ts";
import { idAt, nameOf, noted, notUnderstood, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { memo, withList } from "../memory.ts";
import { parentByName } from "../nested.ts";
import { partsOf, wordsOf } from "../parts.ts";
import { goBack, pathOf } from "../paths.ts";

const format = "kimi-code";

/** Families of records that are notices, with any name behind the dot. */
const noticeFamilies: ReadonlySet<string> = new Set([
  "cron",
  "forked",
  "full_compaction",
  "goal",
  "interaction",
  "interruptionReminder",
  "llm",
  "mcp",
  "micro_compaction",
  "permission",
  "plan",
  "plan_mode",
  "plugin",
  "prompt",
  "runtime",
  "staleGuard",
  "swarm_mode",
  "task",
  "token_counting",
  "tools",
  "tower_mode",
  "turn",
]);

/** Words of the program, not of a person, by where a message of role user comes from. */
const programs: ReadonlySet<string> = new Set([
  "injection",
  "system_trigger",
  "task",
  "cron_job",
  "cron_missed",
  "hook_result",
  "retry",
]);
const commands: ReadonlySet<string> = new Set(["shell_command", "skill_activation", "plugin_command"]);
/** Prompts that are remembered, so that an undo finds its way. */
const mostPrompts = 20;

const partOf = (part: JsonValue): ReadonlyArray<Part> =>
  stringAt(part, "type") === "think" ? [{ type: "thinking", text: stringAt(part, "think") ?? "" }] : partsOf([part]);

const called = (call: JsonObject, messageId: string, { eventId, threadId }: EntryContext) => {
  const callId = idAt(call, "toolCallId") ?? idAt(call, "id") ?? eventId;
  const inner = objectAt(call, "function") ?? call;
  const about = { callId, name: stringAt(inner, "name") ?? "", arguments: inner["args"] ?? inner["arguments"] };
  return { part: toolUse(about), fact: toolCalled({ ...about, callKey: threadKey(threadId, callId), messageId }) };
};

const answered = (callId: string, output: JsonValue | undefined, isError: boolean, context: EntryContext) => {
  const text = typeof output === "string" ? output : wordsOf(output).join("\n");
  const failure = isError ? { type: "error", message: text } : undefined;
  return {
    part: { type: "tool_result", callId, text, isError, bytes: sizeOf(output) } satisfies Part,
    fact: toolReturned({ callKey: threadKey(context.threadId, callId), callId, result: output, text, failure }),
  };
};

const message = (said: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const role = stringAt(said, "role") ?? "";
  const messageId = idAt(said, "id") ?? context.eventId;
  const origin = stringAt(objectAt(said, "origin"), "kind") ?? stringAt(said, "origin") ?? "";
  // The compaction itself tells its summary.
  if (origin === "compaction_summary") return { facts: [noted("summary", wordsOf(said["content"]).join("\n"))] };
  const callId = idAt(said, "toolCallId");
  if (role === "tool" && callId !== undefined) {
    const { fact, part } = answered(callId, said["content"], flagAt(said, "isError"), context);
    return { facts: [{ _tag: "MessageSaid", messageId, segment: "", role, parts: [part], path: pathOf(carry) }, fact] };
  }
  const calls = arrayAt(said, "toolCalls").flatMap((call) =>
    isObject(call) ? [called(call, messageId, context)] : [],
  );
  const content = said["content"];
  const words = Array.isArray(content) ? (content as ReadonlyArray<JsonValue>).flatMap(partOf) : partsOf(content);
  const isPrompt = role === "user" && !programs.has(origin);
  const facts: ReadonlyArray<Fact> = [
    {
      _tag: "MessageSaid",
      messageId,
      segment: "",
      role,
      kind: isPrompt && commands.has(origin) ? "command" : undefined,
      parts: [...words, ...calls.map(({ part }) => part)],
      path: pathOf(carry),
      isMeta: role === "user" && programs.has(origin) ? true : undefined,
    },
    ...calls.map(({ fact }) => fact),
  ];
  if (!isPrompt) return { facts };
  const prompts = [...arrayAt(carry, "prompts"), memo(messageId)].slice(-mostPrompts);
  return { facts, carry: withList(carry, "prompts", prompts) };
};

/** A piece of a step. */
const piece = (event: JsonObject, parts: ReadonlyArray<Part>, context: EntryContext, carry: Carry): Fact => ({
  _tag: "MessageSaid",
  messageId: idAt(event, "stepUuid") ?? context.eventId,
  segment: idAt(event, "uuid") ?? context.eventId,
  role: "assistant",
  parts,
  path: pathOf(carry),
  model: stringAt(objectAt(carry, "described"), "model"),
});

const step = (event: JsonObject, context: EntryContext, carry: Carry): ReadonlyArray<Fact> => {
  const type = nameOf(event["type"]);
  switch (type) {
    case "content.part":
      return [piece(event, partOf(event["part"] ?? null), context, carry)];
    case "tool.call": {
      const { fact, part } = called(event, idAt(event, "stepUuid") ?? context.eventId, context);
      return [piece(event, [part], context, carry), fact];
    }
    case "tool.result": {
      const result = objectAt(event, "result");
      const callId = idAt(event, "toolCallId") ?? "";
      const { fact, part } = answered(callId, result?.["output"], flagAt(result, "isError"), context);
      const messageId = context.eventId;
      return [{ _tag: "MessageSaid", messageId, segment: "", role: "tool", parts: [part], path: pathOf(carry) }, fact];
    }
    case "step.begin":
    case "step.end":
      return [noted(type)];
    default:
      return [notUnderstood(format, type)];
  }
};

const counted = (line: JsonObject, { eventId, threadId }: EntryContext): Fact => {
  const usage = objectAt(line, "usage");
  return {
    _tag: "TokensUsed",
    usageKey: `${threadId} ${eventId}`,
    providerMessageId: eventId,
    model: stringAt(line, "model"),
    usage: {
      input: countAt(usage, "inputOther") ?? null,
      output: countAt(usage, "output") ?? null,
      cacheRead: countAt(usage, "inputCacheRead") ?? null,
      cacheWrite: countAt(usage, "inputCacheCreation") ?? null,
    },
  };
};

const compacted = (line: JsonObject): Fact => {
  const { summary } = line;
  const words = isObject(summary) ? wordsOf(summary["content"]).join("\n") : stringAt(line, "summary");
  return {
    _tag: "Compacted",
    summary: words ?? stringAt(line, "contextSummary"),
    tokensBefore: countAt(line, "tokensBefore"),
  };
};

/** Prompts are taken back, the newest first, with all that followed. */
const undone = (line: JsonObject, carry: Carry): Interpretation => {
  const prompts = arrayAt(carry, "prompts");
  const kept = Math.max(0, prompts.length - (countAt(line, "count") ?? 1));
  const from = prompts[kept];
  if (typeof from !== "string") return { facts: [noted("context.undo")] };
  const facts: Array<Fact> = [];
  const after = goBack(facts, carry, { from, isInclusive: true });
  return { facts: [...facts, noted("context.undo")], carry: withList(after, "prompts", prompts.slice(0, kept)) };
};

const configured = (line: JsonObject, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const after = describe(facts, carry, {
    cwd: stringAt(objectAt(line, "environmentDisclosure"), "cwd") ?? stringAt(line, "cwd"),
    model: stringAt(line, "modelAlias"),
  });
  return { facts: [...facts, noted(nameOf(line["type"]))], carry: after };
};

const record = (line: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const type = nameOf(line["type"]);
  switch (type) {
    case "metadata": {
      const facts: Array<Fact> = [];
      const after = describe(facts, carry, { client: { name: format }, ...parentByName(context.threadId) });
      return { facts: [...facts, noted(type)], carry: after };
    }
    case "config.update":
    case "profile.bind":
      return configured(line, carry);
    case "context.append_message":
      return message(objectAt(line, "message") ?? {}, context, carry);
    case "context.append_loop_event":
      return { facts: step(objectAt(line, "event") ?? {}, context, carry) };
    case "context.apply_compaction":
      return { facts: [compacted(line), noted(type)] };
    case "context.undo":
      return undone(line, carry);
    case "context.clear":
      return { facts: [noted(type)] };
    case "usage.record":
      return { facts: [counted(line, context)] };
    default:
      return { facts: [noticeFamilies.has(type.split(".", 1)[0] ?? "") ? noted(type) : notUnderstood(format, type)] };
  }
};

/** Name of a line in every session that it was copied into. */
const lineName = (line: JsonObject): string | undefined => {
  const at = numberAt(line, "time");
  const event = objectAt(line, "event");
  const own =
    idAt(event, "stepUuid") ?? idAt(event, "toolCallId") ?? idAt(objectAt(line, "message"), "toolCallId") ?? "";
  return at === undefined ? undefined : `kimi-code ${at} ${nameOf(line["type"])} ${memo(own)}`;
};

export const kimiCode: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "line that is no object")] };
    const told = record(entry, context, carry);
    return { ...told, facts: twins(told.facts, lineName(entry)) };
  },
};
