/**
 * Children of a task: a batch that its worker submits, and waits for. Fan-out and fan-in.
 *
 * Room: coordination.
 *
 * The batch's id follows from the parent's, so a later attempt of the parent finds the children of the earlier one, with
 * their results, and submits nothing twice.
 */
import { Effect } from "effect";
import { Tasks } from "./Tasks.ts";
import type { Batch, BatchRequest } from "./TaskSubmit.ts";

/** Results that are waited for or read at once. */
const atOnce = 32;

export interface Children extends Omit<Batch, "id" | "parentTaskId"> {
  /** Tells several batches of one parent apart, and one name is one batch over all attempts. Default `children`. */
  readonly name?: string | undefined;
}

/** Ends of these tasks, in their order; waits until all have ended. */
export const results = (taskIds: ReadonlyArray<string>) =>
  Tasks.use((tasks) => Effect.forEach(taskIds, (id) => tasks.result(id), { concurrency: atOnce }));

/** Submits children of a task once, and waits for all of them: their ends in the order of the requests. */
export const children = Effect.fn("coordination.children")(function* (
  parentTaskId: string,
  requests: ReadonlyArray<BatchRequest>,
  { name = "children", ...batch }: Children = {},
) {
  const id = `${parentTaskId}/${name}`;
  const { taskIds } = yield* Tasks.use((tasks) => tasks.submitBatch(requests, { ...batch, id, parentTaskId }));
  return yield* results(taskIds);
});
