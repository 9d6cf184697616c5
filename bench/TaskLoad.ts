/** Tasks from their submission to their end, with nothing to do in between: what the queue itself costs. */
import { Effect, Fiber, Layer } from "effect";
import * as TaskQueueNats from "../src/coordination/tasks/queue/TaskQueueNats.ts";
import * as Tasks from "../src/coordination/tasks/Tasks.ts";
import { work } from "../src/coordination/tasks/Worker.ts";
import { EventLog } from "../src/log/EventLog.ts";
import { perSecond } from "./Harness.ts";

/** submitted, claimed, completed. */
const eventsOfTask = 3;
/** How often it is asked whether all have ended. */
const lookMillis = 2;
/** What an agent is asked to do, 280 bytes. */
export const message = "look at the last commit ".repeat(12).slice(0, 280);

export const tasksOn = Tasks.layer({ source: "bench" }).pipe(Layer.provide(TaskQueueNats.layer()));

export interface Load {
  readonly tasks: number;
  readonly submitters: number;
  readonly workers: number;
}

/** Tasks a second, from the first submission until the log has the end of each. The workers wait when it begins. */
export const throughput = Effect.fnUntraced(function* (load: Load, agentType: string) {
  const log = yield* EventLog;
  const tasks = yield* Tasks.Tasks;
  const before = (yield* log.info).lastSequence;
  const target = before + load.tasks * eventsOfTask;
  const run = () => Effect.succeed({ done: true });
  const working = yield* Effect.forkChild(work({ agentTypes: [agentType], concurrency: load.workers, run }));
  const submitted = Effect.forEach(Array.from({ length: load.tasks }), () => tasks.submit({ agentType, message }), {
    concurrency: load.submitters,
    discard: true,
  });
  const ended = Effect.repeat(Effect.delay(log.info, lookMillis), { until: (info) => info.lastSequence >= target });
  const figure = yield* perSecond(load.tasks, Effect.andThen(submitted, ended));
  yield* Fiber.interrupt(working);
  return figure;
});
