/**
 * The gate of a queue: paused, drained, or limited in its rate, as the configuration says (`queues.<agent type>`).
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/TaskVerbsContract.ts`:
 * - no task of a paused queue is claimed from the moment on at which the claiming process hears of it; what runs goes on;
 * - a drained queue refuses submissions (`InvalidTask`) and works on what it has;
 * - no more tasks begin in any window of a rate than it says, over all workers. A claim that comes to nothing is counted.
 *
 * Decision: what is published by other languages, or was kept in a spool, is not refused while draining: it is in the log,
 * and a task that is there is worked on.
 */
import { Effect, Scope } from "effect";
import type { LogUnavailable } from "../../log/EventLog.ts";
import { Buckets, keyOf } from "../bucket/Bucket.ts";
import { type By, type ChangeError, type ConfigConflict, Configuration } from "../config/Configuration.ts";
import type { Limit } from "../config/Limit.ts";
import type { QueueSettings } from "../config/QueueSettings.ts";
import { InvalidTask, shown } from "../config/TaskLimits.ts";
import * as LimitCounts from "../limits/LimitCounts.ts";
import { taking } from "../limits/LimitMath.ts";
import { bucketSettings } from "../limits/Limits.ts";
import type { ClosedTypes } from "./ClosedTypes.ts";

export type { QueueSettings } from "../config/QueueSettings.ts";

/** Tries of a change that others make at the same moment. */
const maxRounds = 20;

/** Pause of a queue whose rate cannot be asked. */
const unaskedMillis = 1_000;

export const make = Effect.fnUntraced(function* (closed: ClosedTypes) {
  const config = yield* Configuration;
  const buckets = yield* Buckets;
  const scope = yield* Effect.scope;
  let made: ReturnType<typeof LimitCounts.make> | undefined;
  /** Opened for the first queue that has a rate. */
  const counts = Effect.suspend(() =>
    made === undefined
      ? Effect.map(Scope.provide(buckets.open(bucketSettings), scope), (bucket) => (made = LimitCounts.make(bucket)))
      : Effect.succeed(made),
  );

  const settingsOf = (agentType: string) => Effect.map(config.family("queues"), (queues) => queues.get(agentType));

  /** Milliseconds to wait before a task of it may begin; 0: it may, and is counted. */
  const waitOf = Effect.fnUntraced(function* (agentType: string): Effect.fn.Return<number> {
    const settings = yield* settingsOf(agentType);
    if (settings?.paused === true) return Infinity;
    if (settings?.rate == null) return 0;
    const rate: Limit = { per: [], ...settings.rate };
    const key = keyOf("queue", config.tenant, agentType);
    return yield* Effect.flatMap(counts, ({ decide }) => decide(key, taking(rate, 1))).pipe(
      Effect.map(({ isAllowed, waitMillis }) => (isAllowed ? 0 : Math.max(1, waitMillis))),
      // Without the count nothing says how many began; the queue is asked again in a moment.
      Effect.catch(({ message }) =>
        Effect.as(Effect.logWarning(`the rate of ${agentType} cannot be asked: ${message}`), unaskedMillis),
      ),
    );
  });

  /** The same; a type whose tasks have to wait is closed for that time. */
  const enter = Effect.fnUntraced(function* (agentType: string) {
    const since = closed.news(agentType);
    const waitMillis = yield* waitOf(agentType);
    if (waitMillis > 0) yield* closed.close(agentType, waitMillis, since);
    return waitMillis;
  });

  const accepts = Effect.fnUntraced(function* (agentTypes: Iterable<string>) {
    const queues = yield* config.family("queues");
    for (const agentType of agentTypes) {
      if (queues.get(agentType)?.draining !== true) continue;
      const hint = `recollect tasks queue resume ${shown(agentType)} lets it take tasks again.`;
      return yield* new InvalidTask({ reason: `the queue ${shown(agentType)} is drained and takes no tasks`, hint });
    }
  });

  /** Changes some settings of a queue; null takes one back. Answers with what holds then. */
  const set = Effect.fn("coordination.setQueue")(function* (
    agentType: string,
    change: QueueSettings,
    by: By = {},
  ): Effect.fn.Return<QueueSettings, ChangeError> {
    for (let round = 1; ; round++) {
      const expectedVersion = yield* config.version;
      const all = { ...(yield* settingsOf(agentType)), ...change };
      const held = Object.fromEntries(Object.entries(all).filter(([, value]) => value != null && value !== false));
      const value = Object.keys(held).length === 0 ? undefined : held;
      const done = config.set({ [`queues.${agentType}`]: value }, { ...by, expectedVersion });
      const again = (error: ConfigConflict): Effect.Effect<boolean, ConfigConflict | LogUnavailable> =>
        round < maxRounds ? Effect.as(config.caughtUp, false) : Effect.fail(error);
      const isDone = yield* Effect.catchTag(Effect.as(done, true), "ConfigConflict", again);
      if (isDone) return held;
    }
  });

  return { enter, accepts, set, all: config.family("queues") };
});

export type QueueGate = Effect.Success<ReturnType<typeof make>>;
