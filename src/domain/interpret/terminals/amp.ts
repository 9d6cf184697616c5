/**
 * Amp's threads: a JSON object around its messages, in Anthropic's blocks with Amp's own tool results.
 *
 * Room: domain.
 *
 * A message is known by its `messageId`, a number from 0; a thread that goes on is written anew with the same numbers. A
 * result holds how the tool ran (`run`: status, result or error). Usage stands on the answer it was taken for.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import {
  arrayAt,
  countAt,
  isObject,
  type JsonObject,
  type JsonValue,
  numberAt,
  objectAt,
  stringAt,
} from "../../Json.ts";
import { type Failure, threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { describe } from "../describe.ts";
import { idAt, jsonText, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { partsOf } from "../parts.ts";
import { documentInterpreter, withText } from "../documents.ts";

const format = "amp";

interface Read {
  readonly parts: ReadonlyArray<Part>;
  readonly facts: ReadonlyArray<Fact>;
}

const result = (block: JsonObject, { threadId }: EntryContext): Read => {
  const callId = idAt(block, "toolUseID") ?? idAt(block, "tool_use_id") ?? "";
  const run = objectAt(block, "run");
  const status = stringAt(run, "status") ?? "";
  const value: JsonValue | undefined = run?.["result"] ?? run?.["error"] ?? block["content"];
  const text =
    typeof value === "string" ? value : value === undefined ? "" : (stringAt(value, "output") ?? jsonText(value));
  const isError = status === "error" || status === "rejected-by-user" || status === "cancelled";
  const failure: Failure | undefined = isError
    ? { type: status, message: stringAt(objectAt(run, "error"), "message") ?? text }
    : undefined;
  return {
    parts: [{ type: "tool_result", callId, text, isError, bytes: sizeOf(value) }],
    facts: [toolReturned({ callKey: threadKey(threadId, callId), callId, result: value, failure })],
  };
};

const read = (block: JsonValue, messageId: string, context: EntryContext): Read => {
  const type = stringAt(block, "type");
  if (!isObject(block) || (type !== "tool_use" && type !== "tool_result"))
    return { parts: partsOf([block]), facts: [] };
  if (type === "tool_result") return result(block, context);
  const callId = idAt(block, "id") ?? "";
  const about = { callId, name: stringAt(block, "name") ?? "", arguments: block["input"] };
  const callKey = threadKey(context.threadId, callId);
  return { parts: [toolUse(about)], facts: [toolCalled({ ...about, callKey, messageId })] };
};

const message = (said: JsonObject, role: string, context: EntryContext, carry: Carry): Interpretation => {
  const number = numberAt(said, "messageId");
  const messageId = number === undefined ? context.eventId : `message ${number}`;
  const counted = objectAt(said, "usage");
  const model = stringAt(counted, "model");
  const facts: Array<Fact> = [];
  const after = describe(facts, carry, { model });
  const pieces = arrayAt(said, "content").map((block) => read(block, messageId, context));
  facts.push({
    _tag: "MessageSaid",
    messageId,
    segment: "",
    role,
    parts: pieces.flatMap(({ parts }) => parts),
    model,
    stopReason: stringAt(objectAt(said, "state"), "stopReason"),
  });
  for (const piece of pieces) facts.push(...piece.facts);
  if (counted !== undefined)
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${messageId}`,
      providerMessageId: messageId,
      messageId,
      model,
      usage: {
        input: countAt(counted, "inputTokens") ?? null,
        output: countAt(counted, "outputTokens") ?? null,
        cacheRead: countAt(counted, "cacheReadInputTokens") ?? null,
        cacheWrite: countAt(counted, "cacheCreationInputTokens") ?? null,
      },
    });
  return { facts, carry: after };
};

/** The folder that a thread was begun in, as a path. */
const folderOf = (frame: JsonObject): string | undefined => {
  const [tree] = arrayAt(objectAt(objectAt(frame, "env"), "initial"), "trees");
  const uri = stringAt(tree, "uri");
  return uri?.startsWith("file://") ? uri.slice("file://".length) : uri;
};

export const amp: Interpreter = documentInterpreter({
  format,
  described: (frame) => ({ client: { name: format }, title: stringAt(frame, "title"), cwd: folderOf(frame) }),
  element: withText("role", message),
});
