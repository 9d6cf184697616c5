/**
 * Tool calls and their results in formats that join them by an id, or by order where the id is not unique.
 *
 * Room: domain.
 *
 * A thread's carry holds the calls that wait for an answer (`open`), so that a result joins the nearest call before
 * it: tau-bench uses one id for several different calls of a conversation.
 */
import type { Part } from "../thread/Content.ts";
import type { ToolHasReturned, ToolWasCalled } from "../Fact.ts";
import { latest } from "../EntryTimes.ts";
import { shortId } from "../Truncate.ts";
import type { JsonValue } from "../Json.ts";
import { argumentsText, argumentsValue, errorText, resultText, serverOf, sizeOf } from "./facts.ts";
import type { Carry } from "./Interpreter.ts";
import { memo, type Pair, pairsAt, withList } from "./memory.ts";

/** A call's id in its thread: the key of formats whose ids are unique there. */
export const threadKey = (threadId: string, callId: string): string => `${threadId} ${shortId(callId)}`;

interface ToolCall {
  readonly callKey: string;
  readonly callId: string;
  readonly name: string;
  readonly server?: string | undefined;
  /** A value, or JSON in a string; a string that is no JSON is kept as a string. */
  readonly arguments: JsonValue | undefined;
  readonly messageId?: string | undefined;
}

export const toolCalled = (call: ToolCall): ToolWasCalled => ({
  _tag: "ToolWasCalled",
  callKey: call.callKey,
  callId: call.callId,
  name: call.name,
  server: call.server ?? serverOf(call.name),
  arguments: argumentsText(call.arguments),
  messageId: call.messageId,
});

/** The part of a message that asks for a call. */
export const toolUse = (call: Pick<ToolCall, "callId" | "name" | "server" | "arguments">): Part => ({
  type: "tool_use",
  callId: call.callId,
  name: call.name,
  server: call.server ?? serverOf(call.name) ?? null,
  arguments: argumentsValue(call.arguments),
});

/** Reason of a failed call: a word to group by and a message to read. */
export interface Failure {
  readonly type: string;
  readonly message: string;
}

/** A time between two moments that can be written as dates. */
const isDuration = (millis: number | undefined): millis is number =>
  millis !== undefined && millis >= 0 && millis <= latest;

export const toolReturned = (result: {
  readonly callKey: string;
  readonly callId: string;
  /** The whole result, as written: its size is counted. */
  readonly result: JsonValue | undefined;
  /** Its readable form, where the format keeps that in a way of its own. */
  readonly text?: string | undefined;
  readonly failure?: Failure | undefined;
  readonly durationMillis?: number | undefined;
}): ToolHasReturned => ({
  _tag: "ToolHasReturned",
  callKey: result.callKey,
  callId: result.callId,
  outcome: result.failure === undefined ? "ok" : "error",
  errorType: result.failure?.type,
  errorMessage: result.failure === undefined ? undefined : errorText(result.failure.message),
  resultBytes: sizeOf(result.result),
  result: result.text ?? resultText(result.result),
  durationMillis: isDuration(result.durationMillis) ? result.durationMillis : undefined,
});

/** A call that waits: its id, and a mark that tells it from other calls of the same id. */
interface OpenCall {
  readonly callId: string;
  readonly mark: string;
}

/** Remembers the calls of one entry. An id used again ends the wait of its earlier call: that one was never answered. */
export const openCalls = (carry: Carry, calls: ReadonlyArray<OpenCall>): Carry => {
  if (calls.length === 0) return carry;
  const fresh = calls.map(({ callId, mark }): Pair => [memo(callId), mark]);
  const again = new Set(fresh.map(([id]) => id));
  return withList(carry, "open", [...pairsAt(carry, "open").filter(([id]) => !again.has(id)), ...fresh]);
};

/** The mark of the call that a result answers: the one waiting under that id, oldest first; undefined when none waits. */
export const answerCall = (
  carry: Carry,
  callId: string,
): { readonly mark: string | undefined; readonly carry: Carry } => {
  const pairs = pairsAt(carry, "open");
  const id = memo(callId);
  const found = pairs.find(([waiting]) => waiting === id);
  if (found === undefined) return { mark: undefined, carry };
  return {
    mark: found[1],
    carry: withList(
      carry,
      "open",
      pairs.filter((pair) => pair !== found),
    ),
  };
};

/** For formats without ids: the id of the call that has waited longest. */
export const answerOldest = (carry: Carry): { readonly callId: string | undefined; readonly carry: Carry } => {
  const [first, ...rest] = pairsAt(carry, "open");
  return first === undefined
    ? { callId: undefined, carry }
    : { callId: first[0], carry: withList(carry, "open", rest) };
};
