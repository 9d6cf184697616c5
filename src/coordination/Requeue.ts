/**
 * The queue is filled again from the truth: whatever waits in the log and is not in the queue is put in.
 *
 * Room: coordination. In: log, Tasks. Out: main, tests.
 *
 * Who needs it: tasks whose submitter died before it could put them in, or was no program of ours, or whose submission
 * came from a spool; tasks that are due later than the queue holds them; everything, after the queue was lost.
 */
import { Effect, Schedule, Stream } from "effect";
import { isMisfit } from "../domain/Event.ts";
import { defaultTenant, type Sequence } from "../domain/History.ts";
import { evolve, hasEnded, isTaskEventName, notSubmitted, type TaskState } from "../domain/Task.ts";
import { EventLog } from "../log/EventLog.ts";
import { Tasks } from "./Tasks.ts";

/** A lost queue is whole again within this time, and a delayed task at most this late. */
const everyMillis = 5_000;

/**
 * The tasks that have not ended, by the log alone. The first look reads all of it, later ones what has come since; a
 * store with read models asks those.
 */
export const openInLog = Effect.fnUntraced(function* (tenant = defaultTenant) {
  const log = yield* EventLog;
  const open = new Map<string, TaskState>();
  let after: Sequence = 0;
  return Effect.gen(function* () {
    const { lastSequence } = yield* log.info;
    if (lastSequence > after) {
      yield* log.follow({ after }).pipe(
        Stream.takeUntil((entry) => entry.sequence >= lastSequence),
        Stream.runForEach((entry) =>
          Effect.sync(() => {
            after = entry.sequence;
            if (isMisfit(entry) || entry.history.tenant !== tenant || !isTaskEventName(entry.type)) return;
            const state = evolve(open.get(entry.history.id) ?? notSubmitted, entry);
            if (hasEnded(state.status)) open.delete(entry.history.id);
            else open.set(entry.history.id, state);
          }),
        ),
      );
    }
    return [...open.keys()];
  });
});

/** Fills every 5 seconds, for ever. */
export const keepFilled = <E extends { readonly message: string }, R>(
  fill: Effect.Effect<unknown, E, R>,
): Effect.Effect<never, never, R> =>
  fill.pipe(
    Effect.catch((error) => Effect.logWarning(`the task queue is not filled now: ${error.message}`)),
    Effect.repeat(Schedule.spaced(everyMillis)),
    Effect.andThen(Effect.never),
  );

/** For a program without read models: fills the queue of one tenant by the log alone. */
export const keepFilledFromLog = (tenant = defaultTenant): Effect.Effect<never, never, Tasks | EventLog> =>
  Effect.flatMap(openInLog(tenant), (open) =>
    keepFilled(Effect.flatMap(open, (taskIds) => Tasks.use((tasks) => tasks.requeue(taskIds)))),
  );
