/**
 * The check of token, cookie and role that stands before every address of the API.
 *
 * Room: edge.
 */
import { Context, Effect, Layer } from "effect";
import { HttpServerRequest } from "effect/http";
import { Access, Needs } from "../api/Access.ts";
import { shallowBody } from "../Depth.ts";
import { HttpDoor, Principal, principalOf, requireRole } from "../Guard.ts";
import { boundedOf, measured } from "../Observed.ts";
import { toResponse } from "../Problem.ts";

export const layer = Layer.effect(
  Access,
  Effect.map(HttpDoor, (door) =>
    Access.of({
      token: (app, { endpoint, group }) => {
        const operation = `${group.identifier}.${endpoint.identifier}`;
        const allowed = Effect.gen(function* () {
          const request = yield* HttpServerRequest.HttpServerRequest;
          // A browser's cookie counts as well, so the credential that the middleware has read is not looked at.
          const principal = yield* principalOf(door, request);
          const needed = Context.get(endpoint.annotations, Needs);
          yield* Effect.provideService(requireRole(needed), Principal, principal);
          yield* shallowBody;
          return yield* boundedOf(principal.name, Effect.provideService(app, Principal, principal));
        }).pipe(Effect.catchTag("HttpRefused", (problem) => Effect.succeed(toResponse(problem))));
        return measured(operation, allowed);
      },
    }),
  ),
);
