/**
 * The audit: who did what and when, filtered, and as CSV.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { HttpRouter } from "effect/http";
import { type EventChoice, events, type ListedEvent } from "../../../query/screens/Lists.ts";
import { asked, given, number } from "../Asked.ts";
import { guarded } from "../Guarded.ts";
import { count, daysLater } from "../html/Format.ts";
import { type Html, html } from "../html/Html.ts";
import { eventTable } from "../live/EventRows.ts";
import { csv } from "../plot/Figure.ts";
import { shown, text } from "../Shown.ts";

const perPage = 100;
/** Rows of one export; `recollect export` and SQL have all. */
const mostExported = 20_000;

const fields = ["actor", "meaning", "kind", "subject", "type"] as const;

const labels: Readonly<Record<(typeof fields)[number], readonly [string, string]>> = {
  actor: ["By", "who"],
  meaning: ["What", "tool_called"],
  kind: ["About a", "thread"],
  subject: ["Its id", ""],
  type: ["Event type", ""],
};

const dayOf = (query: URLSearchParams, name: string): number | undefined => {
  const at = Date.parse(`${query.get(name) ?? ""}T00:00:00`);
  return Number.isNaN(at) ? undefined : at;
};

const form = (query: URLSearchParams): Html =>
  html`<form action="/audit" class="filters" aria-label="Filter">
    ${fields.map((name) => html`<label>${labels[name][0]}<input name="${name}" value="${given(query, name) ?? ""}" placeholder="${labels[name][1]}" size="14" autocomplete="off" spellcheck="false" /></label>`)}
    <label>From<input type="date" name="since" value="${given(query, "since") ?? ""}" /></label
    ><label>To<input type="date" name="until" value="${given(query, "until") ?? ""}" /></label> <button>Show</button>
  </form>`;

const columns = [
  "sequence",
  "recordedAt",
  "occurredAt",
  "type",
  "meaning",
  "tenant",
  "kind",
  "subject",
  "actor",
  "session",
  "source",
  "dataBytes",
  "problem",
] as const satisfies ReadonlyArray<keyof ListedEvent>;

const iso = (at: number | null): string | null =>
  at === null || Math.abs(at) > 8.64e15 ? null : new Date(at).toISOString();

const exported = (found: ReadonlyArray<ListedEvent>): string =>
  csv(
    columns.map((name) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)),
    found.map((event) =>
      columns.map((name) => (name === "recordedAt" || name === "occurredAt" ? iso(event[name]) : event[name])),
    ),
  );

const screen = Effect.gen(function* () {
  const { query, viewer, wishes } = yield* asked;
  const until = dayOf(query, "until");
  const choice: Omit<EventChoice, "limit"> = {
    ...Object.fromEntries(fields.map((name) => [name, given(query, name)])),
    since: dayOf(query, "since"),
    until: until === undefined ? undefined : daysLater(until, 1),
    tenant: viewer.tenant,
    before: number(query, "before"),
  };
  if (given(query, "csv") !== undefined) {
    const all = yield* events({ ...choice, limit: mostExported });
    return text(exported(all.events), { type: "text/csv", file: "audit.csv" });
  }
  const found = yield* events({ ...choice, limit: perPage + 1 });
  const rows = found.events.slice(0, perPage);
  const last = rows.at(-1)?.sequence;
  const next = found.events.length > perPage ? last : found.reached > 0 ? found.reached + 1 : undefined;
  const to = (more: Readonly<Record<string, string>>) =>
    `/audit?${new URLSearchParams({ ...Object.fromEntries([...query].filter(([name, value]) => value !== "" && name !== "before")), ...more })}`;
  const body = html`<h1>Audit</h1>
    <p class="quiet">Every event as the ledger has it, newest first; nothing is ever changed or left out.</p>
    ${form(query)}
    ${rows.length === 0 ? html`<p class="empty">None fits${found.reached > 0 && ` down to event ${count(found.reached)}`}.</p>` : eventTable(rows, null)}
    <p class="pages">
      <a href="${to({ csv: "1" })}">CSV, the newest ${count(mostExported)}</a
      >${next !== undefined && html`<a data-key="after" href="${to({ before: String(next) })}">Older →</a>`}
    </p>`;
  return shown({ title: "Audit", at: "/audit", body, wishes });
});

export const layer = HttpRouter.add("GET", "/audit", guarded(screen));
