/**
 * Questions of the first screen: now, today against the last days, recent threads, and whether all of it is whole.
 *
 * Room: query.
 */
import { Effect } from "effect";
import { modelOfUsage } from "../../../projections/activity/tokens.ts";
import { priceOf } from "../../../projections/answers/costs.ts";
import { callCounts } from "../../../projections/toolCalls.ts";
import { narrowing, number } from "../ThreadConditionsSqlite.ts";
import type { ThreadConditions } from "../ThreadFilter.ts";
import { listOrder } from "../../../projections/threads.ts";
import { hiddenThread } from "../ThreadListSqlite.ts";
import { Ask } from "./Ask.ts";

/** Time in which a call without a result counts as in flight, milliseconds. Later it is one without an outcome. */
export const inFlightMillis = 15 * 60_000;

export interface LiveSession {
  readonly sessionId: string;
  readonly threadId: string | null;
  readonly client: string | null;
  readonly server: string | null;
  readonly startedAt: number | null;
}
export interface OpenTask {
  readonly taskId: string;
  readonly description: string | null;
  readonly status: string;
  readonly agentType: string | null;
}
export interface CallInFlight {
  readonly threadId: string;
  readonly toolName: string;
  readonly startedAt: number;
}

/** Activity at this moment, in one tenant or in all. */
export const now = Effect.fnUntraced(function* (at: number, tenant: string | undefined) {
  const { rows } = yield* Ask;
  const own = { tenant: tenant ?? null };
  const sessions = yield* rows<LiveSession>(
    `SELECT session_id, thread_id, client, server, started_at FROM v_sessions
     WHERE ended_at IS NULL AND lease_millis IS NOT NULL AND (:tenant IS NULL OR tenant = :tenant)
     ORDER BY first_sequence DESC LIMIT 100`,
    own,
  );
  const tasks = yield* rows<OpenTask>(
    `SELECT n.text AS task_id, k.description, s.text AS status, (SELECT text FROM names WHERE name = k.agent_type) AS agent_type
     FROM tasks k JOIN names n ON n.name = k.task_id JOIN names s ON s.name = k.status
     WHERE k.status IN (SELECT name FROM names WHERE text IN ('starting', 'running', 'input_required'))
       AND (:tenant IS NULL OR k.tenant = (SELECT name FROM names WHERE text = :tenant))
     ORDER BY k.last_activity_at DESC LIMIT 500`,
    own,
  );
  const calls = yield* rows<CallInFlight>(
    `SELECT thread_id, tool_name, started_at FROM v_tool_calls
     WHERE outcome = 'unknown' AND started_at > :since AND (:tenant IS NULL OR tenant = :tenant)
     ORDER BY started_at DESC LIMIT 100`,
    { since: at - inFlightMillis, ...own },
  );
  return { sessions, tasks, calls };
});

/** One day of the server's time zone. */
export interface Day {
  readonly day: string;
  readonly threads: number;
  readonly prompts: number;
  readonly answers: number;
  readonly calls: number;
  readonly errors: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costUsd: number | null;
  /** Messages without a reported cost, by the price list; null where none of their models is there. */
  readonly estimatedUsd: number | null;
}

const spentInput = "sum(a.uncached_tokens + a.cache_read_tokens + a.cache_write_tokens)";
const spentOutput = "sum(a.visible_tokens + a.reasoning_tokens)";
const spentCost = "sum(CASE a.is_priced WHEN 1 THEN a.cost_nanos END) / 1e9";

/** Local days of the quarters of a time, each asked for once: local time costs more than all else of a sum. */
const recentDays = (table: string): string =>
  `(SELECT DISTINCT x.quarter_at, date(x.quarter_at / 1000, 'unixepoch', 'localtime') AS day
     FROM (SELECT DISTINCT quarter_at FROM ${table} WHERE quarter_at >= :since AND quarter_at < :until) x)`;

