/**
 * The queue is filled again from the truth: whatever waits in the log and is not in the queue is put in.
 *
 * Room: coordination.
 *
 * Who needs it: tasks whose submitter died before it could put them in, or was no program of ours, or whose submission
 * came from a spool; tasks that are due later than the queue holds them; everything, after the queue was lost.
 */
import { Clock, Effect, Result, Schedule, Stream } from "effect";
import { isMisfit, type RecordedEvent } from "../../domain/Event.ts";
import { defaultTenant, type Sequence } from "../../domain/History.ts";
import { evolve, hasEnded, isTaskEventName, notSubmitted, type TaskState } from "../../domain/task/Task.ts";
import { placeOf } from "../../domain/task/TaskRecord.ts";
import { decodeData } from "../../domain/Upcast.ts";
import { EventLog } from "../../log/EventLog.ts";
import { Tasks } from "./Tasks.ts";

/** A lost queue is whole again within this time, and a delayed task at most this late. */
const everyMillis = 5_000;

/** What is to be looked after. */
export interface Looked {
  /** The tasks that have not ended. */
  readonly open: ReadonlyArray<string>;
  /** Of each batch that fails fast and is open one task that has ended otherwise than completed. */
  readonly broken: ReadonlyArray<string>;
  /** Tasks that had to start before now and were not claimed yet. */
  readonly overdue: ReadonlyArray<string>;
}

/** The batch of a task that fails fast with it, and by when the task must start. */
const askedOf = (event: RecordedEvent) => {
  const decoded = Result.getOrUndefined(decodeData(event));
  if (decoded?._tag !== "Known" || decoded.type !== "task.submitted") return {};
  const place = placeOf(decoded.data);
  return {
    failingBatch: place?.failFast === true ? place.batchId : undefined,
    startBy: decoded.data.queue?.startBy ?? undefined,
  };
};

/**
 * What is to be looked after, by the log alone. The first look reads all of it, later ones what has come since; a store
 * with read models asks those.
 */
export const lookInLog = Effect.fnUntraced(function* (tenant = defaultTenant) {
  const log = yield* EventLog;
  const open = new Map<string, TaskState>();
  /** Of open tasks, and the task that broke a batch. */
  const batches = new Map<string, string>();
  const broken = new Map<string, string>();
  const startBys = new Map<string, number>();
  let after: Sequence = 0;
  const see = (event: RecordedEvent) => {
    const { id } = event.history;
    if (event.type === "task.submitted") {
      const { failingBatch, startBy } = askedOf(event);
      if (failingBatch !== undefined) batches.set(id, failingBatch);
      if (startBy !== undefined) startBys.set(id, startBy);
    }
    const state = evolve(open.get(id) ?? notSubmitted, event);
    if (state.status !== "pending") startBys.delete(id);
    if (!hasEnded(state.status)) {
      if (state.status !== undefined) open.set(id, state);
      return;
    }
    const batch = batches.get(id);
    if (batch !== undefined && state.status !== "completed") broken.set(batch, id);
    open.delete(id);
    batches.delete(id);
  };
  return Effect.gen(function* () {
    const { lastSequence } = yield* log.info;
    if (lastSequence > after) {
      yield* log.follow({ after }).pipe(
        Stream.takeUntil((entry) => entry.sequence >= lastSequence),
        Stream.runForEach((entry) =>
          Effect.sync(() => {
            after = entry.sequence;
            if (!isMisfit(entry) && entry.history.tenant === tenant && isTaskEventName(entry.type)) see(entry);
          }),
        ),
      );
    }
    const openBatches = new Set(batches.values());
    for (const batch of broken.keys()) if (!openBatches.has(batch)) broken.delete(batch);
    const now = yield* Clock.currentTimeMillis;
    const overdue = [...startBys].flatMap(([id, startBy]) => (startBy <= now ? [id] : []));
    return { open: [...open.keys()], broken: [...broken.values()], overdue } satisfies Looked;
  });
});

/** The tasks that have not ended, by the log alone. */
export const openInLog = (tenant = defaultTenant) =>
  Effect.map(
    lookInLog(tenant),
    Effect.map(({ open }) => open),
  );

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
  Effect.flatMap(lookInLog(tenant), (look) =>
    keepFilled(
      Effect.flatMap(look, ({ broken, open, overdue }) =>
        Tasks.use((tasks) => Effect.andThen(tasks.followUp([...broken, ...overdue]), tasks.requeue(open))),
      ),
    ),
  );
