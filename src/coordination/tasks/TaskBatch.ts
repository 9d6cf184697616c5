/**
 * A batch as a whole: it is submitted all or none, and has so many tasks that stand how.
 *
 * Room: coordination.
 *
 * A batch has no history of its own: its tasks name it and their places, and their ids follow from its own.
 */
import { Effect } from "effect";
import type { TaskStatus } from "../../domain/Fact.ts";
import { task as historyOf } from "../../domain/History.ts";
import { empty, hasEnded, idInBatch, placeOf, type TaskRecord } from "../../domain/task/TaskRecord.ts";
import { compose, newId } from "../../publish/write/NewEvent.ts";
import type { Accepting, SubmitError } from "./TaskSubmission.ts";
import { after, type Desk, load, writingOf } from "./TaskMoves.ts";
import type { Offering } from "./TaskEnqueue.ts";
import { TaskNotFound } from "./TaskErrors.ts";
import { InvalidTask, shown } from "../config/TaskLimits.ts";
import { areThere } from "./TaskSubmission.ts";
import { type Batch, type BatchRequest, checked, checkedAll, placed } from "./TaskSubmit.ts";

export interface SubmittedBatch {
  readonly batchId: string;
  /** In the order of the requests. */
  readonly taskIds: ReadonlyArray<string>;
  /** False when it was there already. A spooled submission may turn out to be there. */
  readonly isNew: boolean;
  /** `spool`: with the log away all of it is on this machine's disk, and in log and queue when that is back, once. */
  readonly where: "log" | "spool";
}

/** Questions of one call to log and queue that are on their way together: a batch must not crowd out all others. */
const atOnce = 32;

interface Standing {
  readonly taskId: string;
  readonly record: TaskRecord;
}

/** Status of each of these tasks by the log. */
const standings = (desk: Desk, taskIds: ReadonlyArray<string>) =>
  Effect.forEach(taskIds, (taskId) => Effect.map(load(desk, taskId), (record): Standing => ({ taskId, record })), {
    concurrency: atOnce,
  });

/** Something else has the id of one of its tasks, or a batch of another size had its id. */
const taken = (batchId: string, taskId: string) =>
  new InvalidTask({
    reason: `the batch ${batchId} cannot be submitted: ${taskId} is not of this batch, or not there`,
    hint: "Take another id for the batch.",
  });

export const submit = Effect.fn("coordination.submitBatch")(function* (
  parts: {
    readonly desk: Desk;
    readonly accepting: Accepting;
    readonly offering: Offering;
    readonly now: Effect.Effect<number>;
  },
  requests: ReadonlyArray<BatchRequest>,
  batch: Batch = {},
): Effect.fn.Return<SubmittedBatch, SubmitError> {
  const { accepting, desk, offering } = parts;
  const { speaks, tenant } = desk;
  const batchId = batch.id ?? (yield* newId);
  const now = yield* parts.now;
  const places = yield* placed(batch, batchId, requests);
  const commands = yield* Effect.forEach(places, ({ after: waitsFor, batch: place, id, request }) =>
    Effect.gen(function* () {
      const data = yield* checked({ request, submission: { ...batch, id, after: waitsFor }, id, now, batch: place });
      const about = { ...speaks, history: historyOf(id, tenant), type: "task.submitted" as const, data };
      return { ...(yield* compose(about, writingOf(desk))), batch: batchId };
    }),
  );
  yield* checkedAll(commands);
  const ours = new Set(places.map(({ id }) => id));
  yield* areThere(
    desk,
    [...new Set(places.flatMap(({ after: waitsFor }) => waitsFor))].filter((id) => !ours.has(id)),
  );
  const taskIds = places.map(({ id }) => id);
  /** Those that have a place, by what any of them says of the batch. */
  const first = idInBatch(batchId, 0);
  const begin = Effect.flatMap(load(desk, first), (record) => offering.followUp(first, record));
  const accepted = yield* accepting.acceptAll(commands, begin);
  if (accepted._tag === "Kept") return { batchId, taskIds, isNew: true, where: "spool" };
  if (accepted._tag === "Appended") {
    // Those that have a place and wait for no other of the batch.
    const made = commands.flatMap(({ event, history }, at) => {
      const { after: waitsFor = [] } = places[at] ?? {};
      if (at >= (batch.atOnce ?? requests.length) || waitsFor.some((id) => ours.has(id))) return [];
      return [{ taskId: history.id, record: after(empty, history, [event], accepted.sequences[at] ?? 0) }];
    });
    yield* Effect.forEach(made, ({ record, taskId }) => offering.offer(taskId, record), {
      concurrency: atOnce,
      discard: true,
    });
    return { batchId, taskIds, isNew: true, where: "log" };
  }
  const there = yield* standings(desk, taskIds);
  const other = there.find(
    ({ record: { submitted } }) => submitted?.batchId !== batchId || submitted.place?.size !== requests.length,
  );
  if (other !== undefined) return yield* taken(batchId, other.taskId);
  yield* begin;
  return { batchId, taskIds, isNew: false, where: "log" };
});

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
  /** End of the last of them, epoch milliseconds; null while one is open. */
  readonly endedAt: number | null;
  /** In their order. */
  readonly tasks: ReadonlyArray<{ readonly taskId: string; readonly status: TaskStatus }>;
}

export const show = Effect.fnUntraced(function* (desk: Desk, batchId: string) {
  const first = yield* load(desk, idInBatch(batchId, 0));
  const place = placeOf(first.submitted);
  if (place?.batchId !== batchId) {
    const message = `There is no batch ${shown(batchId)}.`;
    return yield* new TaskNotFound({ taskId: batchId, message, hint: "recollect tasks shows the batch of each task." });
  }
  const { failFast, size } = place;
  const taskIds = Array.from({ length: size }, (_, index) => idInBatch(batchId, index));
  const records = yield* standings(desk, taskIds);
  const ended = records.filter(({ record }) => hasEnded(record));
  const completed = ended.filter(({ record }) => record.status === "completed").length;
  const isOver = ended.length === size;
  const outcome = completed === size ? "completed" : "failed";
  return {
    batchId,
    status: isOver ? outcome : "working",
    size,
    atOnce: place.atOnce,
    failFast,
    completed,
    failed: ended.length - completed,
    open: size - ended.length,
    endedAt: isOver ? ended.reduce((last, { record }) => Math.max(last, record.end?.at ?? 0), 0) : null,
    tasks: records.map(({ record, taskId }) => ({ taskId, status: record.status ?? "pending" })),
  } satisfies BatchResult;
});
