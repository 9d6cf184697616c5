/**
 * Readiness of a task by its own time and by the tasks that it names, asked of the log.
 *
 * Room: coordination.
 */
import { Effect } from "effect";
import { hindrance, type Readiness, timeliness } from "../../domain/task/TaskOrder.ts";
import type { TaskRecord } from "../../domain/task/TaskRecord.ts";
import type { LogUnavailable } from "../../log/EventLog.ts";
import { submissionFault } from "../config/TaskLimits.ts";
import { type Desk, load, type Step } from "./TaskMoves.ts";

/**
 * Readiness of a task that has not ended: claimable at `now`, its place in its batch apart. Those before it are read from the
 * last to the first, because they end in about their order: of a thousand, one or two are read each time.
 */
export const readiness = Effect.fnUntraced(function* (
  desk: Desk,
  taskId: string,
  record: TaskRecord,
  now: number,
): Effect.fn.Return<Readiness, LogUnavailable> {
  const fault = submissionFault(taskId, record.submitted);
  if (fault !== undefined) return { _tag: "Invalid", reason: fault.message };
  const timely = timeliness(record, now);
  if (timely._tag === "Expired") return timely;
  for (const before of record.submitted?.after?.toReversed() ?? []) {
    const hindered = hindrance(record.submitted, { taskId: before, record: yield* load(desk, before) });
    if (hindered !== undefined) return hindered;
  }
  return timely;
});

/** The end of a task that will never be ready; undefined for one that is or will be. */
export const endOf = (ready: Readiness): Step | undefined => {
  if (ready._tag === "Dropped") return { type: "task.cancelled", data: { reason: ready.reason } };
  if (ready._tag !== "Expired" && ready._tag !== "Invalid") return undefined;
  const type = ready._tag === "Expired" ? "expired" : "InvalidTask";
  return { type: "task.failed", data: { error: { type, message: ready.reason } } };
};
