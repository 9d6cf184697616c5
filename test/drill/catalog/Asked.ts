/**
 * The first screen and every part of every report, asked as the page and the command line ask them: each statement timed in
 * processor time of this process, with its query plan.
 */
import Database from "better-sqlite3";
import { Context, Effect, Layer } from "effect";
import * as QuerySqlite from "../../../src/query/QuerySqlite.ts";
import { Query } from "../../../src/query/Query.ts";
import { reports } from "../../../src/query/report/All.ts";
import { type ReportRequest, runReport } from "../../../src/query/report/RunReport.ts";
import { Ask } from "../../../src/query/screens/Ask.ts";
import * as AskSqlite from "../../../src/query/screens/AskSqlite.ts";
import * as Screens from "../../../src/query/screens/Overview.ts";

export interface Timed {
  readonly what: string;
  /** Of processor. */
  readonly millis: number;
  readonly rows: number;
  readonly goal: number;
  readonly plan: ReadonlyArray<string>;
}

/** Least of so many runs: the first ones warm the cache. */
const runs = 2;
const dayMillis = 86_400_000;

interface Seen {
  millis: number;
  /** Times it was asked in one run. */
  times: number;
  rows: number;
  plan: ReadonlyArray<string>;
}

const millisSince = (before: NodeJS.CpuUsage): number => {
  const { system, user } = process.cpuUsage(before);
  return (user + system) / 1000;
};

const planOf = (db: Database.Database, statement: string, values: object): ReadonlyArray<string> =>
  db
    .prepare<[object], { detail: string }>(`EXPLAIN QUERY PLAN ${statement}`)
    .all(values)
    .map(({ detail }) => detail);

/** Statements of a question, timed: what each took in the quickest of some runs, all its times together. */
const watched = Effect.fnUntraced(function* <E>(
  file: string,
  name: string,
  question: Effect.Effect<unknown, E, Ask | Query>,
) {
  const real = yield* Layer.build(Layer.merge(QuerySqlite.layer({ path: file }), AskSqlite.layer({ path: file })));
  const ask = Context.get(real, Ask);
  const query = Context.get(real, Query);
  const plans = yield* Effect.acquireRelease(
    Effect.sync(() => new Database(file, { readonly: true })),
    (db) => Effect.sync(() => db.close()),
  );
  const found = new Map<string, Seen>();
  for (let run = 0; run < runs; run++) {
    const once = new Map<string, Seen>();
    const note = (statement: string, values: object, millis: number, rows: number) => {
      const seen = once.get(statement) ?? { millis: 0, times: 0, rows: 0, plan: [] };
      seen.millis += millis;
      seen.times += 1;
      seen.rows += rows;
      if (run === 0 && seen.times === 1) seen.plan = planOf(plans, statement, values);
      once.set(statement, seen);
    };
    yield* question.pipe(
      Effect.provideService(
        Ask,
        Ask.of({
          rows: (statement, values = {}) =>
            Effect.suspend(() => {
              const before = process.cpuUsage();
              return Effect.tap(ask.rows<never>(statement, values), (rows) =>
                Effect.sync(() => note(statement, values, millisSince(before), rows.length)),
              );
            }),
        }),
      ),
      Effect.provideService(
        Query,
        Query.of({
          ...query,
          selectLong: (statement, parameters = {}, zone = undefined) =>
            Effect.suspend(() => {
              const before = process.cpuUsage();
              return Effect.tap(query.selectLong(statement, parameters, zone), ({ rows }) =>
                Effect.sync(() => note(statement, parameters, millisSince(before), rows.length)),
              );
            }),
        }),
      ),
    );
    for (const [statement, seen] of once) {
      const before = found.get(statement);
      if (before === undefined) found.set(statement, seen);
      else before.millis = Math.min(before.millis, seen.millis);
    }
  }
  return [...found].map(([statement, seen], place) => ({
    what: `${name}${found.size > 1 ? ` ${place + 1}` : ""}${seen.times > 1 ? ` (${seen.times} times)` : ""}: ${statement.replaceAll(/\s+/g, " ").slice(0, 60)}`,
    ...seen,
  }));
}, Effect.scoped);

/** Questions of the first screen. */
const screen = (now: number) => ({
  now: Screens.now(now, undefined),
  days: Screens.days(now - 7 * dayMillis, now + dayMillis, undefined),
  threads: Screens.threads({ limit: 25 }, now),
  cut: Screens.callsWithoutOutcome(now, undefined),
});

const timed = (seen: ReadonlyArray<Seen & { readonly what: string }>, goal: number): ReadonlyArray<Timed> =>
  seen.map(({ millis, plan, rows, what }) => ({ what, millis, rows, plan, goal }));

export const firstScreenAsked = Effect.fnUntraced(function* (file: string, now: number, goal: number) {
  const all: Array<Timed> = [];
  for (const [name, question] of Object.entries(screen(now)))
    all.push(...timed(yield* watched(file, `first screen, ${name}`, question), goal));
  const millis = yield* Effect.scoped(
    Effect.gen(function* () {
      const query = yield* QuerySqlite.make({ path: file });
      let least = Infinity;
      for (let run = 0; run < runs; run++) {
        const before = process.cpuUsage();
        yield* query.status;
        least = Math.min(least, millisSince(before));
      }
      return least;
    }),
  );
  return [...all, { what: "first screen, is it whole", millis, rows: 1, plan: [], goal }];
});

/** Every part of every report, of all time and of the last week; those that can be grouped otherwise by each dimension. */
export const reportsAsked = Effect.fnUntraced(function* (file: string, now: number, goal: number) {
  const all: Array<Timed> = [];
  for (const report of reports) {
    const [first, ...others] = Object.keys(report.by);
    const grouped = report.sections.filter(({ isBy }) => isBy === true).map(({ name }) => name);
    const ways: ReadonlyArray<readonly [name: string, request: Partial<ReportRequest>]> = [
      [report.name, first === undefined ? {} : { by: first }],
      [`${report.name} --since 7d`, { since: now - 7 * dayMillis }],
      ...others.map((by) => [`${report.name} --by ${by}`, { by, sections: grouped }] as const),
    ];
    for (const [name, request] of ways) {
      const question = runReport(report, { tenant: "default", zone: "UTC", limit: 100, ofStore: "shown", ...request });
      all.push(...timed(yield* watched(file, `report ${name}`, question), goal));
    }
  }
  return all;
});
