/**
 * Tasks: pieces of agent work, where they stand, and how they came there.
 *
 * Room: projections.
 */
import type { RecordedEvent } from "../src/domain/Event.ts";
import type { TaskMoved } from "../src/domain/Fact.ts";
import { type Change, nameText, type Projection, type RowChange } from "../src/projection/Projection.ts";
import { head } from "./text.ts";

const ended: ReadonlySet<string | undefined> = new Set(["completed", "failed", "timeout", "cancelled"]);

const bounded = (text: string | undefined): string | undefined => (text === undefined ? undefined : head(text));

/**
 * Since when a task of the queue waits to be claimed, and until when it has to: by the log's clock. Progress leaves both as
 * they are, and every other change of status ends the waiting.
 */
const waiting = (event: RecordedEvent, { notBefore = 0, priority, status }: TaskMoved): RowChange["row"] => {
  if (status === undefined) return {};
  const isInQueue = status === "pending" && (priority !== undefined || event.type === "task.released");
  if (!isInQueue) return { waiting_since: null, due_at: null };
  return { waiting_since: event.recordedAt, due_at: notBefore > event.recordedAt ? notBefore : 0 };
};

const moved = (event: RecordedEvent, fact: TaskMoved, ordinal: number): ReadonlyArray<Change> => {
  const task = { task_id: event.history.id, tenant: event.history.tenant };
  const at = event.occurredAt;
  const { request } = fact;
  return [
    {
      table: "tasks",
      row: {
        ...task,
        first_sequence: event.sequence,
        last_sequence: event.sequence,
        thread_id: fact.threadId,
        batch_id: fact.batchId,
        fail_fast: fact.failFast === true ? 1 : undefined,
        parent_task_id: fact.parentTaskId,
        retry_of: fact.retryOf,
        priority: fact.priority,
        attempt: fact.attempt,
        max_attempts: fact.maxAttempts,
        not_before: fact.notBefore,
        ...waiting(event, fact),
        start_by: fact.startBy,
        is_ordered: fact.isOrdered === true ? 1 : undefined,
        dead_letter: fact.deadLetter === true ? 1 : undefined,
        restored_at: fact.restored === true ? at : undefined,
        agent_type: request?.agentType,
        description: bounded(request?.description ?? undefined),
        model: request?.model,
        cwd: request?.workingDirectory,
        request: request === undefined ? undefined : bounded(JSON.stringify(request)),
        worker: fact.worker,
        status: fact.status,
        message: bounded(fact.message),
        progress: fact.progress,
        progress_total: fact.total,
        output: bounded(fact.output),
        error_type: fact.errorType,
        error_message: bounded(fact.errorMessage),
        duration_millis: fact.durationMillis,
        submitted_at: fact.status === "pending" ? at : undefined,
        started_at: fact.status === "running" ? at : undefined,
        ended_at: ended.has(fact.status) ? at : undefined,
        last_activity_at: at,
      },
    },
    {
      table: "task_transitions",
      row: {
        ...task,
        sequence: event.sequence,
        ordinal,
        status: fact.status,
        at,
        worker: fact.worker,
        message: bounded(fact.message ?? fact.errorMessage),
        progress: fact.progress,
        progress_total: fact.total,
      },
    },
  ];
};

const taskKey = { task_id: { type: "name", doc: "Task." }, tenant: { type: "name", doc: "Tenant." } } as const;

/** The status a task had before a transition: that of the latest earlier one that has any. */
const statusBefore = `(SELECT p.status FROM task_transitions p WHERE p.task_id = s.task_id AND p.tenant = s.tenant
  AND p.status IS NOT NULL AND (p.sequence < s.sequence OR (p.sequence = s.sequence AND p.ordinal < s.ordinal))
  ORDER BY p.sequence DESC, p.ordinal DESC LIMIT 1)`;

