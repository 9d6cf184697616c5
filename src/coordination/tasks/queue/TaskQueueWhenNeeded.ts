/**
 * The work queue for a program that may begin before its server.
 *
 * Room: coordination.
 *
 * A take waits until the server is there, and goes on when it has moved; what has to be known now is `LogUnavailable` as
 * long as it is away. What this process holds it answers for on every connection.
 */
import { Context, Deferred, Effect, Layer } from "effect";
import { backoff } from "../../../publish/delivery/Backoff.ts";
import { Buckets } from "../../bucket/Bucket.ts";
import * as BucketsWhenNeeded from "../../bucket/BucketsWhenNeeded.ts";
import * as ConnectionWhenNeeded from "../../bucket/ConnectionWhenNeeded.ts";
import { type Entry, TaskQueue } from "./TaskQueue.ts";
import * as TaskQueueNats from "./TaskQueueNats.ts";

const make = Effect.fnUntraced(function* (options: ConnectionWhenNeeded.Options & TaskQueueNats.Options) {
  const here = TaskQueueNats.newHolder();
  const there = yield* ConnectionWhenNeeded.make(options, TaskQueueNats.layerOf(options, here));
  const current = Effect.map(there, ({ made }) => Context.get(made, TaskQueue));
  /** Said once and not waited for, as the queue does. */
  const say = (what: (queue: TaskQueue["Service"]) => Effect.Effect<void>) =>
    Effect.ignore(Effect.flatMap(current, what));

  const take = Effect.fnUntraced(function* (agentTypes: ReadonlyArray<string>) {
    for (;;) {
      const { givenUp, made } = yield* there.pipe(Effect.retry(backoff), Effect.orDie);
      const moved = Effect.as(Deferred.await(givenUp), undefined);
      const entry: Entry | undefined = yield* Effect.raceFirst(Context.get(made, TaskQueue).take(agentTypes), moved);
      if (entry !== undefined) return entry;
    }
  });

  const queue = TaskQueue.of({
    put: (task) => Effect.flatMap(current, ({ put }) => put(task)),
    take,
    keep: (entry) => say(({ keep }) => keep(entry)),
    giveBack: (entry, delayMillis) => say(({ giveBack }) => giveBack(entry, delayMillis)),
    withdraw: (task) => say(({ withdraw }) => withdraw(task)),
    done: (entry) => say(({ done }) => done(entry)),
    ...TaskQueueNats.answers(here),
    isHeld: (held) => Effect.flatMap(current, ({ isHeld }) => isHeld(held)).pipe(Effect.orElseSucceed(() => false)),
    missing: (taskIds) => Effect.flatMap(current, ({ missing }) => missing(taskIds)),
  });
  return Context.make(TaskQueue, queue).pipe(Context.add(Buckets, BucketsWhenNeeded.over(there)));
});

/** The queue, and with it the buckets of the same server. */
export const layer = (options: ConnectionWhenNeeded.Options & TaskQueueNats.Options) =>
  Layer.effectContext(make(options));
