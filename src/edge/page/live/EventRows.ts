/**
 * Events as rows of a table: what, about what, by whom, when.
 *
 * Room: edge.
 */
import type { ListedEvent } from "../../../query/screens/Lists.ts";
import { atMoment, bytes, count, line, shortId, threadPath } from "../html/Format.ts";
import { type Child, type Html, html } from "../html/Html.ts";

const about = ({ kind, sequence, subject, tenant }: ListedEvent): Child => {
  if (subject === null) return null;
  const short = line(shortId(subject), 40);
  if (kind === "thread") {
    const path = threadPath(subject, tenant ?? "default");
    return html`<a href="${path}${path.includes("?") ? "&" : "?"}at=${sequence}#m${sequence}" title="${subject}"
      >${short}</a
    >`;
  }
  if (kind === "task") return html`<a href="/task/${encodeURIComponent(subject)}" title="${subject}">${short}</a>`;
  return html`<span title="${subject}">${short}</span>`;
};

export const eventRow = (event: ListedEvent): Html =>
  html`<tr data-item>
    <td class="number"><a href="/event/${event.sequence}">${count(event.sequence)}</a></td>
    <td class="nowrap">${atMoment(event.recordedAt)}</td>
    <th scope="row">
      ${event.problem === null ? (event.meaning?.replaceAll(" ", " · ") ?? event.type)?.replaceAll("_", " ") : html`<span class="bad">${line(event.problem, 80)}</span>`}
    </th>
    <td>${event.kind} ${about(event)}</td>
    <td class="clip">${event.actor ?? ""}</td>
    <td class="clip" title="${event.source ?? ""}">
      ${line((event.source ?? "").replace(/^file:\/\/.*\//, "…/"), 60)}
    </td>
    <td class="number">${bytes(event.dataBytes)}</td>
  </tr>`;

/** `body` are the attributes of the table's body. */
export const eventTable = (events: ReadonlyArray<ListedEvent>, body: Child): Html =>
  html`<div class="wide" tabindex="0" role="region" aria-label="Events"><table>
  <thead><tr><th scope="col" class="number">Event</th><th scope="col">Recorded</th><th scope="col">What</th><th scope="col">About</th><th scope="col">By</th><th scope="col">From</th><th scope="col" class="number">Size</th></tr></thead>
  <tbody${body}>${events.map(eventRow)}</tbody></table></div>`;
