/**
 * Questions to the read models in SQLite, through the public views.
 *
 * Room: query. In: Query, ConnectionSqlite, ThreadListSqlite, SqlSqlite. Out: main, edge.
 */
import type { Database } from "better-sqlite3";
import { Effect, Layer, Result, Schema } from "effect";
import { defaultTenant } from "../domain/History.ts";
import { Condition } from "../projection/Condition.ts";
import { makeReaders } from "./ConnectionSqlite.ts";
import {
  maxPage,
  type MessageFilter,
  type MessageRow,
  type PartRow,
  Query,
  QueryRefused,
  type ReadModelStatus,
  type SessionRow,
  type TaskRow,
  type ThreadRow,
  type TransitionRow,
} from "./Query.ts";
import { all, pageSize } from "./RowsSqlite.ts";
import { sql } from "./SqlSqlite.ts";
import { listThreads } from "./ThreadListSqlite.ts";

/** Order of a message's parts, and the columns of `PartRow`. */
const partsSql = `SELECT message_id, type, text, bytes, refers_to FROM v_message_parts
  WHERE thread_id = :threadId AND message_id IN (SELECT value FROM json_each(:messageIds)) ORDER BY begun, segment, ordinal`;

const readMessages = (db: Database, filter: MessageFilter): ReadonlyArray<MessageRow> => {
  const found = all<Omit<MessageRow, "parts">>(
    db,
    `SELECT thread_id, message_id, sequence, role, author, text, model, provider, tool, parent_message_id, stop_reason,
       is_sidechain, is_meta, occurred_at FROM v_messages
     WHERE thread_id = :threadId AND tenant = :tenant AND sequence > :after AND sequence <= :upToSequence AND occurred_at <= :upToTime
     ORDER BY sequence, message_id LIMIT :limit`,
    {
      threadId: filter.threadId,
      tenant: filter.tenant ?? defaultTenant,
      after: filter.after ?? 0,
      upToSequence: filter.upToSequence ?? Number.MAX_SAFE_INTEGER,
      upToTime: filter.upToTime ?? Number.MAX_SAFE_INTEGER,
      limit: pageSize(filter.limit, maxPage),
    },
  );
  const messageIds = JSON.stringify(found.map(({ messageId }) => messageId));
  const parts = Map.groupBy(
    all<PartRow>(db, partsSql, { threadId: filter.threadId, messageIds }),
    ({ messageId }) => messageId,
  );
  return found.map((message) => ({ ...message, parts: parts.get(message.messageId) ?? [] }));
};

const decodeCondition = Schema.decodeUnknownResult(Schema.fromJsonString(Condition));

const readStatus = (db: Database): ReadModelStatus => {
  const projections = all<ReadModelStatus["projections"][number]>(
    db,
    `SELECT projection AS name, version, sequence AS checkpoint, recorded_at, applied_at, (SELECT count(*) FROM v_dead_letters d
       WHERE d.projection = c.projection OR (d.projection = '*' AND c.projection <> 'ledger')) AS dead_letters
     FROM v_checkpoints c ORDER BY projection`,
  );
  const [noted] = all<{ readonly value: string }>(db, "SELECT value FROM engine WHERE key = 'condition'");
  const condition = noted === undefined ? undefined : decodeCondition(noted.value);
  const [counts] = all<{ readonly threads: number; readonly events: number; readonly unknown: number }>(
    db,
    `SELECT (SELECT count(*) FROM threads) AS threads, (SELECT count(*) FROM events) AS events,
       (SELECT count(*) FROM unknown_entries) AS unknown`,
  );
  return {
    projections,
    ...(condition !== undefined && Result.isSuccess(condition) ? { condition: condition.success } : {}),
    ...(counts ?? { threads: 0, events: 0, unknown: 0 }),
  };
};

const readTask = (db: Database, taskId: string) => {
  const [task] = all<TaskRow>(db, "SELECT * FROM v_tasks WHERE task_id = :taskId LIMIT 1", { taskId });
  if (task === undefined) return undefined;
  const transitions = all<TransitionRow>(
    db,
    `SELECT task_id, from_status, to_status, at, sequence, worker, message, progress, progress_total
     FROM v_task_transitions WHERE task_id = :taskId ORDER BY sequence`,
    { taskId },
  );
  return { task, transitions };
};

export const make = Effect.fnUntraced(function* (options: { readonly path: string }) {
  const { path } = options;
  const read = yield* makeReaders(path);
  return Query.of({
    threads: Effect.fn("query.threads")(function* (filter) {
      const page = yield* read((db) => listThreads(db, filter));
      return page instanceof QueryRefused ? yield* page : page;
    }),
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
    tasks: Effect.fn("query.tasks")(({ status, limit }) =>
      read((db) =>
        all<TaskRow>(
          db,
          `SELECT * FROM v_tasks WHERE (:status IS NULL OR status = :status)
           ORDER BY last_activity_at DESC, first_sequence DESC LIMIT :limit`,
          { status: status ?? null, limit: pageSize(limit) },
        ),
      ),
    ),
    task: Effect.fn("query.task")((taskId) => read((db) => readTask(db, taskId))),
    sessions: Effect.fn("query.sessions")(({ limit }) =>
      read((db) =>
        all<SessionRow>(db, "SELECT * FROM v_sessions ORDER BY first_sequence DESC LIMIT :limit", {
          limit: pageSize(limit),
        }),
      ),
    ),
    status: read(readStatus).pipe(Effect.withSpan("query.status")),
    sql: (text) => sql(path, text).pipe(Effect.withSpan("query.sql")),
  });
});

export const layer = (options: { readonly path: string }): Layer.Layer<Query> => Layer.effect(Query, make(options));
