/**
 * Questions to the read models in SQLite, through the public views.
 *
 * Room: query.
 */
import type { Database } from "better-sqlite3";
import { Clock, Effect, Layer, Result, Schema } from "effect";
import { defaultTenant } from "../domain/History.ts";
import { Condition } from "../projection/ProjectorCondition.ts";
import { makeReaders } from "./ConnectionSqlite.ts";
import { readCompactions, readFiles, readMessages, readToolCalls } from "./ConversationSqlite.ts";
import {
  maxPage,
  Query,
  type ReadModelStatus,
  type SessionRow,
  type TaskRow,
  type ThreadRow,
  type TransitionRow,
} from "./Query.ts";
import * as Aside from "./aside/AsideSqlite.ts";
import { QueryRefused, type SqlParameters } from "./Sql.ts";
import { integrityOf } from "../projection/verify/Integrity.ts";
import { listHistories } from "./HistoryListSqlite.ts";
import { all, pageSize } from "./RowsSqlite.ts";
import { search } from "./search/SearchSqlite.ts";
import { selectRows } from "./SelectSqlite.ts";
import { hiddenThread, listThreads, readThreadIds } from "./ThreadListSqlite.ts";
import type { TaskFilter } from "./TaskFilter.ts";
import * as WaitingTasks from "./WaitingTasksSqlite.ts";

/** Loaded with the first statement of others: it knows every view, which no other question needs. */
const sandbox = Effect.promise(() => import("./sandbox/SandboxSqlite.ts"));

const decodeCondition = Schema.decodeUnknownResult(Schema.fromJsonString(Condition));

const historySql = `SELECT min(sequence) AS sequence, type, min(occurred_at) AS occurred_at, min(actor) AS actor, min(reason) AS reason,
    CASE type WHEN 'recollect.healed' THEN NULL ELSE sum(events) END AS events
  FROM v_store_events GROUP BY CASE type WHEN 'recollect.event_lost' THEN 0 ELSE sequence END ORDER BY sequence`;

/** A database of an earlier version, which is being rebuilt at this moment, has no history of the store yet. */
const readHistory = (db: Database): ReadModelStatus["history"] =>
  all(db, "SELECT 1 FROM sqlite_schema WHERE type = 'view' AND name = 'v_store_events'").length === 0
    ? []
    : all<ReadModelStatus["history"][number]>(db, historySql);

const readStatus = (db: Database, path: string, now: number): ReadModelStatus => {
  const projections = all<ReadModelStatus["projections"][number]>(
    db,
    `SELECT projection AS name, version, sequence AS checkpoint, recorded_at, applied_at, (SELECT count(*) FROM v_dead_letters d
       WHERE d.projection = c.projection OR (d.projection = '*' AND c.projection <> 'ledger')) AS dead_letters
     FROM v_checkpoints c ORDER BY projection`,
  );
  const [noted] = all<{ readonly value: string }>(db, "SELECT value FROM engine WHERE key = 'condition'");
  const said = noted === undefined ? undefined : decodeCondition(noted.value);
  const integrity = integrityOf(path, now);
  const condition = said !== undefined && Result.isSuccess(said) ? said.success : integrity.conditions[0];
  const [counts] = all<{ readonly threads: number; readonly events: number; readonly unknown: number }>(
    db,
    `SELECT (SELECT count(*) FROM threads t WHERE NOT ${hiddenThread}) AS threads, coalesce((SELECT max(sequence) FROM events) - (SELECT min(sequence) FROM events) + 1, 0) AS events,
       (SELECT count(*) FROM unknown_entries) AS unknown`,
    { now },
  );
  return {
    projections,
    ...(condition === undefined ? {} : { condition }),
    integrity,
    history: readHistory(db),
    ...(counts ?? { threads: 0, events: 0, unknown: 0 }),
  };
};

/** Tasks that have another try. */
const retriedTasks = `SELECT n.text FROM tasks r JOIN names n ON n.name = r.retry_of`;

/** By the table, which has an index by status, and not by its view. */
const openNow = `SELECT n.text FROM tasks k JOIN names n ON n.name = k.task_id
  WHERE k.status IN (SELECT name FROM names WHERE text IN ('pending', 'starting', 'running', 'input_required'))`;

/**
 * Latest activity first. Recent threads are at the front of that order, and open, long silent ones are found by their
 * status, so that a list never walks through what is archived.
 */
