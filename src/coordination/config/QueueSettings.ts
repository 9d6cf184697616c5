/**
 * Settings of a queue, the tasks of one agent type: pause, refusal of new tasks, rate limit.
 *
 * Room: coordination.
 */
import { Schema } from "effect";
import { maybe } from "../../domain/thread/Content.ts";

const count = (most: number) => Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: most }));

/** So many tasks begin in any window of so many milliseconds, over all workers. */
export const QueueRate = Schema.Struct({
  limit: count(1_000_000),
  windowMillis: count(24 * 3_600_000),
});
export type QueueRate = typeof QueueRate.Type;

export const QueueSettings = Schema.Struct({
  /** True: no task is claimed; those that run go on. */
  paused: maybe(Schema.Boolean),
  /** True: no task is submitted; those that wait are worked on. */
  draining: maybe(Schema.Boolean),
  rate: maybe(QueueRate),
});
export type QueueSettings = typeof QueueSettings.Type;

/** An agent type: any printable text, as it is a line of lists. */
export const queueName = /^[^\p{C}]+$/u;
