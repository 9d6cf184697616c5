/**
 * Waiting tasks out of SQLite: by the table and its partial indexes, because views have none.
 *
 * Room: query.
 */
import type { Database } from "better-sqlite3";
import type { WithReader } from "./ConnectionSqlite.ts";
import { all } from "./RowsSqlite.ts";
import { number } from "./ThreadConditionsSqlite.ts";
import {
  type GroupNumbers,
  orderedPage,
  recentMillis,
  type TaskGroup,
  type TaskOf,
  waitingPage,
  type WaitingTask,
  type WaitingTasks,
} from "./WaitingTasks.ts";

const task = `SELECT n.text AS task_id, t.text AS tenant, a.text AS agent_type, p.text AS priority,
    (SELECT text FROM names WHERE name = k.batch_id) AS batch_id, coalesce(k.is_ordered, 0) AS is_ordered,
    k.due_at, k.first_sequence, k.last_sequence
  FROM tasks k JOIN names n ON n.name = k.task_id JOIN names t ON t.name = k.tenant
  JOIN names a ON a.name = k.agent_type JOIN names p ON p.name = k.priority`;

const inState = (...states: ReadonlyArray<string>): string =>
  `IN (SELECT name FROM names WHERE text IN (${states.map((state) => `'${state}'`).join(", ")}))`;

/** In the words of the index on what has moved. */
const moved = `(waiting_since IS NOT NULL OR batch_id IS NOT NULL) AND last_sequence > :after AND last_sequence <= :upTo`;

interface Batch {
  readonly batch: number;
  readonly tenant: number;
}

/** Those of the batches that have tasks that wait. By the index of the batch (`+`), not through all that waits of its tenant. */
const open = (db: Database, batches: ReadonlyArray<Batch>): ReadonlyArray<TaskOf> =>
  batches.flatMap(({ batch, tenant }) =>
    all<TaskOf>(
      db,
      `SELECT n.text AS task_id, t.text AS tenant FROM tasks k JOIN names n ON n.name = k.task_id JOIN names t ON t.name = k.tenant
       WHERE k.batch_id = :batch AND k.tenant = :tenant
         AND EXISTS (SELECT 1 FROM tasks w WHERE w.batch_id = :batch AND +w.tenant = :tenant AND w.waiting_since IS NOT NULL)
       ORDER BY k.status ${inState("failed", "timeout", "cancelled")} DESC LIMIT 1`,
      { batch, tenant },
    ),
  );

/** One after another by the index, however many tasks each has. */
const groups = (db: Database): ReadonlyArray<TaskGroup> => {
  const next = `SELECT tenant, agent_type FROM tasks WHERE waiting_since IS NOT NULL AND (tenant, agent_type) > (:tenant, :type)
    ORDER BY tenant, agent_type LIMIT 1`;
  const text = db.prepare<[number], string>("SELECT text FROM names WHERE name = ?").pluck();
  const statement = db.prepare<[{ tenant: number; type: number }], { tenant: number; agent_type: number }>(next);
  const found: Array<TaskGroup> = [];
  for (let at = statement.get({ tenant: -1, type: -1 }); at !== undefined;) {
    found.push({ tenant: text.get(at.tenant) ?? "", agentType: text.get(at.agent_type) ?? "" });
    at = statement.get({ tenant: at.tenant, type: at.agent_type });
  }
  return found;
};

const limit = waitingPage;

/** SQL: tasks held by a worker, in the same words as their index, or SQLite does not use it. */
const held = "priority IS NOT NULL AND ended_at IS NULL AND waiting_since IS NULL AND first_sequence > :after";

/** Waiting ones by the index of groups alone; the oldest is the first of its group. */
const numbersSql = `WITH waits AS (
    SELECT tenant, agent_type, count(*) AS total, sum(due_at > :now) AS delayed FROM tasks
    WHERE waiting_since IS NOT NULL GROUP BY tenant, agent_type),
  holds AS (SELECT tenant, agent_type, count(*) AS held FROM tasks
    WHERE ${held} GROUP BY tenant, agent_type),
  both AS (SELECT tenant, agent_type FROM waits UNION SELECT tenant, agent_type FROM holds)
  SELECT (SELECT text FROM names WHERE name = e.tenant) AS tenant, (SELECT text FROM names WHERE name = e.agent_type) AS agent_type,
    coalesce(w.total - w.delayed, 0) AS waiting, coalesce(w.delayed, 0) AS delayed, coalesce(h.held, 0) AS held,
    (SELECT max(k.waiting_since, k.due_at) FROM tasks k WHERE k.waiting_since IS NOT NULL AND k.tenant = e.tenant
       AND k.agent_type = e.agent_type AND k.due_at <= :now ORDER BY k.due_at, k.first_sequence LIMIT 1) AS oldest_at
  FROM both e LEFT JOIN waits w ON w.tenant = e.tenant AND w.agent_type = e.agent_type
  LEFT JOIN holds h ON h.tenant = e.tenant AND h.agent_type = e.agent_type
  ORDER BY waiting DESC, delayed DESC LIMIT :limit`;

