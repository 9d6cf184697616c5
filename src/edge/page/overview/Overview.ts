/**
 * The first screen: is it whole, what goes on now, what was talked about, today against the last seven days.
 *
 * Room: edge.
 */
import type { CallInFlight, Day, ListedThread, LiveSession, OpenTask } from "../../../query/screens/Overview.ts";
import { count, line, money, short } from "../html/Format.ts";
import { type Child, type Html, html } from "../html/Html.ts";
import { spark } from "../plot/Spark.ts";
import { threadRows } from "./ThreadList.ts";
import { whole, type Wholeness } from "./Whole.ts";

export interface OverviewData {
  readonly now: number;
  /** Undefined of an earlier moment: it is said of now alone. */
  readonly whole: Wholeness | undefined;
  readonly sees: "store" | "tenant";
  readonly sessions: ReadonlyArray<LiveSession>;
  readonly tasks: ReadonlyArray<OpenTask>;
  readonly calls: ReadonlyArray<CallInFlight>;
  readonly threads: ReadonlyArray<ListedThread>;
  /** Eight days, today last, each there. */
  readonly days: ReadonlyArray<Day>;
}

const figure = (what: string, path: string, value: number, names: ReadonlyArray<string>): Html =>
  html`<div>
    <dt>${what}</dt>
    <dd>
      <a class="big" href="${path}">${count(value)}</a
      ><span class="small quiet">${names.length === 0 ? html`&nbsp;` : line(names.join(", "), 60)}</span>
    </dd>
  </div>`;

const unique = (names: ReadonlyArray<string | null>): ReadonlyArray<string> => [
  ...new Set(names.filter((name) => name !== null)),
];

const nowFigures = ({ calls, sessions, tasks }: OverviewData): Html => {
  const waiting = tasks.filter(({ status }) => status === "input_required");
  const running = tasks.filter(({ status }) => status !== "input_required");
  return html`<h2 class="seen">Now</h2>
    <dl class="now">
      ${figure("Live sessions", "/sessions", sessions.length, unique(sessions.map(({ client, server }) => client ?? server)))}
      ${figure("Running tasks", "/tasks", running.length, unique(running.map((task) => task.description ?? task.agentType)))}
      ${figure("Calls in flight", "/live", calls.length, unique(calls.map(({ toolName }) => toolName)))}
      ${figure("Waiting for a person", "/tasks?status=input_required", waiting.length, unique(waiting.map(({ description }) => description)))}
    </dl>`;
};

interface Measure {
  readonly name: string;
  readonly of: (day: Day) => number;
  readonly text: (value: number) => string;
  readonly path: string;
}

const rounded = (value: number): string =>
  value >= 10 || Number.isInteger(value) ? count(Math.round(value)) : value.toFixed(1);

const measures: ReadonlyArray<Measure> = [
  { name: "Threads", of: ({ threads }) => threads, text: rounded, path: "/threads" },
  { name: "Prompts", of: ({ prompts }) => prompts, text: rounded, path: "/threads" },
  { name: "Answers", of: ({ answers }) => answers, text: rounded, path: "/models" },
  { name: "Tool calls", of: ({ calls }) => calls, text: rounded, path: "/tools" },
  { name: "Failed calls", of: ({ errors }) => errors, text: rounded, path: "/errors" },
  { name: "Tokens in", of: ({ inputTokens }) => inputTokens, text: short, path: "/models" },
  { name: "Tokens out", of: ({ outputTokens }) => outputTokens, text: short, path: "/models" },
  { name: "Cost, estimated", of: ({ estimatedUsd }) => estimatedUsd ?? 0, text: money, path: "/models#cost-totals" },
  { name: "Cost, as reported", of: ({ costUsd }) => costUsd ?? 0, text: money, path: "/models" },
];

const comparison = ({ days }: OverviewData): Html => {
  const today = days.at(-1);
  const before = days.slice(0, -1);
  if (today === undefined) return html``;
  return html`<h2>Today, and the seven days before</h2>
    <div class="wide">
      <table>
        <thead>
          <tr>
            <td></td>
            <th scope="col" class="number">Today</th>
            <th scope="col" class="number">Mean of 7</th>
            <th scope="col">8 days</th>
          </tr>
        </thead>
        <tbody>
          ${measures.map(({ name, of, path, text }): Child => {
            const values = days.map(of);
            const mean = before.reduce((sum, day) => sum + of(day), 0) / Math.max(1, before.length);
            return html`<tr>
              <th scope="row"><a href="${path}">${name}</a></th>
              <td class="number">${text(of(today))}</td>
              <td class="number quiet">${text(mean)}</td>
              <td>${spark(values, `${name} of eight days: ${values.map(text).join(", ")}`)}</td>
            </tr>`;
          })}
        </tbody>
      </table>
    </div>`;
};

const begin = html`<p>Nothing has been recorded yet. Bring in what your agents keep on this machine:</p>
  <p class="command"><code>recollect import</code></p>
  <p>
    or record an MCP server: put <code>recollect wrap --</code> in front of its command in your client's configuration.
  </p>`;

export const overview = (data: OverviewData): Html =>
  html`<h1 class="seen">Now</h1>
    ${data.whole !== undefined && whole(data.whole, data.now, data.sees)}
    <form class="find" action="/search" role="search" aria-label="Search">
      <input
        type="search"
        name="q"
        aria-label="What was said, done or answered"
        placeholder="Find what was said, done or answered"
        autocomplete="off"
        spellcheck="false"
      /><button>Search</button>
    </form>
    ${nowFigures(data)}
    <div class="split">
      <section>
        <h2>Recent threads</h2>
        ${
          data.threads.length === 0
            ? begin
            : html`${threadRows(data.threads, data.now)}
                <p><a href="/threads">All threads</a></p>`
        }
      </section>
      <section>${comparison(data)}</section>
    </div>`;
