/**
 * The catalog drill: a made-up year of a million events, whose reports must say what was counted when it was made, and fast.
 *
 * Processor time of this process, in one thread, each statement on a connection that was just opened; the first of three runs
 * warms the cache. No statement of the first screen may scan a table of facts.
 */
import Database from "better-sqlite3";
import { Effect } from "effect";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readModels } from "../../../projections/all.ts";
import * as ReadModelSqlite from "../../../src/projection/ReadModelSqlite.ts";
import { began, eventAt, eventsPerThread, noTruth, type Truth } from "./Stream.ts";
import { firstScreenAsked, reportsAsked, type Timed } from "./Asked.ts";

const batch = 8_000;
/** Goals, milliseconds of processor. */
const firstScreenMillis = 5;
const reportMillis = 300;
const day = 86_400_000;
/** End of the year. */
export const ended = began + 365 * day;

export interface Outcome {
  readonly events: number;
  readonly foldSeconds: number;
  readonly bytes: number;
  readonly timed: ReadonlyArray<Timed>;
  readonly faults: ReadonlyArray<string>;
  readonly folder: string;
}

/** Single questions that are answered by an index. */
const lookups: Readonly<Record<string, string>> = {
  "open tasks": "SELECT count(*) FROM v_open_tasks",
  "calls without an outcome": "SELECT count(*) FROM v_open_calls",
  "is it whole": "SELECT * FROM v_health",
  "one thread's events": "SELECT sequence, type FROM v_events WHERE subject = 'thread-7'",
  "one thread's calls": "SELECT * FROM v_tool_calls WHERE thread_id = 'thread-7'",
  "the newest threads":
    "SELECT thread_id, title, messages, tool_calls FROM v_threads ORDER BY listed_at DESC, first_sequence DESC LIMIT 20",
};

/** Views that answer whole questions. */
const views = [
  "tool_stats",
  "tool_use",
  "tool_days",
  "tool_latency",
  "tool_context",
  "errors",
  "tool_sequences",
  "loops",
  "models",
  "daily_activity",
  "daily_tokens",
  "model_usage",
  "daily_costs",
  "project_costs",
  "thread_costs",
  "family_costs",
  "task_states",
  "task_state_times",
  "task_funnel",
  "illegal_transitions",
  "thread_turns",
  "file_use",
  "daily_storage",
  "thread_storage",
  "event_meanings",
];

const processorMillis = (work: () => number) => {
  const before = process.cpuUsage();
  const rows = work();
  const { system, user } = process.cpuUsage(before);
  return { rows, millis: (user + system) / 1000 };
};

const timeOf = (file: string, what: string, sql: string, goal: number): Timed => {
  const db = new Database(file, { readonly: true });
  try {
    const statement = db.prepare<[], unknown>(sql);
    const runs = [1, 2, 3].map(() => processorMillis(() => statement.all().length));
    const plan = db
      .prepare<[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map(({ detail }) => detail);
    return { what, goal, plan, rows: runs[0]?.rows ?? 0, millis: Math.min(...runs.map(({ millis }) => millis)) };
  } finally {
    db.close();
  }
};

const sorted = <V>(map: ReadonlyMap<string, V>) => [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));

/** What the views say, beside what is true. */
const comparisons = (
  truth: Truth,
  events: number,
): ReadonlyArray<readonly [sql: string, expected: ReadonlyArray<ReadonlyArray<unknown>>]> => [
  [
    "SELECT tool_name, calls, ok, errors, result_bytes FROM v_tool_stats ORDER BY 1",
    sorted(truth.tools).map(([name, of]) => [name, of.calls, of.ok, of.errors, of.resultBytes]),
  ],
  [
    "SELECT tool_name, p50_duration_millis, p95_duration_millis, p99_duration_millis FROM v_tool_stats ORDER BY 1",
    sorted(truth.tools).map(([name, { millis }]) => {
      const ordered = millis.toSorted((a, b) => a - b);
      return [name, ...[50, 95, 99].map((percent) => ordered[Math.ceil((ordered.length * percent) / 100) - 1])];
    }),
  ],
  [
    "SELECT tool_name, sum(calls), sum(errors) FROM v_tool_days GROUP BY 1 ORDER BY 1",
    sorted(truth.tools).map(([name, of]) => [name, of.calls, of.errors]),
  ],
  ["SELECT error_message, sum(errors) FROM v_errors GROUP BY 1 ORDER BY 1", sorted(truth.errors)],
  [
    "SELECT day || ' ' || model, input_tokens, output_tokens, cache_read_tokens FROM v_daily_tokens ORDER BY 1",
    sorted(truth.tokens).map(([key, of]) => [key, of.input, of.output, of.cacheRead]),
  ],
  [
    "SELECT day, messages, prompts, threads FROM v_daily_activity ORDER BY 1",
    sorted(truth.days).map(([key, of]) => [key, of.messages, of.prompts, of.threads.size]),
  ],
  [
    "SELECT source, sum(events), sum(data_bytes) FROM v_daily_storage GROUP BY 1 ORDER BY 1",
    sorted(truth.sources).map(([key, of]) => [key, of.events, of.bytes]),
  ],
  ["SELECT events, dead_letters FROM v_health", [[events, 0]]],
  [
    "SELECT completed, failed, still_open FROM v_task_funnel",
    [["completed", "failed", "running"].map((status) => truth.statuses.get(status) ?? 0)],
  ],
];

