/**
 * Messages between an editor and an agent in the Agent Client Protocol (version 1, as its SDK 2.4 has it), as events of
 * threads: prompts, answers, thoughts, tool calls, permissions.
 *
 * Room: edge.
 *
 * It never throws, whatever a line holds. An answer comes in chunks and is one message: told when something else follows, or its
 * prompt is answered. Messages that an agent repeats while it loads a session were said before, and are not recorded again.
 *
 * Decision: the thread of a session is `acp/<session>`, a child of `<session>`, because an agent may keep a transcript under the
 * session's own id, in which the same calls stand; in one thread they would count twice.
 */
import { cutText } from "../../../domain/secret/CutText.ts";
import { isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../../domain/Json.ts";
import type { Program } from "../../../domain/thread/Content.ts";
import { contentsOf, joined, paramsOf, partOf, partsOf, programOf } from "./AcpContent.ts";
import {
  type AcpState,
  type Asked,
  bounded,
  type Call,
  fresh,
  mostAsked,
  mostCalls,
  mostSessions,
  type Session,
} from "./AcpState.ts";
import type { Line } from "../Lines.ts";
import type { Direction, Moment, Observation } from "../Traffic.ts";

type Told = Extract<Observation, { _tag: "Told" }>;

/** An answer beyond this is told in pieces, UTF-16 units. */
const mostUnits = 4 * 1024 * 1024;
const maxMessageLength = 500;
const quietUpdates: ReadonlySet<string> = new Set(["available_commands_update", "user_message_chunk"]);
const ended: ReadonlySet<string> = new Set(["completed", "failed"]);

/** A key of an object for a name from outside, which may be `__proto__`. */
const named = (name: string): string => `= ${name}`;

const isKey = (id: JsonValue | undefined): id is string | number => typeof id === "string" || typeof id === "number";

export class AcpTraffic {
  readonly #seen: AcpState;

  /** With a state that was seen before. */
  constructor(state?: AcpState) {
    this.#seen = state === undefined ? fresh() : structuredClone(state);
  }

  get state(): AcpState {
    return structuredClone(this.#seen);
  }

  get client(): Program | undefined {
    return this.#seen.client ?? undefined;
  }

  get server(): Program | undefined {
    return this.#seen.server ?? undefined;
  }

  /** No answer of an agent is given again. */
  callOf(_request: string): number | undefined {
    return undefined;
  }

  /** Observations that this line adds. A line above the limit is passed on and not looked into. */
  see(direction: Direction, line: Line, at: Moment): ReadonlyArray<Observation> {
    if (line._tag === "Huge") return [];
    let message: unknown;
    try {
      message = JSON.parse(line.text);
    } catch {
      return [];
    }
    const messages = Array.isArray(message) ? message : [message];
    return messages.flatMap((one) => (isObject(one) ? this.#message(direction, one, at) : []));
  }

  again(at: Moment): ReadonlyArray<Observation> {
    this.#seen.hasStarted = false;
    return this.#start(at);
  }

  /** The agent has ended: what it was saying is told as far as it came. */
  end(at: Moment): ReadonlyArray<Observation> {
    const started = this.#start(at).map((one) => ({ ...one, isSilent: true }));
    const left = Object.keys(this.#seen.sessions).flatMap((key) => {
      const session = key.slice(named("").length);
      return [...this.#flush(session, "aborted", at), ...this.#pendingCalls(session, at)];
    });
    return [...started, ...left];
  }

  #message(direction: Direction, message: JsonObject, at: Moment): ReadonlyArray<Observation> {
    const method = stringAt(message, "method");
    const params = objectAt(message, "params") ?? {};
    const { id } = message;
    if (method === undefined) return isKey(id) ? this.#answered(direction, id, message, at) : [];
    const session = stringAt(params, "sessionId") ?? null;
    if (isKey(id)) {
      this.#seen.asked[keyOf(direction, id)] = { method, session, params, began: at.monotonicMillis };
      bounded(this.#seen.asked, mostAsked);
    }
    if (direction === "toClient")
      return method === "session/update" && session !== null ? this.#update(session, params, at) : [];
    if (method === "initialize") {
      this.#seen.client = programOf(objectAt(params, "clientInfo"));
      this.#seen.protocolVersion = String(params["protocolVersion"] ?? "");
    }
    if (session === null) return [];
    if (method === "session/load") this.#of(session).isLoading = true;
    if (method === "session/prompt") return this.#prompted(session, params, at);
    if (method === "session/cancel") return this.#tell(session, "x.acp.cancelled", {}, at, this.client?.name);
    return [];
  }

  #answered(direction: Direction, id: string | number, message: JsonObject, at: Moment): ReadonlyArray<Observation> {
    // The request came from the other side of its answer.
    const key = keyOf(direction === "toClient" ? "toServer" : "toClient", id);
    const asked = this.#seen.asked[key];
    if (asked === undefined) return [];
    delete this.#seen.asked[key];
    const result = objectAt(message, "result");
    const error = objectAt(message, "error");
    const { method, session } = asked;
    switch (method) {
      case "initialize":
        this.#seen.server = programOf(objectAt(result, "agentInfo"));
        this.#seen.protocolVersion = String(result?.["protocolVersion"] ?? this.#seen.protocolVersion ?? "");
        return this.#start(at);
      case "session/new":
        return this.#opened(stringAt(result, "sessionId"), asked, at);
      case "session/load":
      case "session/resume":
        if (session !== null) this.#of(session).isLoading = false;
        return error === undefined ? this.#opened(session ?? undefined, asked, at) : [];
      case "session/prompt":
        return session === null ? [] : this.#ended(session, { result, error }, at);
      default:
        return session === null ? [] : this.#exchanged(session, asked, { direction, result, error }, at);
    }
  }

  #start(at: Moment): ReadonlyArray<Extract<Observation, { _tag: "SessionStarted" }>> {
    if (this.#seen.hasStarted) return [];
    this.#seen.hasStarted = true;
    const { client, protocolVersion, server } = this.#seen;
    return [
      {
        _tag: "SessionStarted",
        at: at.epochMillis,
        client: client ?? undefined,
        server: server ?? undefined,
        serverTitle: undefined,
        protocolVersion: protocolVersion ?? undefined,
      },
    ];
  }

  #of(session: string): Session {
    const known = this.#seen.sessions[named(session)];
    if (known !== undefined) return known;
    const made = { count: 0, isLoading: false, parts: [], units: 0, messageId: null, usage: null, calls: {} };
    this.#seen.sessions[named(session)] = made;
    bounded(this.#seen.sessions, mostSessions);
    return made;
  }

  #tell(
    session: string,
    type: Told["type"],
    data: object,
    at: Moment,
    actor: string | undefined,
  ): ReadonlyArray<Observation> {
    const place = `acp ${session} ${this.#of(session).count++}`;
    const told: Told = { _tag: "Told", at: at.epochMillis, place, threadId: `acp/${session}`, type, data, actor };
    return [...this.#start(at), told];
  }

  #opened(session: string | undefined, { method, params }: Asked, at: Moment): ReadonlyArray<Observation> {
    if (session === undefined) return [];
    const cwd = stringAt(params, "cwd");
    const data = {
      tool: "acp",
      client: this.#seen.server ?? { name: "acp" },
      parentThreadId: session,
      ...(cwd === undefined ? {} : { cwd }),
      ...(method === "session/new" ? {} : { initialContext: { method } }),
    };
    return this.#tell(session, "thread.opened", data, at, this.client?.name);
  }

  #prompted(session: string, params: JsonObject, at: Moment): ReadonlyArray<Observation> {
    const before = this.#flush(session, undefined, at);
    const data = { role: "user", parts: partsOf(params, "prompt") };
    return [...before, ...this.#tell(session, "thread.message_appended", data, at, this.client?.name)];
  }

  #ended(
    session: string,
    { error, result }: { readonly result: JsonObject | undefined; readonly error: JsonObject | undefined },
    at: Moment,
  ): ReadonlyArray<Observation> {
    const of = this.#of(session);
    const said = this.#flush(session, error === undefined ? stringAt(result, "stopReason") : "error", at);
    const { usage } = of;
    of.usage = null;
    const failed = error === undefined ? [] : this.#tell(session, "x.acp.prompt_failed", error, at, this.server?.name);
    const used = usage === null ? [] : this.#tell(session, "x.acp.usage_update", { usage }, at, this.server?.name);
    return [...said, ...failed, ...used];
  }

  #exchanged(
    session: string,
    { began, method, params }: Asked,
    {
      direction,
      error,
      result,
    }: {
      readonly direction: Direction;
      readonly result: JsonObject | undefined;
      readonly error: JsonObject | undefined;
    },
    at: Moment,
  ): ReadonlyArray<Observation> {
    const isPermission = method === "session/request_permission";
    const data = {
      method,
      from: direction === "toClient" ? "client" : "agent",
      params: paramsOf(params),
      outcome: error === undefined ? "ok" : "error",
      ...(isPermission && result !== undefined ? { result } : {}),
      ...(error === undefined ? {} : { error }),
      durationMillis: Math.max(0, at.monotonicMillis - began),
    };
    return this.#tell(
      session,
      "x.acp.exchanged",
      data,
      at,
      direction === "toClient" ? this.server?.name : this.client?.name,
    );
  }

  #update(session: string, params: JsonObject, at: Moment): ReadonlyArray<Observation> {
    const update = objectAt(params, "update") ?? {};
    const kind = stringAt(update, "sessionUpdate") ?? "";
    const of = this.#of(session);
    if (of.isLoading || quietUpdates.has(kind)) return [];
    switch (kind) {
      case "agent_message_chunk":
      case "agent_thought_chunk":
        return this.#chunk(session, update, at);
      case "tool_call":
      case "tool_call_update":
        return this.#call(session, update, at);
      case "usage_update":
        of.usage = update;
        return [];
      case "session_info_update": {
        const title = stringAt(update, "title");
        return title === undefined ? [] : this.#tell(session, "thread.renamed", { title }, at, this.server?.name);
      }
      default:
        return /^[a-z][a-z0-9_]{0,63}$/.test(kind)
          ? this.#tell(session, `x.acp.${kind}`, update, at, this.server?.name)
          : [];
    }
  }

  #chunk(session: string, update: JsonObject, at: Moment): ReadonlyArray<Observation> {
    const of = this.#of(session);
    const part = partOf(update["content"]);
    const messageId = stringAt(update, "messageId") ?? of.messageId;
    const isOther = messageId !== of.messageId && of.parts.length > 0;
    const before = isOther || of.units > mostUnits ? this.#flush(session, undefined, at) : [];
    of.messageId = messageId;
    const isThought = update["sessionUpdate"] === "agent_thought_chunk" && part.type === "text";
    of.parts.push(isThought ? { type: "thinking", text: part.text } : part);
    of.units += "text" in part ? part.text.length : 1_000;
    // Joined now and then: a chunk may be a letter.
    if (of.parts.length > 1_000) of.parts = [...joined(of.parts)];
    return before;
  }

  /** Words of the agent since the last time, as one message. */
  #flush(session: string, stopReason: string | undefined, at: Moment): ReadonlyArray<Observation> {
    const of = this.#of(session);
    const parts = joined(of.parts);
    of.parts = [];
    of.units = 0;
    of.messageId = null;
    if (parts.length === 0) return [];
    const data = { role: "assistant", parts, ...(stopReason === undefined ? {} : { stopReason }) };
    return this.#tell(session, "thread.message_appended", data, at, this.server?.name);
  }

  #call(session: string, update: JsonObject, at: Moment): ReadonlyArray<Observation> {
    const of = this.#of(session);
    const callId = stringAt(update, "toolCallId");
    if (callId === undefined) return [];
    const before = this.#flush(session, undefined, at);
    const known = of.calls[named(callId)];
    const given = Object.fromEntries(Object.entries(update).filter(([, value]) => value !== null));
    const said: JsonObject = { ...known?.said, ...given };
    const call = { said, began: known?.began ?? at.monotonicMillis, isTold: known?.isTold ?? false };
    of.calls[named(callId)] = call;
    bounded(of.calls, mostCalls);
    const status = stringAt(said, "status") ?? "pending";
    // Before it runs, and with what it is given where that comes a moment later.
    const isReady = said["rawInput"] !== undefined || status !== "pending";
    const called = !call.isTold && isReady ? this.#called(session, callId, at) : [];
    if (!ended.has(status)) return [...before, ...called];
    delete of.calls[named(callId)];
    return [...before, ...called, ...this.#returned(session, { callId, call }, at)];
  }

  #called(session: string, callId: string, at: Moment): ReadonlyArray<Observation> {
    const of = this.#of(session);
    const call = of.calls[named(callId)];
    if (call === undefined) return [];
    of.calls[named(callId)] = { ...call, isTold: true };
    const { kind, locations, name, rawInput, title } = call.said;
    const data = {
      callId,
      name: typeof name === "string" ? name : typeof kind === "string" ? kind : "tool",
      server: this.server?.name,
      arguments: rawInput ?? { title, kind, locations },
    };
    return this.#tell(session, "thread.tool_called", data, at, this.server?.name);
  }

  #returned(
    session: string,
    { call, callId }: { readonly callId: string; readonly call: Call },
    at: Moment,
  ): ReadonlyArray<Observation> {
    const { content, rawOutput, status } = call.said;
    const texts = partsOf({ content: contentsOf(content) }, "content").flatMap((part) =>
      part.type === "text" ? [part.text] : [],
    );
    const words = texts.join("\n");
    const isError = status === "failed";
    const data = {
      callId,
      outcome: isError ? "error" : "ok",
      result: rawOutput ?? (words === "" ? content : words),
      ...(isError ? { error: { type: "tool", message: cutText(words, maxMessageLength) } } : {}),
      durationMillis: Math.max(0, at.monotonicMillis - call.began),
    };
    return this.#tell(session, "thread.tool_returned", data, at, this.server?.name);
  }

  /** Calls that were announced and never began. */
  #pendingCalls(session: string, at: Moment): ReadonlyArray<Observation> {
    const calls = Object.entries(this.#of(session).calls);
    return calls.flatMap(([key, { isTold }]) => (isTold ? [] : this.#called(session, key.slice(named("").length), at)));
  }
}

const keyOf = (direction: Direction, id: string | number): string => `${direction} ${JSON.stringify(id)}`;