/** SQLite's local days of the sums; by their key, so that older days cost nothing, and by the tables, which have no texts to look up. */
const recent = (table: string, sums: string): string =>
  `SELECT q.day, ${sums} FROM ${table} a JOIN ${recentDays(table)} q ON q.quarter_at = a.quarter_at
   WHERE a.quarter_at >= :since AND a.quarter_at < :until AND (:tenant IS NULL OR a.tenant = (SELECT name FROM names WHERE text = :tenant)) GROUP BY 1`;

/** SQL: what rows of `token_activity u` without a reported cost come to; each model is looked up in the price list once. */
const estimatedBy = (
  key: string,
  from: string,
  where: string,
): string => `WITH g AS MATERIALIZED (SELECT ${key} AS day, ${modelOfUsage} AS model,
    sum(u.uncached_tokens) AS fresh, sum(u.cache_read_tokens) AS hit, sum(u.cache_write_tokens) AS put,
    sum(u.visible_tokens + u.reasoning_tokens) AS said
    FROM token_activity u ${from} WHERE ${where} AND u.is_priced = 0 GROUP BY 1, 2),
  prices AS MATERIALIZED (SELECT * FROM v_prices),
  p AS (SELECT m.model, q.* FROM (SELECT DISTINCT model FROM g) m JOIN prices q ON q.priced_model = ${priceOf("m.model", "prices")})
  SELECT g.day, sum(g.fresh * p.input_usd_per_million + g.hit * p.cache_read_usd_per_million
    + g.put * p.cache_write_usd_per_million + g.said * p.output_usd_per_million) / 1e6 AS estimated_usd
  FROM g JOIN p ON p.model = g.model GROUP BY g.day`;

const estimatedDays = estimatedBy(
  "q.day",
  `JOIN ${recentDays("token_activity")} q ON q.quarter_at = u.quarter_at`,
  "u.quarter_at >= :since AND u.quarter_at < :until AND (:tenant IS NULL OR u.tenant = (SELECT name FROM names WHERE text = :tenant))",
);

const ofKind = (kind: string): string =>
  `sum(CASE a.kind WHEN (SELECT name FROM names WHERE text = '${kind}') THEN a.messages ELSE 0 END)`;

/** The days of a time that have anything, in order. Epoch milliseconds, the second exclusive. */
export const days = Effect.fnUntraced(function* (since: number, until: number, tenant: string | undefined) {
  const { rows } = yield* Ask;
  const values = { since, until, tenant: tenant ?? null };
  const said = yield* rows<Pick<Day, "day" | "threads" | "prompts" | "answers">>(
    recent(
      "message_activity",
      `count(DISTINCT a.thread_id) AS threads, ${ofKind("prompt")} AS prompts, ${ofKind("answer")} AS answers`,
    ),
    values,
  );
  const called = yield* rows<Pick<Day, "day" | "calls" | "errors">>(
    recent("call_activity", "sum(a.calls) AS calls, sum(a.errors) AS errors"),
    values,
  );
  const spent = yield* rows<Pick<Day, "day" | "inputTokens" | "outputTokens" | "costUsd">>(
    recent(
      "token_activity",
      `${spentInput} AS input_tokens, ${spentOutput} AS output_tokens, ${spentCost} AS cost_usd`,
    ),
    values,
  );
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
  const estimated = yield* rows<Pick<Day, "day" | "estimatedUsd">>(estimatedDays, values);
  const found = new Map<string, Day>();
  for (const row of [...said, ...called, ...spent, ...estimated])
    found.set(row.day, { ...(found.get(row.day) ?? { ...none, day: row.day }), ...row });
  return [...found.values()].toSorted((left, right) => (left.day < right.day ? -1 : 1));
});

/** Prompts of a time, its end not included, by weekday (0 is Sunday) and hour of the server's time zone. */
export const promptHours = Effect.fnUntraced(function* (
  {
    since = 1,
    until = Number.MAX_SAFE_INTEGER,
  }: { readonly since: number | undefined; readonly until: number | undefined },
  tenant: string,
) {
  const { rows } = yield* Ask;
  return yield* rows<{ readonly weekday: number; readonly hour: number; readonly prompts: number }>(
    `SELECT CAST(strftime('%w', quarter_at / 1000, 'unixepoch', 'localtime') AS INTEGER) AS weekday,
       CAST(strftime('%H', quarter_at / 1000, 'unixepoch', 'localtime') AS INTEGER) AS hour, sum(messages) AS prompts
     FROM v_message_activity WHERE quarter_at >= :since AND quarter_at < :until AND tenant = :tenant AND kind = 'prompt' GROUP BY 1, 2`,
    { since, until, tenant },
  );
});

