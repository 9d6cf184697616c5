/**
 * Anthropic content blocks: parts, tool calls and tool results of one message.
 *
 * Room: domain.
 */
import type { Part } from "../thread/Content.ts";
import type { Fact } from "../Fact.ts";
import { flagAt, isObject, type JsonObject, type JsonValue, stringAt } from "../Json.ts";
import { type Failure, toolCalled, toolReturned, toolUse } from "./calls.ts";
import { idAt, sizeOf } from "./facts.ts";
import { partsOf, wordsOf } from "./parts.ts";

/** A word for why a tool failed, from how Claude Code begins the result's text. */
const failureType = (text: string): string =>
  text.startsWith("Exit code ")
    ? "exit_code"
    : text.startsWith("<tool_use_error>")
      ? "tool_use_error"
      : text.startsWith("The user doesn't want to") || text.startsWith("[Request interrupted")
        ? "rejected"
        : "error";

const isCall = (type: string): boolean => type === "tool_use" || type === "server_tool_use" || type === "mcp_tool_use";
const isResult = (type: string): boolean => type === "tool_result" || type.endsWith("_tool_result");

export interface BlockContext {
  readonly messageId: string;
  /** The key of a call by its id; the id is "" where none is written. */
  readonly callKey: (callId: string, index: number) => string;
  readonly durationMillis?: number | undefined;
}

const call = (
  block: JsonObject,
  index: number,
  context: BlockContext,
): { readonly part: Part; readonly fact: Fact } => {
  const callId = idAt(block, "id") ?? "";
  const asked = {
    callId,
    name: stringAt(block, "name") ?? "",
    server: stringAt(block, "server_name"),
    arguments: block["input"],
  };
  return {
    part: toolUse(asked),
    fact: toolCalled({ ...asked, callKey: context.callKey(callId, index), messageId: context.messageId }),
  };
};

/** The readable form of a tool's result: its texts, or the JSON-free nothing of an image. */
const result = (
  block: JsonObject,
  index: number,
  context: BlockContext,
): { readonly part: Part; readonly fact: Fact } => {
  const callId = idAt(block, "tool_use_id") ?? "";
  const content = block["content"];
  const text = wordsOf(content).join("\n");
  const inner = isObject(content) ? stringAt(content, "error_code") : undefined;
  const failure: Failure | undefined = flagAt(block, "is_error")
    ? { type: failureType(text), message: text }
    : inner === undefined
      ? undefined
      : { type: inner, message: inner };
  return {
    part: { type: "tool_result", callId, text, isError: failure !== undefined, bytes: sizeOf(content) },
    fact: toolReturned({
      callKey: context.callKey(callId, index),
      callId,
      result: content,
      text: text === "" ? undefined : text,
      failure,
      durationMillis: context.durationMillis,
    }),
  };
};

/** Reads the content of one message: a string or blocks. */
export const readBlocks = (
  content: JsonValue | undefined,
  context: BlockContext,
): { readonly parts: ReadonlyArray<Part>; readonly facts: ReadonlyArray<Fact> } => {
  if (!Array.isArray(content)) return { parts: partsOf(content), facts: [] };
  const parts: Array<Part> = [];
  const facts: Array<Fact> = [];
  for (const [index, block] of (content as ReadonlyArray<JsonValue>).entries()) {
    const type = stringAt(block, "type") ?? "";
    if (isObject(block) && (isCall(type) || isResult(type))) {
      const { part, fact } = isCall(type) ? call(block, index, context) : result(block, index, context);
      parts.push(part);
      facts.push(fact);
    } else {
      parts.push(...partsOf([block]));
    }
  }
  return { parts, facts };
};
