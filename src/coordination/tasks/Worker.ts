/**
 * A worker: claims tasks, runs them beside each other, keeps their leases, settles them.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/TasksContract.ts`:
 * - what `run` gives is the output, and what it fails with the error; a task that takes longer than its
 *   `timeoutSeconds` ends as `timeout`;
 * - `run` is interrupted as soon as its lease is lost or its task cancelled: within a second, or a third of the lease;
 * - a worker that is interrupted gives its tasks back at once.
 */
import { Cause, Effect, Exit, Result } from "effect";
import { headOf } from "../../domain/Truncate.ts";
import type { TaskRequest } from "../../domain/task/TaskEvents.ts";
import type { LeaseLost } from "../../domain/task/Task.ts";
import { backoff } from "../../log/connection/Backoff.ts";
import { elapsed } from "../../log/connection/Elapsed.ts";
import type { LeaseError, TaskError, TaskLease } from "./TaskLease.ts";
import {
  claimFault,
  concurrencyFault,
  type InvalidTask,
  maxDelayMillis,
  maxErrorBytes,
  maxErrorTypeBytes,
  refusing,
} from "../config/TaskLimits.ts";
import type { Trouble } from "./queue/TaskQueue.ts";
import { Tasks } from "./Tasks.ts";

/** A task as `run` sees it. */
export interface Running extends Pick<
  TaskLease,
  "taskId" | "attempt" | "maxAttempts" | "token" | "progress" | "requestInput"
> {
  readonly request: TaskRequest;
  readonly lease: TaskLease;
}

export interface Work<E extends TaskError, R> {
  /** A list shares `concurrency` places; with numbers each type has so many places of its own. */
  readonly agentTypes: ReadonlyArray<string> | Readonly<Record<string, number>>;
  /** Tasks at the same time, of whatever type. Default 1. */
  readonly concurrency?: number | undefined;
  /** Name of the worker, as lists show it. */
  readonly worker?: string | undefined;
  /**
   * Told why tasks of a type cannot be had (NATS away, a consumer that cannot be made, a missing right): when that begins or
   * changes, and each minute as long as it lasts. Default: a warning in the log.
   */
  readonly onTrouble?: ((trouble: Trouble) => void) | undefined;
  /**
   * An error with `deferMillis` gives the task back for so long, at no attempt; one with `retry: "never"` fails the task
   * now; any other is an attempt that failed.
   */
  readonly run: (task: Running) => Effect.Effect<unknown, E & HowFailed, R>;
}

export interface HowFailed {
  readonly retry?: "never" | undefined;
  readonly deferMillis?: number | undefined;
}

/** Poll interval for a cancellation; a look costs the server one direct get. */
const lookMillis = 1_000;
/** Patience of an interrupted worker with the log. After that its leases lapse. */
const releaseMillis = 5_000;

/** Looks after a lease, with a heartbeat at each third of it, until it ends with `LeaseLost`. */
const watchdog = (lease: TaskLease): Effect.Effect<never, LeaseLost> => {
  const third = lease.leaseMillis / 3;
  const pause = Math.min(lookMillis, third);
  const looks = Effect.catchTag(lease.look, "LogUnavailable", () => Effect.void);
  return Effect.flatMap(elapsed, (claimedAt) => {
    let heardAt = claimedAt;
    // The lease was just made: a task that is done in a moment is never looked after.
    const next = Effect.andThen(Effect.sleep(pause), elapsed);
    const looked = Effect.flatMap(next, (now) => {
      if (now - heardAt + pause / 2 < third) return looks;
      heardAt = now;
      return lease.heartbeat;
    });
    return Effect.forever(looked);
  });
};

