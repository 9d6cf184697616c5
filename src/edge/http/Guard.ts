/**
 * The guard of the HTTP door: the right host, no foreign page, a token or a signed-in browser with a role.
 *
 * Room: edge.
 *
 * Another door (the page, /mcp, /hooks) takes part so:
 *
 * 1. It exports one `Layer` that registers routes on Effect's `HttpRouter` (`HttpRouter.add`, `HttpApiBuilder.layer`), and
 *    adds that layer as one line to the list in `src/main/http/HttpRoutes.ts`. `outermost` is in force for every route there.
 * 2. Routes that need a principal get it from `authenticated`: `Layer.provide(authenticated)` on the routes' layer, then
 *    `yield* Principal` in a handler: role, tenant and name. `requireRole("publisher")` refuses who has less.
 * 3. The store is reached through `TenantClients`: `(yield* TenantClients).of(principal.tenant)` gives the context of the
 *    client's services (`Effect.provideContext`), one client for a tenant, so that all writers share its group commit.
 * 4. A request that cannot be done fails with `refused({ status, code, detail, hint })` (Problem.ts) and is answered as RFC 9457 has it.
 *
 * Promises: a request whose `Host` is not one of ours is answered 421, so that a name of a foreign page that points to this
 * machine (DNS rebinding) reaches nothing; a foreign `Origin` is answered 403; no CORS header is ever sent; a token that is
 * missing, unknown, revoked or over is 401, a role that may not is 403.
 */
import { Clock, Context, Effect } from "effect";
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http";
import { isId, maxIdBytes } from "../../domain/History.ts";
import * as HttpTokens from "../../log/access/HttpTokens.ts";
import type { Role } from "../../log/access/Roles.ts";
import { answered } from "./Answered.ts";
import { bounded, boundedOf } from "./Observed.ts";
import { refused, tooLarge, toResponse } from "./Problem.ts";

/** Settings of the door. */
export class HttpDoor extends Context.Service<
  HttpDoor,
  {
    /** The data folder, where tokens lie. */
    readonly root: string;
    /** For example `http://127.0.0.1:4280`. */
    readonly url: string;
    /** Address for other machines, under TLS; undefined: none. */
    readonly outside?: string | undefined;
    /** Names under which it may be called, beside those of this machine. */
    readonly hosts: ReadonlyArray<string>;
    /** Completes when the door closes: an answer that goes on (a stream of events) ends then. */
    readonly closing: Effect.Effect<void>;
  }
>()("recollect/edge/http/HttpDoor") {}

/** The authenticated caller. */
export class Principal extends Context.Service<
  Principal,
  {
    readonly name: string;
    readonly role: Role;
    readonly tenant: string;
    /** A browser that was signed in, or a program with a token. */
    readonly via: "cookie" | "bearer";
    /** False once the token is revoked: for answers that go on. */
    readonly stillHolds: () => boolean;
  }
>()("recollect/edge/http/Principal") {}

const ranks: Readonly<Record<Role, number>> = { reader: 0, publisher: 1, worker: 2, operator: 3 };

/** Each role may what those before it may: reader, publisher, worker, operator. */
export const mayAct = (held: Role, needed: Role): boolean => ranks[held] >= ranks[needed];

/** The principal, when it has this role or a higher one; else 403. */
export const requireRole = Effect.fnUntraced(function* (needed: Role) {
  const principal = yield* Principal;
  if (mayAct(principal.role, needed)) return principal;
  return yield* refused({
    status: 403,
    code: "role",
    detail: `${principal.name} is ${principal.role}, and this needs ${needed}.`,
    hint: `Make a token that may: recollect access token create NAME --role ${needed}`,
  });
});

/** Browsers send cookies to every port of a host, so the name has ours. */
export const cookieName = (url: string): string => `recollect_${new URL(url).port || "443"}`;

/** The tenant that an operator names in place of its own. */
const tenantHeader = "recollect-tenant";

const loopbackNames = new Set(["127.0.0.1", "localhost", "[::1]", "recollect.localhost"]);

const nameOf = (host: string): string => host.replace(/:\d+$/, "").toLowerCase();

const isOurs = (door: HttpDoor["Service"], host: string): boolean => {
  const name = nameOf(host);
  return loopbackNames.has(name) || door.hosts.includes(name);
};

const isOurOrigin = (door: HttpDoor["Service"], origin: string): boolean => {
  const at = URL.parse(origin);
  if (at === null || !isOurs(door, at.host)) return false;
  return [door.url, door.outside].some((url) => {
    const own = url === undefined ? undefined : new URL(url);
    return at.protocol === own?.protocol && at.port === own.port;
  });
};

/** True for a request that came to the address for other machines, under TLS. */
export const isOutside = ({ outside }: HttpDoor["Service"], host: string | undefined): boolean =>
  outside !== undefined && host !== undefined && URL.parse(`https://${host}`)?.port === new URL(outside).port;

/**
 * True when a browser says that a page of another site or port asks, and not a person who follows a link: cookies are sent
 * along by a page of another port of this machine, and without an `Origin` when it only wants a picture.
 */
const isForeignFetch = (headers: Readonly<Record<string, string | undefined>>): boolean =>
  /^(?:cross|same)-site$/.test(headers["sec-fetch-site"] ?? "") && headers["sec-fetch-mode"] !== "navigate";

