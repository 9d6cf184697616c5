/**
 * Numbers of tasks by agent type, as metrics of Effect that `/metrics` shows.
 *
 * Room: main.
 */
import { Duration, Effect, Metric } from "effect";
import { Tasks } from "../coordination/tasks/Tasks.ts";
import { Query } from "../query/Query.ts";
import type { GroupNumbers, TaskGroup } from "../query/WaitingTasks.ts";

/** A look counts what waits, by an index: 100 ms for a million tasks. */
const everyMillis = 30_000;
/** A look takes no more of a core than one part in so many. */
const restFactor = 500;

/** `recollect_tasks`, by `tenant`, `agent_type` and `what`: waiting, delayed, held. */
const counted = Metric.gauge("recollect_tasks", {
  description: "Tasks of the queue by agent type: waiting for a worker, due later, held by a worker.",
});
const waited = Metric.gauge("recollect_tasks_oldest_seconds", {
  description: "Time for which the task that may be claimed first has waited, by agent type.",
});

const waitTimes = Metric.gauge("recollect_tasks_wait_seconds", {
  description: "Time for which the tasks that began in the last five minutes had waited: `what` is mean or longest.",
});
const attempts = Metric.gauge("recollect_tasks_attempts", {
  description: "Claims of the tasks that ended in the last five minutes, on average.",
});

type Numbers = Omit<GroupNumbers, keyof TaskGroup>;
const none = { meanWaitMillis: null, longestWaitMillis: null, meanAttempts: null };
const nothing: Numbers = { waiting: 0, oldestAt: null, delayed: 0, held: 0, ...none };

/** Seconds of a time that may be unknown, which counts as none. */
const seconds = (millis: number | null): number => (millis ?? 0) / 1_000;

/** Tells them until the scope closes. A type that has no tasks any more is told once more, with nothing. */
export const keepTelling = Effect.gen(function* () {
  const { waiting } = yield* Query;
  const { now } = yield* Tasks;
  type Attributes = Readonly<Record<string, string>>;
  const set = (of: typeof counted, attributes: Attributes, value: number) =>
    Metric.update(Metric.withAttributes(of, attributes), value);
  const tellOf = Effect.fnUntraced(function* (group: Attributes, numbers: Numbers, at: number) {
    const { delayed, held, longestWaitMillis, meanAttempts, meanWaitMillis, oldestAt, waiting: waits } = numbers;
    for (const [what, value] of Object.entries({ waiting: waits, delayed, held })) {
      yield* set(counted, { ...group, what }, value);
    }
    yield* set(waited, group, seconds(oldestAt === null ? null : Math.max(0, at - oldestAt)));
    yield* set(waitTimes, { ...group, what: "mean" }, seconds(meanWaitMillis));
    yield* set(waitTimes, { ...group, what: "longest" }, seconds(longestWaitMillis));
    yield* set(attempts, group, meanAttempts ?? 0);
  });
  let before = new Map<string, { readonly tenant: string; readonly agent_type: string }>();
  const tell = Effect.gen(function* () {
    const at = yield* now;
    const gone = new Map(before);
    before = new Map();
    for (const { agentType, tenant, ...numbers } of yield* waiting.numbers(at)) {
      const group = { tenant, agent_type: agentType };
      const key = JSON.stringify(group);
      gone.delete(key);
      before.set(key, group);
      yield* tellOf(group, numbers, at);
    }
    for (const group of gone.values()) yield* tellOf(group, nothing, at);
  });
  const told = tell.pipe(
    Effect.catch(({ message }) => Effect.logDebug(`the tasks cannot be counted now: ${message}`)),
    Effect.timed,
    Effect.flatMap(([took]) => Effect.sleep(Math.max(everyMillis, Duration.toMillis(took) * restFactor))),
  );
  return yield* Effect.forever(told);
});
