/**
 * Every failure of a route as an answer that a program can read.
 *
 * Room: edge.
 */
import { Cause, Effect, Option } from "effect";
import { HttpServerError, HttpServerRespondable, type HttpServerResponse } from "effect/http";
import { type Problem, toResponse } from "./Problem.ts";

const noRoute: Problem = {
  status: 404,
  code: "route",
  detail: "There is nothing at this address.",
  hint: "GET /openapi.json says what there is.",
};
const unreadable: Problem = {
  status: 400,
  code: "body",
  detail: "The body cannot be read as what it says it is.",
  hint: "Send JSON in UTF-8 with `content-type: application/json`.",
};
const tooLarge: Problem = { status: 413, code: "tooLarge", detail: "The body is larger than this door takes." };
const fault: Problem = {
  status: 500,
  code: "fault",
  detail: "This is a fault of Recollect.",
  hint: "Its log says where.",
};

const problemOf = ({ reason }: HttpServerError.HttpServerError): Problem => {
  switch (reason._tag) {
    case "RouteNotFound":
      return noRoute;
    case "RequestParseError":
      return reason.reason === "BodyTooLarge" ? tooLarge : unreadable;
    default:
      return fault;
  }
};

const isServerError = (error: unknown): error is HttpServerError.HttpServerError =>
  error instanceof HttpServerError.HttpServerError;

/** The answer to a failure; undefined when the client has gone, and nobody waits for one. */
const responseOf = (cause: Cause.Cause<unknown>): Effect.Effect<HttpServerResponse.HttpServerResponse> | undefined => {
  if (Cause.hasInterruptsOnly(cause)) return undefined;
  const error = Option.getOrUndefined(Cause.findErrorOption(cause));
  if (isServerError(error)) return Effect.succeed(toResponse(problemOf(error)));
  if (HttpServerRespondable.isRespondable(error)) return HttpServerRespondable.toResponse(error);
  return Effect.as(Effect.logError("An HTTP request ended in a fault", cause), toResponse(fault));
};

/** The type keeps `E`, because a router's middleware may not say that it handles what it does not know. */
export const answered = <E, R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R> =>
  Effect.catchCause(app, (cause) => responseOf(cause) ?? Effect.failCause(cause));