const readTasks = (db: Database, filter: TaskFilter) => {
  const { agentType, archived, batchId, deadLetters, endedSince, errorType, limit } = filter;
  const { parentTaskId, recentSince, retried, status, tenant } = filter;
  const common = [
    ...(status === undefined ? [] : ["status = :status"]),
    ...(deadLetters === undefined ? [] : ["dead_letter = 1"]),
    ...(batchId === undefined ? [] : ["batch_id = :batch"]),
    ...(parentTaskId === undefined ? [] : ["parent_task_id = :parent"]),
    ...(tenant === undefined ? [] : ["tenant = :tenant"]),
    ...(agentType === undefined ? [] : ["agent_type = :agentType"]),
    ...(errorType === undefined ? [] : ["error_type = :errorType"]),
    ...(endedSince === undefined ? [] : ["ended_at >= :endedSince"]),
    ...(retried === undefined ? [] : [`task_id NOT IN (${retriedTasks})`]),
  ];
  const select = (...more: ReadonlyArray<string>) =>
    `SELECT * FROM v_tasks WHERE ${["TRUE", ...common, ...more].join(" AND ")}`;
  const before = "last_activity_at < :since";
  const recent = `${select("last_activity_at >= :since")} UNION ALL ${select(before, `task_id IN (${openNow})`)}`;
  const kept = archived === undefined ? recent : select(before, "ended_at IS NOT NULL");
  return all<TaskRow>(
    db,
    `${recentSince === undefined ? select() : kept} ORDER BY last_activity_at DESC, first_sequence DESC LIMIT :limit`,
    {
      limit: pageSize(limit),
      ...(status === undefined ? {} : { status }),
      ...(batchId === undefined ? {} : { batch: batchId }),
      ...(parentTaskId === undefined ? {} : { parent: parentTaskId }),
      ...(tenant === undefined ? {} : { tenant }),
      ...(agentType === undefined ? {} : { agentType }),
      ...(errorType === undefined ? {} : { errorType }),
      ...(endedSince === undefined ? {} : { endedSince }),
      ...(recentSince === undefined ? {} : { since: recentSince }),
    },
  );
};

const readTask = (db: Database, taskId: string, tenant: string | undefined) => {
  const ofTenant = tenant === undefined ? "" : "AND tenant = :tenant";
  const [task] = all<TaskRow>(db, `SELECT * FROM v_tasks WHERE task_id = :taskId ${ofTenant} LIMIT 1`, {
    taskId,
    ...(tenant === undefined ? {} : { tenant }),
  });
  if (task === undefined) return undefined;
  const transitions = all<TransitionRow>(
    db,
    `SELECT task_id, from_status, to_status, moved_at, sequence, worker, message, progress, progress_total
     FROM v_task_transitions WHERE task_id = :taskId AND tenant = :tenant ORDER BY sequence`,
    { taskId, tenant: task.tenant },
  );
  return { task, transitions };
};

export interface Options {
  readonly path: string;
  /** Place of long statements of our own. Default: in this process, which then does nothing else. */
  readonly long?: "aside" | undefined;
}

