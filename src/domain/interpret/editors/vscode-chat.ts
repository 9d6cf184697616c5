/**
 * VS Code's chat sessions (GitHub Copilot): a JSON object around its requests, and the log of mutations since 1.109.
 *
 * Room: domain.
 *
 * A line of the log is the whole state (kind 0), a value set (1), elements appended behind the first `i` (2), or a value
 * deleted (3), each at the path `k`. The state that is remembered is small: the ids of the newest requests, and how
 * many pieces their answers have. A piece that is cut off again says nothing any more.
 */
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
import { describe } from "../describe.ts";
import { idAt, noted, notUnderstood } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { memo, withList } from "../memory.ts";
import {
  answerId,
  askedFacts,
  countedFacts,
  countNames,
  modelOf,
  pieceFacts,
  requestFacts,
  resultFacts,
} from "./vscodeRequest.ts";

const format = "vscode-chat";

/** Requests that are remembered: later mutations touch the last one, as a rule. */
const mostRequests = 40;

/** A remembered request: its id, the pieces its answer has, its model. */
type Known = readonly [id: string, pieces: number, model: string];

const known = (carry: Carry): ReadonlyArray<Known> =>
  arrayAt(carry, "requests").flatMap((one): ReadonlyArray<Known> => {
    const [id, pieces, model] = Array.isArray(one) ? (one as ReadonlyArray<JsonValue>) : [];
    return typeof id === "string" && typeof pieces === "number" && typeof model === "string"
      ? [[id, pieces, model]]
      : [];
  });

/** The state: `first` is the index of the first request that is remembered. */
interface State {
  readonly first: number;
  readonly requests: ReadonlyArray<Known>;
}

const stateOf = (carry: Carry): State => ({ first: countAt(carry, "first") ?? 0, requests: known(carry) });

const remember = (carry: Carry, { first, requests }: State): Carry => {
  const dropped = Math.max(0, requests.length - mostRequests);
  return { ...withList(carry, "requests", requests.slice(dropped)), first: first + dropped };
};

const idOf = (request: JsonValue, index: number): string => idAt(request, "requestId") ?? `request ${index}`;

const knownOf = (request: JsonValue, index: number): Known => [
  memo(idOf(request, index)),
  arrayAt(request, "response").length,
  memo(modelOf(request) ?? ""),
];

const described = (state: JsonObject, facts: Array<Fact>, carry: Carry): Carry =>
  describe(facts, carry, {
    title: stringAt(state, "customTitle"),
    session: stringAt(state, "sessionId"),
  });

/** Requests that are there from `from` on. */
const requestsFrom = (requests: ReadonlyArray<JsonValue>, from: number, context: EntryContext): ReadonlyArray<Fact> =>
  requests.flatMap((request, index) =>
    isObject(request) ? requestFacts(request, memo(idOf(request, from + index)), context) : [],
  );

const whole = (state: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const after = described(state, facts, carry);
  const requests = arrayAt(state, "requests");
  facts.push(noted("conversation"), ...requestsFrom(requests, 0, context));
  return { facts, carry: remember(after, { first: 0, requests: requests.map(knownOf) }) };
};

/** Pieces of an answer from `start` on; those behind them, up to the old end, are gone. */
const pieces = (
  values: ReadonlyArray<JsonValue>,
  start: number,
  [requestId, before, model]: Known,
  context: EntryContext,
): ReadonlyArray<Fact> => {
  const about = { requestId, context, ...(model === "" ? {} : { model }) };
  const gone = Array.from({ length: Math.max(0, before - start - values.length) }, (_, index): Fact => ({
    _tag: "MessageSaid",
    messageId: answerId(requestId),
    segment: String(start + values.length + index),
    role: "assistant",
    parts: [],
  }));
  return [...values.flatMap((piece, index) => pieceFacts(piece, start + index, about)), ...gone];
};

