/**
 * Tasks and sessions: how work stands, how long it stays in each state, what is stuck, and who was there.
 *
 * Room: query.
 */
import { column, type Report, withinOrUnknown } from "../Report.ts";

const submitted = withinOrUnknown("k", "submitted_at");

/** Now, as this database knows it: the last moment in it, so that an answer depends on the record alone. */
const now = "(SELECT max(recorded_at) FROM v_checkpoints)";

/** SQL: nothing was heard of a row `k` for an hour before the last event. */
const silent = `(k.last_activity_at < ${now} - 3600000)`;

const moves = `SELECT x.task_id, x.agent_type, x.from_status, x.to_status, x.moved_at,
    lead(x.moved_at) OVER (PARTITION BY x.task_id, x.tenant ORDER BY x.sequence) AS left_at
  FROM v_task_transitions x WHERE ${withinOrUnknown("x", "moved_at")}`;

const ended = "('completed', 'failed', 'cancelled', 'timeout')";

export const tasks: Report = {
  name: "tasks",
  title: "Tasks",
  doc: "How tasks stand, how far they come, how long they are in each state, and what is stuck.",
  by: {},
  sections: [
    {
      name: "types",
      title: "By type",
      doc: "Tasks that were submitted in the time asked for, by type of agent, with the funnel.",
      columns: [
        column("agent_type", "text", "Type of agent; null when not said."),
        column("tasks", "count", "Tasks that were submitted."),
        column("started", "count", "Of them, those that were started."),
        column("ended", "count", "Of them, those that have ended."),
        column("completed", "count", "Of them, those that were completed."),
        column("failed", "count", "Of them, those that failed or took too long."),
        column("cancelled", "count", "Of them, those that were cancelled."),
        column("completed_share", "share", "Completed of all that have ended."),
        column("mean_wait_millis", "millis", "Mean from being submitted to being started."),
        column("mean_millis", "millis", "Mean from being started to the end."),
        column("max_millis", "millis", "Longest from being started to the end."),
      ],
      plot: { kind: "bars", x: "agent_type", y: ["completed", "failed", "cancelled"] },
      sql: `SELECT k.agent_type, count(*), sum(k.started_at IS NOT NULL), sum(k.status IN ${ended}), sum(k.status = 'completed'),
          sum(k.status IN ('failed', 'timeout')), sum(k.status = 'cancelled'), sum(k.status = 'completed') * 1.0 / nullif(sum(k.status IN ${ended}), 0),
          avg(k.started_at - k.submitted_at), avg(k.ended_at - k.started_at), max(k.ended_at - k.started_at)
        FROM v_tasks k WHERE ${submitted} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :limit`,
    },
    {
      name: "states",
      title: "Time in each state",
      doc: "How often tasks were in a state, and how long, where they have left it.",
      columns: [
        column("status", "text", "State."),
        column("times", "count", "How often a task came into it."),
        column("left", "count", "How often it has left it again."),
        column("mean_millis", "millis", "Mean of the time in it."),
        column("max_millis", "millis", "Longest time in it."),
        column("sum_millis", "millis", "All of it together."),
      ],
      plot: { kind: "bars", x: "status", y: ["sum_millis"] },
      sql: `SELECT to_status, count(*), count(left_at), avg(left_at - moved_at), max(left_at - moved_at), sum(left_at - moved_at)
        FROM (${moves}) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :limit`,
    },
    {
      name: "open",
      title: "Open",
      doc: "Tasks that have not ended, of all times: how many wait, are at work, are stuck, and are orphaned. Each is in one of these.",
      columns: [
        column("agent_type", "text", "Type of agent; null when not said."),
        column("open", "count", "Tasks that have not ended."),
        column("waiting", "count", "Of them, those that no worker has."),
        column(
          "working",
          "count",
          "Of them, those that a worker has and of which was heard within the hour before the last event.",
        ),
        column("stuck", "count", "Of them, those that a worker has and that have been silent for an hour."),
        column(
          "orphaned",
          "count",
          "Of them, those whose parent task has ended, or whose thread was deleted; they are in none of the others.",
        ),
      ],
      plot: { kind: "bars", x: "agent_type", y: ["working", "waiting", "stuck", "orphaned"] },
      sql: `SELECT k.agent_type, count(*), sum(k.is_orphaned = 0 AND k.worker IS NULL), sum(k.is_orphaned = 0 AND k.worker IS NOT NULL AND NOT ${silent}),
          sum(k.is_orphaned = 0 AND k.worker IS NOT NULL AND ${silent}), sum(k.is_orphaned)
        FROM v_open_tasks k WHERE k.tenant = :tenant GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :limit`,
    },
    {
      name: "stuck",
      title: "Open and silent for an hour",
      doc: "Tasks that have not ended, are still wanted, and of which nothing was heard for an hour before the last event; the longest silent first.",
      columns: [
        column("task_id", "text", "Task."),
        column("agent_type", "text", "Type of agent; null when not said."),
        column("status", "text", "How it stands."),
        column("worker", "text", "Who has it; null: none."),
        column("silent_millis", "millis", "Since the last event of it, up to the last event of all."),
        column("last_activity_at", "moment", "When the last event of it happened."),
      ],
      sql: `SELECT k.task_id, k.agent_type, k.status, k.worker, ${now} - k.last_activity_at, k.last_activity_at FROM v_open_tasks k
        WHERE k.tenant = :tenant AND k.is_orphaned = 0 AND ${silent} ORDER BY k.last_activity_at, k.task_id LIMIT :limit`,
    },
    {
      name: "orphaned",
      title: "Orphaned",
      doc: "Tasks that have not ended, but the task that submitted them has, or the thread that they work for was deleted; the longest silent first.",
      columns: [
        column("task_id", "text", "Task."),
        column("agent_type", "text", "Type of agent; null when not said."),
        column("status", "text", "How it stands."),
        column("worker", "text", "Who has it; null: none."),
        column("thread_id", "text", "Thread it works for; null when not said."),
        column("silent_millis", "millis", "Since the last event of it, up to the last event of all."),
        column("last_activity_at", "moment", "When the last event of it happened."),
      ],
      sql: `SELECT k.task_id, k.agent_type, k.status, k.worker, k.thread_id, ${now} - k.last_activity_at, k.last_activity_at FROM v_open_tasks k
        WHERE k.tenant = :tenant AND k.is_orphaned = 1 ORDER BY k.last_activity_at, k.task_id LIMIT :limit`,
    },
    {
      name: "illegal",
      title: "Transitions that should not be",
      doc: "Out of an end without being restored or tried again, or into the state it was in; latest first.",
      columns: [
        column("task_id", "text", "Task."),
        column("from_status", "text", "State it was in."),
        column("to_status", "text", "State it came into."),
        column("moved_at", "moment", "When."),
        column("sequence", "number_of", "Stream sequence of the event."),
      ],
      sql: `SELECT x.task_id, x.from_status, x.to_status, x.moved_at, x.sequence FROM v_task_transitions x
        WHERE ${withinOrUnknown("x", "moved_at")} AND x.from_status IN ${ended} AND x.to_status <> 'pending' AND x.to_status <> x.from_status
        ORDER BY x.sequence DESC LIMIT :limit`,
    },
    {
      name: "failures",
      title: "Why tasks fail",
      doc: "Tasks that failed, by type of error.",
      columns: [
        column("agent_type", "text", "Type of agent; null when not said."),
        column("error_type", "text", "Kind of the error; null when not said."),
        column("tasks", "count", "Tasks."),
        column("dead_letters", "count", "Of them, those whose last attempt failed."),
        column("last_at", "moment", "When the last of them ended."),
      ],
      sql: `SELECT k.agent_type, k.error_type, count(*), sum(k.dead_letter), max(k.ended_at) FROM v_tasks k
        WHERE ${submitted} AND k.status IN ('failed', 'timeout') GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT :limit`,
    },
  ],
};

