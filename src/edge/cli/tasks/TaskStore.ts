/**
 * The access of task commands to tasks.
 *
 * Room: edge.
 */
import { Effect, Layer } from "effect";
import * as TaskQueueNats from "../../../coordination/tasks/queue/TaskQueueNats.ts";
import * as Tasks from "../../../coordination/tasks/Tasks.ts";
import { configuration } from "../coordination/Config.ts";

/** Source of the events of these commands. */
const source = "recollect tasks";

/** Runs a handler with tasks and their queue, over the store's own connection, and with the folder's configuration. */
export const withTasks = <A, E, R>(handler: Effect.Effect<A, E, R>, whose: string) =>
  Effect.flatMap(configuration(whose), (configured) =>
    Effect.provide(
      handler,
      Tasks.layer({ tenant: whose, source }).pipe(
        Layer.provide(TaskQueueNats.layer({ tenant: whose })),
        Layer.provide(configured),
      ),
    ),
  );
