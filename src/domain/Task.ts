/**
 * What may happen to a task, and what state its events leave it in. Pure.
 *
 * Room: domain.
 *
 * Laws: deciding twice decides nothing: a move to the status that the task already has adds no event, nor does a second
 * submission. What has ended stays as it ended, so that nobody who was told of an end is ever wrong: another try is another task.
 */
import { Result, Schema } from "effect";
import type { EventTypeName } from "./Event.ts";
import type { TaskStatus } from "./Fact.ts";

export type TaskEventName = Extract<EventTypeName, `task.${string}`>;

/** `status` is undefined as long as the task was not submitted. */
export interface TaskState {
  readonly status: TaskStatus | undefined;
}

export const notSubmitted: TaskState = { status: undefined };

/** Where each event leads; progress leads nowhere. */
const leadsTo: Readonly<Record<TaskEventName, TaskStatus | undefined>> = {
  "task.submitted": "pending",
  "task.claimed": "starting",
  "task.released": "pending",
  "task.started": "running",
  "task.progressed": undefined,
  "task.input_requested": "input_required",
  "task.resumed": "running",
  "task.completed": "completed",
  "task.failed": "failed",
  "task.timed_out": "timeout",
  "task.cancelled": "cancelled",
  "task.restored": undefined,
};

/** Every task can end early; only one that runs can complete. */
const endsEarly: ReadonlyArray<TaskEventName> = ["task.failed", "task.timed_out", "task.cancelled"];

const allowed: Readonly<Record<TaskStatus | "new", ReadonlyArray<TaskEventName>>> = {
  new: ["task.submitted"],
  pending: ["task.claimed", "task.started", ...endsEarly],
  starting: ["task.started", "task.progressed", "task.released", ...endsEarly],
  running: ["task.progressed", "task.input_requested", "task.completed", "task.released", ...endsEarly],
  input_required: ["task.resumed", "task.progressed", "task.completed", "task.released", ...endsEarly],
  completed: ["task.restored"],
  failed: ["task.restored"],
  timeout: ["task.restored"],
  cancelled: ["task.restored"],
};

const ends: ReadonlySet<TaskStatus | undefined> = new Set(["completed", "failed", "timeout", "cancelled"]);

/** A task in `from` cannot take the event `move`. Nothing was written. */
export class IllegalTransition extends Schema.TaggedError<IllegalTransition>()("IllegalTransition", {
  taskId: Schema.String,
  /** The task's status, or "new" for one that was never submitted. */
  from: Schema.String,
  move: Schema.String,
  hint: Schema.String,
}) {
  override get message(): string {
    return `Task ${this.taskId} is ${this.from}: ${this.move} is not possible.`;
  }
}

const hintFor = (from: TaskStatus | "new"): string =>
  from !== "new" && ends.has(from)
    ? `A task that is ${from} has ended; submit another.`
    : `Possible now: ${allowed[from].join(", ")}.`;

export const isTaskEventName = (type: string): type is TaskEventName => Object.hasOwn(leadsTo, type);

/** The state after an event. Total: what stands in the log has happened, whoever wrote it. */
export const evolve = (state: TaskState, event: { readonly type: string }): TaskState => {
  const status = isTaskEventName(event.type) ? leadsTo[event.type] : undefined;
  return status === undefined ? state : { status };
};

/** Whether the event `move` is to be added, or there is nothing to add because the task is there already. */
export const decide = (options: {
  readonly taskId: string;
  readonly state: TaskState;
  readonly move: TaskEventName;
}): Result.Result<"add" | "nothing", IllegalTransition> => {
  const { taskId, state, move } = options;
  const from = state.status ?? "new";
  if (allowed[from].includes(move)) return Result.succeed("add");
  const to = leadsTo[move];
  // What was submitted is there, whatever became of it: the same submission may come late, from a spool.
  const isThere = move === "task.submitted" || (to !== undefined && to === state.status);
  if (isThere) return Result.succeed("nothing");
  return Result.fail(new IllegalTransition({ taskId, from, move, hint: hintFor(from) }));
};

export const hasEnded = (status: TaskStatus | undefined): boolean => ends.has(status);
