/**
 * The addresses that are asked most, as the hot path answers them: a thread's read, one event, one message.
 *
 * Room: edge.
 *
 * Each is the handler of its endpoint, its payload decoded by the endpoint's own Schema.
 */
import { Context, type Effect, Option, Schema } from "effect";
import type { HttpServerRequest, HttpServerResponse } from "effect/http";
import type { Role } from "../../../log/access/Roles.ts";
import { Needs } from "../api/Access.ts";
import { EventSaid, ThreadEvents } from "../api/EventsApi.ts";
import { Saying, Threads } from "../api/ThreadsApi.ts";
import type { Principal } from "../Guard.ts";
import { hotAnswer } from "../handlers/Answer.ts";
import { append } from "../handlers/Events.ts";
import { read, say } from "../handlers/Threads.ts";
import type { Client } from "../TenantClients.ts";

/** Parts of a request that a hot route is made of. */
export interface HotAsked {
  /** The part of the path that names a thing. */
  readonly id: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** JSON of the body; undefined for a GET. */
  readonly body: unknown;
  readonly tenant: string;
  readonly client: Context.Context<Client>;
}

export type HotAnswering = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  never,
  HttpServerRequest.HttpServerRequest | Principal | Client
>;

export interface HotRoute {
  readonly method: "GET" | "POST";
  /** Its first group is the id, of letters that need no decoding. */
  readonly path: RegExp;
  /** Name in the metrics; absent: not counted there. */
  readonly operation?: string | undefined;
  readonly needs: Role;
  /** The answer; undefined leaves the request to the router. */
  readonly answer: (asked: HotAsked) => HotAnswering | undefined;
}

const saidEvent = Schema.decodeUnknownOption(Schema.toCodecJson(EventSaid));
const saidMessage = Schema.decodeUnknownOption(Schema.toCodecJson(Saying));

export const routes: ReadonlyArray<HotRoute> = [
  {
    method: "GET",
    path: /^\/v1\/threads\/([\w.~-]+)$/,
    operation: "threads.read",
    needs: Context.get(Threads.endpoints.read.annotations, Needs),
    answer: ({ headers, id }) =>
      hotAnswer(read({ params: { id }, query: {}, headers: { "if-none-match": headers["if-none-match"] } })),
  },
  {
    method: "POST",
    path: /^\/v1\/threads\/([\w.~-]+)\/events$/,
    operation: "threadEvents.append",
    needs: Context.get(ThreadEvents.endpoints.append.annotations, Needs),
    answer: ({ body, headers, id }) => {
      // Of several the answer may be long enough to be compressed, and many of them are no longer dear by their request.
      if (headers["if-match"] !== undefined || (typeof body === "object" && body !== null && "events" in body)) return;
      const payload = Option.getOrUndefined(saidEvent(body));
      return payload === undefined ? undefined : hotAnswer(append("thread", { params: { id }, payload, headers: {} }));
    },
  },
  {
    method: "POST",
    path: /^\/v1\/threads\/([\w.~-]+)\/messages$/,
    operation: "threads.say",
    needs: Context.get(Threads.endpoints.say.annotations, Needs),
    answer: ({ body, id }) => {
      const payload = Option.getOrUndefined(saidMessage(body));
      return payload === undefined ? undefined : hotAnswer(say(id, payload));
    },
  },
];
