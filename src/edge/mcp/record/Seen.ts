/**
 * Traffic between an MCP client and a server, recorded through a client of the store: a session, a thread, and each call
 * with its intent and its outcome.
 *
 * Room: edge.
 *
 * Nothing is awaited by whoever calls: what the store has accepted is on disk, and a failure is told by `flush` and `close` of
 * the client, never by a call. Events of one thread keep the order in which they were seen.
 */
import { randomUUID } from "node:crypto";
import type { Recollect } from "../../../client/Recollect.ts";
import { type Direction, type Moment, type Observation, Traffic } from "../../wrap/Traffic.ts";

export interface RecordOptions {
  /** The thread to write to. Default: a new one for each session. */
  readonly thread?: string | undefined;
  /** Transport, as the session says it. */
  readonly transport?: string | undefined;
}

const now = (): Moment => ({ epochMillis: Date.now(), monotonicMillis: performance.now() });

const unheard = (): void => undefined;

/** One connection of a client to a server. */
export class Seen {
  readonly #recollect: Recollect;
  readonly #options: RecordOptions;
  readonly #traffic = new Traffic();
  readonly #threadId: string;
  readonly #sessionId = randomUUID();
  /** Event ids of calls without an answer, for the answer's cause. */
  readonly #asked = new Map<number, string>();
  #session: ReturnType<Recollect["session"]> | undefined;
  #isEnded = false;

  constructor(recollect: Recollect, options: RecordOptions = {}) {
    this.#recollect = recollect;
    this.#options = options;
    this.#threadId = options.thread ?? randomUUID();
  }

  get threadId(): string {
    return this.#threadId;
  }

  /** A message of JSON-RPC as it passed. Never throws. */
  passed(direction: Direction, message: unknown): void {
    const at = now();
    try {
      const text = JSON.stringify(message);
      if (text !== undefined) this.#tell(this.#traffic.see(direction, { _tag: "Whole", text }, at));
    } catch {
      // A message that is no JSON cannot have passed either.
    }
  }

  /** The connection is over. */
  ended(reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#tell(this.#traffic.end(now()));
    void this.#session?.then((session) => session.ended(reason)).catch(unheard);
  }

  #tell(observations: ReadonlyArray<Observation>): void {
    for (const observation of observations) this.#observed(observation);
  }

  #observed(observation: Observation): void {
    const thread = this.#recollect.thread(this.#threadId);
    const about = { session: this.#sessionId, occurredAt: observation.at };
    switch (observation._tag) {
      case "SessionStarted": {
        const { client, isSilent, protocolVersion, server, serverTitle } = observation;
        const transport = this.#options.transport ?? "in-process";
        const data = { id: this.#sessionId, client, server, protocolVersion, transport, threadId: this.#threadId };
        this.#session = this.#recollect.session(data, { occurredAt: observation.at });
        this.#session.catch(unheard);
        if (this.#options.thread !== undefined || isSilent === true) return;
        const title = serverTitle ?? server?.name;
        void thread.open({ title, tool: "mcp", client, ...about }).catch(unheard);
        return;
      }
      case "ToolCalled": {
        const { arguments: args, call, correlationId, name, server } = observation;
        const id = randomUUID();
        this.#asked.set(call, id);
        const called = { callId: this.#callId(call), name, server, arguments: args, correlationId };
        const actor = this.#traffic.client?.name;
        void thread.toolCalled({ ...called, ...about, id, actor }).catch(unheard);
        return;
      }
      case "ToolReturned": {
        // Published beside the call and not behind its promise, so that a flush waits for both; their order is the client's.
        const { call, durationMillis, error, outcome, result } = observation;
        const causationId = this.#asked.get(call);
        this.#asked.delete(call);
        const data = { callId: this.#callId(call), outcome, result, error, durationMillis };
        const told = { ...about, causationId, actor: this.#traffic.server?.name };
        const type = "thread.tool_returned" as const;
        void this.#recollect.publish({ type, id: this.#threadId, data, about: told }).catch(unheard);
        return;
      }
      case "Told":
        return;
      case "Exchanged": {
        const { exchange, from, method, outcome, params, result, error, durationMillis } = observation;
        const data = {
          method,
          from,
          params,
          outcome,
          result,
          error,
          durationMillis,
          exchange,
          threadId: this.#threadId,
        };
        const event = { type: "x.recollect.mcp_exchanged" as const, data, occurredAt: observation.at };
        void this.#recollect.history({ session: this.#sessionId }).publish(event).catch(unheard);
      }
    }
  }

  #callId(call: number): string {
    return `${this.#sessionId}/${call}`;
  }
}
