/**
 * Reports as screens: tools, models and cost, projects, errors, sessions, and any other by its name.
 *
 * Room: edge.
 *
 * Their questions are defined once, in `src/query/report`; here each section becomes a figure with its SQL and its CSV.
 */
import { Effect, Layer } from "effect";
import { HttpRouter } from "effect/http";
import { Query } from "../../../query/Query.ts";
import { reportNamed, reports } from "../../../query/report/All.ts";
import {
  type ReportAnswer,
  type ReportRequest,
  runReport,
  type SectionAnswer,
} from "../../../query/report/RunReport.ts";
import type { Report } from "../../../query/report/Report.ts";
import * as Screens from "../../../query/screens/Overview.ts";
import { asked, given } from "../Asked.ts";
import { guarded } from "../Guarded.ts";
import { count, day, daysLater, since } from "../html/Format.ts";
import { type Child, type Html, html } from "../html/Html.ts";
import type { ScreenPath } from "../layout/Layout.ts";
import { csv, figure, type FigureData } from "../plot/Figure.ts";
import { heat } from "../plot/Heat.ts";
import { shown, text, trouble } from "../Shown.ts";
import { tenantFor } from "../Viewer.ts";

/** A screen made of reports; `sections` names those of a report that are shown, absent: all. */
interface Made {
  readonly title: string;
  readonly at: ScreenPath | undefined;
  readonly path: string;
  readonly of: ReadonlyArray<{ readonly report: string; readonly sections?: ReadonlyArray<string> }>;
}

const screens: ReadonlyArray<Made> = [
  { title: "Tools", at: "/tools", path: "/tools", of: [{ report: "tools" }] },
  {
    title: "Models & cost",
    at: "/models",
    path: "/models",
    of: [{ report: "cost", sections: ["totals"] }, { report: "models" }, { report: "cost", sections: ["dearest"] }],
  },
  { title: "Projects", at: "/projects", path: "/projects", of: [{ report: "projects" }] },
  {
    title: "Errors",
    at: "/errors",
    path: "/errors",
    of: [{ report: "errors" }, { report: "tools", sections: ["cut"] }],
  },
  { title: "Sessions", at: "/sessions", path: "/sessions", of: [{ report: "sessions" }] },
];

/** Screens under which a report of its own stands. */
const homes: Readonly<Record<string, ScreenPath>> = {
  overview: "/",
  threads: "/threads",
  tools: "/tools",
  models: "/models",
  cost: "/models",
  projects: "/projects",
  tasks: "/tasks",
  errors: "/errors",
  sessions: "/sessions",
  storage: "/pipeline",
  audit: "/audit",
};

const dayMillis = 86_400_000;
const spans: ReadonlyArray<readonly [string, number | undefined]> = [
  ["7 days", 7],
  ["30 days", 30],
  ["90 days", 90],
  ["a year", 365],
  ["all time", undefined],
];
/** Rows of a table on a screen; its CSV has more. */
const mostShown = 25;
const mostExported = 10_000;

/** Stores of more events begin with their last days: what is asked of all time takes seconds there. */
const manyEvents = 200_000;
const usualDays = 30;
/** In the address: all time, where that is not what one begins with. */
const allTime = "all";

const timeOf = (query: URLSearchParams, name: string): number | undefined => {
  const at = Date.parse(`${given(query, name) ?? ""}T00:00:00`);
  return Number.isNaN(at) ? undefined : at;
};

const dimensionOf = (report: Report, query: URLSearchParams): string | undefined => {
  const by = given(query, "by");
  return by !== undefined && Object.hasOwn(report.by, by) ? by : undefined;
};

const sqlOf = ({ parameters, sql }: SectionAnswer): string =>
  `/sql?${new URLSearchParams([["q", sql.replaceAll(/\n\s+/g, "\n  ")], ...Object.entries(parameters).map(([name, value]) => [`p.${name}`, String(value)] as [string, string])])}`;

