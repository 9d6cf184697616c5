/**
 * The calls of one tool, newest first: the rows behind a number.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { HttpRouter } from "effect/http";
import { calls, type ListedCall } from "../../../query/screens/Lists.ts";
import { asked, given, number } from "../Asked.ts";
import { guarded } from "../Guarded.ts";
import { bytes, duration, line, since, threadPath } from "../html/Format.ts";
import { type Html, html } from "../html/Html.ts";
import { shown } from "../Shown.ts";
import { gist } from "../thread/Call.ts";

const perPage = 100;

const outcomes = ["", "ok", "error", "unknown"] as const;

const row = (call: ListedCall, now: number): Html => {
  const path = threadPath(call.threadId, call.tenant);
  const place = `${path}${path.includes("?") ? "&" : "?"}at=${call.sequence}#m${call.sequence}`;
  return html`<tr data-item>
    <th scope="row" class="clip"><a href="${place}">${gist(call.arguments) || "no arguments"}</a></th>
    <td>
      ${call.outcome === "error" ? html`<span class="bad">✕ failed</span>` : call.outcome === "unknown" ? html`<span class="warn">no result</span>` : "ok"}
    </td>
    <td class="clip">${call.errorMessage === null ? "" : line(call.errorMessage, 100)}</td>
    <td class="number">${call.durationMillis === null ? "" : duration(call.durationMillis)}</td>
    <td class="number">${call.resultBytes === null ? "" : bytes(call.resultBytes)}</td>
    <td class="nowrap">${since(call.startedAt, now)}</td>
    <td><a href="/event/${call.sequence}">entry</a></td>
  </tr>`;
};

const screen = Effect.gen(function* () {
  const { now, query, viewer, wishes } = yield* asked;
  const tool = given(query, "tool") ?? "";
  const outcome = given(query, "outcome");
  const before = number(query, "before");
  const found = yield* calls({ tool, outcome, tenant: viewer.tenant, before, limit: perPage + 1 });
  // The next page begins behind a whole event.
  const behind = found.length > perPage ? found.at(-1)?.sequence : undefined;
  const whole = found.filter(({ sequence }) => behind === undefined || sequence > behind);
  const rows = whole.length === 0 ? found : whole;
  const to = (more: Readonly<Record<string, string>>) => `/calls?${new URLSearchParams({ tool, ...more })}`;
  const last = rows.at(-1);
  const body = html`<h1>Calls of ${tool}</h1>
    <p class="facts">
      ${outcomes.map((one) => (one === (outcome ?? "") ? html`<strong>${one === "" ? "all" : one}</strong>` : html`<a href="${to(one === "" ? {} : { outcome: one })}">${one === "" ? "all" : one}</a>`))}<a
        href="/tools"
        >All tools</a
      >
    </p>
    ${
      rows.length === 0
        ? html`<p class="empty">There are none.</p>`
        : html`<div class="wide" tabindex="0" role="region" aria-label="Calls">
            <table>
              <thead>
                <tr>
                  <th scope="col">Given</th>
                  <th scope="col">Outcome</th>
                  <th scope="col">Error</th>
                  <th scope="col" class="number">Took</th>
                  <th scope="col" class="number">Answered</th>
                  <th scope="col">When</th>
                  <th scope="col">Raw</th>
                </tr>
              </thead>
              <tbody>
                ${rows.map((call) => row(call, now))}
              </tbody>
            </table>
          </div>`
    }
    ${found.length > perPage && last !== undefined && html`<p class="pages"><a data-key="after" href="${to({ ...(outcome === undefined ? {} : { outcome }), before: String(last.sequence) })}">Older →</a></p>`}`;
  return shown({ title: `Calls of ${tool}`, at: "/tools", body, wishes });
});

export const layer = HttpRouter.add("GET", "/calls", guarded(screen));
