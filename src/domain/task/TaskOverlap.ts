/**
 * The overlap of a schedule's occurrences: what becomes of one whose earlier task has not ended. Pure.
 *
 * Room: domain.
 */
import type { TaskStatus } from "../Fact.ts";
import { hasEnded } from "./Task.ts";

/**
 * `all`: each occurrence is submitted. `skip`: none while the last one is open. `queue`: one waits behind the last one, and
 * none while one waits. `replace`: the last one is cancelled.
 */
export type Overlap = "all" | "skip" | "queue" | "replace";

/** The latest earlier occurrence that became a task. */
export interface LastTask {
  readonly taskId: string;
  readonly status: TaskStatus;
  /** Claims that counted: 0 for one that still waits. */
  readonly attempt: number;
}

export type Occurs =
  | { readonly _tag: "Submit" }
  | { readonly _tag: "Behind"; readonly taskId: string }
  | { readonly _tag: "Replace"; readonly taskId: string }
  | { readonly _tag: "Skip"; readonly reason: string };

export const occursAs = (overlap: Overlap, last: LastTask | undefined): Occurs => {
  if (last === undefined || overlap === "all" || hasEnded(last.status)) return { _tag: "Submit" };
  const { attempt, status, taskId } = last;
  if (overlap === "replace") return { _tag: "Replace", taskId };
  const waits = status === "pending" && attempt === 0;
  if (overlap === "queue" && !waits) return { _tag: "Behind", taskId };
  return { _tag: "Skip", reason: `${taskId} is ${status}` };
};