export const tasks: Projection = {
  name: "tasks",
  version: 10,
  doc: "Agent tasks and every change of their status.",
  tables: [
    {
      name: "tasks",
      doc: "One row per task.",
      key: ["task_id", "tenant"],
      columns: {
        ...taskKey,
        first_sequence: { type: "integer", merge: "min", doc: "Sequence of its first event." },
        last_sequence: { type: "integer", merge: "max", doc: "Sequence of its last event." },
        thread_id: { type: "name", doc: "Thread." },
        batch_id: { type: "name", doc: "Batch." },
        fail_fast: { type: "integer", doc: "1: it ends with its batch when another task of that does not complete." },
        parent_task_id: { type: "name", doc: "Parent." },
        retry_of: { type: "name", doc: "Task of which it is another try." },
        priority: { type: "name", doc: "Priority in the queue." },
        attempt: { type: "integer", merge: "max", doc: "Claims so far." },
        max_attempts: { type: "integer", doc: "How many claims it may have." },
        not_before: { type: "integer", doc: "Earliest moment of the next claim, epoch milliseconds." },
        waiting_since: {
          type: "integer",
          merge: "replace",
          doc: "Since when the queue has it to be claimed, epoch milliseconds by the log's clock; null: not now.",
        },
        due_at: {
          type: "integer",
          merge: "replace",
          doc: "Earliest moment of its next claim, epoch milliseconds; 0: at once; null: it does not wait.",
        },
        start_by: { type: "integer", doc: "Latest moment of its start, epoch milliseconds." },
        is_ordered: { type: "integer", doc: "1: it names tasks that must have ended before it." },
        dead_letter: { type: "integer", doc: "1: its last attempt failed." },
        restored_at: { type: "integer", merge: "max", doc: "Epoch milliseconds." },
        agent_type: { type: "name", doc: "Agent type." },
        description: { type: "text", doc: "Description." },
        model: { type: "name", doc: "Model." },
        cwd: { type: "name", doc: "Working directory." },
        request: { type: "text", doc: "The request as JSON text." },
        worker: { type: "name", doc: "Worker." },
        status: { type: "name", doc: "Status." },
        message: { type: "text", doc: "Latest message." },
        progress: { type: "real", doc: "Progress." },
        progress_total: { type: "real", doc: "What progress counts up to." },
        output: { type: "text", doc: "Output as JSON text." },
        error_type: { type: "name", doc: "Kind of error." },
        error_message: { type: "text", doc: "What the error said." },
        duration_millis: { type: "real", doc: "Reported duration, milliseconds." },
        submitted_at: { type: "integer", merge: "first", doc: "Epoch milliseconds." },
        started_at: { type: "integer", merge: "first", doc: "Epoch milliseconds." },
        ended_at: { type: "integer", doc: "Epoch milliseconds." },
        last_activity_at: { type: "integer", merge: "max", doc: "Epoch milliseconds." },
      },
      indexes: [
        ["status", "last_activity_at"],
        ["last_activity_at", "first_sequence"],
        ["thread_id"],
        // Without those that have none, or the planner takes a batch for as large as they are many.
        { on: ["batch_id"], where: "batch_id IS NOT NULL" },
        { on: ["last_activity_at"], where: "ended_at IS NULL" },
        // Next due, waiting by agent type, moved, and held: no query walks through all waiting tasks, or what has ended.
        { on: ["due_at"], where: "due_at > 0" },
        {
          on: ["tenant", "agent_type", "due_at", "first_sequence", "waiting_since"],
          where: "waiting_since IS NOT NULL",
        },
        { on: ["last_sequence"], where: "waiting_since IS NOT NULL OR batch_id IS NOT NULL" },
        { on: ["start_by"], where: "start_by IS NOT NULL AND waiting_since IS NOT NULL" },
        { on: ["first_sequence"], where: "waiting_since IS NOT NULL AND is_ordered = 1" },
        { on: ["first_sequence"], where: "priority IS NOT NULL AND ended_at IS NULL AND waiting_since IS NULL" },
      ],
    },
    {
      name: "task_transitions",
      doc: "One row per change of status or report of progress.",
      key: ["task_id", "tenant", "sequence", "ordinal"],
      columns: {
        ...taskKey,
        sequence: { type: "integer", doc: "Sequence of the event." },
        ordinal: { type: "integer", doc: "Place in the event, from 0." },
        status: { type: "text", doc: "New status; null for progress." },
        at: { type: "integer", doc: "Epoch milliseconds." },
        worker: { type: "name", doc: "Worker." },
        message: { type: "text", doc: "Message." },
        progress: { type: "real", doc: "Progress." },
        progress_total: { type: "real", doc: "What progress counts up to." },
      },
    },
  ],
  views: [
    {
      name: "v_tasks",
      doc: "One row per task: a piece of agent work with a status.",
      columns: {
        task_id: "Id of the task.",
        tenant: "Tenant it belongs to.",
        thread_id: "Thread it works for; null when not said.",
        agent_type: "Kind of agent asked for; null when its submission was not seen.",
        description: "What it is about; null when not said.",
        model: "Model asked for; null when not said.",
        cwd: "Working directory asked for; null when not said.",
        status: "pending, starting, running, input_required, completed, failed, timeout or cancelled.",
        worker: "Worker that took it last; null while none has.",
        batch_id: "Batch it was submitted in; null when alone.",
        fail_fast: "1 when it is cancelled as soon as another task of its batch does not complete, else 0.",
        parent_task_id: "Task that submitted it; null for a root.",
        retry_of: "Task of which it is another try; null for a first one.",
        priority: "high, normal or low; null when it is not handed out by the queue.",
        attempt: "How many times it was claimed; null when never, or outside the queue.",
        max_attempts: "How many times it may be claimed; null when it is not handed out by the queue.",
        not_before: "Earliest moment of its next claim as last said, epoch milliseconds; null when none was.",
        start_by: "When it fails if it has not begun, epoch milliseconds; null when it may begin at any time.",
        dead_letter: "1 when it failed because its last attempt did, else 0.",
        restored_at:
          "When it was last put among the recent ones again after its end, epoch milliseconds; null when never.",
        message: "Latest progress message, or why it was given back; null when there was none.",
        progress: "Latest progress, in units of progress_total; null when there was none.",
        progress_total: "What progress counts up to; null when not said.",
        request: "The whole request as JSON text; null when its submission was not seen.",
        output: "Output as JSON text, cut after 1 MiB; null when there is none.",
        error_type: "Kind of error; null when it did not fail.",
        error_message: "What the error said, or why it was cancelled; null otherwise.",
        submitted_at: "When it was submitted, epoch milliseconds; null when that was not seen.",
        started_at: "When it first ran, epoch milliseconds; null when it did not yet.",
        ended_at: "When it ended, epoch milliseconds; null while it has not.",
        duration_millis: "Duration in milliseconds as reported, else from start to end; null while it has not ended.",
        last_activity_at: "When its latest event happened, epoch milliseconds.",
        first_sequence: "Stream sequence of its first event.",
        last_sequence: "Stream sequence of its last event.",
      },
      select: `SELECT n.text, ${nameText("k.tenant")}, ${nameText("k.thread_id")}, ${nameText("k.agent_type")}, k.description,
        ${nameText("k.model")}, ${nameText("k.cwd")}, s.text, ${nameText("k.worker")}, ${nameText("k.batch_id")}, coalesce(k.fail_fast, 0),
        ${nameText("k.parent_task_id")}, ${nameText("k.retry_of")}, ${nameText("k.priority")}, k.attempt, k.max_attempts,
        k.not_before, k.start_by, coalesce(k.dead_letter, 0), k.restored_at, k.message, k.progress, k.progress_total, k.request, k.output,
        ${nameText("k.error_type")}, k.error_message, k.submitted_at, k.started_at, k.ended_at,
        coalesce(k.duration_millis, max(0, k.ended_at - k.started_at)), k.last_activity_at, k.first_sequence, k.last_sequence
        FROM tasks k LEFT JOIN names n ON n.name = k.task_id LEFT JOIN names s ON s.name = k.status`,
    },
    {
      name: "v_task_transitions",
      doc: "One row per change of a task's status, and per report of progress.",
      columns: {
        task_id: "Task that moved.",
        tenant: "Tenant it belongs to.",
        thread_id: "Thread it works for; null when not said.",
        agent_type: "Kind of agent; null when its submission was not seen.",
        from_status: "Status before; null for the first.",
        to_status: "Status after; the same as before for a report of progress.",
        moved_at: "When it happened, epoch milliseconds.",
        sequence: "Stream sequence of the event.",
        worker: "Who did it; null when not said.",
        message: "What was said with it: progress, or an error's words; null when nothing was.",
        progress: "Progress reported, in units of progress_total; null when none was.",
        progress_total: "What progress counts up to; null when not said.",
      },
      select: `SELECT n.text, ${nameText("s.tenant")}, ${nameText("k.thread_id")}, ${nameText("k.agent_type")}, ${statusBefore},
        coalesce(s.status, ${statusBefore}), s.at, s.sequence, ${nameText("s.worker")}, s.message, s.progress, s.progress_total
        FROM task_transitions s LEFT JOIN names n ON n.name = s.task_id
        LEFT JOIN tasks k ON k.task_id = s.task_id AND k.tenant = s.tenant`,
    },
  ],
  facts: ["TaskMoved"],
  handle: (event, facts) =>
    facts.flatMap((fact, ordinal) => (fact._tag === "TaskMoved" ? moved(event, fact, ordinal) : [])),
};
