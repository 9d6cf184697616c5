/**
 * A batch as a whole: how many of its tasks stand how.
 *
 * Room: coordination. In: domain, TaskMoves, TaskResult. Out: Tasks.
 *
 * A batch has no history of its own: its tasks name it and their places, and their ids follow from its own.
 */
import { Effect } from "effect";
import type { TaskStatus } from "../domain/Fact.ts";
import { hasEnded, idInBatch } from "../domain/TaskRecord.ts";
import { type Desk, load } from "./TaskMoves.ts";
import { TaskNotFound } from "./TaskResult.ts";

/** Times in epoch milliseconds. */
export interface BatchResult {
  readonly batchId: string;
  /** `working` until all have ended; `completed` when all of them have completed, else `failed`. */
  readonly status: "working" | "completed" | "failed";
  readonly size: number;
  /** At most so many run at once. */
  readonly atOnce: number;
  readonly failFast: boolean;
  readonly completed: number;
  /** Failed, timed out or cancelled. */
  readonly failed: number;
  readonly open: number;
  /** When the last of them ended; null while one is open. */
  readonly endedAt: number | null;
  /** In their order. */
  readonly tasks: ReadonlyArray<{ readonly taskId: string; readonly status: TaskStatus }>;
}

/** Histories that are read at once. */
const readsAtOnce = 32;

export const show = Effect.fnUntraced(function* (desk: Desk, batchId: string) {
  const first = yield* load(desk, idInBatch(batchId, 0));
  const place = first.submitted?.place;
  if (place == null || first.submitted?.batchId !== batchId) {
    const message = `There is no batch ${batchId}.`;
    return yield* new TaskNotFound({ taskId: batchId, message, hint: "recollect tasks shows the batch of each task." });
  }
  const { atOnce, failFast, size } = place;
  const records = yield* Effect.forEach(
    Array.from({ length: size }, (_, index) => idInBatch(batchId, index)),
    (taskId) => Effect.map(load(desk, taskId), (record) => ({ taskId, record })),
    { concurrency: readsAtOnce },
  );
  const ended = records.filter(({ record }) => hasEnded(record));
  const completed = ended.filter(({ record }) => record.status === "completed").length;
  const isOver = ended.length === size;
  const outcome = completed === size ? "completed" : "failed";
  return {
    batchId,
    status: isOver ? outcome : "working",
    size,
    atOnce,
    failFast: failFast === true,
    completed,
    failed: ended.length - completed,
    open: size - ended.length,
    endedAt: isOver ? ended.reduce((last, { record }) => Math.max(last, record.end?.at ?? 0), 0) : null,
    tasks: records.map(({ record, taskId }) => ({ taskId, status: record.status ?? "pending" })),
  } satisfies BatchResult;
});