/** A mutation inside one request. */
const inRequest = (
  { index, key, place }: { readonly index: number; readonly key: string; readonly place: JsonValue | undefined },
  line: JsonObject,
  context: EntryContext,
  carry: Carry,
): Interpretation => {
  const state = stateOf(carry);
  const one = state.requests[index - state.first];
  if (one === undefined) return { facts: [noted(`mutation of ${key} in an earlier request`)] };
  const [requestId, count, model] = one;
  const changed = (next: Known): Carry =>
    remember(carry, { ...state, requests: state.requests.map((each) => (each === one ? next : each)) });
  const value = line["v"] ?? null;
  const values = Array.isArray(value) ? (value as ReadonlyArray<JsonValue>) : [];
  if (key === "response") {
    if (typeof place === "number")
      return { facts: [...pieces([value], place, [requestId, 0, model], context), noted("mutation")] };
    const start = line["kind"] === 2 ? Math.min(count, countAt(line, "i") ?? count) : 0;
    const facts = pieces(values, start, one, context);
    return { facts: [...facts, noted("mutation")], carry: changed([requestId, start + values.length, model]) };
  }
  if (key === "modelId" && typeof value === "string")
    return { facts: [noted("mutation")], carry: changed([requestId, count, memo(value)]) };
  if (key === "message") return { facts: askedFacts({ message: value }, requestId) };
  if (key === "result") {
    const facts = place === undefined ? resultFacts(value, requestId, model === "" ? undefined : model, context) : [];
    return { facts: [...facts, noted("mutation")] };
  }
  if (countNames.has(key) && place === undefined)
    return {
      facts: [
        ...countedFacts({ [key]: value }, requestId, model === "" ? undefined : model, context),
        noted("mutation"),
      ],
    };
  return { facts: [noted("mutation")] };
};

const mutation = (line: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const [root, index, key, place] = arrayAt(line, "k");
  const value = line["v"] ?? null;
  if (root === "customTitle" && typeof value === "string") {
    const facts: Array<Fact> = [];
    const after = describe(facts, carry, { title: value });
    return { facts: [...facts, noted("title", value)], carry: after };
  }
  if (root !== "requests") return { facts: [noted("mutation")] };
  const state = stateOf(carry);
  if (typeof index === "number" && typeof key === "string")
    return inRequest({ index, key, place }, line, context, carry);
  const values = typeof index === "number" ? [value] : Array.isArray(value) ? (value as ReadonlyArray<JsonValue>) : [];
  const end = state.first + state.requests.length;
  const from = typeof index === "number" ? index : line["kind"] === 2 ? Math.min(end, countAt(line, "i") ?? end) : 0;
  const kept = state.requests.slice(0, Math.max(0, from - state.first));
  const later = typeof index === "number" ? state.requests.slice(from - state.first + 1) : [];
  const fresh = values.map((request, at) => knownOf(request, from + at));
  return {
    facts: [noted("mutation"), ...requestsFrom(values, from, context)],
    carry: remember(carry, { first: Math.min(state.first, from), requests: [...kept, ...fresh, ...later] }),
  };
};

export const vscodeChat: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
    if (context.place === "frame") {
      const facts: Array<Fact> = [];
      const after = described(entry, facts, carry);
      return { facts: [...facts, noted("conversation")], carry: after };
    }
    const kind = numberAt(entry, "kind");
    if (context.place !== "element" && kind !== undefined) {
      const state = objectAt(entry, "v");
      if (kind === 0)
        return state === undefined ? { facts: [notUnderstood(format, "no state")] } : whole(state, context, carry);
      return kind === 3 ? { facts: [noted("mutation")] } : mutation(entry, context, carry);
    }
    const requestId = idAt(entry, "requestId") ?? context.eventId;
    if (!("message" in entry)) return { facts: [notUnderstood(format, "request without a message")] };
    return { facts: requestFacts(entry, memo(requestId), context) };
  },
};
