/**
 * The projector: folds the log into the database behind a path, exactly once, for as long as it lives.
 *
 * Room: projection.
 *
 * Promises: an event is applied once, whatever is killed when; what is appended is visible within milliseconds; a
 * stream that is not the one known is named and never read on over; trouble with the file or the log is waited out.
 */
import { Clock, Context, Effect, Layer, Option, Queue, type Scope, Stream, SubscriptionRef } from "effect";
import type { Sequence } from "../domain/History.ts";
import { EventLog, LogDamaged, type LogInfo, type LogUnavailable } from "../log/EventLog.ts";
import * as ProjectorCondition from "./ProjectorCondition.ts";
import * as BatchQueue from "./fold/BatchQueue.ts";
import { incomingOfAll } from "./fold/LargeEntries.ts";
import { openCurrent } from "./rebuild/OpenCurrent.ts";
import * as WriteLock from "./write/WriteLockSqlite.ts";
import type { Projection } from "./Projection.ts";
import { type Checkpoint, noCheckpoint } from "./Checkpoint.ts";
import type { DeadLetterCount, Prepared, ReadModel, StorageTrouble } from "./ReadModel.ts";

export interface ProjectionStatus {
  readonly name: string;
  readonly version: number;
  /** The last sequence applied. */
  readonly checkpoint: Sequence;
  /** Events behind the head of the stream. */
  readonly gap: number;
  /** Age in the log of the oldest event that is not applied, milliseconds; 0 without a gap. */
  readonly lagMillis: number;
  readonly deadLetters: number;
}

export interface ProjectorStatus {
  readonly projections: ReadonlyArray<ProjectionStatus>;
  /** Obstacle to applying events; absent without one. */
  readonly condition?: ProjectorCondition.Condition | undefined;
}

export class Projector extends Context.Service<
  Projector,
  {
    /** Never fails: what is not known now (the log is away) is as it was last known. */
    readonly status: Effect.Effect<ProjectorStatus>;
    /** Returns when everything up to `sequence` is applied and visible; fails when nothing is applied any more. */
    readonly awaitSequence: (sequence: Sequence) => Effect.Effect<void, ProjectorCondition.ProjectorStopped>;
  }
>()("recollect/projection/Projector") {}

export interface Options {
  /** The path that analysts open: a link to the current generation. */
  readonly path: string;
  readonly projections: ReadonlyArray<Projection>;
  readonly limits?: BatchQueue.Limits;
}

interface State {
  readonly checkpoint: Checkpoint;
  readonly condition: ProjectorCondition.Condition | undefined;
}

/** Pauses after trouble, milliseconds: doubled up to the last. A person who frees a disk waits 10 s at most. */
const firstPauseMillis = 100;
const longestPauseMillis = 10_000;
/** Poll interval of a stopped projector that waits for a repair, milliseconds. */
const lookAgainMillis = 1000;

/** A file that another process writes is asked for this often; after so many attempts (about 2 s) it is reported. */
const busyPauseMillis = 20;
const busyAttempts = 50;

/** Batches that are prepared while one is written: the next one is ready when that is done, and no more lie in memory. */
const batchesAhead = 1;

const pauseMillis = (attempt: number): number =>
  Math.min(longestPauseMillis, firstPauseMillis * 2 ** Math.min(attempt, 10));

interface Running {
  readonly options: Options;
  readonly log: EventLog["Service"];
  readonly state: SubscriptionRef.SubscriptionRef<State>;
  /** Last known; status reads them. */
  model: ReadModel | undefined;
  info: LogInfo | undefined;
  deadLetters: ReadonlyArray<DeadLetterCount>;
  intake: BatchQueue.BatchQueue<LogUnavailable | LogDamaged>;
  /** Batches that were taken from it and are not applied, the oldest first. */
  inHand: Array<Prepared>;
  /** Attempts in a row that failed. */
  attempts: number;
}

/** Sets or clears the condition. */
const setCondition = Effect.fnUntraced(function* (
  running: Running,
  condition: ProjectorCondition.Condition | undefined,
) {
  const before = yield* SubscriptionRef.get(running.state);
  if (before.condition?.name === condition?.name && before.condition?.message === condition?.message) return;
  yield* SubscriptionRef.update(running.state, (state) => ({ ...state, condition }));
  yield* tellOthers(running, condition);
});

