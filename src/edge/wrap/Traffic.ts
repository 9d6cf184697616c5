/**
 * Traffic of two parties in MCP over JSON-RPC, as observations worth recording.
 *
 * Room: edge.
 *
 * It never throws, whatever a line holds. Ids are per direction: a server that asks its client something (sampling)
 * may use an id that the client uses too.
 */
import { cutText } from "../../domain/secret/CutText.ts";
import type { Program } from "../../domain/thread/Content.ts";
import { arrayAt, isObject, type JsonObject, type JsonValue, numberAt, objectAt, stringAt } from "../../domain/Json.ts";
import { type Exchanged, Exchanges, type State as ExchangesState } from "./Exchanges.ts";
import type { Line } from "./Lines.ts";

/** Time of a chunk: for people (epoch milliseconds), and for durations (monotonic milliseconds). */
export interface Moment {
  readonly epochMillis: number;
  readonly monotonicMillis: number;
}

export type Direction = "toServer" | "toClient";

export type Observation =
  | Exchanged
  /** An event of a thread, as it is to be published. */
  | {
      readonly _tag: "Told";
      readonly at: number;
      /** Unique in its session. */
      readonly place: string;
      readonly threadId: string;
      readonly type: string;
      readonly data: object;
      readonly actor: string | undefined;
    }
  /** Both have introduced themselves, or something happened before they did. Always the first, and only once. */
  | {
      readonly _tag: "SessionStarted";
      readonly at: number;
      readonly client: Program | undefined;
      readonly server: Program | undefined;
      readonly serverTitle: string | undefined;
      /** It is over, and the server has never said anything: there was no conversation. */
      readonly isSilent?: boolean;
      readonly protocolVersion: string | undefined;
    }
  | {
      readonly _tag: "ToolCalled";
      readonly at: number;
      /** Unique in its session: counts the calls. */
      readonly call: number;
      readonly name: string;
      readonly server: string | undefined;
      readonly arguments: JsonValue | undefined;
      /** The client's own name for the call, where it tells one. */
      readonly correlationId: string | undefined;
    }
  | {
      readonly _tag: "ToolReturned";
      readonly at: number;
      readonly call: number;
      readonly outcome: "ok" | "error";
      readonly result: JsonValue | undefined;
      /** Of a result that was too large to be kept. */
      readonly resultBytes?: number;
      readonly error: { readonly type: string; readonly message: string | undefined } | undefined;
      readonly durationMillis: number;
    };

interface OpenCall {
  readonly call: number;
  readonly began: number;
}

/** State of what was seen so far, as JSON has it. */
export interface State {
  readonly calls: number;
  readonly hasStarted: boolean;
  readonly client: Program | null;
  readonly server: Program | null;
  readonly serverTitle: string | null;
  readonly protocolVersion: string | null;
  readonly open: ReadonlyArray<readonly [string, OpenCall]>;
  /** Absent in a journal of an earlier version. */
  readonly exchanges?: ExchangesState | undefined;
}

/** Calls without an answer that are remembered: a client that never gets answers must not fill memory. */
const maxOpenCalls = 10_000;
/** An error's message, as a person reads it in a table. */
const maxMessageLength = 500;
/** Since 2026-07-28 each request says who asks and in which protocol, and each result who answers. */
const meta = {
  protocolVersion: "io.modelcontextprotocol/protocolVersion",
  clientInfo: "io.modelcontextprotocol/clientInfo",
  serverInfo: "io.modelcontextprotocol/serverInfo",
} as const;
/** Claude Code says here which of its own tool uses a call is. */
const claudeToolUse = "claudecode/toolUseId";

const programOf = (info: JsonObject | undefined): Program | undefined => {
  const name = stringAt(info, "name");
  return name === undefined ? undefined : { name, version: stringAt(info, "version") ?? null };
};

/** Number and string ids are different ids, so the key is the id's JSON. */
const keyOf = (id: JsonValue | undefined): string | undefined =>
  typeof id === "string" || typeof id === "number" ? JSON.stringify(id) : undefined;