/** Columns that a narrow window does without: parts of those beside them. */
const lesser: ReadonlySet<string> = new Set([
  "ok",
  "timed",
  "mean_millis",
  "project",
  "longest_millis",
  "prompts",
  "provider_messages",
  "reasoning_tokens",
  "cache_write_tokens",
  "unpriced_messages",
  "delegated_output_tokens",
  "delegated_threads",
  "first_at",
]);

/** Its name is its address on a screen, where other reports stand too. */
const dataOf = (report: string, section: SectionAnswer, csvPath: string): FigureData => ({
  ...section,
  name: `${report}-${section.name}`,
  sql: sqlOf(section),
  csv: csvPath,
  lesser,
});

const choices = (made: Made, query: URLSearchParams, now: number): Html => {
  const to = (more: Readonly<Record<string, string | undefined>>): string => {
    const all = { ...Object.fromEntries(query), ...more };
    const kept = Object.entries(all).flatMap(([name, value]) =>
      value === undefined || value === "" ? [] : [[name, value]],
    );
    return kept.length === 0 ? made.path : `${made.path}?${new URLSearchParams(kept)}`;
  };
  const from = given(query, "since");
  const by = [...new Set(made.of.flatMap(({ report }) => Object.keys(reportNamed(report)?.by ?? {})))];
  const chosen = given(query, "by");
  return html`<form class="filters" action="${made.path}" aria-label="What is shown">
    <p class="spans small">
      ${spans.map(([name, days]): Child => {
        const since_ = days === undefined ? allTime : day(now - days * dayMillis);
        return since_ === (from ?? allTime) && given(query, "until") === undefined
          ? html`<strong>${name}</strong> `
          : html`<a href="${to({ since: since_, until: undefined })}">${name}</a> `;
      })}
    </p>
    <label>From<input type="date" name="since" value="${from === allTime ? "" : (from ?? "")}" /></label
    ><label>To<input type="date" name="until" value="${given(query, "until") ?? ""}" /></label>
    ${
      by.length > 1 &&
      html`<label
        >By<select name="by" data-atonce>
          <option value="">its own</option>
          ${by.map((name) => html`<option value="${name}" ${name === chosen && html` selected`}>${name}</option>`)}
        </select></label
      >`
    }
    <button>Show</button>
  </form>`;
};

const answersOf = Effect.fnUntraced(function* (
  made: Made,
  base: Omit<ReportRequest, "by" | "sections">,
  query: URLSearchParams,
) {
  return yield* Effect.forEach(made.of, ({ report, sections }) => {
    const found = reportNamed(report);
    return found === undefined
      ? Effect.succeed([])
      : Effect.map(
          runReport(found, { ...base, by: dimensionOf(found, query), sections }),
          (answer): ReadonlyArray<ReportAnswer> => [answer],
        );
  }).pipe(Effect.map((found) => found.flat()));
});

/** Hours of prompts: only on the screen of projects, where one looks at one's own days. */
const hours = Effect.fnUntraced(function* (
  tenant: string,
  within: { readonly since: number | undefined; readonly until: number | undefined },
) {
  const values = Array.from({ length: 7 }, () => Array.from({ length: 24 }, () => 0));
  for (const { hour, prompts, weekday } of yield* Screens.promptHours(within, tenant)) {
    const row = values[(weekday + 6) % 7];
    if (row !== undefined) row[hour] = prompts;
  }
  return html`<figure id="hours">
    <figcaption>
      <h2>When you write</h2>
      <span class="quiet small">Prompts by weekday and hour.</span>
    </figcaption>
    ${heat("Prompts by weekday and hour", values)}
  </figure>`;
});