/** Into this process's log and, as a courtesy to other processes, into the file. */
const tellOthers = Effect.fnUntraced(function* (running: Running, condition: ProjectorCondition.Condition | undefined) {
  if (condition !== undefined) yield* Effect.logWarning(`projector: ${ProjectorCondition.inOneLine(condition)}`);
  const value = condition === undefined ? undefined : JSON.stringify(condition);
  // While it is made anew, or cannot be gone on with, the file that readers have is open nowhere here.
  const note =
    running.model?.note ?? ((key: string, text: string | undefined) => WriteLock.note(running.options.path, key, text));
  // A full disk cannot take the note either.
  yield* Effect.ignore(note("condition", value));
});

/** Writes a batch, however long the file is in trouble. */
const commitPatiently = Effect.fnUntraced(function* (running: Running, model: ReadModel, prepared: Prepared) {
  for (let attempt = 0; ; attempt++) {
    const applied = yield* Effect.result(model.commit(prepared));
    if (applied._tag === "Success") {
      return applied.success;
    }
    // A rebuild takes the lock for a moment, which is nothing to report.
    if (applied.failure.reason !== "busy" || attempt >= busyAttempts)
      yield* setCondition(running, ProjectorCondition.storage(applied.failure));
    yield* Effect.sleep(applied.failure.reason === "busy" ? busyPauseMillis : pauseMillis(attempt));
  }
});

/** Prepares what comes in, batch by batch, while the one before is written; then says why no more comes. */
const prepareForEver = Effect.fnUntraced(function* (
  running: Running,
  options: {
    readonly model: ReadModel;
    readonly info: LogInfo;
    readonly after: Sequence;
    readonly into: Queue.Enqueue<Prepared, LogUnavailable | LogDamaged | StorageTrouble>;
  },
) {
  const { info, into, model } = options;
  let taken = options.after;
  for (;;) {
    const entries = yield* running.intake.take(info.lastSequence - taken);
    taken = entries.at(-1)?.sequence ?? taken;
    const incoming = yield* incomingOfAll(entries);
    const now = yield* Clock.currentTimeMillis;
    const prepared = yield* model.prepare({ incoming, streamCreated: info.created, now });
    running.inHand.push(prepared);
    yield* Queue.offer(into, prepared);
    yield* Effect.yieldNow;
  }
});

/** Applies what comes in, batch by batch, until the file is superseded or the log has no more to give. */
const applyForEver = Effect.fnUntraced(function* (running: Running, model: ReadModel, info: LogInfo) {
  const { state } = running;
  const { checkpoint } = yield* SubscriptionRef.get(state);
  const ready = yield* Queue.bounded<Prepared, LogUnavailable | LogDamaged | StorageTrouble>(batchesAhead);
  running.inHand = [];
  yield* prepareForEver(running, { model, info, after: checkpoint.sequence, into: ready }).pipe(
    Effect.catch((error) => Queue.fail(ready, error)),
    Effect.forkScoped,
  );
  for (;;) {
    const prepared = yield* Queue.take(ready);
    const applied = yield* commitPatiently(running, model, prepared);
    if (applied._tag === "Superseded") return;
    if (applied._tag === "Missing")
      return yield* new LogDamaged({ sequence: applied.sequence, reason: "a later event came instead." });
    running.inHand.shift();
    running.attempts = 0;
    const { condition: before } = yield* SubscriptionRef.get(state);
    // An applied event is no obstacle any more. A restored backup stays worth knowing.
    const condition = before?.name === "restored" ? before : undefined;
    yield* SubscriptionRef.set(state, { checkpoint: applied.checkpoint, condition });
    if (condition !== before) yield* tellOthers(running, condition);
    yield* Effect.yieldNow;
  }
});

/** From opening the file to whatever ends it: another file in its place, or a failure that the caller names. */
const session = Effect.fnUntraced(function* (
  running: Running,
): Effect.fn.Return<
  void,
  ProjectorCondition.ProjectorStopped | Effect.Error<ReturnType<typeof openCurrent>> | LogDamaged,
  EventLog | Scope.Scope
> {
  const { options, log, state } = running;
  const model = yield* openCurrent({
    path: options.path,
    projections: options.projections,
    onRebuild: (message) => setCondition(running, ProjectorCondition.rebuilding(message)),
  });
  running.model = model;
  yield* Effect.addFinalizer(() => Effect.sync(() => (running.model = undefined)));
  const checkpoint = yield* model.checkpoint;
  yield* SubscriptionRef.update(state, (before) => ({ ...before, checkpoint }));
  const { info, condition } = yield* ProjectorCondition.identify(checkpoint);
  running.info = info;
  if (condition?.stopped === true) return yield* new ProjectorCondition.ProjectorStopped({ condition });
  if (condition !== undefined || info.lastSequence <= checkpoint.sequence) yield* setCondition(running, condition);
  const intake = BatchQueue.make<LogUnavailable | LogDamaged>(options.limits);
  running.intake = intake;
  yield* log.follow({ after: checkpoint.sequence }).pipe(
    Stream.runForEachArray((entries) => intake.put(entries)),
    Effect.catch((error) => Effect.sync(() => intake.end(error))),
    Effect.forkScoped,
  );
  yield* applyForEver(running, model, info);
});