export const make = Effect.fnUntraced(function* (options: Options) {
  const { path } = options;
  const read = yield* makeReaders(path);
  const select = Effect.fn("query.select")(function* (
    text: string,
    parameters: SqlParameters = [],
    zone: string | undefined = undefined,
  ) {
    const found = yield* read((db) => selectRows(db, text, parameters, zone));
    return found instanceof QueryRefused ? yield* found : found;
  });
  const aside = options.long === "aside" ? yield* Aside.make(path) : undefined;
  return Query.of({
    threads: Effect.fn("query.threads")(function* (filter) {
      const now = yield* Clock.currentTimeMillis;
      const page = yield* read((db) => listThreads(db, filter, now));
      return page instanceof QueryRefused ? yield* page : page;
    }),
    histories: Effect.fn("query.histories")(function* (filter) {
      const now = yield* Clock.currentTimeMillis;
      const page = yield* read((db) => listHistories(db, filter, now));
      return page instanceof QueryRefused ? yield* page : page;
    }),
    checkpoint: read(
      (db) =>
        all<{ readonly sequence: number | null }>(db, "SELECT min(sequence) AS sequence FROM v_checkpoints")[0]
          ?.sequence ?? 0,
    ),
    search: Effect.fn("query.search")(function* (filter) {
      const now = yield* Clock.currentTimeMillis;
      const answer = yield* read((db) => search(db, filter, now));
      return answer instanceof QueryRefused ? yield* answer : answer;
    }),
    threadIds: Effect.fn("query.threadIds")((asked) => read((db) => readThreadIds(db, asked))),
    thread: Effect.fn("query.thread")(({ threadId, tenant = defaultTenant }) =>
      read(
        (db) =>
          all<ThreadRow>(db, "SELECT * FROM v_threads WHERE thread_id = :threadId AND tenant = :tenant", {
            threadId,
            tenant,
          })[0],
      ),
    ),
    messages: Effect.fn("query.messages")((filter) => read((db) => readMessages(db, filter))),
    toolCalls: Effect.fn("query.toolCalls")((filter) => read((db) => readToolCalls(db, filter))),
    files: Effect.fn("query.files")((filter) => read((db) => readFiles(db, filter))),
    compactions: Effect.fn("query.compactions")((filter) => read((db) => readCompactions(db, filter))),
    tasks: Effect.fn("query.tasks")((filter) => read((db) => readTasks(db, filter))),
    taskCounts: Effect.fn("query.taskCounts")(({ recentSince, tenant }) =>
      read(
        (db) =>
          all<{ readonly open: number; readonly recent: number; readonly archived: number }>(
            db,
            `SELECT count(*) FILTER (WHERE ended_at IS NULL) AS open,
               count(*) FILTER (WHERE ended_at IS NOT NULL AND last_activity_at >= :recentSince) AS recent,
               count(*) FILTER (WHERE ended_at IS NOT NULL AND last_activity_at < :recentSince) AS archived
             FROM tasks WHERE tenant = (SELECT name FROM names WHERE text = :tenant)`,
            { recentSince, tenant },
          )[0] ?? { open: 0, recent: 0, archived: 0 },
      ),
    ),
    waiting: WaitingTasks.make(read),
    scheduledTenants: read((db) =>
      all<{ readonly tenant: string }>(
        db,
        "SELECT DISTINCT tenant FROM v_config_changes WHERE field GLOB 'schedules.*' LIMIT :limit",
        { limit: maxPage },
      ).map(({ tenant }) => tenant),
    ).pipe(Effect.withSpan("query.scheduledTenants")),
    configured: Effect.fn("query.configured")((field, tenant) =>
      read(
        (db) =>
          all<{ readonly value: string | null }>(
            db,
            `SELECT value FROM v_config_changes WHERE field = :field AND tenant = :tenant AND scope = 'default'
             ORDER BY sequence DESC LIMIT 1`,
            { field, tenant },
          )[0]?.value ?? undefined,
      ),
    ),
    task: Effect.fn("query.task")((taskId, tenant) => read((db) => readTask(db, taskId, tenant))),
    sessions: Effect.fn("query.sessions")(({ limit }) =>
      read((db) =>
        all<SessionRow>(db, "SELECT * FROM v_sessions ORDER BY first_sequence DESC LIMIT :limit", {
          limit: pageSize(limit),
        }),
      ),
    ),
    leasedSessions: Effect.fn("query.leasedSessions")((after) =>
      read((db) =>
        all<SessionRow>(
          db,
          `SELECT * FROM v_sessions WHERE ended_at IS NULL AND lease_millis IS NOT NULL AND first_sequence > :after
           ORDER BY first_sequence LIMIT :limit`,
          { after, limit: maxPage },
        ),
      ),
    ),
    status: Effect.flatMap(Clock.currentTimeMillis, (now) => read((db) => readStatus(db, path, now))).pipe(
      Effect.withSpan("query.status"),
    ),
    // Loaded when it is asked for: the engine that folds is no part of a question's start.
    tryAgain: (sequence) =>
      Effect.flatMap(
        Effect.promise(() =>
          Promise.all([import("../projection/TryAgainSqlite.ts"), import("../../projections/all.ts")]),
        ),
        ([{ tryAgain }, { readModels }]) => tryAgain({ path, projections: readModels, sequence }),
      ),
    sql: (text, parameters, limits) =>
      Effect.flatMap(sandbox, ({ sql }) => sql(path, text, parameters, limits)).pipe(Effect.withSpan("query.sql")),
    copyInto: (file) =>
      Effect.flatMap(sandbox, ({ copyInto }) => copyInto(path, file)).pipe(Effect.withSpan("query.copyInto")),
    select,
    selectLong: (text, parameters = [], zone = undefined) =>
      aside === undefined
        ? select(text, parameters, zone)
        : aside(text, parameters, zone).pipe(Effect.withSpan("query.selectLong")),
  });
});

export const layer = (options: Options): Layer.Layer<Query> => Layer.effect(Query, make(options));
