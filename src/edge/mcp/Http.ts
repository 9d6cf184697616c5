/**
 * `/mcp`: the same server over streamable HTTP.
 *
 * Room: edge.
 *
 * Host, origin and tokens are the HTTP door's. Each request is answered from the store of its principal's tenant, and in its
 * role.
 */
import { Effect, Layer } from "effect";
import { McpServer } from "effect/ai";
import { Headers, HttpEffect, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http";
import { isObject, type JsonObject, stringAt } from "../../domain/Json.ts";
import { shallowText } from "../http/Depth.ts";
import { authentication, Principal } from "../http/Guard.ts";
import { TenantClients } from "../http/TenantClients.ts";
import { Caller } from "./Caller.ts";
import { EarlierStores } from "../../query/earlier/EarlierStores.ts";
import * as Desk from "./Desk.ts";
import { codes, failure, refused, type Reply } from "./Dispatch.ts";
import * as TaskDispatch from "./extension/TaskDispatch.ts";
import type { Options } from "./extension/TaskDispatch.ts";
import * as TaskTools from "./extension/TaskTools.ts";
import { extensionName } from "./extension/TaskWire.ts";
import { about, protocols, registered, visible } from "./Server.ts";

const path = "/mcp";

/**
 * Words for what Effect's server refuses without any. By the one of a lost session a client finds out that the daemon was
 * started again.
 */
const words: Readonly<Record<number, readonly [code: number, message: string]>> = {
  400: [codes.invalidRequest, "This needs the header Mcp-Session-Id, which the answer to `initialize` gives"],
  404: [codes.noSession, "There is no such session here: send `initialize` again"],
  405: [codes.invalidRequest, "Messages are posted here; a stream needs a session that has one"],
  406: [codes.invalidRequest, "This needs `Accept: application/json, text/event-stream`"],
};

const withWords = (sent: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const said = sent.body._tag === "Empty" ? words[sent.status] : undefined;
  if (said === undefined) return sent;
  const [code, message] = said;
  return HttpServerResponse.setHeaders(answered(failure({}, { code, message }, sent.status)), sent.headers);
};

const answered = ({ body, status }: Reply) =>
  HttpServerResponse.jsonUnsafe(body, { status, headers: { "cache-control": "no-store" } });

/** Headers that name the method and the task for what stands between; they must say what the body says. */
const misfit = (message: JsonObject, headers: Readonly<Record<string, string | undefined>>): Reply | undefined => {
  const method = stringAt(message, "method") ?? "";
  const params = isObject(message["params"]) ? message["params"] : {};
  const name = stringAt(params, method.startsWith("tasks/") ? "taskId" : "name");
  const given = headers["mcp-name"];
  const decoded = given === undefined ? undefined : McpServer.decodeNameHeader(given);
  if (headers["mcp-method"] === method && decoded === name) return undefined;
  const error = { code: codes.headerMismatch, message: "Mcp-Method or Mcp-Name is missing, or does not fit the body" };
  return failure(message, error, 400);
};

/** Messages of the extension are answered before the server sees them. */
const front = (tasks: Options) =>
  HttpRouter.middleware((app) =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest;
      const caller = yield* Caller;
      // The HTTP door has looked at the origin, and lets ours in; Effect's server knows no origin but those of a list.
      const behind = request.modify({ headers: Headers.remove(request.headers, "origin") });
      const pass = Effect.provideService(app, HttpServerRequest.HttpServerRequest, behind);
      if (request.method !== "POST") return yield* pass;
      if (!(request.headers["content-type"] ?? "").startsWith("application/json")) return yield* pass;
      const { message, reply } = refused(
        yield* Effect.catchTag(shallowText(behind), "HttpServerError", () => Effect.succeed("")),
      );
      if (reply !== undefined) return answered(reply);
      if (!isObject(message)) return yield* pass;
      const check = (asked: JsonObject) => misfit(asked, request.headers);
      const answer = yield* TaskDispatch.make(tasks, Effect.succeed(caller), check)(message);
      return answer === undefined ? yield* pass : answered(answer);
    }),
  );

/** Routes of a server that offers `registrations` and `tasks`; `callers` says who asks, outside of what is in front. */
export const serving = <E, R, EC, RC>(options: {
  readonly registrations: Layer.Layer<never, E, R>;
  readonly tasks: Options;
  readonly callers: (inside: ReturnType<typeof front>) => Layer.Layer<HttpRouter.Request<"Requires", Caller>, EC, RC>;
}) =>
  McpServer.layerHttp({
    ...about,
    path,
    protocols,
    extensions: { [extensionName]: {} },
    allowSessionTermination: true,
    registrations: options.registrations,
  }).pipe(Layer.provide(options.callers(front(options.tasks))));

/** The thread that the asking agent is in, where its configuration says it. */
const threadHeader = "recollect-thread";

const sessionHeader = "mcp-session-id";
/** Sessions whose tokens are remembered; of the longest-opened beyond them, its id alone says whose it is. */
const mostSessions = 10_000;

/** Tokens by the session that each opened: no other token speaks in it or ends it, and is told that there is none. */
const sessionOwners = () => {
  const owners = new Map<string, string>();
  return {
    isAnothers: (session: string | undefined, name: string): boolean =>
      session !== undefined && (owners.get(session) ?? name) !== name,
    opened: (session: string | undefined, name: string): void => {
      if (session === undefined || owners.has(session)) return;
      owners.set(session, name);
      if (owners.size > mostSessions) owners.delete(owners.keys().next().value ?? "");
    },
  };
};

/** Caller behind a token, and the store of its tenant. */
const callers = HttpRouter.middleware<{ provides: Caller }>()(
  Effect.map(Effect.all([TenantClients, EarlierStores]), ([clients, earlier]) => {
    const owners = sessionOwners();
    return (app) =>
      Effect.gen(function* () {
        const { name, role, tenant } = yield* Principal;
        const { headers } = yield* HttpServerRequest.HttpServerRequest;
        if (owners.isAnothers(headers[sessionHeader], name))
          return withWords(HttpServerResponse.empty({ status: 404 }));
        const desk = yield* Desk.of(yield* clients.of(tenant), earlier);
        const response = yield* Effect.provideService(app, Caller, {
          who: { role, tenant, name, thread: headers[threadHeader] },
          desk,
        });
        // The server names a new session when its answer is sent, behind every middleware.
        yield* HttpEffect.appendPreResponseHandler((_, sent) => {
          owners.opened(sent.headers[sessionHeader], name);
          return Effect.succeed(withWords(sent));
        });
        return response;
      });
  }),
);

export const layer = serving({
  registrations: registered.pipe(Layer.provide(visible.layer)),
  tasks: TaskTools.options,
  callers: (inside) => inside.combine(callers).combine(authentication).layer,
});
