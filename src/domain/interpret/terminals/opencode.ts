/**
 * OpenCode's storage: every session, message and part is a JSON file of its own; a file is an entry.
 *
 * Room: domain.
 *
 * A message comes as its file (role, usage) and its parts' files: the message is segment "", each part a segment under
 * its id. A part does not name its role; parts of user messages do, because the carry remembers the user messages that
 * came before (the last hundred or so), and every other message is an assistant's. Two parts of the oldest files name no message:
 * only their folder does, so they are notices with their words.
 *
 * A fork of a session begins with copies of its messages under new ids, and does not say whose: the times are those of the
 * originals, so a message or a call that is older than its session is a copy.
 *
 * Choice: tokens are those of the message; `step-finish` parts repeat them per step. OpenCode counts cached tokens beside
 * its input and charges reasoning beside its output. A tool's part says when the tool began and ended.
 */
import { millisOf } from "../../EntryTimes.ts";
import { shortId } from "../../Truncate.ts";
import type { Part } from "../../thread/Content.ts";
import type { Fact, Twin } from "../../Fact.ts";
import {
  amountAt,
  arrayAt,
  countAt,
  flagAt,
  isObject,
  type JsonObject,
  numberAt,
  objectAt,
  stringAt,
} from "../../Json.ts";
import { type Failure, threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { describe } from "../describe.ts";
import { idAt, nameOf, noted, notUnderstood, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { memo, withList } from "../memory.ts";
import { partsOf } from "../parts.ts";

const format = "opencode";

const notices: ReadonlySet<string> = new Set([
  "step-start",
  "step-finish",
  "snapshot",
  "patch",
  "agent",
  "subtask",
  "retry",
  "compaction",
]);

const session = (whole: JsonObject, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const after = describe(facts, carry, {
    client: { name: format, version: stringAt(whole, "version") ?? null },
    title: stringAt(whole, "title"),
    cwd: stringAt(whole, "directory"),
    parentThreadId: stringAt(whole, "parentID"),
  });
  const begun = numberAt(objectAt(whole, "time"), "created");
  return { facts: [...facts, noted("session")], carry: begun === undefined ? after : { ...after, begun } };
};

/** Name of what began then: the same in a fork of its session. */
const twinOf = (what: string, at: number | undefined, carry: Carry): Twin | undefined => {
  const begun = numberAt(carry, "begun");
  return at === undefined || begun === undefined
    ? undefined
    : { name: `opencode ${at} ${what}`, isOriginal: at >= begun };
};

const message = (whole: JsonObject, role: string, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const messageId = idAt(whole, "id") ?? context.eventId;
  const named = objectAt(whole, "model");
  const model = stringAt(whole, "modelID") ?? stringAt(named, "modelID");
  const provider = stringAt(whole, "providerID") ?? stringAt(named, "providerID");
  const described = describe(facts, carry, { model, provider });
  const twin = twinOf(`${role} ${model ?? ""}`, numberAt(objectAt(whole, "time"), "created"), carry);
  facts.push({
    _tag: "MessageSaid",
    messageId,
    segment: "",
    role,
    parts: [],
    author: stringAt(whole, "agent"),
    parentMessageId: stringAt(whole, "parentID"),
    model,
    provider,
    stopReason: stringAt(whole, "finish"),
    cwd: stringAt(objectAt(whole, "path"), "cwd") ?? stringAt(whole, "path"),
    twin,
  });
  const tokens = objectAt(whole, "tokens");
  if (tokens !== undefined) {
    const cache = objectAt(tokens, "cache");
    const usage = {
      input: countAt(tokens, "input") ?? null,
      output: countAt(tokens, "output") ?? null,
      reasoning: countAt(tokens, "reasoning") ?? null,
      cacheRead: countAt(cache, "read") ?? null,
      cacheWrite: countAt(cache, "write") ?? null,
      reasoningInOutput: false,
    };
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${shortId(messageId)}`,
      providerMessageId: messageId,
      messageId,
      provider,
      model,
      usage,
      costUsd: amountAt(whole, "cost"),
      twin,
    });
  }
  if (role !== "user") return { facts, carry: described };
  const users = arrayAt(described, "users").filter((id) => id !== memo(messageId));
  return { facts, carry: withList(described, "users", [...users, memo(messageId)]) };
};

/** A tool part: the call, and its result once it has ended. */
const tool = (
  part: JsonObject,
  messageId: string | undefined,
  context: EntryContext,
  carry: Carry,
): { readonly parts: ReadonlyArray<Part>; readonly facts: ReadonlyArray<Fact> } => {
  const callId = idAt(part, "callID") ?? idAt(part, "id") ?? context.eventId;
  const callKey = threadKey(context.threadId, callId);
  const name = stringAt(part, "tool") ?? "";
  const state = objectAt(part, "state");
  const parts: Array<Part> = [toolUse({ callId, name, arguments: state?.["input"] })];
  const time = objectAt(state, "time");
  const start = numberAt(time, "start");
  const end = numberAt(time, "end");
  const startedAt = millisOf(start);
  const endedAt = millisOf(end);
  const twin = twinOf(callId, start, carry);
  const called = { ...toolCalled({ callKey, callId, name, arguments: state?.["input"], messageId }), twin };
  const facts: Array<Fact> = [startedAt === undefined ? called : { ...called, at: startedAt }];
  const status = stringAt(state, "status");
  if (status !== "completed" && status !== "success" && status !== "error") return { parts, facts };
  const exit = numberAt(objectAt(state, "metadata"), "exit") ?? 0;
  const output = state?.["output"] ?? state?.["error"];
  const text = typeof output === "string" ? output : "";
  const failure: Failure | undefined =
    status === "error"
      ? { type: "error", message: text }
      : exit === 0
        ? undefined
        : { type: "exit_code", message: text };
  parts.push({ type: "tool_result", callId, text, isError: failure !== undefined, bytes: sizeOf(output) });
  const returned = toolReturned({
    callKey,
    callId,
    result: output,
    failure,
    durationMillis: start === undefined || end === undefined ? undefined : end - start,
  });
  facts.push({ ...returned, twin, ...(endedAt === undefined ? {} : { at: endedAt }) });
  return { parts, facts };
};

const part = (whole: JsonObject, type: string, context: EntryContext, carry: Carry): ReadonlyArray<Fact> => {
  const messageId = idAt(whole, "messageID");
  const read = type === "tool" ? tool(whole, messageId, context, carry) : { parts: partsOf([whole]), facts: [] };
  if (messageId === undefined) return [noted(`part ${type} without a message`, stringAt(whole, "text")), ...read.facts];
  const role = arrayAt(carry, "users").includes(memo(messageId)) ? "user" : "assistant";
  return [
    {
      _tag: "MessageSaid",
      messageId,
      segment: idAt(whole, "id") ?? context.eventId,
      role,
      parts: read.parts,
      // Parts that OpenCode puts beside a person's words make no notice of them.
      isMeta: flagAt(whole, "synthetic") && stringAt(carry, "spoken") !== memo(messageId),
    },
    ...read.facts,
  ];
};

/** Remembers the message in which something was said by other than the program: its parts follow on each other. */
const spoken = (whole: JsonObject, carry: Carry): Carry => {
  const messageId = idAt(whole, "messageID");
  const isSaid = messageId !== undefined && !flagAt(whole, "synthetic");
  return isSaid && stringAt(carry, "spoken") !== memo(messageId) ? { ...carry, spoken: memo(messageId) } : carry;
};

export const opencode: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
    const role = stringAt(entry, "role");
    if (role !== undefined) return message(entry, role, context, carry);
    const type = stringAt(entry, "type");
    if (
      type !== undefined &&
      (notices.has(type) || type === "text" || type === "reasoning" || type === "file" || type === "tool")
    ) {
      if (type === "compaction")
        return {
          facts: [{ _tag: "Compacted", trigger: flagAt(entry, "auto") ? "auto" : "manual" }, noted(`part ${type}`)],
        };
      return notices.has(type)
        ? { facts: [noted(`part ${type}`)] }
        : { facts: part(entry, type, context, carry), carry: spoken(entry, carry) };
    }
    if (type === undefined && (entry["projectID"] !== undefined || entry["directory"] !== undefined))
      return session(entry, carry);
    return { facts: [notUnderstood(format, nameOf(type))] };
  },
};
