/**
 * Numbers of tasks by agent type, as metrics of Effect that `/metrics` shows.
 *
 * Room: main.
 */
import { Effect, Metric, Schedule } from "effect";
import { Tasks } from "../coordination/tasks/Tasks.ts";
import { Query } from "../query/Query.ts";

/** A look counts what waits, by an index: 100 ms for a million tasks. */
const everyMillis = 30_000;

/** `recollect_tasks`, by `tenant`, `agent_type` and `what`: waiting, delayed, held. */
const counted = Metric.gauge("recollect_tasks", {
  description: "Tasks of the queue by agent type: waiting for a worker, due later, held by a worker.",
});
const waited = Metric.gauge("recollect_tasks_oldest_seconds", {
  description: "Time for which the task that may be claimed first has waited, by agent type.",
});

/** Tells them until the scope closes. A type that has no tasks any more is told once more, with nothing. */
export const keepTelling = Effect.gen(function* () {
  const { waiting } = yield* Query;
  const { now } = yield* Tasks;
  let before = new Map<string, { readonly tenant: string; readonly agent_type: string }>();
  const tell = Effect.gen(function* () {
    const at = yield* now;
    const gone = new Map(before);
    before = new Map();
    const set = (of: typeof counted, attributes: Readonly<Record<string, string>>, value: number) =>
      Metric.update(Metric.withAttributes(of, attributes), value);
    for (const { agentType, delayed, held, oldestAt, tenant, waiting: waits } of yield* waiting.numbers(at)) {
      const group = { tenant, agent_type: agentType };
      const key = JSON.stringify(group);
      gone.delete(key);
      before.set(key, group);
      for (const [what, value] of Object.entries({ waiting: waits, delayed, held })) {
        yield* set(counted, { ...group, what }, value);
      }
      yield* set(waited, group, oldestAt === null ? 0 : Math.max(0, at - oldestAt) / 1_000);
    }
    for (const group of gone.values()) {
      for (const what of ["waiting", "delayed", "held"]) yield* set(counted, { ...group, what }, 0);
      yield* set(waited, group, 0);
    }
  });
  return yield* tell.pipe(
    Effect.catch(({ message }) => Effect.logDebug(`the tasks cannot be counted now: ${message}`)),
    Effect.repeat(Schedule.spaced(everyMillis)),
  );
});
