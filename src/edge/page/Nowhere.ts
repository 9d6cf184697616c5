/**
 * The answer where there is nothing: a screen with a way home for a browser, else the problem that programs are answered.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { HttpServerError, HttpServerRequest } from "effect/http";
import { html } from "./html/Html.ts";
import { trouble, wishesOf } from "./Shown.ts";

/** Longest address that is shown. */
const mostShown = 200;

/** Browsers name HTML in `Accept`; programs take JSON, or anything. */
const takesHtml = (accept: string | undefined): boolean => accept?.includes("text/html") === true;

export const nowhere = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
  if (!takesHtml(request.headers["accept"]))
    return Effect.fail(new HttpServerError.HttpServerError({ reason: new HttpServerError.RouteNotFound({ request }) }));
  return Effect.succeed(
    trouble(
      wishesOf(request.cookies),
      {
        title: "There is nothing here",
        message: html`The store has no screen at <code>${request.url.slice(0, mostShown)}</code>.`,
        hint: html`<a href="/">Now</a> shows what is going on; <a href="/search">Search</a> finds what was said.`,
      },
      404,
    ),
  );
});
