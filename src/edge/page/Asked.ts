/**
 * The content of a request, and its caller.
 *
 * Room: edge.
 */
import { Clock, Effect } from "effect";
import { HttpServerRequest } from "effect/http";
import { queryOf } from "../http/Address.ts";
import { wishesOf } from "./Shown.ts";
import { Viewer } from "./Viewer.ts";

/** The moment that an address names, before that of the browser; empty: now. */
const asOfGiven = (query: URLSearchParams) => {
  const written = query.get("as-of");
  return written === null ? {} : { asOf: written === "" ? undefined : written };
};

/** Query, wishes, viewer; `isPart`: the script asks for a piece of the screen; `now`: epoch milliseconds. */
export const asked = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest;
  return {
    query: queryOf(request.url),
    wishes: { ...wishesOf(request.cookies), ...asOfGiven(queryOf(request.url)) },
    isPart: request.headers["recollect-part"] !== undefined,
    viewer: yield* Viewer,
    now: yield* Clock.currentTimeMillis,
  };
});

/** A parameter that was given and says something. */
export const given = (query: URLSearchParams, name: string): string | undefined => {
  const value = query.get(name)?.trim();
  return value === undefined || value === "" ? undefined : value;
};

/** A whole number that was given, or undefined. */
export const number = (query: URLSearchParams, name: string): number | undefined => {
  const value = given(query, name);
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
};