const live = Effect.fnUntraced(function* (tenant: string | undefined, now: number) {
  const { sessions } = yield* Screens.now(now, tenant);
  return html`<section id="live">
    <h2>Live now</h2>
    ${
      sessions.length === 0
        ? html`<p class="empty">No session is live.</p>`
        : html`<ul class="rows">
            ${sessions.map(
              (one) =>
                html`<li data-item>
                  <span class="title"
                    >${one.client ?? one.server ?? "a program"}${one.server !== null && one.client !== null && ` with ${one.server}`}</span
                  >
                  <p class="about">
                    ${one.threadId !== null && html`<a href="/thread/${encodeURIComponent(one.threadId)}">its thread</a>`}<span
                      class="mono"
                      >${one.sessionId}</span
                    ><span class="push">since ${since(one.startedAt, now)}</span>
                  </p>
                </li>`,
            )}
          </ul>`
    }
  </section>`;
});

const screen = (made: Made) =>
  Effect.gen(function* () {
    const { now, query, viewer, wishes } = yield* asked;
    const tenant = tenantFor(viewer, given(query, "tenant"));
    const { events } = yield* Effect.flatMap(Query, (store) => store.status);
    const usual =
      events > manyEvents && given(query, "since") === undefined ? day(now - usualDays * dayMillis) : undefined;
    if (usual !== undefined) query.set("since", usual);
    const from = timeOf(query, "since");
    const until = timeOf(query, "until");
    const wanted = given(query, "csv");
    const ofStore = viewer.isOperator ? ("shown" as const) : undefined;
    const base = { tenant, ofStore, since: from, until: until === undefined ? undefined : daysLater(until, 1) };
    if (wanted !== undefined) {
      const [reportName = "", sectionName = ""] = wanted.split(".");
      const report = reportNamed(reportName);
      if (report === undefined) return text("There is no such report.\n", { status: 404 });
      const answer = yield* runReport(report, {
        ...base,
        by: dimensionOf(report, query),
        sections: [sectionName],
        limit: mostExported,
      });
      const [section] = answer.sections;
      return text(csv(section?.columns.map(({ name }) => name) ?? [], section?.rows ?? []), {
        type: "text/csv",
        file: `${reportName}-${sectionName}.csv`,
      });
    }
    const answers = yield* answersOf(made, { ...base, limit: mostShown }, query);
    const csvPath = (answer: ReportAnswer, section: SectionAnswer) =>
      `${made.path}?${new URLSearchParams({ ...Object.fromEntries([...query].filter(([, value]) => value !== "")), csv: `${answer.report}.${section.name}` })}`;
    const body = html`<h1>${made.title}</h1>
      ${choices(made, query, now)}
      ${made.path === "/sessions" && (yield* live(viewer.tenant, now))}${made.path === "/projects" && (yield* hours(tenant, base))}
      ${answers.map((answer) => answer.sections.map((section) => figure(dataOf(answer.report, section, csvPath(answer, section)), now)))}
      <p class="quiet small">
        Up to event ${count(answers[0]?.sequence ?? 0)}.
        ${[...new Map(answers.map((answer) => [answer.report, answer])).values()].map(({ by, report }, index) => html`${index === 0 ? "In a terminal:" : "and"} <code>recollect report ${report}${by !== null && ` --by ${by}`}</code> `)}
      </p>`;
    return shown({ title: made.title, at: made.at, body, wishes });
  });

const named = Effect.gen(function* () {
  const { wishes } = yield* asked;
  const { name = "" } = yield* HttpRouter.params;
  const report = reportNamed(name);
  if (report === undefined)
    return trouble(
      wishes,
      {
        title: "No such report",
        message: `There is no report ${name}.`,
        hint: html`There are ${reports.map((one) => html`<a href="/report/${one.name}">${one.title}</a> `)}`,
      },
      404,
    );
  return yield* screen({
    title: report.title,
    at: homes[report.name],
    path: `/report/${report.name}`,
    of: [{ report: report.name }],
  });
});

export const layer = Layer.mergeAll(
  ...([
    HttpRouter.add("GET", "/report/:name", guarded(named)),
    ...screens.map((made) => HttpRouter.add("GET", made.path as `/${string}`, guarded(screen(made)))),
  ] as const),
);
