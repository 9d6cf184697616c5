/**
 * The error answer of the HTTP door: a problem of RFC 9457, with the repair in `hint`.
 *
 * Room: edge.
 */
import { Effect, Schema } from "effect";
import { HttpServerRespondable, type HttpServerResponse, ProblemDetails } from "effect/http";
import { HttpServerResponse as Response } from "effect/http";
import { asCalledFromAfar } from "../../machine/CalledAs.ts";

/** Says what is wrong, by a name that stays (`code`), a sentence (`detail`) and what to do (`hint`). */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly hint?: string | undefined;
  /** Seconds after which the same request may succeed. */
  readonly retryAfter?: number | undefined;
  /** Further members: `expected` and `actual` of a conflict, for example. */
  readonly more?: Readonly<Record<string, unknown>> | undefined;
}

const titles: Readonly<Record<number, string>> = {
  400: "Bad request",
  401: "Not signed in",
  403: "Not allowed",
  404: "Not found",
  405: "Method not allowed",
  406: "Not acceptable",
  408: "Too slow",
  409: "Conflict",
  411: "Length required",
  412: "Precondition failed",
  413: "Too large",
  415: "Unsupported media type",
  421: "Wrong host",
  422: "Refused",
  429: "Too many requests",
  500: "Fault of Recollect",
  503: "Unavailable",
};

export const toResponse = (problem: Problem): HttpServerResponse.HttpServerResponse => {
  const { code, detail, hint, more, retryAfter, status } = problem;
  const response = ProblemDetails.toResponse({
    type: `urn:recollect:problem:${code}`,
    title: titles[status] ?? "Problem",
    status,
    detail,
    code,
    ...(hint === undefined || hint === "" ? {} : { hint: asCalledFromAfar(hint) }),
    ...more,
  });
  const headers = {
    "cache-control": "no-store",
    ...(retryAfter === undefined ? {} : { "retry-after": String(Math.max(1, Math.ceil(retryAfter))) }),
    ...(status === 401 ? { "www-authenticate": 'Bearer realm="recollect"' } : {}),
  };
  return Response.setHeaders(response, headers);
};

/** A problem as a failure: a handler fails with it, and the router answers it. */
export class Refused
  extends Schema.TaggedError<Refused>()("HttpRefused", {
    status: Schema.Int,
    code: Schema.String,
    detail: Schema.String,
    hint: Schema.optionalKey(Schema.UndefinedOr(Schema.String)),
    retryAfter: Schema.optionalKey(Schema.UndefinedOr(Schema.Finite)),
    more: Schema.optionalKey(Schema.UndefinedOr(Schema.Record(Schema.String, Schema.Unknown))),
  })
  implements HttpServerRespondable.Respondable
{
  [HttpServerRespondable.symbol]() {
    return Effect.succeed(toResponse(this));
  }
}

export const tooLarge: Problem = {
  status: 413,
  code: "tooLarge",
  detail: "The body is larger than 32 MiB.",
  hint: "Say it in several requests.",
};

export const refused = (problem: Problem): Refused => new Refused(problem);
