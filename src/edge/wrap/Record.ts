/**
 * Observations of a session become events: of the session, and of the thread that holds its tool calls.
 *
 * Room: edge.
 *
 * Decision: without `--thread` a wrapped session has a thread of its own. Its agent may keep a transcript in which the
 * same calls stand under the agent's session id; in one thread they would count twice. Where the environment names
 * that session (`CLAUDE_CODE_SESSION_ID`), the new thread says so as its parent.
 */
import { Deferred, Effect, Scope } from "effect";
import { createHash } from "node:crypto";
import { keepsRequest, keepsResponse, levelOf } from "../../domain/audit/AuditPolicy.ts";
import * as EventId from "../../domain/EventId.ts";
import { type Held, Sessions } from "../../coordination/sessions/Sessions.ts";
import { type SessionRefused } from "../../coordination/sessions/SessionRefused.ts";
import * as History from "../../domain/History.ts";
import type { About, TypeName } from "../../publish/write/NewEvent.ts";
import { Publisher, type PublishError } from "../../publish/Publisher.ts";
import type { Ended, RecorderOptions } from "./Messages.ts";
import type { Exchanged } from "./Exchanges.ts";
import type { Reused } from "./Reuse.ts";
import type { Seeing } from "./Protocol.ts";
import type { Moment, Observation } from "./Traffic.ts";

type Started = Extract<Observation, { _tag: "SessionStarted" }>;
type Called = Extract<Observation, { _tag: "ToolCalled" }>;
type Told = Extract<Observation, { _tag: "Told" }>;
type Returned = Extract<Observation, { _tag: "ToolReturned" }>;

/** The id of an event: that of its place in its session, and of its time, whoever records it. */
const idOf = (sessionId: string, place: string, at: number): string => {
  const hash = createHash("sha256").update(`${sessionId} ${place}`).digest();
  return EventId.fromTime(at, [hash.readUInt32BE(0), hash.readUInt32BE(4), hash.readUInt32BE(8)]);
};

