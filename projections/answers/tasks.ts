/**
 * Answers about tasks: time in each state, the funnel, what is stuck or left behind, and moves that the rule book forbids.
 *
 * Room: projections.
 */
import { legalMoves } from "../../src/domain/task/Task.ts";
import { nameText, type View } from "../../src/projection/Projection.ts";
import { now } from "./spell.ts";

const moves = `SELECT s.task_id, s.tenant, s.sequence, s.ordinal, s.at, s.status FROM task_transitions s WHERE s.status IS NOT NULL`;

/** A status, the one before it, and how long it lasted: to the next, or to now where the task has not ended. */
const spans = `SELECT m.*, lag(m.status) OVER w AS before, lead(m.at) OVER w AS until FROM (${moves}) m
  WINDOW w AS (PARTITION BY m.task_id, m.tenant ORDER BY m.sequence, m.ordinal)`;

const ended = "('completed', 'failed', 'timeout', 'cancelled')";

const states: View = {
  name: "v_task_states",
  doc: "One row per task and status that it was in: how often and how long. A status that ends the task lasts 0.",
  columns: {
    task_id: "Id of the task.",
    tenant: "Tenant it belongs to.",
    agent_type: "Kind of agent; null when its submission was not seen.",
    status: "The status.",
    times: "How often the task came into it.",
    status_millis:
      "Time that the task has been in it, all times together, milliseconds; the one it is in lasts until now.",
    first_at: "When it came into it first, epoch milliseconds.",
  },
  select: `SELECT n.text, ${nameText("p.tenant")}, (SELECT ${nameText("k.agent_type")} FROM tasks k WHERE k.task_id = p.task_id
      AND k.tenant = p.tenant), p.status, count(*), total(CASE WHEN p.status IN ${ended} THEN 0 ELSE max(0, coalesce(p.until, ${now}) - p.at) END),
    min(p.at) FROM (${spans}) p LEFT JOIN names n ON n.name = p.task_id GROUP BY p.task_id, p.tenant, p.status`,
};

const stateTimes: View = {
  name: "v_task_state_times",
  doc: "One row per kind of agent and status: how many tasks were in it, and for how long.",
  columns: {
    agent_type: "Kind of agent; null when their submission was not seen.",
    tenant: "Tenant they belong to.",
    status: "The status.",
    tasks: "Tasks that were in it.",
    mean_status_millis: "Mean of the time that a task was in it, milliseconds.",
    max_status_millis: "The longest time that a task was in it, milliseconds.",
  },
  select: `SELECT (v.agent_type), (v.tenant), (v.status), count(*), avg(v.status_millis), max(v.status_millis) FROM v_task_states v
    GROUP BY v.agent_type, v.tenant, v.status`,
};

const reached = (status: string): string =>
  `EXISTS (SELECT 1 FROM task_transitions s WHERE s.task_id = k.task_id AND s.tenant = k.tenant AND s.status = '${status}')`;
const is = (status: string): string => `coalesce(sum(k.status = (SELECT name FROM names WHERE text = '${status}')), 0)`;

const funnel: View = {
  name: "v_task_funnel",
  doc: "One row per kind of agent: how many tasks came how far.",
  columns: {
    agent_type: "Kind of agent; null when their submission was not seen.",
    tenant: "Tenant they belong to.",
    tasks: "Tasks.",
    claimed: "Of these, those that a worker took or that ran.",
    started: "Of these, those that ran.",
    completed: "Tasks that have completed.",
    failed: "Tasks that have failed.",
    timed_out: "Tasks that took too long.",
    cancelled: "Tasks that were cancelled.",
    still_open: "Tasks that have not ended.",
  },
  select: `SELECT ${nameText("k.agent_type")}, ${nameText("k.tenant")}, count(*), sum(k.worker IS NOT NULL OR k.started_at IS NOT NULL OR ${reached("starting")}),
    sum(k.started_at IS NOT NULL), ${is("completed")}, ${is("failed")}, ${is("timeout")}, ${is("cancelled")}, sum(k.ended_at IS NULL)
    FROM tasks k GROUP BY k.agent_type, k.tenant`,
};

const open: View = {
  name: "v_open_tasks",
  doc: "One row per task that has not ended: how long it has been silent, and whether anybody still waits for it.",
  columns: {
    task_id: "Id of the task.",
    tenant: "Tenant it belongs to.",
    agent_type: "Kind of agent; null when its submission was not seen.",
    status: "The status it is in.",
    worker: "Worker that took it last; null while none has.",
    thread_id: "Thread it works for; null when not said.",
    last_activity_at: "When its latest event happened, epoch milliseconds.",
    idle_millis: "How long that is ago, milliseconds.",
    is_stuck: "1 when it was taken by a worker and has been silent for an hour, else 0.",
    is_orphaned: "1 when the task that submitted it has ended, or the thread that it works for was deleted, else 0.",
  },
  select: `SELECT n.text, ${nameText("k.tenant")}, ${nameText("k.agent_type")}, ${nameText("k.status")}, ${nameText("k.worker")},
    ${nameText("k.thread_id")}, k.last_activity_at, max(0, ${now} - k.last_activity_at),
    (k.worker IS NOT NULL AND k.last_activity_at < ${now} - 3600000),
    (EXISTS (SELECT 1 FROM tasks p WHERE p.task_id = k.parent_task_id AND p.tenant = k.tenant AND p.ended_at IS NOT NULL)
      OR EXISTS (SELECT 1 FROM threads t WHERE t.thread_id = k.thread_id AND t.tenant = k.tenant AND t.deleted_at > 0))
    FROM tasks k LEFT JOIN names n ON n.name = k.task_id WHERE k.ended_at IS NULL`,
};

const legal = legalMoves.map(([from, to]) => `('${from}', '${to}')`).join(", ");

const illegal: View = {
  name: "v_illegal_transitions",
  doc: "One row per change of status that the rule book of tasks does not allow: written past our publishers.",
  columns: {
    task_id: "Task that moved.",
    tenant: "Tenant it belongs to.",
    from_status: "Status before; new for a task that was never submitted.",
    to_status: "Status after.",
    moved_at: "When it happened, epoch milliseconds.",
    sequence: "Stream sequence of the event.",
  },
  select: `SELECT n.text, ${nameText("p.tenant")}, coalesce(p.before, 'new'), p.status, p.at, p.sequence FROM (${spans}) p
    LEFT JOIN names n ON n.name = p.task_id WHERE (coalesce(p.before, 'new'), p.status) NOT IN (VALUES ${legal})`,
};

export const taskAnswers: ReadonlyArray<View> = [states, stateTimes, funnel, open, illegal];