export interface ThreadTokens {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costUsd: number | null;
  readonly delegatedInputTokens: number;
  readonly delegatedOutputTokens: number;
  readonly delegatedThreads: number;
}
/** A thread of a list. */
export interface ListedThread {
  readonly threadId: string;
  readonly tenant: string;
  readonly title: string | null;
  readonly opening: string | null;
  readonly client: string | null;
  readonly tool: string | null;
  readonly model: string | null;
  readonly cwd: string | null;
  readonly lastActivityAt: number | null;
  readonly deadLetters: number;
  /** Of persons, and tasks that an agent gave. */
  readonly prompts: number;
  readonly toolCalls: number;
  readonly tokens: ThreadTokens | undefined;
}

export interface ThreadChoice extends ThreadConditions {
  /** Threads that work for this one; absent: those that work for none that is here. */
  readonly parent?: string | undefined;
  readonly tenant?: string | undefined;
  readonly limit: number;
  readonly offset?: number | undefined;
}

const sumOver = (which: string, what: string): string => `sum(CASE WHEN ${which} THEN ${what} END)`;

/** Newest activity first. Tokens of the thread itself, and of the sub-agents it gave work to. */
export const threads = Effect.fnUntraced(function* (choice: ThreadChoice, at: number) {
  const { rows } = yield* Ask;
  const { limit, offset = 0, parent, tenant } = choice;
  const narrowed = narrowing({ ...choice, isMain: parent === undefined });
  const conditions = [
    `NOT ${hiddenThread}`,
    ...narrowed.conditions,
    ...(parent === undefined ? [] : [`t.parent_thread_id = ${number(":parent")} AND t.parent_relation IS NOT 'fork'`]),
    ...(tenant === undefined ? [] : [`t.tenant = ${number(":tenant")}`]),
  ];
  const found = yield* rows<{ readonly threadId: string; readonly tenant: string }>(
    `SELECT (SELECT text FROM names WHERE name = t.thread_id) AS thread_id, (SELECT text FROM names WHERE name = t.tenant) AS tenant
     FROM threads t WHERE ${conditions.join(" AND ")}
     ORDER BY ${listOrder} DESC, t.first_sequence DESC LIMIT :limit OFFSET :offset`,
    {
      now: at,
      limit,
      offset,
      ...narrowed.values,
      ...(parent === undefined ? {} : { parent }),
      ...(tenant === undefined ? {} : { tenant }),
    },
  );
  const tokens = yield* tokensOfAll(found);
  const listed = yield* Effect.forEach(found, (key) => rows<Omit<ListedThread, "tokens">>(listedSql, { ...key }));
  return listed.flatMap(([thread], index): ReadonlyArray<ListedThread> =>
    thread === undefined ? [] : [{ ...thread, tokens: tokens[index] }],
  );
});

/** Columns of a thread in a list; its numbers from the sums. */
const listedSql = `SELECT v.thread_id, v.tenant, v.title, v.opening, v.client, v.tool, v.model, v.cwd, v.last_activity_at, v.dead_letters,
    (SELECT coalesce(sum(a.messages), 0) FROM message_activity a WHERE a.thread_id = ${number(":threadId")} AND a.tenant = ${number(":tenant")}
      AND a.kind IN (SELECT name FROM names WHERE text IN ('prompt', 'task'))) AS prompts,
    (SELECT coalesce(sum(a.calls), 0) FROM call_activity a WHERE a.thread_id = ${number(":threadId")} AND a.tenant = ${number(":tenant")}) AS tool_calls
  FROM v_threads v WHERE v.thread_id = :threadId AND v.tenant = :tenant`;

