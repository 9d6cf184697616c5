/**
 * From an address, or from nothing, to tasks: for a program that may begin before its server.
 *
 * Room: coordination.
 *
 * As with `Connect`: never fails because NATS is away, and never waits for it. What is submitted then waits in the data
 * folder's spool; a claim waits; what asks how a task stands is `LogUnavailable`, which says what to do.
 */
import { Effect, Layer } from "effect";
import * as Connect from "../../publish/Connect.ts";
import { checkedLease } from "../config/TaskLimits.ts";
import * as TaskQueueWhenNeeded from "./queue/TaskQueueWhenNeeded.ts";
import * as Tasks from "./Tasks.ts";

export interface Options extends Connect.Options {
  /** How long a worker may be silent. Default: as the queue has it, 30 seconds in a new one. */
  readonly leaseMillis?: number | undefined;
}

export const layer = (options: Options = {}) => {
  const queue = Layer.unwrap(
    Effect.map(Effect.andThen(checkedLease(options.leaseMillis), Connect.placeOf(options)), ({ log }) =>
      TaskQueueWhenNeeded.layer({ ...options, ...log }),
    ),
  );
  return Tasks.layer(options).pipe(
    Layer.provide(queue.pipe(Layer.provide(Connect.folderLayer(options)))),
    Layer.provide(Connect.layer(options)),
  );
};
