/**
 * Schedules become tasks: each occurrence is submitted once, however many processes do this.
 *
 * Room: coordination.
 *
 * A schedule is a value of the configuration, `schedules.<name>`: so it is checked, has a history of who changed what,
 * and every process hears of a change. Promises, each a test in `test/contract/TasksContract.ts`:
 * - an occurrence is one task, whoever submits it and however often;
 * - a schedule that is changed, paused or removed is obeyed at once.
 *
 * Decision: ids by name and instant in the log, and not nats-server's own message schedules (2.14), because those would
 * live in the queue, which may be deleted at any time, and fire messages that are no submission: the log would still
 * have to be told, exactly once. They also make purging possible in the stream that has them, for ever.
 */
import { Effect, Queue, Stream } from "effect";
import { Configuration } from "../config/Configuration.ts";
import { due, next } from "../config/TaskSchedule.ts";
import * as TaskOccurrence from "./TaskOccurrence.ts";
import { Tasks } from "./Tasks.ts";

/** A clock that was set, or a machine that slept, is noticed within this time. */
const longestSleepMillis = 60_000;
/** Between two tries while the log is away. */
const retryMillis = 1_000;

/** Submits what is due, for ever. */
export const keepScheduled: Effect.Effect<never, never, Tasks | Configuration> = Effect.gen(function* () {
  const config = yield* Configuration;
  const tasks = yield* Tasks;
  const occurrences = yield* TaskOccurrence.make;
  /** The last occurrence of each that this process has submitted: it need not be tried again. */
  const submitted = new Map<string, number>();
  const look = Effect.gen(function* () {
    const schedules = yield* config.family("schedules");
    const now = yield* tasks.now;
    for (const name of submitted.keys())
      if (!schedules.has(name)) {
        submitted.delete(name);
        occurrences.forget(name);
      }
    let wake = now + longestSleepMillis;
    for (const [name, schedule] of schedules) {
      const at = due(schedule, now);
      if (at !== undefined && submitted.get(name) !== at) {
        const isDone = yield* occurrences.submit(name, schedule, at).pipe(
          Effect.as(true),
          Effect.catchTag("LogUnavailable", ({ reason }) =>
            Effect.as(Effect.logWarning(`the schedule ${name} waits: ${reason}`), false),
          ),
          // A task that can never be submitted is not tried until its next time.
          Effect.catch((error) => Effect.as(Effect.logError(`the schedule ${name}: ${error.message}`), true)),
        );
        if (isDone) submitted.set(name, at);
        else wake = Math.min(wake, now + retryMillis);
      }
      wake = Math.min(wake, next(schedule, now) ?? Infinity);
    }
    return Math.max(0, wake - (yield* tasks.now));
  });
  const changes = yield* Queue.sliding<true>(1);
  // Heard from before the first look on, so that no change comes between.
  yield* Effect.forkChild(
    Stream.runForEach(config.changes, () => Queue.offer(changes, true)),
    { startImmediately: true },
  );
  return yield* Effect.forever(
    Effect.flatMap(look, (millis) => Effect.raceFirst(Effect.sleep(millis), Queue.take(changes))),
  );
});
