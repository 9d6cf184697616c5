/**
 * The moment whose record this browser looks at: a form, and the cookie that keeps it on every screen.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { HttpRouter, HttpServerResponse } from "effect/http";
import { Query } from "../../../query/Query.ts";
import { recordMomentOf } from "../../cli/ParseTime.ts";
import { asked, given } from "../Asked.ts";
import { guardedNow } from "../Guarded.ts";
import { count, day } from "../html/Format.ts";
import { html } from "../html/Html.ts";
import { asOfCookie, shown } from "../Shown.ts";

const dayMillis = 86_400_000;

const form = Effect.gen(function* () {
  const { now, query, wishes } = yield* asked;
  const written = given(query, "at") ?? given(query, "event");
  const isAsked = query.has("at") || query.has("event");
  const moment = written === undefined ? undefined : recordMomentOf(written, now);
  if (isAsked && (written === undefined || moment !== undefined)) {
    const home = HttpServerResponse.redirect("/", { status: 303, headers: { "cache-control": "no-store" } });
    const kept = { path: "/", sameSite: "strict", httpOnly: true } as const;
    return written === undefined
      ? HttpServerResponse.expireCookieUnsafe(home, asOfCookie, { path: "/" })
      : HttpServerResponse.setCookieUnsafe(home, asOfCookie, written, kept);
  }
  const { projections } = yield* Effect.flatMap(Query, (store) => store.status);
  const last = Math.max(0, ...projections.map(({ checkpoint }) => checkpoint));
  const body = html`<h1>As of an earlier moment</h1>
    <p>
      Every screen then shows the record as it was: nothing that came later is in it, no title, end, result or deletion.
      It is folded from the ledger anew, which takes a while in a large store.
    </p>
    ${written !== undefined && html`<p class="bad" role="alert">${written} is neither a sequence nor a time.</p>`}
    <form class="filters" action="/as-of" aria-label="By time">
      <label
        >Time, in UTC<input
          name="at"
          value="${wishes.asOf ?? day(now - dayMillis)}"
          placeholder="2026-11-01 10:00, 7d"
          autocomplete="off" /></label
      ><button>Look</button>
    </form>
    <form class="filters" action="/as-of" aria-label="By event">
      <label
        >After event, of ${count(last)}<input type="number" name="event" min="0" max="${last}" value="${last}" /></label
      ><input type="range" aria-label="After event" min="0" max="${last}" value="${last}" data-with="event" /><button>
        Look
      </button>
    </form>
    <p><a href="/as-of?at=">Now</a></p>`;
  return shown({ title: "As of", at: undefined, body, wishes });
});

/** Route that is always of now: the way out of a moment that cannot be shown. */
export const layer = HttpRouter.add("GET", "/as-of", guardedNow(form));
