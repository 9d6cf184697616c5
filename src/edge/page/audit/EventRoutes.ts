/**
 * One event as the ledger has it: the raw entry behind every message.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { HttpRouter } from "effect/http";
import { raw, type RawEvent } from "../../../query/screens/ThreadScreen.ts";
import { asked, given } from "../Asked.ts";
import { shown, text, trouble } from "../Shown.ts";
import { guarded } from "../Guarded.ts";
import { atMoment, bytes, count, threadPath } from "../html/Format.ts";
import { code } from "../html/Highlight.ts";
import { type Child, type Html, html } from "../html/Html.ts";

/** Most characters of the data on the screen. */
const mostShown = 200_000;

const dataOf = ({ data }: RawEvent): string =>
  data === null ? "" : typeof data === "string" ? data : Buffer.from(data).toString("base64");

const pretty = (data: string): string => {
  if (data.length > mostShown) return data.slice(0, mostShown);
  try {
    return JSON.stringify(JSON.parse(data), null, 2);
  } catch {
    return data;
  }
};

const row = (name: string, value: Child): Html | null =>
  value === null || value === undefined || value === ""
    ? null
    : html`<tr>
        <th scope="row">${name}</th>
        <td>${value}</td>
      </tr>`;

const screenOf = (event: RawEvent): Html => {
  const data = dataOf(event);
  const about =
    event.kind === "thread" && event.subject !== null
      ? html`<a href="${threadPath(event.subject, event.tenant ?? "default")}">${event.subject}</a>`
      : event.kind === "task" && event.subject !== null
        ? html`<a href="/task/${encodeURIComponent(event.subject)}">${event.subject}</a>`
        : event.subject;
  const at =
    event.kind === "thread" && event.subject !== null
      ? html`<a href="/thread/${encodeURIComponent(event.subject)}?at=${event.sequence}#m${event.sequence}"
          >Its place in the thread</a
        >`
      : null;
  return html`<h1>Event ${count(event.sequence)}</h1>
    <p class="facts">
      ${at}<a href="/event/${event.sequence}?text=1">Data as text, ${bytes(event.dataBytes)}</a>
      ${event.sequence > 1 && html`<a data-key="before" href="/event/${event.sequence - 1}">← ${count(event.sequence - 1)}</a>`}<a
        data-key="after"
        href="/event/${event.sequence + 1}"
        >${count(event.sequence + 1)} →</a
      >
    </p>
    ${event.problem !== null && html`<p class="notice bad">${event.problem}</p>`}
    <div class="wide">
      <table>
        <tbody>
          ${row("What happened", event.type)}${row("What it was", event.meaning)}${row(event.kind ?? "About", about)}${row("Tenant", event.tenant)}
          ${row("Happened", atMoment(event.occurredAt))}${row("Recorded", atMoment(event.recordedAt))}
          ${row("Written by", event.source)}${row("On behalf of", event.actor)}${row("Session", event.session)}
          ${row("Belongs to", event.correlationId)}${row("Caused by", event.causationId)}${row("Trace", event.traceparent)}
          ${row("Event id", html`<code>${event.eventId}</code>`)}${row("SHA-256 of what is stored", html`<code>${event.digest}</code>`)}
        </tbody>
      </table>
    </div>
    <h2>Data</h2>
    ${code(pretty(data), "json", "Data")}
    ${data.length > mostShown && html`<p class="quiet">The first ${count(mostShown)} characters. <a href="/event/${event.sequence}?text=1">All of it</a></p>`}`;
};

const one = Effect.gen(function* () {
  const { query, viewer, wishes } = yield* asked;
  const { sequence = "" } = yield* HttpRouter.params;
  const event = /^\d{1,15}$/.test(sequence) ? yield* raw(Number(sequence)) : undefined;
  const isTheirs = viewer.tenant === undefined || event?.tenant === viewer.tenant;
  if (event === undefined || !isTheirs)
    return trouble(
      wishes,
      {
        title: "No such event",
        message: `The ledger has no event ${sequence}.`,
        hint: html`<a href="/audit">The audit</a>`,
      },
      404,
    );
  if (given(query, "text") !== undefined) return text(dataOf(event));
  return shown({ title: `Event ${sequence}`, at: "/audit", body: screenOf(event), wishes });
});

export const layer = HttpRouter.add("GET", "/event/:sequence", guarded(one));
