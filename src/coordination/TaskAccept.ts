/**
 * A submission becomes durable: in the log, or with the log away on this machine, if there is a publisher beside.
 *
 * Room: coordination. In: domain, log, publish (Publisher), TaskMoves, TaskOffer. Out: Tasks.
 *
 * The event has its id before anything is tried, so a submission that the log took without our hearing of it is the same
 * one when the spool is drained.
 */
import { Effect, Option } from "effect";
import type { EventData } from "../domain/Event.ts";
import { task as historyOf } from "../domain/History.ts";
import { empty } from "../domain/TaskRecord.ts";
import { type AppendRefused, LogUnavailable } from "../log/EventLog.ts";
import { type Given, type InvalidEvent, newId } from "../publish/Compose.ts";
import { Publisher } from "../publish/Publisher.ts";
import { type Desk, load, move } from "./TaskMoves.ts";
import type { Offering } from "./TaskOffer.ts";
import type { InvalidTask } from "./TaskSubmit.ts";

export interface Submitted {
  readonly taskId: string;
  /** False when it was there already. What is not in the log yet may turn out to be there. */
  readonly isNew: boolean;
  /**
   * `log`: on disk there. With the log away and a `Publisher` beside: `spool`, on this machine's disk, and in the log and
   * the queue when that is back, once; `memory`, the same, but lost should this process die first.
   */
  readonly where: "log" | "spool" | "memory";
}

export type SubmitError = InvalidTask | InvalidEvent | AppendRefused | LogUnavailable;

/** A log that does not take a task in this time is away, where there is a spool for it. */
const patienceMillis = 1_000;

export const make = Effect.fnUntraced(function* (desk: Desk, { offer }: Offering) {
  const beside = yield* Effect.serviceOption(Publisher);
  const scope = yield* Effect.scope;
  const { tenant } = desk;

  const add = (taskId: string, data: Given<EventData<"task.submitted">>, id?: string) =>
    move({
      desk,
      taskId,
      // Most are new; one that is not conflicts, and is read then.
      known: empty,
      decide: (known) => Effect.succeed(known.status === undefined ? [{ type: "task.submitted", data } as const] : []),
      id,
    });

  /** The log was away a moment ago: what comes next is not tried there first. */
  let isAway = false;
  let hasKept = false;

  /** Accepted by this machine: in the queue as soon as the log has it. The daemon would put it there too. */
  const keep = Effect.fnUntraced(function* (
    publisher: Publisher["Service"],
    taskId: string,
    data: Given<EventData<"task.submitted">>,
    id: string,
  ): Effect.fn.Return<Submitted, SubmitError> {
    const published = yield* publisher
      .publish({ ...desk.speaks, history: historyOf(taskId, tenant), type: "task.submitted", data, id })
      .pipe(
        // It is there and has moved on.
        Effect.catchTag("IllegalTransition", () => Effect.succeed({ _tag: "Unchanged" } as const)),
        Effect.catchTag("NotAccepted", ({ hint, reason }) => Effect.fail(new LogUnavailable({ reason, hint }))),
      );
    const offered = Effect.flatMap(load(desk, taskId), (record) => offer(taskId, record));
    if (published._tag === "Appended" || published._tag === "Unchanged") {
      isAway = false;
      yield* offered;
      return { taskId, isNew: published._tag === "Appended", where: "log" };
    }
    hasKept = true;
    yield* Effect.andThen(publisher.drained, Effect.ignore(offered)).pipe(Effect.forkIn(scope));
    return { taskId, isNew: true, where: published._tag === "Spooled" ? "spool" : "memory" };
  });

  const accept = Effect.fnUntraced(function* (
    taskId: string,
    data: Given<EventData<"task.submitted">>,
  ): Effect.fn.Return<Submitted, SubmitError> {
    const publisher = Option.getOrUndefined(beside);
    if (publisher === undefined) {
      const { isNew, record } = yield* add(taskId, data);
      yield* offer(taskId, record);
      return { taskId, isNew, where: "log" };
    }
    const id = yield* newId;
    if (!isAway) {
      const added = yield* add(taskId, data, id).pipe(
        Effect.timeoutOption(patienceMillis),
        Effect.catchTag("LogUnavailable", () => Effect.succeedNone),
      );
      if (Option.isSome(added)) {
        yield* offer(taskId, added.value.record);
        return { taskId, isNew: added.value.isNew, where: "log" };
      }
      isAway = true;
    }
    return yield* keep(publisher, taskId, data, id);
  });

  /** What this process has kept of a task is in the log before it is looked for there. */
  const arrived = (taskId: string) =>
    Option.isNone(beside) || !hasKept
      ? Effect.void
      : Effect.flatMap(beside.value.waitingFor(historyOf(taskId, tenant)), (waiting) =>
          waiting.length === 0 ? Effect.void : beside.value.drained,
        );

  return { accept, arrived };
});
