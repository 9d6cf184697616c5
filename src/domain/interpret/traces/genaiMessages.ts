/**
 * Messages as traces carry them: a list with each call of a model, which repeats the whole conversation so far.
 *
 * Room: domain.
 *
 * A trace gives its messages no ids. A message's id is a digest of what it says and of how many equal ones stood before
 * it in its list, so a message that is sent again with the next call is the same message, whatever it is wrapped in.
 * Shapes: OpenTelemetry's `{role, parts}`, OpenAI's `{role, content, tool_calls}`, Gemini's `{role, parts: [{text}]}`.
 */
import { createHash } from "node:crypto";
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { idAt, jsonText, parsed, sizeOf } from "../facts.ts";
import type { EntryContext } from "../Interpreter.ts";
import { partsOf, wordsOf } from "../parts.ts";

interface Read {
  readonly parts: ReadonlyArray<Part>;
  readonly calls: ReadonlyArray<{
    readonly callId: string;
    readonly name: string;
    readonly arguments: JsonValue | undefined;
  }>;
  readonly results: ReadonlyArray<{ readonly callId: string; readonly result: JsonValue | undefined }>;
}

const nothing: Read = { parts: [], calls: [], results: [] };

const called = (callId: string, name: string, given: JsonValue | undefined): Read => {
  const call = { callId, name, arguments: given };
  return { ...nothing, parts: [toolUse(call)], calls: [call] };
};

const resultText = (result: JsonValue | undefined): string =>
  typeof result === "string" ? result : wordsOf(result).join("\n") || jsonText(result);

const returned = (callId: string, result: JsonValue | undefined): Read => ({
  ...nothing,
  parts: [{ type: "tool_result", callId, text: resultText(result), isError: false, bytes: sizeOf(result) }],
  results: [{ callId, result }],
});

/** A part in OpenTelemetry's or Gemini's shape, else a block of a chat API. */
const partOf = (part: JsonValue): Read => {
  if (!isObject(part)) return { ...nothing, parts: partsOf([part]) };
  const asked = objectAt(part, "function_call") ?? objectAt(part, "functionCall");
  if (asked !== undefined) return called(idAt(asked, "id") ?? "", stringAt(asked, "name") ?? "", asked["args"]);
  const toolName = stringAt(part, "toolName");
  if (toolName !== undefined && "input" in part) {
    const input = part["input"];
    return called(
      idAt(part, "toolCallId") ?? "",
      toolName,
      typeof input === "string" ? (parsed(input) ?? input) : input,
    );
  }
  switch (stringAt(part, "type")) {
    case "text":
      return { ...nothing, parts: [{ type: "text", text: stringAt(part, "content") ?? stringAt(part, "text") ?? "" }] };
    case "reasoning":
    case "thinking":
      return {
        ...nothing,
        parts: [{ type: "thinking", text: stringAt(part, "content") ?? stringAt(part, "thinking") ?? "" }],
      };
    case "tool_call":
    case "tool_use":
      return called(idAt(part, "id") ?? "", stringAt(part, "name") ?? "", part["arguments"] ?? part["input"]);
    case "tool_call_response":
    case "tool_result":
      return returned(
        idAt(part, "id") ?? idAt(part, "tool_use_id") ?? "",
        part["response"] ?? part["result"] ?? part["content"],
      );
    default:
      return { ...nothing, parts: partsOf([part]) };
  }
};

const joined = (reads: ReadonlyArray<Read>): Read => ({
  parts: reads.flatMap(({ parts }) => parts),
  calls: reads.flatMap(({ calls }) => calls),
  results: reads.flatMap(({ results }) => results),
});

const roles: Readonly<Record<string, string>> = {
  model: "assistant",
  ai: "assistant",
  human: "user",
  developer: "system",
};