const began = withinOrUnknown("s", "started_at");

export const sessions: Report = {
  name: "sessions",
  title: "Sessions",
  doc: "Who was there: clients, servers and their versions, how long, and how sessions ended.",
  by: {},
  sections: [
    {
      name: "clients",
      title: "By client",
      doc: "Sessions that began in the time asked for, by client and version.",
      columns: [
        column("client", "text", "Client; null when not said."),
        column("client_release", "text", "Its version; null when not said."),
        column("sessions", "count", "Sessions."),
        column("open", "count", "Of them, those that have not ended."),
        column("mean_millis", "millis", "Mean from the beginning to the end."),
        column("last_at", "moment", "When the last of them began."),
      ],
      plot: { kind: "bars", x: "client", y: ["sessions"] },
      sql: `SELECT s.client, s.client_version, count(*), sum(s.ended_at IS NULL), avg(s.ended_at - s.started_at), max(s.started_at)
        FROM v_sessions s WHERE ${began} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT :limit`,
    },
    {
      name: "servers",
      title: "By server",
      doc: "Sessions with a server, by server and version.",
      columns: [
        column("server", "text", "Server."),
        column("server_release", "text", "Its version; null when not said."),
        column("sessions", "count", "Sessions."),
        column("failed", "count", "Of them, those whose process ended with another code than 0."),
        column("last_at", "moment", "When the last of them began."),
      ],
      plot: { kind: "bars", x: "server", y: ["sessions"] },
      sql: `SELECT s.server, s.server_version, count(*), sum(coalesce(s.exit_code, 0) <> 0), max(s.started_at)
        FROM v_sessions s WHERE ${began} AND s.server IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT :limit`,
    },
    {
      name: "ends",
      title: "How they ended",
      doc: "Reasons and exit codes.",
      columns: [
        column("reason", "text", "Why it ended; null while it has not."),
        column("exit_code", "number_of", "Code of its process; null when not said."),
        column("signal", "text", "Signal that ended its process; null: none."),
        column("sessions", "count", "Sessions."),
      ],
      sql: `SELECT s.reason, s.exit_code, s.signal, count(*) FROM v_sessions s WHERE ${began} GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT :limit`,
    },
  ],
};
