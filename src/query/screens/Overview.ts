/**
 * What the first screen asks: now, today against the last days, recent threads, and whether all of it is whole.
 *
 * Room: query.
 */
import { Effect } from "effect";
import { listOrder } from "../../../projections/threads.ts";
import type { ThreadRow } from "../Query.ts";
import { hiddenThread } from "../ThreadListSqlite.ts";
import { Ask } from "./Ask.ts";

/** How long a call without a result counts as in flight. Later it is one without an outcome. */
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

/** What goes on at this moment, in one tenant or in all. */
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
}

/** Quarters of an hour as SQLite's local days. */
const day = "date(quarter_at / 1000, 'unixepoch', 'localtime')";
/** By the key of the sums, so that older days cost nothing. */
const recent = "FROM %s WHERE quarter_at >= :since AND (:tenant IS NULL OR tenant = :tenant) GROUP BY 1";

/** The days since a moment that have anything, in order. Epoch milliseconds. */
export const days = Effect.fnUntraced(function* (since: number, tenant: string | undefined) {
  const { rows } = yield* Ask;
  const values = { since, tenant: tenant ?? null };
  const said = yield* rows<Pick<Day, "day" | "threads" | "prompts" | "answers">>(
    `SELECT ${day} AS day, count(DISTINCT thread_id || ' ' || tenant) AS threads,
       sum(CASE kind WHEN 'prompt' THEN messages ELSE 0 END) AS prompts,
       sum(CASE kind WHEN 'answer' THEN messages ELSE 0 END) AS answers ${recent.replace("%s", "v_message_activity")}`,
    values,
  );
  const called = yield* rows<Pick<Day, "day" | "calls" | "errors">>(
    `SELECT ${day} AS day, sum(calls) AS calls, sum(errors) AS errors ${recent.replace("%s", "v_call_activity")}`,
    values,
  );
  const spent = yield* rows<Pick<Day, "day" | "inputTokens" | "outputTokens" | "costUsd">>(
    `SELECT ${day} AS day, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost_usd
     ${recent.replace("%s", "v_token_activity")}`,
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
  };
  const found = new Map<string, Day>();
  for (const row of [...said, ...called, ...spent])
    found.set(row.day, { ...(found.get(row.day) ?? { ...none, day: row.day }), ...row });
  return [...found.values()].toSorted((left, right) => (left.day < right.day ? -1 : 1));
});

/** Prompts since a moment by weekday (0 is Sunday) and hour of the server's time zone. */
export const promptHours = Effect.fnUntraced(function* (since: number, tenant: string) {
  const { rows } = yield* Ask;
  return yield* rows<{ readonly weekday: number; readonly hour: number; readonly prompts: number }>(
    `SELECT CAST(strftime('%w', quarter_at / 1000, 'unixepoch', 'localtime') AS INTEGER) AS weekday,
       CAST(strftime('%H', quarter_at / 1000, 'unixepoch', 'localtime') AS INTEGER) AS hour, sum(messages) AS prompts
     FROM v_message_activity WHERE quarter_at >= :since AND tenant = :tenant AND kind = 'prompt' GROUP BY 1, 2`,
    { since, tenant },
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
/** `thread` is undefined where it went between two questions. */
export interface ListedThread {
  readonly thread: ThreadRow | undefined;
  readonly tokens: ThreadTokens | undefined;
}

export interface ThreadChoice {
  /** Threads that work for this one; absent: those that work for none that is here. */
  readonly parent?: string | undefined;
  readonly project?: string | undefined;
  readonly agent?: string | undefined;
  /** Of the thread, or one that spoke in it. */
  readonly model?: string | undefined;
  readonly tenant?: string | undefined;
  readonly limit: number;
  readonly offset?: number | undefined;
}

const name = (value: string): string => `(SELECT name FROM names WHERE text = ${value})`;

/** Newest activity first. Tokens of the thread itself, and of the sub-agents it gave work to. */
export const threads = Effect.fnUntraced(function* (choice: ThreadChoice, at: number) {
  const { rows } = yield* Ask;
  const { agent, limit, model, offset = 0, parent, project, tenant } = choice;
  const isRoot = `(t.parent_thread_id IS NULL OR t.parent_relation IS 'fork' OR NOT EXISTS (
    SELECT 1 FROM threads p WHERE p.thread_id = t.parent_thread_id AND p.tenant = t.tenant))`;
  const conditions = [
    `NOT ${hiddenThread}`,
    parent === undefined ? isRoot : `t.parent_thread_id = ${name(":parent")} AND t.parent_relation IS NOT 'fork'`,
    ...(project === undefined ? [] : [`t.cwd = ${name(":project")}`]),
    ...(agent === undefined ? [] : [`(t.client = ${name(":agent")} OR t.tool = ${name(":agent")})`]),
    ...(model === undefined
      ? []
      : [
          `(t.model = ${name(":model")} OR EXISTS (SELECT 1 FROM message_activity m WHERE m.thread_id = t.thread_id
             AND m.tenant = t.tenant AND m.model = ${name(":model")}))`,
        ]),
    ...(tenant === undefined ? [] : [`t.tenant = ${name(":tenant")}`]),
  ];
  const found = yield* rows<{ readonly threadId: string; readonly tenant: string }>(
    `SELECT (SELECT text FROM names WHERE name = t.thread_id) AS thread_id, (SELECT text FROM names WHERE name = t.tenant) AS tenant
     FROM threads t WHERE ${conditions.join(" AND ")}
     ORDER BY ${listOrder} DESC, t.first_sequence DESC LIMIT :limit OFFSET :offset`,
    {
      now: at,
      limit,
      offset,
      ...(parent === undefined ? {} : { parent }),
      ...(project === undefined ? {} : { project }),
      ...(agent === undefined ? {} : { agent }),
      ...(model === undefined ? {} : { model }),
      ...(tenant === undefined ? {} : { tenant }),
    },
  );
  return yield* Effect.forEach(found, (key) => listed({ threadId: key.threadId, tenant: key.tenant }));
});

const listed = Effect.fnUntraced(function* (key: { readonly threadId: string; readonly tenant: string }) {
  const { rows } = yield* Ask;
  const [thread] = yield* rows<ThreadRow>(
    "SELECT * FROM v_threads WHERE thread_id = :threadId AND tenant = :tenant",
    key,
  );
  return { thread, tokens: yield* tokensOf(key) };
});

/** Tokens of one thread and of those that worked for it. */
export const tokensOf = Effect.fnUntraced(function* (key: { readonly threadId: string; readonly tenant: string }) {
  const { rows } = yield* Ask;
  const [tokens] = yield* rows<ThreadTokens>(
    `SELECT input_tokens, output_tokens, cost_usd, delegated_input_tokens, delegated_output_tokens, delegated_threads
     FROM v_thread_tokens WHERE thread_id = :threadId AND tenant = :tenant`,
    key,
  );
  return tokens;
});

/** Calls that have no outcome and are no longer in flight: cut off, or answered where nothing was recorded. */
export const callsWithoutOutcome = Effect.fnUntraced(function* (at: number, tenant: string | undefined) {
  const { rows } = yield* Ask;
  const [found] = yield* rows<{ readonly calls: number | null }>(
    `SELECT sum(calls - ok - errors) AS calls FROM v_call_activity
     WHERE quarter_at < :since AND (:tenant IS NULL OR tenant = :tenant)`,
    { since: at - inFlightMillis, tenant: tenant ?? null },
  );
  return found?.calls ?? 0;
});
