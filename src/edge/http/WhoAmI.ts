/**
 * `/v1/principal`: who a token or a browser is to this door.
 *
 * Room: edge.
 */
import { Effect, Layer } from "effect";
import { HttpRouter, HttpServerResponse } from "effect/http";
import { authenticated, Principal } from "./Guard.ts";

export const layer = HttpRouter.add(
  "GET",
  "/v1/principal",
  Effect.map(Principal, ({ name, role, tenant, via }) =>
    HttpServerResponse.jsonUnsafe({ name, role, tenant, via }, { headers: { "cache-control": "no-store" } }),
  ),
).pipe(Layer.provide(authenticated));