/** A session whose end is named, while its file is still open to note it. Answers how long to wait for the next one. */
const sessionUntilNamed = (running: Running) => {
  const pause = () => pauseMillis(running.attempts++);
  const stop = (condition: ProjectorCondition.Condition) =>
    Effect.as(setCondition(running, condition), lookAgainMillis);
  return session(running).pipe(
    Effect.as(0),
    Effect.catchTags({
      ProjectorStopped: ({ condition }) => stop(condition),
      LogUnavailable: (error) => Effect.map(setCondition(running, ProjectorCondition.logAway(error)), pause),
      StorageTrouble: (error) => Effect.map(setCondition(running, ProjectorCondition.storage(error)), pause),
      // A hole stands directly after the checkpoint. Any other damage is named when the stream is looked at again.
      LogDamaged: ({ sequence, reason }) =>
        Effect.flatMap(SubscriptionRef.get(running.state), ({ checkpoint }) =>
          sequence === checkpoint.sequence + 1 ? stop(ProjectorCondition.hole(sequence, reason)) : Effect.sync(pause),
        ),
    }),
  );
};

const runForEver = (running: Running): Effect.Effect<void, never, EventLog> =>
  Effect.scoped(sessionUntilNamed(running)).pipe(
    Effect.flatMap((millis) => Effect.sleep(millis)),
    Effect.forever,
  );

const lagOf = Effect.fnUntraced(function* (running: Running, checkpoint: Checkpoint) {
  const waiting = running.inHand[0]?.batch.incoming[0]?.entry ?? running.intake.first();
  const oldest =
    waiting !== undefined && waiting.sequence > checkpoint.sequence
      ? waiting
      : yield* Effect.orElseSucceed(running.log.at(checkpoint.sequence + 1), () => undefined);
  const now = yield* Clock.currentTimeMillis;
  return Math.max(0, now - (oldest?.recordedAt ?? checkpoint.recordedAt));
});

const statusOf = Effect.fnUntraced(function* (running: Running) {
  running.info = yield* Effect.orElseSucceed(running.log.info, () => running.info);
  if (running.model !== undefined) {
    running.deadLetters = yield* Effect.orElseSucceed(running.model.deadLetters, () => running.deadLetters);
  }
  const { checkpoint, condition } = yield* SubscriptionRef.get(running.state);
  const gap = Math.max(0, (running.info?.lastSequence ?? 0) - checkpoint.sequence);
  const lagMillis = gap === 0 ? 0 : yield* lagOf(running, checkpoint);
  const lettersOf = (name: string) => running.deadLetters.find(({ projection }) => projection === name)?.count ?? 0;
  const projections = running.options.projections.map(({ name, version, record }): ProjectionStatus => ({
    name,
    version,
    checkpoint: checkpoint.sequence,
    gap,
    lagMillis,
    // An event that no interpreter could read is missing everywhere but in the ledger.
    deadLetters: lettersOf(name) + (record === undefined ? lettersOf("*") : 0),
  }));
  return { projections, condition } satisfies ProjectorStatus;
});

export const make = Effect.fnUntraced(function* (options: Options) {
  const log = yield* EventLog;
  const state = yield* SubscriptionRef.make<State>({ checkpoint: noCheckpoint, condition: undefined });
  const running: Running = {
    options,
    log,
    state,
    model: undefined,
    info: undefined,
    deadLetters: [],
    intake: BatchQueue.make(options.limits),
    inHand: [],
    attempts: 0,
  };
  yield* Effect.forkScoped(runForEver(running));
  return Projector.of({
    status: statusOf(running).pipe(Effect.withSpan("projection.status")),
    awaitSequence: Effect.fn("projection.awaitSequence")(function* (sequence: Sequence) {
      const reached = yield* SubscriptionRef.changes(state).pipe(
        Stream.filter(({ checkpoint, condition }) => checkpoint.sequence >= sequence || condition?.stopped === true),
        Stream.runHead,
      );
      const { checkpoint, condition } = Option.getOrElse(reached, () => SubscriptionRef.getUnsafe(state));
      if (checkpoint.sequence < sequence && condition !== undefined)
        return yield* new ProjectorCondition.ProjectorStopped({ condition });
    }),
  });
});

export const layer = (options: Options): Layer.Layer<Projector, never, EventLog> =>
  Layer.effect(Projector, make(options));
