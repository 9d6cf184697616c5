/**
 * Requirements of an endpoint: a token, and a role.
 *
 * Room: edge.
 */
import { Context, Schema } from "effect";
import { ProblemDetails } from "effect/http";
import { HttpApiMiddleware, HttpApiSchema, HttpApiSecurity, OpenApi } from "effect/http-api";
import type { Role } from "../../../log/access/Roles.ts";
import type { Principal } from "../Guard.ts";

/** The least role that an endpoint asks for; without it `reader`. */
export const Needs = Context.Reference<Role>("recollect/edge/http/Needs", { defaultValue: () => "reader" });

const titles: Readonly<Record<number, string>> = {
  400: "The request is not what this address takes.",
  401: "No token that holds.",
  403: "The role, the tenant or the origin may not.",
  404: "What was asked for is not there.",
  409: "Somebody was quicker, or the state does not allow it.",
  412: "The history has moved on since the ETag in If-Match.",
  422: "What was said is refused; saying it again does not help.",
  429: "Too much at once: come again after Retry-After.",
  503: "Something is away: come again after Retry-After. The same ids twice are one event.",
};

/** A problem of RFC 9457 with this status, as OpenAPI and the typed client know it. */
export const problem = (status: number) =>
  Schema.Struct({
    type: Schema.String,
    title: Schema.String,
    status: Schema.Literal(status),
    detail: Schema.String,
    /** A name that stays. */
    code: Schema.String,
    hint: Schema.optionalKey(Schema.String),
  })
    .annotate({ identifier: `Problem${status}`, description: titles[status] ?? "" })
    .pipe(HttpApiSchema.asJson({ contentType: ProblemDetails.contentType }), HttpApiSchema.status(status));

/** Problems that every endpoint may answer. */
export const usual = [problem(400), problem(401), problem(403), problem(503)] as const;
/** Beside that, whatever names a thing. */
export const named = [...usual, problem(404)] as const;
/** Beside that, whatever writes. */
export const writing = [...usual, problem(409), problem(422), problem(429)] as const;
export const moving = [...named, problem(409), problem(422), problem(429)] as const;

/** Checks token or cookie, and the endpoint's role. */
export class Access extends HttpApiMiddleware.Service<Access, { provides: Principal }>()("recollect/edge/http/Access", {
  security: {
    token: HttpApiSecurity.bearer.pipe(
      HttpApiSecurity.annotate(OpenApi.Description, "A token of `recollect access token create`"),
    ),
  },
}) {}
