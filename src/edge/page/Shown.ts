/**
 * Screens as HTTP answers, with what the browser may do with them.
 *
 * Room: edge.
 *
 * The policy allows styles, script, pictures and questions of this origin alone, and no inline script or style, so that markup that slipped
 * through would still do nothing.
 */
import { HttpServerResponse } from "effect/http";
import type { Child, Html } from "./html/Html.ts";
import { document, html } from "./html/Html.ts";
import { layout, type Page, type Wishes } from "./layout/Layout.ts";

const policy = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

const headers = {
  "content-security-policy": policy,
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  vary: "recollect-part",
};

const closed = HttpServerResponse.setHeaders(headers);

/** Moment of the record that this browser looks at; none: now. */
export const asOfCookie = "recollect-as-of";

export const wishesOf = (cookies: Readonly<Record<string, string>>): Wishes => {
  const theme = cookies["recollect-theme"];
  return {
    theme: theme === "light" || theme === "dark" ? theme : undefined,
    keys: cookies["recollect-keys"] === "off" ? "off" : undefined,
    asOf: cookies[asOfCookie],
  };
};

export const shown = (page: Page, status = 200): HttpServerResponse.HttpServerResponse =>
  closed(HttpServerResponse.text(document(layout(page)), { status, contentType: "text/html; charset=utf-8" }));

/** A piece of a screen. */
export const part = (piece: Html, status = 200): HttpServerResponse.HttpServerResponse =>
  closed(HttpServerResponse.text(piece.markup, { status, contentType: "text/html; charset=utf-8" }));

/** Text to keep or copy: shown by a browser as text, whatever stands in it. */
export const text = (
  content: string,
  options: {
    readonly type?: "text/plain" | "text/csv" | "text/markdown";
    readonly file?: string;
    readonly status?: number;
  } = {},
): HttpServerResponse.HttpServerResponse => {
  const { status = 200, type = "text/plain" } = options;
  const answer = closed(HttpServerResponse.text(content, { status, contentType: `${type}; charset=utf-8` }));
  return options.file === undefined
    ? answer
    : HttpServerResponse.setHeader(
        answer,
        "content-disposition",
        `attachment; filename="${options.file.replaceAll(/[^\w.-]+/g, "-").slice(0, 80)}"`,
      );
};

/** A screen that says what went wrong, and what to do. */
export const trouble = (
  wishes: Wishes,
  problem: { readonly title: string; readonly message: string | Html; readonly hint?: Child },
  status: number,
): HttpServerResponse.HttpServerResponse =>
  shown(
    {
      title: problem.title,
      at: "/",
      wishes,
      body: html`<h1>${problem.title}</h1>
        <p>${problem.message}</p>
        ${problem.hint != null && html`<p>${problem.hint}</p>`}`,
    },
    status,
  );

/** Files of the page itself: they change with the version, so they are asked for anew and answered from memory. */
export const asset = (content: string, contentType: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setHeaders(HttpServerResponse.text(content, { contentType }), {
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
    "content-security-policy": policy,
  });
