/**
 * A submission becomes durable: in the log, or with the log away on this machine, if there is a publisher beside.
 *
 * Room: coordination.
 *
 * The event has its id before anything is tried, so a submission that the log took without our hearing of it is the same
 * one when the spool is drained.
 */
import { Effect, Option } from "effect";
import type { EventData } from "../../domain/Event.ts";
import { task as historyOf } from "../../domain/History.ts";
import { empty } from "../../domain/task/TaskRecord.ts";
import { type AccessDenied, type AppendRefused, LogUnavailable } from "../../log/EventLog.ts";
import { beginAll } from "../../publish/write/BatchAppend.ts";
import { type Given, newId } from "../../publish/write/NewEvent.ts";
import { type InvalidEvent } from "../../publish/write/InvalidEvent.ts";
import { Publisher } from "../../publish/Publisher.ts";
import type { Command } from "../../spool/Spool.ts";
import { InvalidTask, shown } from "../config/TaskLimits.ts";
import { type Desk, load, move } from "./TaskMoves.ts";
import type { Offering } from "./TaskEnqueue.ts";

export interface Submitted {
  readonly taskId: string;
  /** False when it was there already. A spooled submission may turn out to be there. */
  readonly isNew: boolean;
  /**
   * `log`: on disk there. With the log away and a `Publisher` beside: `spool`, on this machine's disk, and in the log and
   * the queue when that is back, once; `memory`, the same, but lost should this process die first.
   */
  readonly where: "log" | "spool" | "memory";
}

/** `There`: one of its histories has begun, and nothing was added. `Kept`: on this machine's disk. */
export type AcceptedBatch =
  | { readonly _tag: "Appended"; readonly sequences: ReadonlyArray<number> }
  | { readonly _tag: "There" }
  | { readonly _tag: "Kept" };

export type SubmitError = AccessDenied | InvalidTask | InvalidEvent | AppendRefused | LogUnavailable;

/** Questions about other tasks that are on their way together. */
const looksAtOnce = 32;

/**
 * Tasks that are waited for have been submitted, so that no circle of waiting comes about. With the log away they are not
 * looked for: what was kept here before is in the log before.
 */
export const areThere = Effect.fnUntraced(function* (desk: Desk, taskIds: ReadonlyArray<string>) {
  const looked = Effect.forEach(
    taskIds,
    (id) =>
      Effect.flatMap(load(desk, id), ({ status }) =>
        status === undefined
          ? Effect.fail(
              new InvalidTask({
                reason: `the task ${shown(id)}, which it is to wait for, is not there`,
                hint: "Submit that one first, or both as one batch.",
              }),
            )
          : Effect.void,
      ),
    { concurrency: looksAtOnce, discard: true },
  );
  yield* looked.pipe(
    Effect.timeoutOption(patienceMillis),
    Effect.catchTag("LogUnavailable", () => Effect.void),
  );
});

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

  /** Undefined when the log does not take it in time. */
  const inTime = Effect.fnUntraced(function* <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) {
    if (isAway) return undefined;
    const done = yield* effect.pipe(
      Effect.timeoutOption(patienceMillis),
      Effect.catchIf(
        ({ _tag }) => _tag === "LogUnavailable",
        () => Effect.succeedNone,
      ),
    );
    isAway = Option.isNone(done);
    return Option.getOrUndefined(done);
  });

  /** Submissions kept on this machine are looked at again when the log has them. */
  const whenDrained = (publisher: Publisher["Service"], look: Effect.Effect<unknown, unknown>) => {
    hasKept = true;
    const back = Effect.sync(() => (isAway = false));
    return publisher.drained.pipe(Effect.andThen(back), Effect.andThen(Effect.ignore(look)), Effect.forkIn(scope));
  };

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
        Effect.catchTags({
          IllegalTransition: () => Effect.succeed({ _tag: "Unchanged" } as const),
          LeaseLost: () => Effect.succeed({ _tag: "Unchanged" } as const),
        }),
        Effect.catchTag("NotAccepted", ({ hint, reason }) => Effect.fail(new LogUnavailable({ reason, hint }))),
      );
    const offered = Effect.flatMap(load(desk, taskId), (record) => offer(taskId, record));
    if (published._tag === "Appended" || published._tag === "Unchanged") {
      isAway = false;
      yield* offered;
      return { taskId, isNew: published._tag === "Appended", where: "log" };
    }
    yield* whenDrained(publisher, offered);
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
    const added = yield* inTime(add(taskId, data, id));
    if (added === undefined) return yield* keep(publisher, taskId, data, id);
    yield* offer(taskId, added.record);
    return { taskId, isNew: added.isNew, where: "log" };
  });

  /** Submissions that become durable together. `look` is what follows when the log has those that were kept here. */
  const acceptAll = Effect.fnUntraced(function* (
    commands: ReadonlyArray<Command>,
    look: Effect.Effect<unknown, unknown>,
  ): Effect.fn.Return<AcceptedBatch, SubmitError> {
    const publisher = Option.getOrUndefined(beside);
    const append: Effect.Effect<AcceptedBatch, SubmitError> = beginAll(desk.log, commands).pipe(
      Effect.map((written) => ({ _tag: "Appended" as const, sequences: written.map(({ sequence }) => sequence) })),
      Effect.catchTag("SequenceConflict", () => Effect.succeed({ _tag: "There" as const })),
    );
    if (publisher === undefined) return yield* append;
    const accepted = yield* inTime(append);
    if (accepted !== undefined) return accepted;
    yield* publisher.keepBatch(commands).pipe(
      Effect.catchTag("NotAccepted", ({ hint, reason }) => Effect.fail(new LogUnavailable({ reason, hint }))),
      // Each begins its task, which is never refused for what the task is.
      Effect.catchTags({ IllegalTransition: Effect.die, LeaseLost: Effect.die }),
    );
    yield* whenDrained(publisher, look);
    return { _tag: "Kept" };
  });

  /** Waits until the log has all that this process keeps of a task. */
  const arrived = (taskId: string) =>
    Option.isNone(beside) || !hasKept
      ? Effect.void
      : Effect.flatMap(beside.value.waitingFor(historyOf(taskId, tenant)), (waiting) =>
          waiting.length === 0 ? Effect.void : beside.value.drained,
        );

  return { accept, acceptAll, arrived };
});

export type Accepting = Effect.Success<ReturnType<typeof make>>;
