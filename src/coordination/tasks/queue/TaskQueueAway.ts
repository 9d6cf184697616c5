/**
 * The work queue over a connection that may be away.
 *
 * Room: coordination.
 *
 * A take waits until the server is there, and goes on when it has moved; what has to be known now is `LogUnavailable` as
 * long as it is away. It answers for entries of this process on every connection.
 */
import { Clock, Context, Deferred, Effect, Layer } from "effect";
import { backoff } from "../../../log/connection/Backoff.ts";
import { SharedConnection } from "../../../log/connection/SharedConnection.ts";
import { Buckets } from "../../bucket/Bucket.ts";
import * as BucketsAway from "../../bucket/BucketsAway.ts";
import { checkedLease } from "../../config/TaskLimits.ts";
import { type Entry, TaskQueue, type Trouble } from "./TaskQueue.ts";
import * as TaskQueueNats from "./TaskQueueNats.ts";

const make = Effect.fnUntraced(function* (options: TaskQueueNats.Options) {
  yield* checkedLease(options.leaseMillis);
  const connections = yield* SharedConnection;
  const here = TaskQueueNats.newHolder();
  const there = connections.over(TaskQueueNats.layerOf(options, here));
  const current = Effect.map(there, ({ made }) => Context.get(made, TaskQueue));
  /** Said once and not waited for, as the queue does. */
  const say = (what: (queue: TaskQueue["Service"]) => Effect.Effect<void>) =>
    Effect.ignore(Effect.flatMap(current, what));

  const take = Effect.fnUntraced(function* (agentTypes: ReadonlyArray<string>, trouble?: (trouble: Trouble) => void) {
    for (;;) {
      const { made, open } = yield* there.pipe(Effect.retry(backoff), Effect.orDie);
      const moved = Effect.asVoid(Effect.ignore(Deferred.await(open.givenUp)));
      const entry: Entry | void = yield* Effect.raceFirst(
        Context.get(made, TaskQueue).take(agentTypes, trouble),
        moved,
      );
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
    now: Effect.flatMap(current, ({ now }) => now).pipe(Effect.catch(() => Clock.currentTimeMillis)),
    incarnation: Effect.flatMap(current, ({ incarnation }) => incarnation),
  });
  return Context.make(TaskQueue, queue).pipe(Context.add(Buckets, BucketsAway.over(there)));
});

/** The queue, and with it the buckets of the same server. */
export const layer = (options: TaskQueueNats.Options) => Layer.effectContext(make(options));
