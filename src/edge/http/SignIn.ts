/**
 * Signing a browser in: a code that works once becomes a cookie that only this door is sent.
 *
 * Room: edge.
 *
 * `recollect open` makes the code and opens `/sign-in?code=…`; the answer sets the cookie and leads to `/`. The cookie is
 * HttpOnly and SameSite=Strict, stands for the same principal as a token, and is revoked as one.
 */
import { Clock, Effect, Layer } from "effect";
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http";
import * as HttpTokens from "../../log/access/HttpTokens.ts";
import { queryOf } from "./Address.ts";
import { cookieName, HttpDoor, isOutside } from "./Guard.ts";
import { refused } from "./Problem.ts";

/** A browser stays signed in for a week. */
const livesMillis = 7 * 24 * 3_600_000;

const usedUp = refused({
  status: 401,
  code: "signInCode",
  detail: "This code was used already, or is over.",
  hint: "Get another one: recollect open",
});

/** Only paths of our own, as a browser reads them: it leaves out tabs and line feeds, and takes a backslash for a slash. */
const destinationOf = (to: string | null, url: string): string => {
  const at = to?.startsWith("/") === true ? URL.parse(to, url) : null;
  const path = at?.origin === new URL(url).origin ? `${at.pathname}${at.search}${at.hash}` : "/";
  return path.startsWith("//") ? "/" : path;
};

const signIn = Effect.gen(function* () {
  const door = yield* HttpDoor;
  const request = yield* HttpServerRequest.HttpServerRequest;
  const query = queryOf(request.url);
  const now = yield* Clock.currentTimeMillis;
  const used = HttpTokens.useCode(door.root, query.get("code") ?? "", { now, livesMillis });
  if (used === undefined) return yield* usedUp;
  return HttpServerResponse.redirect(destinationOf(query.get("to"), door.url), { status: 303 }).pipe(
    HttpServerResponse.setCookieUnsafe(cookieName(door.url), used.secret, {
      httpOnly: true,
      sameSite: "strict",
      secure: isOutside(door, request.headers["host"]),
      path: "/",
      maxAge: livesMillis,
    }),
    HttpServerResponse.setHeader("cache-control", "no-store"),
  );
});

const signOut = Effect.gen(function* () {
  const { root, url } = yield* HttpDoor;
  const { cookies } = yield* HttpServerRequest.HttpServerRequest;
  const secret = cookies[cookieName(url)];
  if (secret !== undefined) HttpTokens.forget(root, secret);
  return HttpServerResponse.expireCookieUnsafe(HttpServerResponse.empty({ status: 204 }), cookieName(url), {
    path: "/",
  });
});

export const layer = Layer.mergeAll(
  HttpRouter.add("GET", "/sign-in", signIn),
  HttpRouter.add("POST", "/sign-out", signOut),
);