/** A thrown value as the error of a task: a `type` of its own, else the name of its class. */
export const describeError = (thrown: unknown): TaskError & HowFailed => {
  const error = typeof thrown === "object" && thrown !== null ? thrown : new Error(String(thrown));
  // A thrown value may throw again when it is looked at.
  const valueOf = (name: string) => Result.getOrUndefined(Result.try((): unknown => Reflect.get(error, name)));
  const field = (name: string) => {
    const value = valueOf(name);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const deferMillis = valueOf("deferMillis");
  const message = field("message");
  return {
    type: headOf(field("type") ?? field("name") ?? "Error", maxErrorTypeBytes),
    message: message === undefined ? undefined : headOf(message, maxErrorBytes),
    ...(field("retry") === "never" ? { retry: "never" as const } : {}),
    ...(typeof deferMillis === "number" ? { deferMillis } : {}),
  };
};

type Outcome<E> =
  | { readonly _tag: "Ran"; readonly exit: Exit.Exit<unknown, E> }
  | { readonly _tag: "TooLong"; readonly afterMillis: number };

const runWithin = <E extends TaskError, R>(work: Work<E, R>, lease: TaskLease) => {
  const { attempt, maxAttempts, progress, requestInput, submitted, taskId, token } = lease;
  const { request } = submitted;
  const running: Running = { taskId, attempt, maxAttempts, token, progress, requestInput, request, lease };
  // A run that throws before it is an effect has failed like any other.
  const ran = Effect.suspend(() => work.run(running)).pipe(
    Effect.exit,
    Effect.map((exit): Outcome<E> => ({ _tag: "Ran", exit })),
  );
  if (request.timeoutSeconds == null) return ran;
  // Tasks that others submitted may say what `submit` refuses.
  const afterMillis = Math.min(Math.max(0, request.timeoutSeconds * 1_000), maxDelayMillis);
  const tooLong = Effect.as(Effect.sleep(afterMillis), { _tag: "TooLong", afterMillis } satisfies Outcome<E>);
  return Effect.raceFirst(ran, tooLong);
};

/** An output that cannot be written fails the task for good: the next attempt would have the same. */
const impossible = (lease: TaskLease, type: string, said: Effect.Effect<void, LeaseError | InvalidTask>) =>
  said.pipe(
    Effect.catchTag(["InvalidEvent", "InvalidTask"], ({ message }) =>
      lease.fail({ type, message }, { retry: "never" }),
    ),
  );

const settle = <E extends TaskError>(lease: TaskLease, outcome: Outcome<E>): Effect.Effect<void, LeaseError> => {
  if (outcome._tag === "TooLong") return lease.timeOut(outcome.afterMillis);
  if (Exit.isSuccess(outcome.exit)) {
    return impossible(lease, "InvalidOutput", lease.complete(outcome.exit.value));
  }
  const { deferMillis, message, retry, type } = describeError(Cause.squash(outcome.exit.cause));
  return deferMillis === undefined
    ? lease.fail({ type, message }, { retry })
    : impossible(lease, "InvalidDeferral", lease.defer(deferMillis, message));
};

/** One task from its claim to its end. A task that cannot be settled is another worker's by then, or its lease lapses. */
const runOne = <E extends TaskError, R>(work: Work<E, R>, lease: TaskLease): Effect.Effect<void, never, R> =>
  Effect.raceFirst(
    Effect.flatMap(runWithin(work, lease), (outcome) => settle(lease, outcome)),
    watchdog(lease),
  ).pipe(
    Effect.catchTag("LeaseLost", ({ reason }) => Effect.logInfo(reason)),
    Effect.catch((error) =>
      Effect.andThen(lease.abandon, Effect.logWarning(`task ${lease.taskId} was not settled: ${error.message}`)),
    ),
    // One task must not end the worker, and with it all that come after.
    Effect.catchDefect((defect) =>
      Effect.andThen(lease.abandon, Effect.logError(`task ${lease.taskId} was not settled`, defect)),
    ),
    Effect.onInterrupt(() =>
      lease.release.pipe(Effect.timeoutOption(releaseMillis), Effect.ignore, Effect.andThen(lease.abandon)),
    ),
  );

/** Interval at which a trouble that lasts is reported again. */
const troubleMillis = 60_000;

/** Each trouble once, however many places of the worker have it, and also where two of them alternate. */
const telling = Effect.fnUntraced(function* (onTrouble: Work<never, never>["onTrouble"]) {
  const run = Effect.runForkWith(yield* Effect.context<never>());
  const told = new Map<string, number>();
  return (trouble: Trouble) => {
    const now = performance.now();
    for (const [one, at] of told) if (now - at >= troubleMillis) told.delete(one);
    const name = `${trouble.agentType} ${trouble.reason}`;
    if (told.has(name)) return;
    told.set(name, now);
    if (onTrouble === undefined)
      run(Effect.logWarning(`no task of ${trouble.agentType} can be had: ${trouble.reason}`));
    else onTrouble(trouble);
  };
});

/** One place for a task at a time. */
const slot = <E extends TaskError, R>(
  options: Work<E, R>,
  agentTypes: ReadonlyArray<string>,
  trouble: (trouble: Trouble) => void,
) =>
  Effect.gen(function* () {
    const tasks = yield* Tasks;
    const claimed = tasks.claim({ agentTypes, worker: options.worker, trouble }).pipe(
      Effect.tapError((error) => Effect.logWarning(`no task can be claimed: ${error.message}`)),
      Effect.retry(backoff),
      Effect.orDie,
    );
    return yield* Effect.forever(
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(claimed), (lease) => restore(runOne(options, lease))),
      ),
    );
  });

const isList = (agentTypes: Work<never, never>["agentTypes"]): agentTypes is ReadonlyArray<string> =>
  Array.isArray(agentTypes);

/** The agent types of each place, or the reason that no worker can. */
export const placesOf = ({
  agentTypes,
  concurrency = 1,
  worker,
}: Pick<Work<never, never>, "agentTypes" | "concurrency" | "worker">): Result.Result<
  ReadonlyArray<ReadonlyArray<string>>,
  InvalidTask
> => {
  const lanes = isList(agentTypes)
    ? [{ types: agentTypes, most: concurrency }]
    : Object.entries(agentTypes).map(([type, most]) => ({ types: [type], most }));
  const all = lanes.flatMap(({ types }) => types);
  return Result.map(refusing(claimFault(all, worker), concurrencyFault(lanes.map(({ most }) => most))), () =>
    lanes.flatMap(({ most, types }) => Array.from({ length: most }, () => types)),
  );
};

/** Works until it is interrupted. */
export const work = <E extends TaskError, R>(options: Work<E, R>): Effect.Effect<never, InvalidTask, Tasks | R> =>
  Effect.gen(function* () {
    const places = yield* Effect.fromResult(placesOf(options));
    const trouble = yield* telling(options.onTrouble);
    yield* Effect.forEach(places, (types) => slot(options, types, trouble), {
      concurrency: "unbounded",
      discard: true,
    });
    return yield* Effect.never;
  });