const isOwn = "(u.thread_id = d.root AND u.sidechain = 0)";

/**
 * Threads and those that worked for them, in one walk for all of a list: a walk for each thread and column took 190 ms for
 * 25 threads of 1,000,000 events, where this takes 20 (on a busy machine).
 */
const tokensSql = `WITH RECURSIVE down(place, root, tenant, thread_id) AS (
    SELECT k.key, t.name, n.name, t.name FROM json_each(:keys) k
      JOIN names t ON t.text = json_extract(k.value, '$[0]') JOIN names n ON n.text = json_extract(k.value, '$[1]')
    UNION SELECT d.place, d.root, d.tenant, t.thread_id FROM down d JOIN threads t ON t.parent_thread_id = d.thread_id
      AND t.tenant = d.tenant AND t.parent_relation IS NOT 'fork')
  SELECT d.place, count(DISTINCT d.thread_id) - 1 AS delegated_threads,
    coalesce(${sumOver(isOwn, "u.uncached_tokens + u.cache_read_tokens + u.cache_write_tokens")}, 0) AS input_tokens,
    coalesce(${sumOver(isOwn, "u.visible_tokens + u.reasoning_tokens")}, 0) AS output_tokens,
    coalesce(${sumOver(`NOT ${isOwn}`, "u.uncached_tokens + u.cache_read_tokens + u.cache_write_tokens")}, 0) AS delegated_input_tokens,
    coalesce(${sumOver(`NOT ${isOwn}`, "u.visible_tokens + u.reasoning_tokens")}, 0) AS delegated_output_tokens,
    sum(CASE WHEN ${isOwn} AND u.is_priced = 1 THEN u.cost_nanos END) / 1e9 AS cost_usd
  FROM down d LEFT JOIN token_activity u ON u.thread_id = d.thread_id AND u.tenant = d.tenant GROUP BY d.place`;

/** Tokens of threads and of those that worked for them, in their order. */
const tokensOfAll = Effect.fnUntraced(function* (
  keys: ReadonlyArray<{ readonly threadId: string; readonly tenant: string }>,
) {
  const { rows } = yield* Ask;
  const found = yield* rows<ThreadTokens & { readonly place: number }>(tokensSql, {
    keys: JSON.stringify(keys.map(({ tenant, threadId }) => [threadId, tenant])),
  });
  const byPlace = new Map(found.map(({ place, ...tokens }) => [Number(place), tokens]));
  return keys.map((_, place): ThreadTokens | undefined => byPlace.get(place));
});

/** Tokens of one thread and of those that worked for it. */
export const tokensOf = (key: { readonly threadId: string; readonly tenant: string }) =>
  Effect.map(tokensOfAll([key]), ([tokens]) => tokens);

/** A thread's own messages without a reported cost by the price list, US dollars; null where none of their models is there. */
export const estimateOf = Effect.fnUntraced(function* (key: { readonly threadId: string; readonly tenant: string }) {
  const { rows } = yield* Ask;
  const [found] = yield* rows<{ readonly estimatedUsd: number | null }>(
    estimatedBy(
      "1",
      "",
      "u.thread_id = (SELECT name FROM names WHERE text = :threadId) AND u.tenant = (SELECT name FROM names WHERE text = :tenant) AND u.sidechain = 0",
    ),
    { ...key },
  );
  return found?.estimatedUsd ?? null;
});

/** Calls that have no outcome and are no longer in flight: cut off, or answered where nothing was recorded. */
export const callsWithoutOutcome = Effect.fnUntraced(function* (at: number, tenant: string | undefined) {
  const { rows } = yield* Ask;
  const [found] = yield* rows<{ readonly calls: number | null }>(
    `SELECT count(*) AS calls FROM tool_calls c WHERE c.result_sequence IS NULL AND ${callCounts("c")}
       AND (c.started_at IS NULL OR c.started_at < :since) AND (:tenant IS NULL OR c.tenant = (SELECT name FROM names WHERE text = :tenant))`,
    { since: at - inFlightMillis, tenant: tenant ?? null },
  );
  return found?.calls ?? 0;
});
