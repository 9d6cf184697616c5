/**
 * Every failure of a route as an answer that a program can read.
 *
 * Room: edge.
 */
import { Cause, Effect, Option } from "effect";
import { HttpServerError, HttpServerRespondable, HttpServerResponse } from "effect/http";
import { HttpApiError } from "effect/http-api";
import { type Problem, tooLarge, toResponse } from "./Problem.ts";

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

/** Problem of a value that does not fit its Schema: place and expected form. */
const misfit = ({ cause, kind }: HttpApiError.HttpApiSchemaError): Problem => ({
  status: kind === "Body" || kind === "ResponseHeaders" ? 500 : 400,
  code: kind === "Body" || kind === "ResponseHeaders" ? "fault" : "schema",
  detail: `${kind === "Payload" ? "The body" : kind}: ${clipped(cause.message)}`,
  hint: "GET /openapi.json says what each address takes.",
});

/** A message quotes what it refuses, and that may be megabytes. */
const clipped = (message: string): string => (message.length > 1_000 ? `${message.slice(0, 1_000)}…` : message);

const defectIn = (cause: Cause.Cause<unknown>): unknown =>
  cause.reasons.find((reason) => reason._tag === "Die")?.defect;

/** The answer to a failure; undefined when the client has gone. */
const responseOf = (cause: Cause.Cause<unknown>): Effect.Effect<HttpServerResponse.HttpServerResponse> | undefined => {
  if (Cause.hasInterruptsOnly(cause)) return undefined;
  const error = Option.getOrUndefined(Cause.findErrorOption(cause)) ?? defectIn(cause);
  if (HttpApiError.HttpApiSchemaError.is(error)) return Effect.succeed(toResponse(misfit(error)));
  if (isServerError(error)) return Effect.succeed(toResponse(problemOf(error)));
  if (HttpServerRespondable.isRespondable(error)) return HttpServerRespondable.toResponse(error);
  return Effect.as(Effect.logError("An HTTP request ended in a fault", cause), toResponse(fault));
};

const refusals: Readonly<Record<number, Problem>> = {
  413: tooLarge,
  415: {
    status: 415,
    code: "mediaType",
    detail: "The body is of a kind that this address does not take.",
    hint: "Send JSON with `content-type: application/json`.",
  },
};

/** Problem for what the router refuses by itself, without words that a program can read. */
const asProblem = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const problem = refusals[response.status];
  if (problem === undefined || response.headers["content-type"]?.includes("json") === true) return response;
  const { connection } = response.headers;
  return connection === undefined
    ? toResponse(problem)
    : HttpServerResponse.setHeader(toResponse(problem), "connection", connection);
};

/** The type keeps `E`, because a router's middleware may not say that it handles what it does not know. */
export const answered = <E, R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R> =>
  Effect.map(
    Effect.catchCause(app, (cause) => responseOf(cause) ?? Effect.failCause(cause)),
    asProblem,
  );