export const record = Effect.fnUntraced(function* (given: {
  readonly options: RecorderOptions;
  readonly traffic: Seeing;
  /** From a journal: some of it may have been recorded before. */
  readonly isAgain?: boolean;
}) {
  const { isAgain = false, options, traffic } = given;
  const { cwd, command, parentThreadId, sessionId, started: begun } = options;
  const publisher = yield* Publisher;
  const threadId = options.threadId ?? options.ownThreadId;
  const isNew = !isAgain;
  /** An agent has a thread for each of its sessions, told as it begins. */
  const isAcp = options.protocol === "acp";
  const thread = History.thread(threadId, publisher.tenant);
  const session = History.session(sessionId, publisher.tenant);
  const sessions = yield* Sessions;
  const scope = yield* Effect.scope;
  /** The session's presence, from the moment it is known whose it is. */
  const held = yield* Deferred.make<Held, SessionRefused | PublishError>();
  let isBegun = false;
  /** Event ids of calls without an answer, for the answer's causation. */
  const asked = new Map<number, string>();

  const about = (at: number, actor: string | undefined): About => ({
    session: sessionId,
    occurredAt: at,
    ...(actor === undefined ? {} : { actor }),
  });
  const callIdOf = (call: number) => `${sessionId}/${call}`;

  const openThread = ({ at, client, server, serverTitle }: Started) => {
    const title = serverTitle ?? server?.name;
    const data = { title, tool: "mcp", client, cwd, session: sessionId, parentThreadId };
    return publisher.publish({
      ...about(at, client?.name),
      id: idOf(sessionId, "opened", at),
      isNew,
      history: thread,
      type: "thread.opened",
      data,
    });
  };

  const startSession = ({ client, isSilent, protocolVersion, server }: Started) => {
    isBegun = true;
    const its = isSilent === true || isAcp ? options.threadId : threadId;
    const data = {
      client,
      server,
      protocolVersion,
      transport: options.transport ?? "stdio",
      threadId: its,
      cwd,
      command,
    };
    // The session began when the server was started, and is told of when it is known whose it is. A journal knows less of it
    // than its process (machine, lease), so the id is derived: of such a one the contents are not compared.
    const id = EventId.fromContent("session.started", publisher.tenant, sessionId);
    return sessions.register({ ...data, id: sessionId }, { ...about(begun.epochMillis, client?.name), id }).pipe(
      Scope.provide(scope),
      Effect.onExit((exit) => Deferred.done(held, exit)),
    );
  };

  const call = Effect.fnUntraced(function* ({
    at,
    call: number,
    name,
    server,
    arguments: args,
    correlationId,
  }: Called) {
    const id = idOf(sessionId, `called ${number}`, at);
    asked.set(number, id);
    const data = { callId: callIdOf(number), name, server, arguments: args };
    const correlated = correlationId === undefined ? {} : { correlationId };
    const attributes = { ...about(at, traffic.client?.name), ...correlated, id };
    yield* publisher.publish({ ...attributes, isNew, history: thread, type: "thread.tool_called", data });
  });

  const end = ({ at, call: number, outcome, result, resultBytes, error, durationMillis }: Returned) => {
    const causationId = asked.get(number);
    asked.delete(number);
    const caused = causationId === undefined ? {} : { causationId };
    const data = { callId: callIdOf(number), outcome, result, resultBytes, error, durationMillis };
    const attributes = { ...about(at, traffic.server?.name), ...caused, id: idOf(sessionId, `returned ${number}`, at) };
    return publisher.publish({ ...attributes, isNew, history: thread, type: "thread.tool_returned", data });
  };

  /** Event of what was offered, read or asked beside tool calls: a fact of the session, no message of its thread. */
  const exchanged = ({ at, error, exchange, from, method, outcome, params, result, durationMillis }: Exchanged) => {
    const whose = { tool: undefined, server: traffic.server?.name, agent: traffic.client?.name };
    const level = levelOf(publisher.policy().audit, whose);
    if (level === "None") return Effect.void;
    const data = {
      method,
      from,
      outcome,
      durationMillis,
      threadId,
      ...(keepsRequest(level) ? { params } : {}),
      ...(keepsResponse(level) ? { result, error } : { auditLevel: level }),
    };
    const actor = from === "client" ? traffic.client?.name : traffic.server?.name;
    const attributes = { ...about(at, actor), id: idOf(sessionId, `exchanged ${exchange}`, at) };
    return publisher.publish({ ...attributes, history: session, type: "x.recollect.mcp_exchanged", data });
  };

  /**
   * An event as it was made of what passed, as far as the audit policy keeps it. Ids of messages and calls are those of this
   * process, because an agent may use its own again in the next; the agent's id of a call is its correlation.
   */
  const told = ({ actor, at, data, place, threadId: of, type }: Told) => {
    const whose = { tool: undefined, server: traffic.server?.name, agent: traffic.client?.name };
    const isOwn = !type.startsWith("x.");
    const level = isOwn ? "RequestResponse" : levelOf(publisher.policy().audit, whose);
    if (level === "None") return Effect.void;
    const id = idOf(sessionId, place, at);
    const callId = "callId" in data ? String(data.callId) : undefined;
    const ids = {
      ...(type === "thread.message_appended" ? { messageId: id } : {}),
      ...(callId === undefined ? {} : { callId: `${sessionId}/${callId}` }),
    };
    const kept = isOwn || keepsResponse(level) ? { ...data, ...ids } : { auditLevel: level };
    const correlated = callId === undefined ? {} : { correlationId: callId };
    const history = History.thread(of, publisher.tenant);
    const event = { ...about(at, actor), ...correlated, id, isNew, history, type: type as TypeName };
    return publisher.publish<TypeName>({ ...event, data: kept as never });
  };

  /** A call was answered in the server's place. */
  const reused = ({ answer, call: number, name }: Reused, at: number) => {
    const causationId = asked.get(number);
    const { answeredAt, key, reusedFrom, tookMillis } = answer;
    return publisher.publish({
      ...about(at, traffic.client?.name),
      ...(causationId === undefined ? {} : { causationId }),
      history: thread,
      type: "thread.response_reused",
      data: {
        key,
        kind: "tool",
        name,
        answeredAt,
        savedMillis: tookMillis,
        from: reusedFrom,
        callId: callIdOf(number),
      },
    });
  };

  /** The events of an observation, to be begun in this order. */
  const observed = (observation: Observation): ReadonlyArray<Effect.Effect<unknown, SessionRefused | PublishError>> => {
    switch (observation._tag) {
      case "SessionStarted":
        // A thread that somebody named is somebody else's and has said already what it is; and a server that never
        // spoke has held no conversation: its session says how it ended.
        return options.threadId === undefined && observation.isSilent !== true && !isAcp
          ? [startSession(observation), openThread(observation)]
          : [startSession(observation)];
      case "ToolCalled":
        return [call(observation)];
      case "ToolReturned":
        return [end(observation)];
      case "Exchanged":
        return [exchanged(observation)];
      case "Told":
        return [told(observation)];
    }
  };

  const ended = ({ code, signal }: Ended, at: Moment) => {
    const data = {
      reason: signal === null ? "exit" : "signal",
      ...(code === null ? {} : { exitCode: code }),
      ...(signal === null ? {} : { signal }),
    };
    const attributes = about(at.epochMillis, traffic.server?.name);
    // A server that nobody has spoken to has an end without a beginning.
    if (!isBegun) return publisher.publish({ ...attributes, history: session, type: "session.ended", data });
    return Effect.flatMap(Deferred.await(held), (there) => there.end(data, attributes));
  };
  return { threadId, sessionId, observed, reused, ended };
});
