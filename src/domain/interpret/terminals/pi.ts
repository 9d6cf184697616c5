/**
 * Sessions of the coding agent pi: one JSON object a line.
 *
 * Room: domain.
 *
 * Choices: the role `toolResult` is our role tool. A message's id is its line's, or the event's where the line has none
 * (older versions). Usage is counted per line: a response id is absent in old files and repeated in new ones. A fork
 * begins with copies of its session's lines, ids included: they count where they come from. Extensions write whole sessions
 * again beside their own, for debugging, under another session's id: what is the same in both counts once.
 */
import type { Part } from "../../thread/Content.ts";
import { timeOf } from "../../EntryTimes.ts";
import type { Fact } from "../../Fact.ts";
import { shortId } from "../../Truncate.ts";
import { amountAt, arrayAt, countAt, flagAt, isObject, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import { threadKey, toolCalled, toolReturned } from "../calls.ts";
import { describe } from "../describe.ts";
import { argumentsValue, idAt, nameOf, noted, notUnderstood, serverOf, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { copiedFrom, movedKeys, twins } from "../copies.ts";
import { memo } from "../memory.ts";
import { partsOf, wordsOf } from "../parts.ts";
import { follow, pathOf } from "../paths.ts";
import { tokensBeside } from "../tokens.ts";

const format = "pi";

const usageNames = { input: "input", output: "output", cacheRead: "cacheRead", cacheWrite: "cacheWrite" } as const;

const notices: ReadonlySet<string> = new Set([
  "thinking_level_change",
  "label",
  "custom",
  "branch_summary",
  "custom_message",
]);

const assistant = (
  said: JsonObject,
  messageId: string,
  context: EntryContext,
): { readonly parts: ReadonlyArray<Part>; readonly facts: ReadonlyArray<Fact> } => {
  const parts: Array<Part> = [];
  const facts: Array<Fact> = [];
  const content = said["content"];
  for (const [index, block] of arrayAt(said, "content").entries()) {
    if (stringAt(block, "type") !== "toolCall" || !isObject(block)) {
      parts.push(...partsOf([block]));
      continue;
    }
    const callId = idAt(block, "id") ?? "";
    const name = stringAt(block, "name") ?? "";
    const callKey =
      callId === "" ? `${context.threadId} ${context.eventId} ${index}` : threadKey(context.threadId, callId);
    parts.push({
      type: "tool_use",
      callId,
      name,
      server: serverOf(name) ?? null,
      arguments: argumentsValue(block["arguments"]),
    });
    facts.push(toolCalled({ callKey, callId, name, arguments: block["arguments"], messageId }));
  }
  if (typeof content === "string") parts.push(...partsOf(content));
  const usage = tokensBeside(said["usage"], usageNames);
  if (usage !== undefined) {
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${shortId(messageId)}`,
      providerMessageId: idAt(said, "responseId") ?? messageId,
      messageId,
      provider: stringAt(said, "provider"),
      model: stringAt(said, "model"),
      usage,
      costUsd: amountAt(objectAt(said["usage"], "cost"), "total"),
    });
  }
  return { parts, facts };
};

const toolResult = (
  said: JsonObject,
  context: EntryContext,
): { readonly parts: ReadonlyArray<Part>; readonly facts: ReadonlyArray<Fact> } => {
  const callId = idAt(said, "toolCallId") ?? "";
  const text = wordsOf(said["content"]).join("\n");
  const isError = flagAt(said, "isError");
  return {
    parts: [{ type: "tool_result", callId, text, isError, bytes: sizeOf(said["content"]) }],
    facts: [
      toolReturned({
        callKey: threadKey(context.threadId, callId),
        callId,
        result: said["content"],
        failure: isError ? { type: "error", message: text } : undefined,
      }),
    ],
  };
};

/** A command the person ran themselves; its output stands with it and no model called it. */
const bash = (said: JsonObject): ReadonlyArray<Part> =>
  partsOf([`${stringAt(said, "command") ?? ""}\n${stringAt(said, "output") ?? ""}`.trim()]);

const message = (
  line: JsonObject,
  said: JsonObject,
  context: EntryContext,
  way: Pick<ReturnType<typeof follow>, "path" | "parentMessageId">,
): ReadonlyArray<Fact> => {
  const written = stringAt(said, "role") ?? "";
  const messageId = idAt(line, "id") ?? context.eventId;
  const { parts, facts } =
    written === "assistant"
      ? assistant(said, messageId, context)
      : written === "toolResult"
        ? toolResult(said, context)
        : { parts: written === "bashExecution" ? bash(said) : partsOf(said["content"]), facts: [] };
  return [
    {
      _tag: "MessageSaid",
      messageId,
      segment: "",
      role: written === "toolResult" ? "tool" : written,
      // A person's own command to the shell.
      kind: written === "bashExecution" ? "command" : undefined,
      parts,
      parentMessageId: way.parentMessageId,
      path: way.path,
      provider: stringAt(said, "provider"),
      model: stringAt(said, "model"),
      stopReason: stringAt(said, "stopReason"),
    },
    ...facts,
  ];
};

/** A fork names the file of the session it was made of; its id ends the file's name. */
const parentOf = (line: JsonObject): string | undefined => {
  const written = idAt(line, "parentSession");
  return /([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.jsonl)?$/i.exec(written ?? "")?.[1] ?? written;
};

const session = (line: JsonObject, carry: Carry): Interpretation => {
  const parent = parentOf(line);
  const facts: Array<Fact> = [];
  const after = describe(facts, carry, {
    client: { name: format },
    cwd: stringAt(line, "cwd"),
    provider: stringAt(line, "provider"),
    model: stringAt(line, "modelId"),
    parentThreadId: parent,
    relation: parent === undefined ? undefined : "fork",
  });
  return {
    facts: [...facts, noted("session")],
    carry: parent === undefined ? after : { ...after, from: memo(parent) },
  };
};

/** Name of a line in every file that it was copied into: its id is unique in its session, its time makes it so in the world. */
const lineName = (line: JsonObject): string | undefined => {
  const id = idAt(line, "id");
  const at = timeOf(line);
  return id === undefined || at === undefined ? undefined : `pi ${at} ${shortId(id)}`;
};

/** Goes on along the tree of entries. Older versions write none. */
const step = (line: JsonObject, carry: Carry, facts: Array<Fact>, messageId?: string): ReturnType<typeof follow> => {
  const lineId = idAt(line, "id");
  const parentId = idAt(line, "parentId");
  return lineId === undefined || !("parentId" in line)
    ? { carry, path: pathOf(carry), parentMessageId: parentId }
    : follow(facts, carry, { lineId, messageId, parentId, at: timeOf(line), isTurn: messageId !== undefined });
};

export const pi: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "line that is no object")] };
    const type = nameOf(entry["type"]);
    const said = objectAt(entry, "message");
    if (type === "message" && said !== undefined) {
      const facts: Array<Fact> = [];
      const way = step(entry, carry, facts, idAt(entry, "id"));
      const told = message(entry, said, context, way);
      const from = stringAt(carry, "from");
      const counted =
        from === undefined ? twins(told, lineName(entry)) : copiedFrom(told, movedKeys(context.threadId, from));
      return { facts: [...facts, ...counted], carry: way.carry };
    }
    if (type === "session") return session(entry, carry);
    if (type === "model_change" || type === "session_info") {
      const facts: Array<Fact> = [];
      const after = describe(facts, carry, {
        provider: stringAt(entry, "provider"),
        model: stringAt(entry, "modelId"),
        title: stringAt(entry, "name"),
      });
      return { facts: [...facts, noted(type)], carry: step(entry, after, facts).carry };
    }
    const facts: Array<Fact> = [];
    const { carry: after } = step(entry, carry, facts);
    if (type === "compaction") {
      const summary = stringAt(entry, "summary");
      const compacted: Fact = { _tag: "Compacted", summary, tokensBefore: countAt(entry, "tokensBefore") };
      return { facts: [...facts, compacted, noted(type, summary)], carry: after };
    }
    return { facts: [...facts, notices.has(type) ? noted(type) : notUnderstood(format, type)], carry: after };
  },
};
