/**
 * A lease: one worker has one task, until it settles it or is silent for too long.
 *
 * Room: coordination.
 */
import { Deferred, Effect, Exit, Option, Semaphore, Stream } from "effect";
import type { Given } from "../../publish/write/NewEvent.ts";
import type { EventData } from "../../domain/Event.ts";
import { decide, type LeaseLost, onlyInput, type TaskRefusal } from "../../domain/task/Task.ts";
import {
  type Answer,
  hasEnded,
  type Lease,
  lostLease,
  queueingOf,
  type TaskRecord,
} from "../../domain/task/TaskRecord.ts";
import { afterFailure, maxDeferrals } from "../../domain/task/TaskRetry.ts";
import type { LogUnavailable } from "../../log/EventLog.ts";
import { type InvalidTask, delayFault, outputFault, refusing, reportFault } from "../config/TaskLimits.ts";
import { type Desk, load, move, type MoveError, type Step } from "./TaskMoves.ts";
import type { Entry, TaskQueue } from "./queue/TaskQueue.ts";
import type { Slot } from "./queue/TaskSlots.ts";
import type { Follow } from "./TaskWatch.ts";

export interface TaskError {
  readonly type: string;
  readonly message?: string | undefined;
}

export interface Asking {
  /** Key of the request; unique among the open requests of the task. Default `input`. */
  readonly key?: string | undefined;
  /** A JSON Schema that the answer's value is to fit: for whoever answers. */
  readonly schema?: Readonly<Record<string, unknown>> | undefined;
}

export type LeaseError = TaskRefusal | MoveError;

/**
 * Moves of a worker for a task it holds. Every move is refused with `LeaseLost` once the task was claimed again,
 * cancelled or settled; a log that is away is waited for, half a minute at most.
 */
export interface TaskLease {
  readonly taskId: string;
  /** The fencing token: the sequence of the claim. A later lease of the task has a larger one. */
  readonly token: number;
  /** Number of the claim, from 1. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly submitted: EventData<"task.submitted">;
  /** The queue's entry, by which another process can go on with the lease (`Tasks.resume`). */
  readonly entry: Pick<Entry, "agentType" | "receipt" | "leaseMillis">;
  /** A heartbeat is due after at most a third of this. */
  readonly leaseMillis: number;
  /** Begins to run a task that was claimed with `begin: "starting"`; nothing when it runs. */
  readonly start: Effect.Effect<void, LeaseError>;
  /**
   * At most 10,000 reports and questions in one lease, `InvalidTask` beyond. Reports that come while one is written are one
   * event: the last of them.
   */
  readonly progress: (
    how: Omit<Given<EventData<"task.progressed">>, "claim">,
  ) => Effect.Effect<void, LeaseError | InvalidTask>;
  /**
   * Asks a person or an agent, and waits for the answer (`Tasks.provideInput`), for as long as the lease is kept. Several
   * may be asked at once, each under a key of its own.
   */
  readonly requestInput: (message: string, asking?: Asking) => Effect.Effect<Answer, LeaseError | InvalidTask>;
  readonly complete: (output?: unknown) => Effect.Effect<void, LeaseError | InvalidTask>;
  /**
   * With `retry: "never"`, or an error whose type the task's `onError` gives up on, it fails now; else only with its last
   * attempt, as a dead letter.
   */
  readonly fail: (error: TaskError, how?: { readonly retry?: "never" | undefined }) => Effect.Effect<void, LeaseError>;
  readonly timeOut: (afterMillis: number) => Effect.Effect<void, LeaseError>;
  /** Gives the task back to be claimed by another at once. This attempt does not count. */
  readonly release: Effect.Effect<void, LeaseError>;
  /**
   * Gives the task back to be claimed after a pause, milliseconds, up to a year. This attempt does not count; after 1,000
   * deferrals of one task it is a failure of type `deferred`.
   */
  readonly defer: (delayMillis: number, reason?: string) => Effect.Effect<void, LeaseError | InvalidTask>;
  /** Adds output of the task's program. Shares the bound of `progress`; a text has at most 64 KiB. */
  readonly log: (
    what: Omit<Given<EventData<"task.logged">>, "claim" | "attempt">,
  ) => Effect.Effect<void, LeaseError | InvalidTask>;
  /** Keeps the lease. A log that is away is no loss of it. */
  readonly heartbeat: Effect.Effect<void, LeaseLost>;
  /** True when the lease still stands by the log, without a heartbeat. */
  readonly look: Effect.Effect<void, LeaseLost | LogUnavailable>;
  /** Lets go without a word in the log, as a process that dies does. */
  readonly abandon: Effect.Effect<void>;
}

