/**
 * Events of agents' hooks, whichever agent: the same things under each agent's own names.
 *
 * Room: domain.
 *
 * Read off the documentation of Claude Code 2.1 (34 events), Codex 0.163, Gemini CLI 0.30, Cursor 3.24, Copilot CLI 1 and
 * OpenCode 1.17. A field without a meaning here is kept as it came.
 */
import { isObject, type JsonObject, type JsonValue, numberAt, objectAt, stringAt } from "../../Json.ts";
import { argumentsValue, idAt } from "../facts.ts";

/** The agents whose hooks are understood; the format of their entries is this name and `-hook`. */
export const hookAgents = ["claude-code", "codex", "gemini-cli", "cursor", "copilot", "opencode"] as const;
export type HookAgent = (typeof hookAgents)[number];

export const hookFormat = (agent: HookAgent): string => `${agent}-hook`;

/** Subject of an event; undefined for the many that only say that something happened. */
export type HookMoment =
  | "sessionStarted"
  | "sessionEnded"
  | "prompted"
  | "toolCalled"
  | "toolReturned"
  | "toolFailed"
  | "answered"
  | "compacted"
  | "displayed";

/** Event names in small letters, without signs. */
const moments: Readonly<Record<string, HookMoment>> = {
  sessionstart: "sessionStarted",
  sessioncreated: "sessionStarted",
  sessionend: "sessionEnded",
  sessiondeleted: "sessionEnded",
  userpromptsubmit: "prompted",
  userpromptsubmitted: "prompted",
  beforesubmitprompt: "prompted",
  beforeagent: "prompted",
  chatmessage: "prompted",
  pretooluse: "toolCalled",
  beforetool: "toolCalled",
  toolexecutebefore: "toolCalled",
  posttooluse: "toolReturned",
  aftertool: "toolReturned",
  toolexecuteafter: "toolReturned",
  posttoolusefailure: "toolFailed",
  stop: "answered",
  agentstop: "answered",
  afteragent: "answered",
  afteragentresponse: "answered",
  postcompact: "compacted",
  sessioncompacted: "compacted",
  messagedisplay: "displayed",
};

export const momentOf = (event: string): HookMoment | undefined => {
  const name = event.toLowerCase().replaceAll(/[^a-z]/g, "");
  return Object.hasOwn(moments, name) ? moments[name] : undefined;
};

const firstString = (entry: JsonObject, ...keys: ReadonlyArray<string>): string | undefined => {
  for (const key of keys) {
    const found = stringAt(entry, key);
    if (found !== undefined && found !== "") return found;
  }
  return undefined;
};

/** The event's own name; an agent whose hooks do not say it has it added by who posts for it. */
export const eventOf = (entry: JsonObject): string | undefined =>
  firstString(entry, "hook_event_name", "hookEventName");

export const sessionOf = (entry: JsonObject): string | undefined =>
  firstString(entry, "session_id", "sessionId", "sessionID", "conversation_id");

export const cwdOf = (entry: JsonObject): string | undefined => {
  const roots = entry["workspace_roots"];
  const [first] = Array.isArray(roots) ? (roots as ReadonlyArray<JsonValue>) : [];
  return firstString(entry, "cwd", "directory") ?? (typeof first === "string" && first !== "" ? first : undefined);
};

/** The sub-agent that speaks, in a tool's or a turn's event; its beginning and end are told by its parent. */
const subAgentOf = (entry: JsonObject): string | undefined =>
  /^subagent/i.test(eventOf(entry) ?? "") ? undefined : idAt(entry, "agent_id");

/** The thread that a hook speaks of: the one of the transcript. Claude Code keeps a sub-agent's beside its session's. */
export const threadOf = (agent: HookAgent, entry: JsonObject): string | undefined => {
  const session = sessionOf(entry);
  const sub = agent === "claude-code" ? subAgentOf(entry) : undefined;
  return session === undefined || sub === undefined ? session : `${session}/agent-${sub}`;
};

export interface HookCall {
  readonly name: string;
  /** The provider's id of the call; absent where the agent does not say one. */
  readonly id: string | undefined;
  readonly arguments: JsonValue;
  readonly result: JsonValue | undefined;
  readonly error: string | undefined;
  readonly durationMillis: number | undefined;
}

const resultIn = (entry: JsonObject): JsonValue | undefined =>
  entry["tool_response"] ?? entry["tool_output"] ?? entry["toolResult"] ?? entry["tool_result"] ?? entry["output"];

/** Reason of a tool's failure, where its result says so: Gemini CLI's `error`, Copilot's `resultType`. */
const errorIn = (entry: JsonObject, result: JsonValue | undefined): string | undefined => {
  const said = firstString(entry, "error", "error_message");
  if (said !== undefined) return said;
  const inner = objectAt(result, "error");
  const text = stringAt(result, "error") ?? stringAt(inner, "message");
  if (text !== undefined && text !== "") return text;
  const type = stringAt(result, "resultType");
  return type === "failure" || type === "denied" ? (stringAt(result, "textResultForLlm") ?? type) : undefined;
};

/** The tool call that an event tells of. */
export const callOf = (entry: JsonObject): HookCall | undefined => {
  const name = firstString(entry, "tool_name", "toolName", "tool");
  if (name === undefined) return undefined;
  const result = resultIn(entry);
  return {
    name,
    id: firstString(entry, "tool_use_id", "toolUseId", "toolCallId", "callID"),
    arguments: argumentsValue(entry["tool_input"] ?? entry["toolArgs"] ?? entry["args"]),
    result: isObject(result) && typeof result["textResultForLlm"] === "string" ? result["textResultForLlm"] : result,
    error: errorIn(entry, result),
    durationMillis: numberAt(entry, "duration_ms") ?? numberAt(entry, "duration"),
  };
};

/** Words of the person, or of the agent at the end of its turn. */
export const promptIn = (entry: JsonObject): string | undefined => firstString(entry, "prompt", "userPrompt");
export const answerIn = (entry: JsonObject): string | undefined =>
  firstString(entry, "last_assistant_message", "prompt_response", "text");
