/**
 * The order of tasks: which must have ended before another begins, and whether one may begin now. Pure.
 *
 * Room: domain.
 *
 * The ids in a task's `after` lead to earlier tasks without a circle: `cycleOf` finds one before a batch is written.
 */
import type { EventData } from "../Event.ts";
import { hasEnded, idInBatch, placeOf, queueingOf, type TaskRecord } from "./TaskRecord.ts";

type Submission = EventData<"task.submitted"> | undefined;

/** Ids of the tasks of its batch that wait for this one by their `after`. */
export const awaitersOf = (submitted: Submission): ReadonlyArray<string> => {
  const place = placeOf(submitted);
  if (place === undefined) return [];
  const { batchId, index, size } = place;
  const next = (submitted?.place?.next ?? []).filter((at) => at < size && at !== index);
  return [...new Set(next)].map((at) => idInBatch(batchId, at));
};

export type Readiness =
  | { readonly _tag: "Ready" }
  | { readonly _tag: "Delayed"; readonly delayMillis: number }
  /** Another task must end first. */
  | { readonly _tag: "Behind" }
  /** It never runs, because one that it waited for did not complete. */
  | { readonly _tag: "Dropped"; readonly reason: string }
  /** No worker can ever claim it. */
  | { readonly _tag: "Invalid"; readonly reason: string }
  /** It had to start before now. */
  | { readonly _tag: "Expired"; readonly reason: string };

/** Hindrance by one task of its `after`; undefined where that one has ended and the task may run. */
export const hindrance = (
  submitted: Submission,
  before: { readonly taskId: string; readonly record: TaskRecord },
): Extract<Readiness, { readonly _tag: "Behind" | "Dropped" }> | undefined => {
  const { record, taskId } = before;
  if (!hasEnded(record)) return { _tag: "Behind" };
  if (record.status === "completed" || submitted?.whenFailed === "run") return undefined;
  return { _tag: "Dropped", reason: `task ${taskId}, which it waited for, ended as ${record.status}` };
};

/** Readiness by time alone, others apart. `now` in epoch milliseconds. */
export const timeliness = (
  record: TaskRecord,
  now: number,
): Extract<Readiness, { readonly _tag: "Ready" | "Delayed" | "Expired" }> => {
  const { startBy } = queueingOf(record.submitted?.queue);
  if (now >= startBy && record.attempt === 0 && record.lease === undefined) {
    return { _tag: "Expired", reason: `it had to start by ${new Date(startBy).toISOString()}` };
  }
  const delayMillis = record.notBefore - now;
  return delayMillis > 0 ? { _tag: "Delayed", delayMillis } : { _tag: "Ready" };
};

/** A circle in an order, as the places that it leads through; undefined where there is none. */
export const cycleOf = (before: ReadonlyArray<ReadonlyArray<number>>): ReadonlyArray<number> | undefined => {
  const free = new Set<number>();
  /** Places that are being walked: one that leads back to them closes a circle. */
  const path: Array<number> = [];
  const onPath = new Map<number, number>();
  const walked = new Set<number>();
  for (const start of before.keys()) {
    const stack = [start];
    for (let at = stack.at(-1); at !== undefined; at = stack.at(-1)) {
      if (free.has(at) || walked.has(at)) {
        stack.pop();
        if (path.at(-1) === at) {
          path.pop();
          onPath.delete(at);
          free.add(at);
        }
        continue;
      }
      walked.add(at);
      onPath.set(at, path.push(at) - 1);
      for (const edge of before[at] ?? []) {
        const from = onPath.get(edge);
        if (from !== undefined) return [...path.slice(from), edge];
        if (!free.has(edge)) stack.push(edge);
      }
    }
  }
  return undefined;
};