const firstText = (result: JsonObject): string | undefined => {
  for (const block of arrayAt(result, "content")) {
    const text = stringAt(block, "text");
    if (text !== undefined) return cutText(text, maxMessageLength);
  }
  return undefined;
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

export class Traffic {
  readonly #open = new Map<string, OpenCall>();
  #exchanges = new Exchanges(undefined);
  #calls = 0;
  #hasStarted = false;
  #client: Program | undefined;
  #server: Program | undefined;
  #serverTitle: string | undefined;
  #protocolVersion: string | undefined;
  #initializeKey: string | undefined;
  #discoverKey: string | undefined;

  /** With a state that was seen before. */
  static from(state: State | undefined): Traffic {
    const traffic = new Traffic();
    if (state === undefined) return traffic;
    traffic.#calls = state.calls;
    traffic.#hasStarted = state.hasStarted;
    traffic.#client = state.client ?? undefined;
    traffic.#server = state.server ?? undefined;
    traffic.#serverTitle = state.serverTitle ?? undefined;
    traffic.#protocolVersion = state.protocolVersion ?? undefined;
    traffic.#exchanges = new Exchanges(state.exchanges);
    for (const [key, open] of state.open) traffic.#open.set(key, open);
    return traffic;
  }

  get state(): State {
    return {
      calls: this.#calls,
      hasStarted: this.#hasStarted,
      client: this.#client ?? null,
      server: this.#server ?? null,
      serverTitle: this.#serverTitle ?? null,
      protocolVersion: this.#protocolVersion ?? null,
      open: [...this.#open],
      exchanges: this.#exchanges.state,
    };
  }

  get client(): Program | undefined {
    return this.#client;
  }

  get server(): Program | undefined {
    return this.#server;
  }

  /** The number of the call without an answer that has this id (in JSON); undefined when there is none. */
  callOf(request: string): number | undefined {
    return this.#open.get(request)?.call;
  }

  /** Observations that this line adds. */
  see(direction: Direction, line: Line, at: Moment): ReadonlyArray<Observation> {
    if (line._tag === "Huge") return direction === "toClient" ? this.#hugeAnswer(line, at) : this.#hugeCall(line, at);
    const message = parse(line.text);
    const messages = Array.isArray(message) ? message : [message];
    return messages.flatMap((one) => (isObject(one) ? this.#message(direction, one, at) : []));
  }

  /** Observations of the session's beginning, once more. */
  again(at: Moment): ReadonlyArray<Observation> {
    this.#hasStarted = false;
    return this.#start(at);
  }

  /** The session ends: a session without an introduction is told of now. */
  end(at: Moment): ReadonlyArray<Observation> {
    const started = this.#start(at).map((observation) => ({ ...observation, isSilent: true }));
    return [...started, ...this.#exchanges.end(at)];
  }

  #message(direction: Direction, message: JsonObject, at: Moment): ReadonlyArray<Observation> {
    const method = stringAt(message, "method");
    const key = keyOf(message["id"]);
    if (direction === "toServer") {
      this.#asked(objectAt(objectAt(message, "params"), "_meta"));
      if (method === "server/discover") this.#discoverKey = key;
      if (method === "tools/call" && key !== undefined) return this.#called(key, objectAt(message, "params"), at);
      if (method === "initialize") this.#initialize(key, objectAt(message, "params"));
      if (method === "notifications/cancelled") return this.#cancelled(objectAt(message, "params"), at);
      return this.#exchanged("client", method, key, message, at);
    }
    if (method !== undefined) return this.#exchanged("server", method, key, message, at);
    if (key === undefined) return [];
    if (key === this.#initializeKey) return this.#initialized(objectAt(message, "result"), at);
    this.#answering(objectAt(objectAt(message, "result"), "_meta"));
    if (key === this.#discoverKey) {
      this.#discoverKey = undefined;
      // A server that does not know the question is asked to initialize next.
      return objectAt(message, "result") === undefined ? [] : this.#start(at);
    }
    const exchanged = this.#exchanges.answered("client", key, message, at);
    return exchanged.length > 0 ? [...this.#start(at), ...exchanged] : this.#answered(key, message, at);
  }

  /** A message of one side that is no tool call: a request, or its answer to one of the other side's. */
  #exchanged(
    from: "client" | "server",
    method: string | undefined,
    key: string | undefined,
    message: JsonObject,
    at: Moment,
  ): ReadonlyArray<Observation> {
    if (key === undefined) return [];
    if (method === undefined) {
      const exchanged = this.#exchanges.answered(from === "client" ? "server" : "client", key, message, at);
      return exchanged.length > 0 ? [...this.#start(at), ...exchanged] : [];
    }
    this.#exchanges.asked(from, key, { method, params: message["params"] }, at.monotonicMillis);
    return [];
  }

  #asked(said: JsonObject | undefined): void {
    if (said === undefined || this.#hasStarted) return;
    this.#client ??= programOf(objectAt(said, meta.clientInfo));
    this.#protocolVersion ??= stringAt(said, meta.protocolVersion);
  }

  #answering(said: JsonObject | undefined): void {
    const info = objectAt(said, meta.serverInfo);
    if (info === undefined || this.#server !== undefined) return;
    this.#server = programOf(info);
    this.#serverTitle = stringAt(info, "title");
  }

  #initialize(key: string | undefined, params: JsonObject | undefined): void {
    this.#initializeKey = key;
    this.#client = programOf(objectAt(params, "clientInfo"));
    this.#protocolVersion = stringAt(params, "protocolVersion");
  }

  #initialized(result: JsonObject | undefined, at: Moment): ReadonlyArray<Observation> {
    const info = objectAt(result, "serverInfo");
    this.#initializeKey = undefined;
    this.#server = programOf(info);
    this.#serverTitle = stringAt(info, "title");
    this.#protocolVersion = stringAt(result, "protocolVersion") ?? this.#protocolVersion;
    return this.#start(at);
  }

  #start(at: Moment): ReadonlyArray<Extract<Observation, { _tag: "SessionStarted" }>> {
    if (this.#hasStarted) return [];
    this.#hasStarted = true;
    return [
      {
        _tag: "SessionStarted",
        at: at.epochMillis,
        client: this.#client,
        server: this.#server,
        serverTitle: this.#serverTitle,
        protocolVersion: this.#protocolVersion,
      },
    ];
  }

  #called(key: string, params: JsonObject | undefined, at: Moment): ReadonlyArray<Observation> {
    const call = ++this.#calls;
    this.#open.set(key, { call, began: at.monotonicMillis });
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= maxOpenCalls) break;
      this.#open.delete(oldest);
    }
    const called: Observation = {
      _tag: "ToolCalled",
      at: at.epochMillis,
      call,
      name: stringAt(params, "name") ?? "",
      server: this.#server?.name,
      arguments: params?.["arguments"],
      correlationId: stringAt(objectAt(params, "_meta"), claudeToolUse),
    };
    return [...this.#start(at), called];
  }

  #returned(
    key: string,
    at: Moment,
    how: Pick<Extract<Observation, { _tag: "ToolReturned" }>, "outcome" | "result" | "resultBytes" | "error">,
  ) {
    const open = this.#open.get(key);
    if (open === undefined) return [];
    this.#open.delete(key);
    const durationMillis = Math.max(0, at.monotonicMillis - open.began);
    return [{ _tag: "ToolReturned" as const, at: at.epochMillis, call: open.call, durationMillis, ...how }];
  }

  #answered(key: string, message: JsonObject, at: Moment): ReadonlyArray<Observation> {
    const error = objectAt(message, "error");
    if (error !== undefined) {
      const type = `jsonrpc:${numberAt(error, "code") ?? "unknown"}`;
      const text = cutText(stringAt(error, "message") ?? "", maxMessageLength);
      return this.#returned(key, at, {
        outcome: "error",
        result: error["data"],
        error: { type, message: text === "" ? undefined : text },
      });
    }
    const result = message["result"];
    const isError = isObject(result) && result["isError"] === true;
    const problem = isError ? { type: "tool", message: firstText(result) } : undefined;
    return this.#returned(key, at, { outcome: isError ? "error" : "ok", result, error: problem });
  }

  /** The client no longer waits. An answer that comes all the same is not looked at, as the protocol demands of it. */
  #cancelled(params: JsonObject | undefined, at: Moment): ReadonlyArray<Observation> {
    const key = keyOf(params?.["requestId"]);
    if (key === undefined) return [];
    const error = { type: "cancelled", message: stringAt(params, "reason") };
    return this.#returned(key, at, { outcome: "error", result: undefined, error });
  }

  /** An answer too large to be parsed: whose it is stands at one of its ends, what it says is its size. */
  #hugeAnswer({ head, tail, bytes }: Extract<Line, { _tag: "Huge" }>, at: Moment): ReadonlyArray<Observation> {
    const key = idAtStart.exec(head)?.[1] ?? idAtEnd.exec(tail)?.[1];
    if (key === undefined) return [];
    const isError =
      /"isError":true[^{}[\]]*\}[^{}[\]]*\}\s*$/.test(tail) || /^\s*\{(?:"jsonrpc":"2\.0",)?"error"/.test(head);
    const error = isError ? { type: "tool", message: undefined } : undefined;
    const result = { notRecorded: `a message of ${bytes} bytes`, head: cutText(head, 1_000) };
    const exchanged = this.#exchanges.answered("client", key, isError ? { error: result } : { result }, at);
    if (exchanged.length > 0) return [...this.#start(at), ...exchanged];
    return this.#returned(key, at, { outcome: isError ? "error" : "ok", result, resultBytes: bytes, error });
  }

  /** A call too large to be parsed: its arguments are what is large. */
  #hugeCall({ head, tail, bytes }: Extract<Line, { _tag: "Huge" }>, at: Moment): ReadonlyArray<Observation> {
    const key = idAtStart.exec(head)?.[1] ?? idAtEnd.exec(tail)?.[1];
    if (key === undefined || !/"method"\s*:\s*"tools\/call"/.test(head + tail)) return [];
    const name = /"name"\s*:\s*"([^"\\]*)"/.exec(head)?.[1] ?? /"name"\s*:\s*"([^"\\]*)"/.exec(tail)?.[1] ?? "";
    return this.#called(key, { name, arguments: { notRecorded: `a message of ${bytes} bytes` } }, at);
  }
}

const id = String.raw`"id"\s*:\s*(-?\d+|"(?:[^"\\]|\\.)*")`;
/** The id before anything large: `{"jsonrpc":"2.0","id":7,`. */
const idAtStart = new RegExp(String.raw`^\s*\{\s*(?:"(?:jsonrpc|method)"\s*:\s*"[^"]*"\s*,\s*)*${id}\s*,`);
/** The id behind it: `,"jsonrpc":"2.0","id":7}`. */
const idAtEnd = new RegExp(String.raw`,\s*${id}\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$`);
