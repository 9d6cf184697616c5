/**
 * The daemon keeps the task queue filled, for every tenant that has open tasks.
 *
 * Room: main.
 */
import { Effect, Layer, Scope } from "effect";
import * as Requeue from "../coordination/tasks/Requeue.ts";
import * as TaskQueueNats from "../coordination/tasks/queue/TaskQueueNats.ts";
import * as Tasks from "../coordination/tasks/Tasks.ts";
import { Query } from "../query/Query.ts";

/** Tasks and their queue over the connection; `tenant` is whose. */
export const tasksOf = (options: Tasks.Options) =>
  Tasks.layer(options).pipe(Layer.provide(TaskQueueNats.layer({ tenant: options.tenant })));

/** A tenant's queue is opened when it has the first open task. */
const fill = Effect.gen(function* () {
  const query = yield* Query;
  const scope = yield* Effect.scope;
  const made = new Map<string, Tasks.Tasks["Service"]>();
  return Effect.gen(function* () {
    const open = Map.groupBy(yield* query.openTasks, ({ tenant }) => tenant);
    const broken = Map.groupBy(yield* query.brokenBatches, ({ tenant }) => tenant);
    for (const [tenant, rows] of open) {
      const tasks =
        made.get(tenant) ??
        (yield* Effect.provide(Tasks.Tasks, yield* Layer.build(tasksOf({ tenant })).pipe(Scope.provide(scope))));
      made.set(tenant, tasks);
      yield* tasks.followUp((broken.get(tenant) ?? []).map(({ taskId }) => taskId));
      yield* tasks.requeue(rows.map(({ taskId }) => taskId));
    }
  });
});

export const layer = Layer.effectDiscard(Effect.forkScoped(Effect.flatMap(fill, Requeue.keepFilled)));
