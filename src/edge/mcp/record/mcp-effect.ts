/**
 * `recollect/mcp-effect`: one layer that records the tool calls of Effect's own McpServer.
 *
 * Room: edge.
 *
 * ```ts
 * const Registrations = Layer.mergeAll(McpServer.toolkit(Tools), record()).pipe(Layer.provide(RecollectLayers.core({})));
 * ```
 *
 * A call's intent is told before the tool runs, its outcome behind it; neither is waited for.
 */
import { Cause, Clock, Effect, Exit } from "effect";
import { McpServer } from "effect/ai";
import * as History from "../../../domain/History.ts";
import { isObject, stringAt } from "../../../domain/Json.ts";
import { Publisher } from "../../../publish/Publisher.ts";
import { newId } from "../../../publish/write/NewEvent.ts";
import type { RecordOptions } from "./Seen.ts";

export type { RecordOptions } from "./Seen.ts";

/** Sessions whose threads are known; one that is older gets another thread. */
const mostSessions = 1_000;

/** Outcome of a server's result, whose form is its own. */
const outcomeOf = (exit: Exit.Exit<unknown, unknown>) => {
  if (Exit.isFailure(exit)) {
    const error: unknown = Cause.squash(exit.cause);
    return {
      outcome: "error" as const,
      error: { type: stringAt(error, "_tag") ?? "error", message: stringAt(error, "message") },
    };
  }
  const result: unknown = JSON.parse(JSON.stringify(exit.value ?? null));
  if (!isObject(result) || result["isError"] !== true) return { outcome: "ok" as const, result };
  return { outcome: "error" as const, result, error: { type: "tool" } };
};

/** Records every tool call of the server that it is provided to. Needs `Publisher`. */
export const record = (options: RecordOptions = {}) =>
  McpServer.middleware(
    Effect.gen(function* () {
      const publisher = yield* Publisher;
      const scope = yield* Effect.scope;
      const threads = new Map<string, string>();

      /** The thread of a session, begun when it is first called in. */
      const threadOf = Effect.fnUntraced(function* (
        session: string,
        client: { readonly name: string; readonly version?: string } | undefined,
      ) {
        const known = options.thread ?? threads.get(session);
        if (known !== undefined) return known;
        const id = yield* newId;
        threads.set(session, id);
        for (const oldest of threads.keys()) {
          if (threads.size <= mostSessions) break;
          threads.delete(oldest);
        }
        const data = { tool: "mcp", ...(client === undefined ? {} : { client, title: client.name }) };
        yield* unheard(
          publisher.publish({ history: History.thread(id, publisher.tenant), type: "thread.opened", data }),
        );
        return id;
      });

      const unheard = <A, E>(publishing: Effect.Effect<A, E>) =>
        Effect.forkIn(Effect.ignore(publishing), scope, { startImmediately: true });

      return (effect, { method, payload, requestContext, sessionId, target }) => {
        if (method !== "tools/call") return effect;
        return Effect.gen(function* () {
          const info = requestContext.clientInfo;
          const client = info === undefined ? undefined : { name: info.name, version: info.version };
          const threadId = yield* threadOf(sessionId ?? client?.name ?? "", client);
          const history = History.thread(threadId, publisher.tenant);
          const callId = yield* newId;
          const asked = yield* newId;
          const began = yield* Clock.monotonicTimeNanos;
          const correlationId = stringAt(isObject(payload) ? payload["_meta"] : undefined, "claudecode/toolUseId");
          const about = { actor: client?.name, ...(correlationId === undefined ? {} : { correlationId }) };
          const called = { callId, name: target, arguments: isObject(payload) ? payload["arguments"] : undefined };
          yield* unheard(
            publisher.publish({ ...about, id: asked, isNew: true, history, type: "thread.tool_called", data: called }),
          );
          return yield* Effect.onExit(effect, (exit) =>
            Effect.gen(function* () {
              const durationMillis = Number((yield* Clock.monotonicTimeNanos) - began) / 1e6;
              const data = { callId, durationMillis, ...outcomeOf(exit) };
              yield* unheard(publisher.publish({ causationId: asked, history, type: "thread.tool_returned", data }));
            }),
          );
        });
      };
    }),
    { global: true },
  );