/** Waits of the tasks that began lately, and attempts of those that ended lately. The pause of a retry is no waiting. */
const recentSql = `SELECT (SELECT text FROM names WHERE name = k.tenant) AS tenant, (SELECT text FROM names WHERE name = k.agent_type) AS agent_type,
    avg(waited) AS mean_wait_millis, max(waited) AS longest_wait_millis, avg(CASE WHEN ended_at > :since THEN attempt END) AS mean_attempts
  FROM (SELECT tenant, agent_type, ended_at, attempt, CASE WHEN started_at > :since AND attempt = 1 THEN
      max(0, started_at - max(submitted_at, coalesce(not_before, 0))) END AS waited
    FROM tasks WHERE last_activity_at > :since AND priority IS NOT NULL) k
  GROUP BY k.tenant, k.agent_type`;

type Times = Pick<GroupNumbers, "meanWaitMillis" | "longestWaitMillis" | "meanAttempts">;
const noTimes: Times = { meanWaitMillis: null, longestWaitMillis: null, meanAttempts: null };
const keyOf = ({ agentType, tenant }: TaskGroup): string => JSON.stringify([tenant, agentType]);

/** Groups that have open tasks, and behind them those that only had some. */
const numbers = (db: Database, now: number): ReadonlyArray<GroupNumbers> => {
  const recent = new Map(
    all<TaskGroup & Times>(db, recentSql, { since: now - recentMillis }).map((group) => [keyOf(group), group]),
  );
  const groupsNow = all<Omit<GroupNumbers, keyof Times>>(db, numbersSql, { now, after: 0, limit }).map((group) => {
    const times = recent.get(keyOf(group)) ?? noTimes;
    recent.delete(keyOf(group));
    return { ...times, ...group };
  });
  const past = [...recent.values()].map((group) => ({ waiting: 0, oldestAt: null, delayed: 0, held: 0, ...group }));
  return [...groupsNow, ...past];
};

export const make = (read: WithReader): WaitingTasks => ({
  due: (window) =>
    read((db) =>
      all<WaitingTask>(
        db,
        `${task} WHERE k.due_at > 0 AND k.due_at > :from AND k.due_at <= :to ORDER BY k.due_at LIMIT :limit`,
        {
          ...window,
          limit,
        },
      ),
    ),
  nextDue: (after) =>
    read(
      (db) =>
        all<{ readonly at: number | null }>(
          db,
          "SELECT min(due_at) AS at FROM tasks WHERE due_at > 0 AND due_at > :after",
          {
            after,
          },
        )[0]?.at ?? undefined,
    ),
  moved: (window) =>
    read((db) =>
      all<WaitingTask>(
        db,
        `${task} WHERE ${moved} AND waiting_since IS NOT NULL AND due_at <= :now ORDER BY last_sequence LIMIT :limit`,
        { ...window, limit },
      ),
    ),
  movedBatches: (window) =>
    read((db) =>
      open(
        db,
        all<Batch>(
          db,
          `SELECT DISTINCT batch_id AS batch, tenant FROM tasks
           WHERE ${moved} AND batch_id IS NOT NULL AND (waiting_since IS NOT NULL OR ended_at IS NOT NULL)`,
          window,
        ),
      ),
    ),
  batchesOf: (tasks) =>
    read((db) => {
      const named = new Map(
        tasks.flatMap(({ batchId, tenant }) =>
          batchId === null ? [] : [[`${tenant}\n${batchId}`, { batchId, tenant }]],
        ),
      );
      const batches = [...named.values()].flatMap((one) =>
        all<Batch>(db, `SELECT ${number(":batchId")} AS batch, ${number(":tenant")} AS tenant`, one),
      );
      return open(db, batches);
    }),
  overdue: (now) =>
    read((db) =>
      all<TaskOf>(
        db,
        `SELECT n.text AS task_id, t.text AS tenant FROM tasks k JOIN names n ON n.name = k.task_id JOIN names t ON t.name = k.tenant
         WHERE k.start_by <= :now AND k.waiting_since IS NOT NULL LIMIT :limit`,
        { now, limit },
      ),
    ),
  ordered: (after) =>
    read((db) =>
      all<WaitingTask>(
        db,
        `${task} WHERE k.waiting_since IS NOT NULL AND k.is_ordered = 1 AND k.first_sequence > :after
         ORDER BY k.first_sequence LIMIT :limit`,
        { after, limit: orderedPage },
      ),
    ),
  groups: read(groups),
  ofGroup: ({ behind, dueBy, group }) =>
    read((db) =>
      all<WaitingTask>(
        db,
        `${task} WHERE k.waiting_since IS NOT NULL AND k.tenant = ${number(":tenant")} AND k.agent_type = ${number(":agentType")}
           AND (k.due_at, k.first_sequence) > (:dueAt, :firstSequence) AND k.due_at <= :dueBy
         ORDER BY k.due_at, k.first_sequence LIMIT :limit`,
        { ...group, ...behind, dueBy, limit },
      ),
    ),
  numbers: (now) => read((db) => numbers(db, now)),
  held: (after) =>
    read((db) => all<WaitingTask>(db, `${task} WHERE ${held} ORDER BY first_sequence LIMIT :limit`, { after, limit })),
});