const compare = (file: string, truth: Truth, events: number): ReadonlyArray<string> => {
  const db = new Database(file, { readonly: true });
  try {
    return comparisons(truth, events).flatMap(([sql, expected]) => {
      const found = JSON.stringify(db.prepare<[], ReadonlyArray<unknown>>(sql).raw().all());
      return found === JSON.stringify(expected)
        ? []
        : [`${sql} says ${found.slice(0, 200)} and not ${JSON.stringify(expected).slice(0, 200)}`];
    });
  } finally {
    db.close();
  }
};

/** Fact tables are read by index on the first screen, or not at all; a statement's own results may be scanned. */
const scans = ({ plan, what }: Timed): ReadonlyArray<string> => {
  const made = new Set(plan.flatMap((line) => /^(?:CO-ROUTINE|MATERIALIZE) (\S+)$/.exec(line)?.[1] ?? []));
  return plan
    .filter((line) => !made.has(/^SCAN (\S+)$/.exec(line)?.[1] ?? ""))
    .filter((line) => /^SCAN (?!json_each|k VIRTUAL|d$|\(|\d* ?CONSTANT)/.test(line) && !/USING/.test(line))
    .map((line) => `${what}: ${line}`);
};

/** Days of the truth are those of UTC. */
const inUtc = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const before = process.env["TZ"];
    process.env["TZ"] = "UTC";
    return Effect.ensuring(
      work,
      Effect.sync(() => {
        if (before === undefined) delete process.env["TZ"];
        else process.env["TZ"] = before;
      }),
    );
  });

/** Everything that is asked of a database, timed; `screen`: what the first screen asks. */
export const asked = Effect.fnUntraced(function* (file: string, until: number) {
  const screen = yield* firstScreenAsked(file, until, firstScreenMillis);
  const timed: ReadonlyArray<Timed> = [
    ...screen,
    ...Object.entries(lookups).map(([what, sql]) => timeOf(file, what, sql, firstScreenMillis)),
    ...(yield* reportsAsked(file, until, reportMillis)),
    ...views.map((view) => timeOf(file, `v_${view}`, `SELECT * FROM v_${view}`, reportMillis)),
  ];
  return { screen, timed };
});

export const run = Effect.fnUntraced(function* (options: {
  readonly events: number;
  /** Leaves the database where it is, to be looked at. */
  readonly isKept: boolean;
  readonly say: (line: string) => void;
}) {
  const events = Math.max(8 * eventsPerThread, options.events - (options.events % (8 * eventsPerThread)));
  const folder = mkdtempSync(join(tmpdir(), "recollect-catalog-"));
  const file = join(folder, "year.db");
  const truth = noTruth();
  const before = process.cpuUsage();
  yield* Effect.acquireUseRelease(
    ReadModelSqlite.open({ file, projections: readModels, durability: "scratch", indexes: "later" }),
    (model) =>
      Effect.gen(function* () {
        for (let at = 0; at < events; at += batch) {
          const length = Math.min(batch, events - at);
          const incoming = Array.from({ length }, (_, index) => ({ entry: eventAt(truth, at + index, events) }));
          yield* model.apply({ incoming, streamCreated: 1, now: 1 });
          if (at % (batch * 25) === 0) options.say(`${at.toLocaleString("en")} events`);
        }
        yield* model.index;
      }),
    ({ close }) => close,
  );
  const { system, user } = process.cpuUsage(before);
  const until = ended;
  const faults = yield* inUtc(Effect.sync(() => compare(file, truth, events)));
  const { screen, timed } = yield* asked(file, until);
  const outcome: Outcome = {
    events,
    foldSeconds: (user + system) / 1e6,
    bytes: statSync(file).size,
    timed,
    faults: [...faults, ...screen.flatMap(scans)],
    folder,
  };
  if (outcome.faults.length === 0 && !options.isKept) rmSync(folder, { recursive: true, force: true });
  return outcome;
});

/** A table, and the plan of what missed its goal; with `plans` of all. */
export const table = ({ timed }: Pick<Outcome, "timed">, plans: boolean): string =>
  timed
    .flatMap(({ goal, millis, plan, rows, what }) => [
      `${millis.toFixed(1).padStart(9)} ms ${millis > goal ? "over" : "  ok"} ${String(goal).padStart(4)}  ${String(rows).padStart(7)} rows  ${what}`,
      ...(plans || millis > goal ? plan.map((line) => `${" ".repeat(20)}${line}`) : []),
    ])
    .join("\n");
