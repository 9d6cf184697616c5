/**
 * The record as an agent of the Agent Client Protocol (version 1) on standard input and output: an editor lists recorded
 * sessions, loads one and reads it.
 *
 * Room: edge.
 *
 * Promises: it changes nothing; every request is answered, in order; what is no message of the protocol is an error that
 * says so. A prompt to a loaded session is answered with its brief for the agent that goes on, one to a new session with the
 * conversations that have its words.
 */
import { Cause, Effect, Schema, Stdio, Stream } from "effect";
import { randomUUID } from "node:crypto";
import { isObject, type JsonObject, type JsonValue, stringAt } from "../../domain/Json.ts";
import type { Query } from "../../query/Query.ts";
import { codes, failure, refused, result } from "../mcp/Dispatch.ts";
import { type Line, Lines, maxLineBytes } from "../wrap/Lines.ts";
import { version } from "../../machine/Version.ts";
import { textOf } from "./Replay.ts";
import * as Sessions from "./Sessions.ts";

/** Resource not found, as the protocol has it. */
const notFound = -32002;
/** Sessions of one editor whose threads are remembered. */
const mostOpen = 1_000;

const initialized = {
  protocolVersion: 1,
  agentInfo: { name: "recollect", title: "Recollect, the record", version },
  agentCapabilities: { loadSession: true, sessionCapabilities: { list: {}, resume: {}, close: {} } },
  authMethods: [],
} satisfies JsonObject;

const Text = Schema.NullOr(Schema.String);
const Listing = Schema.Struct({ cwd: Schema.optionalKey(Text), cursor: Schema.optionalKey(Text) });
const Named = Schema.Struct({ sessionId: Schema.String });
const Prompt = Schema.Struct({ sessionId: Schema.String, prompt: Schema.Array(Schema.Unknown) });

const wordsOf = (blocks: ReadonlyArray<unknown>): string =>
  blocks
    .flatMap((block) =>
      isObject(block) && block["type"] === "text" && typeof block["text"] === "string" ? [block["text"]] : [],
    )
    .join(" ")
    .trim();

/** The error of anything that stood in the way of an answer. */
const errorOf = (obstacle: unknown) => {
  const tag = stringAt(obstacle, "_tag");
  const hint = stringAt(obstacle, "hint");
  return {
    code: tag === "NoSession" ? notFound : tag === "SchemaError" ? codes.invalidParams : codes.internal,
    message: obstacle instanceof Error ? obstacle.message : (stringAt(obstacle, "message") ?? String(obstacle)),
    ...(hint === undefined ? {} : { data: { hint } }),
  };
};

type Answers<R = never> = Readonly<Record<string, (params: JsonValue) => Effect.Effect<object, unknown, R>>>;

const own = <A>(all: Readonly<Record<string, A>>, name: string): A | undefined =>
  Object.hasOwn(all, name) ? all[name] : undefined;

/** `asking` provides the read models to one request: the store need not be there when the editor starts. */
export const serve = Effect.fnUntraced(function* <R>(given: {
  readonly tenant: string;
  readonly asking: (ask: Effect.Effect<object, unknown, Query>) => Effect.Effect<object, unknown, R>;
}) {
  const { asking, tenant } = given;
  const stdio = yield* Stdio.Stdio;
  /** Open sessions: the thread of a loaded one; undefined: a new one. */
  const open = new Map<string, string | undefined>();

  const write = (message: JsonObject) =>
    Stream.run(Stream.make(`${JSON.stringify(message)}\n`), stdio.stdout({ endOnDone: false }));
  const tell = (sessionId: string, update: JsonObject) =>
    write({ jsonrpc: "2.0", method: "session/update", params: { sessionId, update } });

  const opened = (sessionId: string, threadId: string | undefined) => {
    open.set(sessionId, threadId);
    for (const oldest of [...open.keys()].slice(0, Math.max(0, open.size - mostOpen))) open.delete(oldest);
  };

  const load = Effect.fnUntraced(function* (params: JsonValue, isTold: boolean) {
    const { sessionId } = yield* Schema.decodeUnknownEffect(Named)(params);
    const thread = yield* Sessions.threadOf(sessionId, tenant);
    if (isTold) yield* Stream.runForEach(Sessions.replay(thread), (update) => tell(sessionId, update));
    opened(sessionId, thread.threadId);
    return {};
  });

  const prompted = Effect.fnUntraced(function* (params: JsonValue) {
    const { prompt, sessionId } = yield* Schema.decodeUnknownEffect(Prompt)(params);
    if (!open.has(sessionId))
      return yield* new Sessions.NoSession({
        message: `The session ${sessionId} is not open.`,
        hint: "session/load or session/new opens one.",
      });
    const threadId = open.get(sessionId);
    const say = (text: string) => tell(sessionId, { sessionUpdate: "agent_message_chunk", content: textOf(text) });
    if (threadId === undefined) {
      const words = wordsOf(prompt);
      yield* say(
        words === ""
          ? "Say words, and the conversations that have them are listed."
          : yield* Sessions.search(words, tenant),
      );
    } else {
      const thread = yield* Sessions.threadOf(threadId, tenant);
      yield* say(`${Sessions.waysOn(thread)}\n\n${yield* Sessions.brief(thread)}`);
    }
    return { stopReason: "end_turn" };
  });

  /** Answers that need no store. */
  const plain: Answers = {
    initialize: () => Effect.succeed(initialized),
    "session/new": () =>
      Effect.sync(() => {
        const sessionId = randomUUID();
        opened(sessionId, undefined);
        return { sessionId };
      }),
    "session/close": (params) =>
      Effect.map(Schema.decodeUnknownEffect(Named)(params), ({ sessionId }) => {
        open.delete(sessionId);
        return {};
      }),
  };
  const fromStore: Answers<Query> = {
    "session/list": (params) =>
      Effect.flatMap(Schema.decodeUnknownEffect(Listing)(params), (asked) => Sessions.list({ tenant, ...asked })),
    "session/load": (params) => load(params, true),
    "session/resume": (params) => load(params, false),
    "session/prompt": prompted,
  };

  /** An answer to one message; a notification has none. */
  const answered = Effect.fnUntraced(function* (message: JsonObject) {
    const { id, method, params = {} } = message;
    if (id === undefined || typeof method !== "string") return undefined;
    const asked = own(fromStore, method);
    const answering = asked === undefined ? own(plain, method)?.(params) : asking(asked(params));
    if (answering === undefined)
      return failure(message, { code: codes.methodNotFound, message: `The record does not answer ${method}.` });
    return yield* Effect.matchCause(answering, {
      onSuccess: (value) => result(message, value as JsonObject),
      onFailure: (cause) => failure(message, errorOf(Cause.squash(cause))),
    });
  });

  const look = Effect.fnUntraced(function* (line: Line) {
    if (line._tag === "Huge")
      return yield* write(
        failure({}, { code: codes.invalidRequest, message: `A message has at most ${maxLineBytes} bytes` }).body,
      );
    if (line.text.trim() === "") return;
    const { message, reply } = refused(line.text);
    const told = reply ?? (isObject(message) ? yield* answered(message) : undefined);
    if (told !== undefined) yield* write(told.body);
  });

  const lines = new Lines();
  yield* stdio.stdin.pipe(
    Stream.flatMap((chunk) => Stream.fromIterable(lines.take(chunk))),
    Stream.concat(Stream.suspend(() => Stream.fromIterable([lines.end()].filter((line) => line !== undefined)))),
    Stream.runForEach(look),
  );
});
