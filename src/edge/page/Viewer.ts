/**
 * The viewer of the page, and the part of the store that they may see.
 *
 * Room: edge.
 *
 * An operator sees the whole store; others see their own tenant. Without a sign-in the way to one is shown.
 */
import { Context, Effect } from "effect";
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http";
import { type AskedSql, auditSql } from "../../client/AuditedSql.ts";
import { QueryRefused } from "../../query/Sql.ts";
import { TenantClients } from "../http/TenantClients.ts";
import { boundedOf } from "../http/Observed.ts";
import { HttpDoor, mayAct, type Principal, principalOf } from "../http/Guard.ts";
import { defaultTenant } from "../../domain/History.ts";
import { html } from "./html/Html.ts";
import { trouble, wishesOf } from "./Shown.ts";

export class Viewer extends Context.Service<
  Viewer,
  {
    readonly name: string;
    /** Undefined: all tenants. */
    readonly tenant: string | undefined;
    /** May see what concerns the whole store, and act on it. */
    readonly isOperator: boolean;
    /** False once it may look no longer: for answers that go on. */
    readonly stillHolds: () => boolean;
    /** Says in the record that they asked this; what cannot be recorded may not be asked. */
    readonly recorded: (asked: AskedSql) => Effect.Effect<void, QueryRefused>;
    /** Folder of saved queries. */
    readonly queries: string;
    /** Completes when the door closes. */
    readonly closing: Effect.Effect<void>;
  }
>()("recollect/edge/page/Viewer") {}

/** The tenant that is asked for, where the viewer may see it; else their own. */
export const tenantFor = (viewer: Viewer["Service"], wanted: string | undefined): string =>
  viewer.tenant ?? wanted ?? defaultTenant;

const notRecorded = (cause: { readonly message: string; readonly detail?: string }) =>
  new QueryRefused({
    message: `The statement was not asked, because it could not be recorded: ${cause.detail ?? cause.message}`,
    hint: "See the pipeline.",
  });

const viewerOf = (
  { name, role, stillHolds, tenant }: Principal["Service"],
  clients: TenantClients["Service"],
  { closing, root }: HttpDoor["Service"],
) => {
  const isOperator = mayAct(role, "operator");
  const recorded = (asked: AskedSql) =>
    Effect.flatMap(clients.of(tenant), (client) =>
      Effect.provideContext(auditSql({ ...asked, actor: `page/${name}` }), client),
    ).pipe(Effect.scoped, Effect.mapError(notRecorded));
  const queries = `${root}/queries`;
  const seen = isOperator ? undefined : tenant;
  return Viewer.of({ name, tenant: seen, isOperator, stillHolds, recorded, queries, closing });
};

const notSignedIn = Effect.map(HttpServerRequest.HttpServerRequest, ({ cookies, headers }) =>
  headers["recollect-part"] === undefined
    ? trouble(
        wishesOf(cookies),
        {
          title: "Sign in",
          message: "This page shows what your agents said and did, so it is shown to you alone.",
          hint: html`Run <code>recollect open</code> on this machine: it opens the page, signed in for a week.`,
        },
        401,
      )
    : HttpServerResponse.text("Sign in again: recollect open", { status: 401 }),
);

/** For routes that show something. */
export const signedIn = HttpRouter.middleware<{ provides: Viewer }>()(
  Effect.map(
    Effect.all([HttpDoor, TenantClients]),
    ([door, clients]) =>
      (app) =>
        Effect.gen(function* () {
          const request = yield* HttpServerRequest.HttpServerRequest;
          const principal = yield* Effect.option(principalOf(door, request));
          if (principal._tag === "None") return yield* notSignedIn;
          const seen = Effect.provideService(app, Viewer, viewerOf(principal.value, clients, door));
          return yield* boundedOf(principal.value.name, seen);
        }),
  ),
).layer;
