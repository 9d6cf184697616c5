/**
 * Places of a batch: of its tasks the first `atOnce` that have not ended may run, in the batch's order. So a place that
 * becomes free is taken by the next task at once, whichever task it was that ended.
 *
 * Room: coordination.
 *
 * An ended task stays so, and one that may run may from then on. So at most `atOnce` tasks of a batch run, whichever
 * process has looked; of two processes that look at the same moment the later one misses nothing; and each asks once for a task's end.
 */
import { Effect } from "effect";
import { task as historyOf } from "../../domain/History.ts";
import { hasEnded, isTaskEventName, statusAfter } from "../../domain/task/Task.ts";
import { idInBatch, type placeOf } from "../../domain/task/TaskRecord.ts";
import type { LogUnavailable } from "../../log/EventLog.ts";
import { type Desk, load } from "./TaskMoves.ts";

export type Place = NonNullable<ReturnType<typeof placeOf>>;

/** Batches of which a process knows what has ended; of others it asks again. */
const maxKnown = 1_000;
/** Questions that are on their way together. */
const askedAtOnce = 32;

interface Known {
  /** All before this have ended. */
  floor: number;
  readonly ended: Set<number>;
  /** Those that this process has put into the queue. */
  readonly offered: Set<number>;
}

export interface BatchPlaces {
  /** Those that may run and that this process has not offered yet; `again`: also those it has. */
  readonly next: (place: Place, again?: "again") => Effect.Effect<ReadonlyArray<string>, LogUnavailable>;
  /** It is in the queue. */
  readonly offered: (place: Place, taskId: string) => void;
}

export const make = (desk: Desk): BatchPlaces => {
  const batches = new Map<string, Known>();

  const knownOf = (batchId: string): Known => {
    const known = batches.get(batchId) ?? { floor: 0, ended: new Set(), offered: new Set() };
    // The one that was used last is the last to be forgotten.
    batches.delete(batchId);
    batches.set(batchId, known);
    const [first] = batches.keys();
    if (batches.size > maxKnown && first !== undefined) batches.delete(first);
    return known;
  };

  /** By the last event, unless that does not tell. */
  const isEnded = Effect.fnUntraced(function* (taskId: string) {
    const last = yield* desk.log.last(historyOf(taskId, desk.tenant));
    if (last === undefined) return false;
    const status = isTaskEventName(last.type) ? statusAfter(undefined, last.type) : undefined;
    return hasEnded(status ?? (yield* load(desk, taskId)).status);
  });

  const next = Effect.fnUntraced(function* (place: Place, again?: "again") {
    const { atOnce, batchId, size } = place;
    const known = knownOf(batchId);
    const open: Array<number> = [];
    for (let from = known.floor; from < size && open.length < atOnce;) {
      const asked = Array.from({ length: Math.min(askedAtOnce, size - from) }, (_, at) => from + at);
      const found = yield* Effect.forEach(
        asked,
        (index) => (known.ended.has(index) ? Effect.succeed(true) : isEnded(idInBatch(batchId, index))),
        { concurrency: askedAtOnce },
      );
      for (const [at, index] of asked.entries()) {
        if (found[at] === true) known.ended.add(index);
        else open.push(index);
      }
      from += asked.length;
    }
    while (known.ended.has(known.floor)) known.ended.delete(known.floor++);
    const mayRun = open.slice(0, atOnce);
    return mayRun
      .filter((index) => again === "again" || !known.offered.has(index))
      .map((index) => idInBatch(batchId, index));
  });

  return {
    next,
    offered: ({ batchId }, taskId) => void knownOf(batchId).offered.add(Number(taskId.slice(batchId.length + 1))),
  };
};