/**
 * A delay up to this is waited for in the queue; what is due later leaves it, and is put in again when it is due (`Requeue`).
 *
 * Decision: 10 s, because the server counts what waits for its delay among what is handed out, 10,000 for a type and
 * priority, and holds up what is behind it for as long; the pauses of four attempts (1, 2, 4, 8 s) stay below it, and cost no look.
 */
export const delayHorizonMillis = 10_000;

export interface Holding {
  readonly desk: Desk;
  readonly queue: TaskQueue["Service"];
  readonly entry: Entry;
  /** Its place among those of its agent type, left with the lease. */
  readonly slot: Slot;
  readonly record: TaskRecord & { readonly lease: Lease; readonly submitted: EventData<"task.submitted"> };
  readonly taskId: string;
  /** Consequences of the task's end. */
  readonly ended: (record: TaskRecord) => Effect.Effect<void>;
  /** The record that is known, and then after each event. */
  readonly follow: Follow;
}

/** Hands the entry back for a later moment, or out of the queue when that is far away. */
export const postpone = ({ queue, entry }: Pick<Holding, "queue" | "entry">, delayMillis: number) =>
  delayMillis > delayHorizonMillis ? queue.done(entry) : queue.giveBack(entry, Math.max(0, delayMillis));

export const make = Effect.fnUntraced(function* (holding: Holding) {
  const { desk, entry, queue, slot, taskId, ended } = holding;
  const { attempt, token, worker } = holding.record.lease;
  const one = yield* Semaphore.make(1);
  let known: TaskRecord = holding.record;
  let reports = 0;
  yield* queue.hold(token);
  const letGo = Effect.andThen(queue.letGo(token), slot.leave);

  /** The lease is over. Another may hold the entry by now, so it is left alone, unless the task has ended. */
  const lose = Effect.fnUntraced(function* (lost: LeaseLost, record: TaskRecord) {
    yield* letGo;
    if (hasEnded(record)) yield* queue.done(entry);
    return yield* lost;
  });

  const standing = Effect.fnUntraced(function* (record: TaskRecord) {
    known = record;
    const lost = lostLease({ taskId, record, token });
    if (lost !== undefined) return yield* lose(lost, record);
  });

  /** One move under this lease; what it does to the entry follows from the state it leads to. */
  const moves = (stepsOf: (record: TaskRecord) => ReadonlyArray<Step>): Effect.Effect<void, LeaseError> =>
    one.withPermit(
      Effect.gen(function* () {
        // The pause begins by the log's clock; the task's own record has this machine's, which may be off.
        let pauseMillis = 0;
        const { record } = yield* move({
          desk,
          taskId,
          known,
          patience: "patient",
          decide: Effect.fnUntraced(function* (current) {
            yield* standing(current);
            const steps = stepsOf(current);
            const [first] = steps;
            if (first === undefined) return steps;
            pauseMillis = (first.type === "task.released" ? first.data.pauseMillis : undefined) ?? 0;
            const decided = yield* Effect.fromResult(decide({ taskId, state: current, move: first }));
            return decided === "add" ? steps : [];
          }),
        });
        known = record;
        if (record.lease?.token === token) return;
        yield* letGo;
        if (hasEnded(record)) yield* Effect.andThen(queue.done(entry), ended(record));
        else if (record.status === "pending") yield* postpone(holding, pauseMillis);
      }),
    );

  /** One of a bounded number of reports. */
  const reported = (stepsOf: () => ReadonlyArray<Step>) =>
    Effect.suspend(() => Effect.fromResult(refusing(reportFault([], reports++)))).pipe(Effect.andThen(moves(stepsOf)));
  const report = (step: Step) => reported(() => [step]);

  type Progress = Parameters<TaskLease["progress"]>[0];
  /** The report that is written next, and its waiting callers: false where the caller that writes it was interrupted. */
  let coming: { how: Progress; readonly written: Deferred.Deferred<boolean, LeaseError | InvalidTask> } | undefined;
  const progress: TaskLease["progress"] = Effect.fnUntraced(function* (how: Progress) {
    yield* Effect.fromResult(refusing(reportFault([how.progress, how.total], 0)));
    while (coming !== undefined) {
      coming.how = how;
      if (yield* Deferred.await(coming.written)) return;
    }
    const mine = { how, written: Deferred.makeUnsafe<boolean, LeaseError | InvalidTask>() };
    coming = mine;
    const steps = () => {
      if (coming === mine) coming = undefined;
      return [{ type: "task.progressed", data: { ...mine.how, claim: token } } as const];
    };
    yield* Effect.onExit(reported(steps), (exit) => {
      if (coming === mine) coming = undefined;
      return Deferred.done(mine.written, Exit.hasInterrupts(exit) ? Exit.succeed(false) : Exit.map(exit, () => true));
    });
  });

  const look = one.withPermit(
    Effect.gen(function* () {
      const last = yield* desk.log.last({ tenant: desk.tenant, kind: "task", id: taskId });
      if (last !== undefined && last.sequence > known.upTo) known = yield* load(desk, taskId, known);
      yield* standing(known);
    }),
  );

  /** The answer to what was asked under a key. An unreachable log is waited for; losing the lease ends it. */
  const answered = (key: string): Effect.Effect<Answer, LeaseLost> =>
    holding.follow(taskId, known).pipe(
      Stream.mapEffect((record) => {
        const lost = lostLease({ taskId, record, token });
        const answer = record.asked.includes(key) ? undefined : record.answers[key];
        return lost === undefined ? Effect.succeed(answer) : Effect.fail(lost);
      }),
      Stream.filter((answer) => answer !== undefined),
      Stream.runHead,
      Effect.flatMap(Option.match({ onNone: () => Effect.never, onSome: Effect.succeed })),
      Effect.catchIf(
        (error): error is Exclude<typeof error, LeaseLost> => error._tag !== "LeaseLost",
        ({ message }) => Effect.die(new Error(`the answer to ${key} cannot be waited for: ${message}`)),
      ),
    );

  /** A failed attempt: the task waits for the next one, or has failed. */
  const failed = (
    record: TaskRecord,
    error: { readonly type: string; readonly message: string | null },
    retry: "never" | undefined,
  ): ReadonlyArray<Step> => {
    const next = afterFailure({ record, errorType: error.type, retry });
    if (next._tag === "Ends")
      return [{ type: "task.failed", data: { error, deadLetter: next.isDeadLetter, claim: token } }];
    const { pauseMillis } = next;
    return [{ type: "task.released", data: { reason: "failed", worker, attempt, claim: token, error, pauseMillis } }];
  };

  const lease: TaskLease = {
    taskId,
    token,
    attempt,
    maxAttempts: queueingOf(holding.record.submitted.queue).maxAttempts,
    submitted: holding.record.submitted,
    leaseMillis: entry.leaseMillis,
    entry: { agentType: entry.agentType, receipt: entry.receipt, leaseMillis: entry.leaseMillis },
    start: moves(() => [{ type: "task.started", data: { claim: token, worker } }]),
    progress,
    requestInput: Effect.fnUntraced(function* (message, { key, schema } = {}) {
      yield* report({ type: "task.input_requested", data: { message, key, schema, claim: token } });
      return yield* answered(key ?? onlyInput);
    }),
    complete: (output) =>
      Effect.andThen(
        Effect.fromResult(refusing(outputFault(output))),
        moves(() => [{ type: "task.completed", data: { output, claim: token } }]),
      ),
    fail: ({ message = null, type }, { retry } = {}) => moves((record) => failed(record, { type, message }, retry)),
    timeOut: (afterMillis) => moves(() => [{ type: "task.timed_out", data: { afterMillis, claim: token } }]),
    release: moves(() => [{ type: "task.released", data: { reason: "interrupted", worker, attempt, claim: token } }]),
    defer: (delayMillis, reason) =>
      Effect.andThen(
        Effect.fromResult(refusing(delayFault(delayMillis))),
        moves((record) => {
          const error = { type: "deferred", message: reason ?? null };
          if (record.deferrals >= maxDeferrals) return failed(record, error, undefined);
          const data = { reason: "deferred", worker, attempt, claim: token, pauseMillis: delayMillis };
          return [{ type: "task.released", data: reason === undefined ? data : { ...data, error } }];
        }),
      ),
    log: (what) => report({ type: "task.logged", data: { ...what, attempt, claim: token } }),
    heartbeat: Effect.andThen(
      Effect.catchTag(look, "LogUnavailable", () => Effect.void),
      queue.keep(entry),
    ),
    look,
    abandon: letGo,
  };
  return lease;
});