const wrongHost = refused({
  status: 421,
  code: "host",
  detail: "This door does not go by that name.",
  hint: "Use the address that `recollect up` prints.",
});
const foreignOrigin = refused({
  status: 403,
  code: "origin",
  detail: "A page of another origin may not use this door.",
  hint: "Call it from a program, or from a page that it serves.",
});
const unknown = refused({
  status: 401,
  code: "token",
  detail: "This needs a token that holds.",
  hint: "Send `Authorization: Bearer TOKEN`; make one with `recollect access token create NAME --role ROLE`, or sign a browser in with `recollect open`.",
});

/** Larger bodies are refused before they are read: a large file is less, and so is an append of 1,000 events. */
export const maxBodyBytes = 32 * 1024 * 1024;
const bodyTooLarge = HttpServerResponse.setHeader(toResponse(tooLarge), "connection", "close");

/** In force for every route: host and origin checked, headers that keep pages to themselves, failures as problems. */
export const outermost = HttpRouter.middleware(
  Effect.map(
    HttpDoor,
    (door) =>
      <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
        Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) => {
          const { host, origin } = headers;
          const isRight = host !== undefined && isOurs(door, host);
          const isSame = (origin === undefined || isOurOrigin(door, origin)) && !isForeignFetch(headers);
          const why = isRight ? (isSame ? undefined : foreignOrigin) : wrongHost;
          if (why !== undefined) return Effect.succeed(closedHeaders(toResponse(why)));
          if (Number(headers["content-length"]) > maxBodyBytes) return Effect.succeed(closedHeaders(bodyTooLarge));
          return Effect.map(bounded(answered(app)), closedHeaders);
        }),
  ),
  { global: true },
);

/** A door that also serves pages sets a policy of its own; nothing of ours is for frames of others. */
export const closedHeaders = (
  response: HttpServerResponse.HttpServerResponse,
): HttpServerResponse.HttpServerResponse => {
  const { headers } = response;
  return HttpServerResponse.setHeaders(response, {
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    ...(headers["content-security-policy"] === undefined
      ? { "content-security-policy": "default-src 'none'; frame-ancestors 'none'" }
      : {}),
  });
};

const bearerIn = (header: string | undefined): string | undefined => /^Bearer +(\S+) *$/i.exec(header ?? "")?.[1];

const noTenant = refused({
  status: 400,
  code: "tenant",
  detail: `Recollect-Tenant is no name: it has 1 to ${maxIdBytes} bytes of UTF-8.`,
});

/** Tenant of a request: the token's own, or for an operator the one that is named. */
const tenantOf = (held: HttpTokens.HttpToken, named: string | undefined) => {
  if (named === undefined || named === held.tenant) return Effect.succeed(held.tenant);
  if (held.role === "operator") return isId(named) ? Effect.succeed(named) : Effect.fail(noTenant);
  return Effect.fail(
    refused({
      status: 403,
      code: "tenant",
      detail: `${held.name} belongs to tenant ${held.tenant}.`,
      hint: "Only an operator names another tenant.",
    }),
  );
};

/** Authenticates by token or cookie; fails with 401. */
export const principalOf = Effect.fnUntraced(function* (
  { root, url }: HttpDoor["Service"],
  { cookies, headers, url: path }: HttpServerRequest.HttpServerRequest,
) {
  const bearer = bearerIn(headers["authorization"]);
  const secret = bearer ?? cookies[cookieName(url)];
  const now = yield* Clock.currentTimeMillis;
  const held = secret === undefined ? undefined : HttpTokens.find(root, secret, now);
  // A cookie is no token that a program may send, and the other way round.
  if (secret === undefined || held === undefined || (held.kind === "page") !== (bearer === undefined)) {
    return yield* unknown;
  }
  // It lies in agents' files, and is sent to whatever listens there.
  if (held.kind === "hooks" && !path.startsWith("/hooks/")) return yield* unknown;
  const { name, role } = held;
  const tenant = yield* tenantOf(held, headers[tenantHeader]);
  const stillHolds = () => HttpTokens.holds(root, secret);
  return Principal.of({ name, role, tenant, via: bearer === undefined ? "cookie" : "bearer", stillHolds });
});

/** True for a request of a program to a name of ours: nothing that the outermost guard would refuse or look at twice. */
export const isPlain = (door: HttpDoor["Service"], headers: Readonly<Record<string, string | undefined>>): boolean =>
  headers["host"] !== undefined &&
  isOurs(door, headers["host"]) &&
  headers["origin"] === undefined &&
  headers["sec-fetch-site"] === undefined;

/** The principal of a bearer token that holds; undefined where `principalOf` says why not. */
export const bearerOf = (
  { root }: HttpDoor["Service"],
  headers: Readonly<Record<string, string | undefined>>,
  path: string,
  now: number,
): Principal["Service"] | undefined => {
  const secret = bearerIn(headers["authorization"]);
  const held = secret === undefined ? undefined : HttpTokens.find(root, secret, now);
  if (secret === undefined || held === undefined || held.kind === "page") return undefined;
  if (held.kind === "hooks" && !path.startsWith("/hooks/")) return undefined;
  const { name, role, tenant } = held;
  return { name, role, tenant, via: "bearer", stillHolds: () => HttpTokens.holds(root, secret) };
};

/** Gives each request its principal, within the bound of its token; for a middleware that reads it: `mine.combine(authentication)`. */
export const authentication = HttpRouter.middleware<{ provides: Principal }>()(
  Effect.map(
    HttpDoor,
    (door) => (app) =>
      Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest;
        const principal = yield* principalOf(door, request);
        return yield* boundedOf(principal.name, Effect.provideService(app, Principal, principal));
      }),
  ),
);

/** For routes that need a principal. */
export const authenticated = authentication.layer;
