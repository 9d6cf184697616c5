/**
 * One event as the ledger has it: the raw entry behind every message.
 *
 * Room: edge.
 */
import { Effect, Layer } from "effect";
import { HttpRouter, HttpServerResponse } from "effect/http";
import { isObject, type JsonValue } from "../../../domain/Json.ts";
import { EventLog } from "../../../log/EventLog.ts";
import { raw, type RawEvent } from "../../../query/screens/ThreadScreen.ts";
import { isOfAllTenants } from "../../http/OfAllTenants.ts";
import type { Viewer } from "../Viewer.ts";
import { asked, given, number } from "../Asked.ts";
import { shown, text, trouble } from "../Shown.ts";
import { guarded } from "../Guarded.ts";
import { atMoment, bytes, count, threadPath } from "../html/Format.ts";
import { code } from "../html/Highlight.ts";
import { type Child, type Html, html } from "../html/Html.ts";
import { type Picture, picturesIn, typeOf } from "./Pictures.ts";

/** Most characters of the data on the screen. */
const mostShown = 200_000;
const nothing = new Uint8Array(Buffer.from("R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==", "base64"));
/** Patience with the object store for a picture. */
const blobMillis = 2_000;

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

/** Their own tenant's, but for a configuration that sets quotas: those are of all tenants, and for operators. */
const mayShow = (viewer: Viewer["Service"], event: RawEvent): boolean =>
  viewer.tenant === undefined || (event.tenant === viewer.tenant && !isOfAllTenants(event.kind, dataOf(event)));

const one = Effect.gen(function* () {
  const { query, viewer, wishes } = yield* asked;
  const { sequence = "" } = yield* HttpRouter.params;
  const event = /^\d{1,15}$/.test(sequence) ? yield* raw(Number(sequence)) : undefined;
  if (event === undefined || !mayShow(viewer, event))
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

const parsed = (data: string): JsonValue => {
  try {
    return JSON.parse(data) as JsonValue;
  } catch {
    return null;
  }
};

/** The SHA-256 under which the store has what was too large for the event. */
const referenceIn = (data: JsonValue): string | undefined => {
  const blob = isObject(data) ? data["blob"] : undefined;
  const sha256 = isObject(blob) ? blob["sha256"] : undefined;
  return typeof sha256 === "string" ? sha256 : undefined;
};

const blob = (sha256: string) =>
  Effect.flatMap(EventLog, (log) => log.getBlob(sha256)).pipe(
    Effect.timeout(blobMillis),
    Effect.orElseSucceed(() => undefined),
  );

const bytesOf = (found: Picture) =>
  "base64" in found ? Effect.succeed(new Uint8Array(Buffer.from(found.base64, "base64"))) : blob(found.sha256);

/** The picture of a number, from 0, among those of an event. */
const picture = Effect.gen(function* () {
  const { query, viewer } = yield* asked;
  const { sequence = "" } = yield* HttpRouter.params;
  const event = /^\d{1,15}$/.test(sequence) ? yield* raw(Number(sequence)) : undefined;
  const data = event === undefined || !mayShow(viewer, event) ? null : parsed(dataOf(event));
  const reference = referenceIn(data);
  const inline = picturesIn(data);
  const large = inline.length > 0 || reference === undefined ? undefined : yield* blob(reference);
  const all = large === undefined ? inline : picturesIn(parsed(Buffer.from(large).toString("utf8")));
  const found = all[number(query, "n") ?? 0];
  const content = found === undefined ? undefined : yield* bytesOf(found);
  const type = content === undefined ? undefined : typeOf(content);
  if (found === undefined) return HttpServerResponse.text("No picture.\n", { status: 404 });
  // One that is shown to no browser, or cannot be had now, is a pixel without a colour.
  const isShown = content !== undefined && type !== undefined;
  return HttpServerResponse.uint8Array(isShown ? content : nothing, {
    contentType: isShown ? type : "image/gif",
    headers: {
      "cache-control": "private, max-age=86400",
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; sandbox",
    },
  });
});

export const layer = Layer.merge(
  HttpRouter.add("GET", "/event/:sequence", guarded(one)),
  HttpRouter.add("GET", "/event/:sequence/picture", guarded(picture)),
);
