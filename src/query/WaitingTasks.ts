/**
 * Tasks of the work queue that wait to be claimed, by index: what is due, what has moved, what waits for which agent type.
 *
 * Room: query.
 *
 * Promise: no question walks through tasks that are not asked for, so its cost is that of its answer, whatever else waits.
 */
import type { Effect } from "effect";
import type { Sequence } from "../domain/History.ts";
import type { TaskPriority } from "../domain/task/TaskEvents.ts";
import type { StorageTrouble } from "../projection/ReadModel.ts";

/** Rows of one page: some milliseconds of a process that does other things too. */
export const waitingPage = 500;
/** Tasks that name others: each of them costs some questions to the log. */
export const orderedPage = 50;

/** Tasks that moved in this time tell how long tasks wait, and how often they are tried. */
export const recentMillis = 300_000;

/** A task of the queue that has not ended. */
export interface WaitingTask {
  readonly taskId: string;
  readonly tenant: string;
  readonly agentType: string;
  readonly priority: TaskPriority;
  readonly batchId: string | null;
  /** 1: it names tasks that must have ended before it. */
  readonly isOrdered: 0 | 1;
  /** Earliest moment of its next claim, epoch milliseconds; 0: at once; null: a worker has it. */
  readonly dueAt: number | null;
  readonly firstSequence: Sequence;
  readonly lastSequence: Sequence;
}

/** Tasks of one tenant and agent type. */
export interface TaskGroup {
  readonly tenant: string;
  readonly agentType: string;
}

/** A place in the order of a group: tasks by when they are due, equally due ones as they were submitted. */
export interface Place {
  readonly dueAt: number;
  readonly firstSequence: Sequence;
}

export type TaskOf = Pick<WaitingTask, "taskId" | "tenant">;

/** Numbers of a group. */
export interface GroupNumbers extends TaskGroup {
  /** May be claimed now. */
  readonly waiting: number;
  /** Since when the one waits that may be claimed first, epoch milliseconds; null: none does. */
  readonly oldestAt: number | null;
  /** Are due later. */
  readonly delayed: number;
  /** Workers have them. */
  readonly held: number;
  /**
   * Of the tasks that began for the first time in the last `recentMillis`, how long they had waited since they could, on
   * average and at most, milliseconds by the machines' clocks; one that was tried again is left out. Null: none did.
   */
  readonly meanWaitMillis: number | null;
  readonly longestWaitMillis: number | null;
  /** Claims of the tasks that ended in the last `recentMillis`, on average; null: none did. */
  readonly meanAttempts: number | null;
}

type Asked<A> = Effect.Effect<A, StorageTrouble>;

/** Times in epoch milliseconds by the log's clock. At most `waitingPage` rows in an answer. */
export interface WaitingTasks {
  /** Delayed tasks that came due after `from` and by `to`, in order. */
  readonly due: (window: { readonly from: number; readonly to: number }) => Asked<ReadonlyArray<WaitingTask>>;
  /** Next due time after a moment; undefined: no task is delayed for longer. */
  readonly nextDue: (after: number) => Asked<number | undefined>;
  /** Tasks submitted or given back after a sequence and up to another that may be claimed by `now`, in the order of that. */
  readonly moved: (window: {
    readonly after: Sequence;
    readonly upTo: Sequence;
    readonly now: number;
  }) => Asked<ReadonlyArray<WaitingTask>>;
  /**
   * Of each batch with tasks that wait, and of which a task was submitted, given back or ended after a sequence and up to
   * another, one task: one that did not complete, if there is any.
   */
  readonly movedBatches: (window: {
    readonly after: Sequence;
    readonly upTo: Sequence;
  }) => Asked<ReadonlyArray<TaskOf>>;
  /** The same of the batches of these tasks. */
  readonly batchesOf: (tasks: ReadonlyArray<WaitingTask>) => Asked<ReadonlyArray<TaskOf>>;
  /** Tasks that wait and had to start by now. */
  readonly overdue: (now: number) => Asked<ReadonlyArray<TaskOf>>;
  /** Tasks that wait and name others, behind a sequence in the order of submission; `orderedPage` at most. */
  readonly ordered: (after: Sequence) => Asked<ReadonlyArray<WaitingTask>>;
  /** Tenants and agent types for which tasks wait. */
  readonly groups: Asked<ReadonlyArray<TaskGroup>>;
  /** Tasks of a group that may be claimed by `dueBy`, behind a place in its order. */
  readonly ofGroup: (options: {
    readonly group: TaskGroup;
    readonly behind: Place;
    readonly dueBy: number;
  }) => Asked<ReadonlyArray<WaitingTask>>;
  /**
   * Numbers of all groups that have open tasks, or had until lately. Walks through an index of what waits, 0.1 ms for 1,000
   * tasks, and through what moved lately.
   */
  readonly numbers: (now: number) => Asked<ReadonlyArray<GroupNumbers>>;
  /** Tasks that a worker has, behind a sequence, in the order of submission. */
  readonly held: (after: Sequence) => Asked<ReadonlyArray<WaitingTask>>;
}
