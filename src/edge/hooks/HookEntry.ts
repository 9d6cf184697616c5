/**
 * A hook's payload as the entry that is kept: whose thread it is of, and no more of it than a hook is for.
 *
 * Room: edge.
 *
 * Decision: texts beyond 32 KiB are cut, because a hook repeats whole tool results that the transcript has (the largest of a
 * real corpus has 115 KB), and the store would hold them twice; what is cut is named with its size.
 */
import { cutText } from "../../domain/secret/CutText.ts";
import { createHash } from "node:crypto";
import { keepsRequest, keepsResponse, type Level } from "../../domain/audit/AuditPolicy.ts";
import { fromContent } from "../../domain/EventId.ts";
import { isObject, type JsonObject, type JsonValue } from "../../domain/Json.ts";
import {
  callOf,
  eventOf,
  type HookAgent,
  hookFormat,
  momentOf,
  threadOf,
} from "../../domain/interpret/hooks/hookEvent.ts";
import { serverOf } from "../../domain/interpret/facts.ts";
import { boundedId } from "../import/ThreadIds.ts";

/** Longest text of a payload that is kept, in UTF-16 units. */
const mostText = 32 * 1024;
/** Deeper values are kept as a word: no agent nests so deep. */
const mostDepth = 64;

export interface HookEntry {
  readonly threadId: string;
  readonly event: string;
  /** The same hook sent again is the same event; absent where nothing tells two apart. */
  readonly id: string | undefined;
  readonly data: { readonly format: string; readonly entry: JsonObject };
}

const bounded = (value: JsonValue, depth = 0): JsonValue => {
  if (typeof value === "string")
    return value.length <= mostText ? value : `${cutText(value, mostText)} … (${value.length} characters in all)`;
  if (typeof value !== "object" || value === null) return value;
  if (depth >= mostDepth) return "… (nested deeper)";
  if (Array.isArray(value)) return (value as ReadonlyArray<JsonValue>).map((one) => bounded(one, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, bounded(one, depth + 1)]));
};

/** A name for what a hook without a session says: one for each agent and folder. */
const nameless = (agent: HookAgent, entry: JsonObject): string =>
  `${agent}-hooks/${createHash("sha256")
    .update(JSON.stringify(entry["cwd"] ?? ""))
    .digest("hex")
    .slice(0, 12)}`;

/** The entry; a sentence where the payload is none; undefined for what is answered and not kept. */
export const hookEntry = (
  agent: HookAgent,
  payload: unknown,
  named: string | undefined,
): HookEntry | string | undefined => {
  if (!isObject(payload)) return "the payload is no JSON object";
  const event = eventOf(payload) ?? named;
  if (event === undefined) return "the payload has no hook_event_name, and the address names no event";
  // Pieces of an answer while it is shown: the whole of it comes with the end of the turn.
  if (momentOf(event) === "displayed") return undefined;
  const said: JsonObject = eventOf(payload) === undefined ? { hook_event_name: event, ...payload } : payload;
  const entry = bounded(said) as JsonObject;
  const threadId = boundedId(threadOf(agent, said) ?? nameless(agent, said));
  const call = callOf(said)?.id;
  const id = call === undefined ? undefined : fromContent("hook", agent, threadId, event, call);
  return { threadId, event, id, data: { format: hookFormat(agent), entry } };
};

/** The tool that an entry is about, and its server. */
export const toolOf = (
  entry: JsonObject,
): { readonly tool: string | undefined; readonly server: string | undefined } => {
  const tool = callOf(entry)?.name;
  return { tool, server: tool === undefined ? undefined : serverOf(tool) };
};

const requestFields = new Set(["tool_input", "toolArgs", "args", "prompt", "userPrompt"]);
const responseFields = new Set([
  "tool_response",
  "tool_output",
  "toolResult",
  "tool_result",
  "output",
  "last_assistant_message",
  "prompt_response",
  "text",
]);

/** The entry as the audit policy wants it: without what was asked, or what was answered. */
export const audited = (entry: JsonObject, level: Level): JsonObject => {
  const isLeft = (key: string): boolean =>
    (keepsRequest(level) || !requestFields.has(key)) && (keepsResponse(level) || !responseFields.has(key));
  const keys = Object.keys(entry);
  return keys.every(isLeft) ? entry : Object.fromEntries(Object.entries(entry).filter(([key]) => isLeft(key)));
};
