/**
 * Tool calls and their results in formats that join them by an id, or by order where the id is not unique.
 *
 * Room: domain. In: Fact, Interpreter. Out: the interpreters.
 *
 * A thread's carry holds the calls that wait for an answer (`open`), so that a result joins the nearest call before
 * it: tau-bench uses one id for several different calls of a conversation.
 */
import type { ToolHasReturned, ToolWasCalled } from "../Fact.ts";
import { arrayAt, type JsonValue } from "../Json.ts";
import { argumentsText, errorText, serverOf, shortId, sizeOf } from "./facts.ts";
import type { Carry } from "./Interpreter.ts";

/** Calls that may wait at once; more are forgotten, oldest first. Parallel calls of one message are below 32 in all data seen. */
const maxOpen = 64;

/** A call's id in its thread: the key of formats whose ids are unique there. */
export const threadKey = (threadId: string, callId: string): string => `${threadId} ${shortId(callId)}`;

export const toolCalled = (call: {
  readonly callKey: string;
  readonly callId: string;
  readonly name: string;
  readonly server?: string | undefined;
  /** A value, or JSON in a string; a string that is no JSON is kept as a string. */
  readonly arguments: JsonValue | undefined;
  readonly messageId?: string | undefined;
}): ToolWasCalled => ({
  _tag: "ToolWasCalled",
  callKey: call.callKey,
  callId: call.callId,
  name: call.name,
  server: call.server ?? serverOf(call.name),
  arguments: argumentsText(call.arguments),
  messageId: call.messageId,
});

/** Why a call failed: a word to group by and a message to read. */
export interface Failure {
  readonly type: string;
  readonly message: string;
}

export const toolReturned = (result: {
  readonly callKey: string;
  readonly callId: string;
  /** The whole result, as written: its size is counted. */
  readonly result: JsonValue | undefined;
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
  durationMillis: result.durationMillis !== undefined && result.durationMillis >= 0 ? result.durationMillis : undefined,
});

interface OpenCall {
  readonly callId: string;
  readonly callKey: string;
}

type Pair = readonly [string, string];

/** Pairs of strings kept under a name in a carry: an object would order ids that look like numbers. */
export const pairsAt = (carry: Carry, name: string): ReadonlyArray<Pair> =>
  arrayAt(carry, name).flatMap((pair): ReadonlyArray<Pair> => {
    if (!Array.isArray(pair)) return [];
    const [first, second] = pair as ReadonlyArray<JsonValue>;
    return typeof first === "string" && typeof second === "string" ? [[first, second]] : [];
  });

/** Remembers the calls of one entry. An id used again ends the wait of its earlier call: that one was never answered. */
export const openCalls = (carry: Carry, calls: ReadonlyArray<OpenCall>): Carry => {
  if (calls.length === 0) return carry;
  const fresh = calls.map(({ callId, callKey }): Pair => [shortId(callId), callKey]);
  const again = new Set(fresh.map(([id]) => id));
  const waiting = pairsAt(carry, "open").filter(([id]) => !again.has(id));
  return { ...carry, open: [...waiting, ...fresh].slice(-maxOpen) };
};

const without = (carry: Carry, pairs: ReadonlyArray<Pair>, index: number): Carry => {
  const { open: _open, ...rest } = carry;
  return pairs.length === 1 ? rest : { ...rest, open: pairs.filter((_, at) => at !== index) };
};

/** Which call a result answers: the one waiting under that id, oldest first; undefined when none waits. */
export const answerCall = (carry: Carry, callId: string): { readonly callKey: string | undefined; readonly carry: Carry } => {
  const pairs = pairsAt(carry, "open");
  const index = pairs.findIndex(([id]) => id === shortId(callId));
  const found = pairs[index];
  return found === undefined ? { callKey: undefined, carry } : { callKey: found[1], carry: without(carry, pairs, index) };
};

/** For formats without ids: the result answers the call that has waited longest. */
export const answerOldest = (carry: Carry): { readonly call: OpenCall | undefined; readonly carry: Carry } => {
  const pairs = pairsAt(carry, "open");
  const first = pairs[0];
  return first === undefined
    ? { call: undefined, carry }
    : { call: { callId: first[0], callKey: first[1] }, carry: without(carry, pairs, 0) };
};
