/**
 * The hot path: requests that come most are answered without router, middlewares and body streams.
 *
 * Room: edge.
 *
 * Promises: only a request that is plain in every respect (a name of this machine, no page of a browser, a bearer token
 * that holds, a role that may, a small body of JSON that fits its Schema) is answered here, by the handler of its endpoint
 * and with the same headers; every other one goes to the router as it came, its body put back, so that the API's
 * definition alone says what is refused and how.
 *
 * Decision: a second way in, because Effect's router, its middlewares, the decoding of parameters and the stream of a body
 * took two thirds of the processor of a warm read and a third of an append's. With traces it is off.
 */
import { Cause, Clock, Context, Effect, Exit, Fiber, References, type Scope } from "effect";
import { HttpServerRequest, HttpServerResponse } from "effect/http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { answered } from "../Answered.ts";
import { isDeepText } from "../Depth.ts";
import { bearerOf, closedHeaders, HttpDoor, isPlain, mayAct, Principal } from "../Guard.ts";
import type { Handler } from "../Listener.ts";
import { counted } from "../Observed.ts";
import { type Client, TenantClients } from "../TenantClients.ts";
import type { HotAnswering, HotRoute } from "./HotRoutes.ts";

/** Larger bodies gain nothing here. */
const mostBytes = 64 * 1024;
const isJson = /^application\/json(?:; ?charset=utf-8)?$/i;

type Services = HttpDoor | TenantClients;

/** Parts of a request that are no matter of the hot path: coding, conditions on the transfer, a tenant in place of the token's. */
const unusual = ["transfer-encoding", "content-encoding", "recollect-tenant", "cookie", "expect", "upgrade"];

type Headers = Readonly<Record<string, string | undefined>>;

const asJson = (text: string): unknown => {
  if (isDeepText(text)) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

/** Bytes of the body; undefined for a request that the router takes. */
const bytesOf = ({ method }: HotRoute, headers: Headers): number | undefined => {
  const length = headers["content-length"];
  if (method === "GET") {
    const isBare = (length === undefined || length === "0") && !/gzip|\*/.test(headers["accept-encoding"] ?? "");
    return isBare ? 0 : undefined;
  }
  if (!isJson.test(headers["content-type"] ?? "")) return undefined;
  const bytes = Number(length);
  return bytes > 0 && bytes <= mostBytes ? bytes : undefined;
};

/** In every answer; with a body also that another client might be given it compressed, as the router has it. */
const bare = { ...closedHeaders(HttpServerResponse.empty()).headers };
const withBody = { ...bare, vary: "Accept-Encoding" };

/** Writes an answer whose body is at hand: no handler of the hot path gives a stream. */
const write = (to: ServerResponse, { body, headers, status }: HttpServerResponse.HttpServerResponse): void => {
  if (to.destroyed || to.writableEnded) return;
  const isThere = body._tag === "Uint8Array";
  to.writeHead(status, { ...(isThere ? withBody : bare), ...headers });
  if (isThere) to.end(body.text ?? body.body);
  else to.end();
};

/** Reads a body of known length at once, and puts it back where it is not wanted. */
const whole = (request: IncomingMessage, bytes: number, take: (body: Buffer) => boolean, orElse: () => void): void => {
  const parts: Array<Buffer> = [];
  let read = 0;
  const onData = (part: Buffer): void => {
    parts.push(part);
    read += part.length;
    if (read < bytes) return;
    request.off("data", onData);
    const body = parts.length === 1 ? part : Buffer.concat(parts);
    if (take(body)) return;
    // Paused until the router reads: a flowing stream without a listener drops its data.
    request.pause();
    request.unshift(body);
    request.on("newListener", (event) => {
      if (event === "data") process.nextTick(() => request.resume());
    });
    orElse();
  };
  request.on("data", onData);
};

/** A handler that answers hot requests, and gives all others to `router`. */
export const make = Effect.fnUntraced(function* <R>(options: {
  readonly routes: ReadonlyArray<HotRoute>;
  readonly router: Handler;
  readonly services: Context.Context<R | Services>;
  readonly scope: Scope.Scope;
}) {
  const { router, routes, scope } = options;
  const services = options.services as Context.Context<R | Services>;
  const parent = yield* Effect.fiberId;
  if (Context.get(services, References.TracerEnabled)) return router;
  const door = Context.get(services as Context.Context<Services>, HttpDoor);
  const clients = Context.get(services as Context.Context<Services>, TenantClients);
  const clock = Context.get(services, Clock.Clock);

  /** Services and client of a tenant as one context: to put them together for each request is a tenth of what it costs. */
  const contexts = new WeakMap<Context.Context<Client>, Context.Context<Services | Client>>();
  const contextOf = (client: Context.Context<Client>): Context.Context<Services | Client> => {
    const there = contexts.get(client);
    if (there !== undefined) return there;
    const made = Context.merge(services as Context.Context<Services>, client);
    contexts.set(client, made);
    return made;
  };

  const answer = (
    { operation }: HotRoute,
    given: HotAnswering,
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal["Service"],
    tenant: Context.Context<Services | Client>,
    leave: () => void,
  ): void => {
    const { headers, method = "", url = "" } = request;
    const asked = { url, originalUrl: url, method, headers } as unknown as HttpServerRequest.HttpServerRequest;
    const context = Context.add(Context.add(tenant, Principal, principal), HttpServerRequest.HttpServerRequest, asked);
    const { end: ended, refused } = counted({ operation, token: principal.name, clock, services: context });
    const end = (status: number | undefined): void => {
      ended(status);
      leave();
    };
    const finish = (told: HttpServerResponse.HttpServerResponse): void => {
      end(told.status);
      write(response, told);
    };
    if (refused !== undefined) return finish(refused);
    const fiber = Effect.runForkWith(context)(given);
    const settle = (exit: Exit.Exit<HttpServerResponse.HttpServerResponse>): void => {
      if (Exit.isSuccess(exit)) return finish(exit.value);
      if (Cause.hasInterruptsOnly(exit.cause)) return end(undefined);
      Effect.runForkWith(context)(Effect.map(answered(exit), finish));
    };
    const exit = fiber.pollUnsafe();
    if (exit !== undefined) return settle(exit);
    fiber.addObserver(settle);
    Fiber.runIn(fiber, scope);
    response.on("close", () => {
      if (!response.writableEnded) fiber.interruptUnsafe(parent);
    });
  };

  return ((request, response) => {
    const { method, url = "" } = request;
    const headers = request.headers as Headers;
    for (const route of routes) {
      if (route.method !== method) continue;
      const [, id] = route.path.exec(url) ?? [];
      if (id === undefined) continue;
      const bytes = bytesOf(route, headers);
      if (bytes === undefined || unusual.some((name) => headers[name] !== undefined) || !isPlain(door, headers)) break;
      const principal = bearerOf(door, headers, url, clock.currentTimeMillisUnsafe());
      if (principal === undefined || !mayAct(principal.role, route.needs)) break;
      const take = (body: unknown): boolean => {
        const inUse = clients.enter(principal.tenant);
        if (inUse === undefined) return false;
        const context = contextOf(inUse.client);
        const given = route.answer({ id, headers, body, tenant: principal.tenant, client: context });
        if (given === undefined) inUse.leave();
        else answer(route, given, request, response, principal, context, inUse.leave);
        return given !== undefined;
      };
      if (bytes > 0) {
        whole(
          request,
          bytes,
          (body) => take(asJson(body.toString("utf8"))),
          () => router(request, response),
        );
        return;
      }
      if (take(undefined)) return;
      break;
    }
    router(request, response);
  }) satisfies Handler;
});
