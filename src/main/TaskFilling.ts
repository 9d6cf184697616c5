/**
 * The daemon keeps the task queue filled, for every tenant that has open tasks.
 *
 * Room: main.
 */
import { Clock, Effect, Layer, Scope } from "effect";
import * as Requeue from "../coordination/tasks/Requeue.ts";
import * as TaskQueueNats from "../coordination/tasks/queue/TaskQueueNats.ts";
import * as Tasks from "../coordination/tasks/Tasks.ts";
import { delayHorizonMillis } from "../coordination/tasks/TaskLease.ts";
import { maxOpenTasks, type OpenTask, Query } from "../query/Query.ts";

/** Tasks and their queue over the connection; `tenant` is whose. */
export const tasksOf = (options: Tasks.Options) =>
  Tasks.layer(options).pipe(Layer.provide(TaskQueueNats.layer({ tenant: options.tenant })));

/**
 * Fills the queues. Due tasks come first, whatever else waits: of a look it takes what came due since the one before. Then a
 * piece of all open tasks, each look the next one, so that a backlog of any size of any tenant holds up no other.
 * A tenant's queue is opened when it has the first open task.
 */
const fill = Effect.gen(function* () {
  const query = yield* Query;
  const scope = yield* Effect.scope;
  const made = new Map<string, Tasks.Tasks["Service"]>();
  let dueFrom = 0;
  let after = 0;
  const tasksFor = Effect.fnUntraced(function* (tenant: string) {
    const tasks =
      made.get(tenant) ??
      (yield* Effect.provide(Tasks.Tasks, yield* Layer.build(tasksOf({ tenant })).pipe(Scope.provide(scope))));
    made.set(tenant, tasks);
    return tasks;
  });
  const requeue = Effect.fnUntraced(function* (open: ReadonlyArray<OpenTask>) {
    for (const [tenant, rows] of Map.groupBy(open, (row) => row.tenant)) {
      yield* (yield* tasksFor(tenant)).requeue(rows.map(({ taskId }) => taskId));
    }
  });
  return Effect.gen(function* () {
    const dueBefore = (yield* Clock.currentTimeMillis) + delayHorizonMillis;
    const due = yield* query.tasksDue({ from: dueFrom, to: dueBefore });
    const open = yield* query.openTasks({ dueBefore, after });
    for (const [tenant, rows] of Map.groupBy(yield* query.brokenBatches, (row) => row.tenant)) {
      yield* (yield* tasksFor(tenant)).followUp(rows.map(({ taskId }) => taskId));
    }
    yield* requeue(due);
    // Only what could be put in was looked at: what failed is looked at again.
    dueFrom = dueBefore;
    yield* requeue(open);
    after = open.length < maxOpenTasks ? 0 : (open.at(-1)?.firstSequence ?? 0);
  });
});

export const layer = Layer.effectDiscard(Effect.forkScoped(Effect.flatMap(fill, Requeue.keepFilled)));
