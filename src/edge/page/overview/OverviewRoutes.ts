/**
 * Routes of the first screen and of the list of threads.
 *
 * Room: edge.
 */
import { Effect, Layer } from "effect";
import { HttpRouter } from "effect/http";
import { EventLog } from "../../../log/EventLog.ts";
import { Query } from "../../../query/Query.ts";
import { type ThreadConditions, type ThreadFilterName, threadFilterNames } from "../../../query/ThreadFilter.ts";
import * as Screens from "../../../query/screens/Overview.ts";
import { asked, given, number } from "../Asked.ts";
import { part, shown } from "../Shown.ts";
import * as Format from "../html/Format.ts";
import { html } from "../html/Html.ts";
import { guarded } from "../Guarded.ts";
import { overview } from "./Overview.ts";
import { threadRows } from "./ThreadList.ts";

const dayMillis = 86_400_000;
/** The log is asked for its end; a screen does not wait longer for it. */
const headPatienceMillis = 500;

const head = Effect.flatMap(EventLog, (log) => log.info).pipe(
  Effect.map(({ lastSequence }) => lastSequence),
  Effect.timeout(headPatienceMillis),
  Effect.orElseSucceed(() => undefined),
);

/** True when all of it is there, for the first screen and for the pipeline. */
export const wholeness = Effect.fnUntraced(function* (now: number, tenant: string | undefined) {
  const query = yield* Query;
  return {
    status: yield* query.status,
    head: yield* head,
    callsWithoutOutcome: yield* Screens.callsWithoutOutcome(now, tenant),
  };
});

/** The beginning of a day in the server's time zone. */
const beginning = (at: number): number => new Date(at).setHours(0, 0, 0, 0);

/** Today and seven days before it, those without anything too. From noon to noon, whatever the clocks are set to. */
const eightDays = (now: number): ReadonlyArray<string> =>
  Array.from({ length: 8 }, (_, back) => Format.day(beginning(now) + dayMillis / 2 - (7 - back) * dayMillis));

const none = {
  threads: 0,
  prompts: 0,
  answers: 0,
  calls: 0,
  errors: 0,
  inputTokens: 0,
  outputTokens: 0,
  costUsd: null,
  estimatedUsd: null,
};

const first = Effect.gen(function* () {
  const { now, viewer, wishes } = yield* asked;
  const wanted = eightDays(now);
  const found = new Map(
    (yield* Screens.days(Format.daysLater(beginning(now), -7), Format.daysLater(beginning(now), 1), viewer.tenant)).map(
      (day) => [day.day, day],
    ),
  );
  const body = overview({
    now,
    whole: wishes.asOf === undefined ? yield* wholeness(now, viewer.tenant) : undefined,
    sees: viewer.isOperator ? "store" : "tenant",
    ...(yield* Screens.now(now, viewer.tenant)),
    threads: yield* Screens.threads({ limit: 25, tenant: viewer.tenant }, now),
    days: wanted.map((day) => found.get(day) ?? { ...none, day }),
  });
  return shown({ title: "Now", at: "/", body, wishes });
});

const perPage = 50;

/** Filters of a list of threads in an address, as they were written and as they are asked for. */
const conditionsOf = (query: URLSearchParams) => {
  const written = threadFilterNames.flatMap((name) => {
    const value = given(query, name);
    return value === undefined ? [] : [[name, value] as [ThreadFilterName, string]];
  });
  const { hasError, main, since, until, ...texts } = Object.fromEntries(written) as Partial<
    Record<ThreadFilterName, string>
  >;
  const filter: ThreadConditions = {
    ...texts,
    hasError: hasError === "true",
    isMain: main === "true",
    since: since === undefined ? undefined : number(query, "since"),
    until: until === undefined ? undefined : number(query, "until"),
  };
  return { written, filter };
};

const list = Effect.gen(function* () {
  const { isPart, now, query, viewer, wishes } = yield* asked;
  const conditions = conditionsOf(query);
  const offset = number(query, "offset") ?? 0;
  const found = yield* Screens.threads(
    { ...conditions.filter, tenant: viewer.tenant, limit: perPage + 1, offset },
    now,
  );
  const rows = found.slice(0, perPage);
  if (isPart) return part(threadRows(rows, now));
  const to = (at: number) => `/threads?${new URLSearchParams([...conditions.written, ["offset", String(at)]])}`;
  const which = conditions.written.length === 0 ? undefined : conditions.written.map(([, value]) => value).join(", ");
  const body = html`<h1>${which === undefined ? "Threads" : html`Threads of ${which}`}</h1>
    ${which !== undefined && html`<p><a href="/threads">All threads</a></p>`}
    ${rows.length === 0 ? html`<p class="empty">There are none.</p>` : threadRows(rows, now)}
    <nav class="pages" aria-label="Pages">
      <span>${offset > 0 && html`<a data-key="before" href="${to(Math.max(0, offset - perPage))}">← Newer</a>`}</span>
      <span>${found.length > perPage && html`<a data-key="after" href="${to(offset + perPage)}">Older →</a>`}</span>
    </nav>`;
  return shown({ title: "Threads", at: "/threads", body, wishes });
});

const subAgents = Effect.gen(function* () {
  const { now, query, viewer } = yield* asked;
  const { id = "" } = yield* HttpRouter.params;
  return part(
    threadRows(
      yield* Screens.threads({ parent: id, tenant: viewer.tenant ?? given(query, "tenant"), limit: 200 }, now),
      now,
    ),
  );
});

export const layer = Layer.mergeAll(
  HttpRouter.add("GET", "/", guarded(first)),
  HttpRouter.add("GET", "/threads", guarded(list)),
  HttpRouter.add("GET", "/thread/:id/subagents", guarded(subAgents)),
);
