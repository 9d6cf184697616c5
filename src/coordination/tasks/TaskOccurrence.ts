/**
 * An occurrence of a schedule becomes a task, or does not, by the schedule's rule for overlaps.
 *
 * Room: coordination.
 *
 * An occurrence is one task whoever submits it; the rule looks at the latest earlier one that became a task, in the log.
 * Decision: an occurrence that is skipped is a line in the daemon's log and no event, because a task that never was would be
 * the history of nothing, and a schedule of a second beside a task of an hour would write 3,599 of them.
 */
import { Effect } from "effect";
import { type LastTask, occursAs } from "../../domain/task/TaskOverlap.ts";
import { idOf, lateMillis, previous, type TaskSchedule } from "../config/TaskSchedule.ts";
import { Tasks } from "./Tasks.ts";

/** Occurrences that are looked for behind one, when this process has seen none of its schedule. */
const maxLooks = 1_000;

/** Knowledge of this process of a schedule, instants in epoch milliseconds. */
interface Seen {
  /** The latest occurrence that became a task. */
  readonly task: number | undefined;
  /** Up to here all were looked for. */
  readonly upTo: number;
}

/** Submits occurrences of schedules; remembers where the last one was found. */
export const make = Effect.gen(function* () {
  const tasks = yield* Tasks;
  const seen = new Map<string, Seen>();

  const shown = (name: string, at: number) =>
    tasks.show(idOf(name, at)).pipe(
      Effect.map((task): LastTask | undefined => task),
      Effect.catchTag("TaskNotFound", () => Effect.succeed(undefined)),
    );

  /** The latest task before an occurrence. One that came late may be behind what was looked at. */
  const lastBefore = Effect.fnUntraced(function* (name: string, schedule: TaskSchedule, at: number) {
    const known = seen.get(name);
    const floor = Math.max(known?.task ?? 0, (known?.upTo ?? 0) - lateMillis);
    let instant = previous(schedule, at);
    for (let looks = 0; instant !== undefined && instant > floor && looks < maxLooks; looks++) {
      const task = yield* shown(name, instant);
      if (task !== undefined) {
        seen.set(name, { task: instant, upTo: at });
        return task;
      }
      instant = previous(schedule, instant);
    }
    seen.set(name, { task: known?.task, upTo: at });
    return known?.task === undefined ? undefined : yield* shown(name, known.task);
  });

  /** True: it is a task now. */
  const submit = Effect.fn("coordination.submitOccurrence")(function* (
    name: string,
    schedule: TaskSchedule,
    at: number,
  ) {
    const { maxAttempts, overlap, priority, request, threadId } = schedule;
    const id = idOf(name, at);
    const isPlain = overlap == null || overlap === "all";
    const last = isPlain || (yield* shown(name, at)) !== undefined ? undefined : yield* lastBefore(name, schedule, at);
    const occurs = occursAs(overlap ?? "all", last);
    if (occurs._tag === "Skip") {
      yield* Effect.logInfo(`the schedule ${name} skips ${id}: ${occurs.reason}`);
      return false;
    }
    if (occurs._tag === "Replace") {
      yield* Effect.catchTag(tasks.cancel(occurs.taskId, `replaced by ${id}`), "IllegalTransition", () => Effect.void);
    }
    const behind = occurs._tag === "Behind" ? { after: [occurs.taskId], whenFailed: "run" as const } : {};
    yield* tasks.submit(request, { id, priority, maxAttempts, threadId: threadId ?? undefined, ...behind });
    if (!isPlain) seen.set(name, { task: at, upTo: at });
    return true;
  });

  return { submit, forget: (name: string) => seen.delete(name) };
});