const readMessage = (message: JsonObject, role: string): Read => {
  const parts = message["parts"];
  if (Array.isArray(parts)) return joined((parts as ReadonlyArray<JsonValue>).map(partOf));
  const content = message["content"];
  if (role === "tool" || role === "function")
    return returned(idAt(message, "tool_call_id") ?? idAt(message, "id") ?? "", content);
  const said = Array.isArray(content)
    ? joined((content as ReadonlyArray<JsonValue>).map(partOf))
    : { ...nothing, parts: partsOf(content) };
  const extra = objectAt(message, "additional_kwargs");
  const asked = [
    ...arrayAt(message, "tool_calls"),
    ...(message["tool_calls"] === undefined ? arrayAt(extra, "tool_calls") : []),
  ];
  return joined([
    said,
    ...asked.map((call) => {
      const inner = objectAt(call, "function") ?? call;
      return called(
        idAt(call, "id") ?? "",
        stringAt(inner, "name") ?? "",
        isObject(inner) ? (inner["arguments"] ?? inner["args"]) : undefined,
      );
    }),
  ]);
};

/** The same words are the same message: `thinking` and what a provider adds besides are none of it. */
const digestOf = (role: string, { parts }: Read): string =>
  createHash("sha256")
    .update(jsonText([role, parts as unknown as JsonValue]))
    .digest("hex")
    .slice(0, 24);

/** Lists and wrappers around a message: a framework has two. */
const deepest = 8;

export interface Told {
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  readonly stopReason?: string | undefined;
}

/** Makes facts of lists of messages; one for all lists of one call, so that equal messages in it stay several. */
export class TraceMessages {
  private readonly seen = new Map<string, number>();
  private readonly context: EntryContext;
  readonly facts: Array<Fact> = [];
  /** The last message that was said. */
  lastId: string | undefined;

  constructor(context: EntryContext) {
    this.context = context;
  }

  /** `value` is a list, one message, a JSON text of either, or plain words. */
  say(value: JsonValue | undefined, role: string, told: Told = {}, depth = 0): void {
    const read = typeof value === "string" ? (parsed(value) ?? value) : value;
    if (read === undefined || read === null || read === "" || depth > deepest) return;
    if (Array.isArray(read) && (read as ReadonlyArray<JsonValue>).some((one) => isObject(one) && "role" in one)) {
      for (const one of read as ReadonlyArray<JsonValue>) this.say(one, role, told, depth + 1);
      return;
    }
    const inner = objectAt(read, "message");
    if (inner !== undefined && ("role" in inner || "content" in inner)) {
      this.say(inner, role, { ...told, stopReason: stringAt(read, "finish_reason") ?? told.stopReason }, depth + 1);
      return;
    }
    if (isObject(read) && ("role" in read || "content" in read || "parts" in read)) this.one(read, role, told);
    else this.one({ content: Array.isArray(read) || typeof read === "string" ? read : jsonText(read) }, role, told);
  }

  private one(message: JsonObject, role: string, told: Told): void {
    const named = stringAt(message, "role") ?? role;
    const said = (Object.hasOwn(roles, named) ? roles[named] : undefined) ?? named;
    const read = readMessage(message, said);
    if (read.parts.length === 0) return;
    const digest = digestOf(said, read);
    const nth = (this.seen.get(digest) ?? 0) + 1;
    this.seen.set(digest, nth);
    const messageId = nth === 1 ? digest : `${digest} ${nth}`;
    this.lastId = messageId;
    const isAnswer = said === "assistant";
    this.facts.push({
      _tag: "MessageSaid",
      messageId,
      segment: "",
      role: said,
      parts: read.parts,
      author: stringAt(message, "name"),
      model: isAnswer ? told.model : undefined,
      provider: isAnswer ? told.provider : undefined,
      stopReason: isAnswer ? (stringAt(message, "finish_reason") ?? told.stopReason) : undefined,
    });
    for (const [index, call] of read.calls.entries()) {
      const callKey = this.keyOf(call.callId, `${messageId} ${index}`);
      this.facts.push(toolCalled({ ...call, callKey, messageId }));
    }
    for (const [index, { callId, result }] of read.results.entries())
      this.facts.push(toolReturned({ callKey: this.keyOf(callId, `${messageId} ${index}`), callId, result }));
  }

  private keyOf(callId: string, otherwise: string): string {
    return threadKey(this.context.threadId, callId === "" ? otherwise : callId);
  }
}
