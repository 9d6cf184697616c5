/**
 * The work queue in memory: the same promises without a server, for one process.
 *
 * Room: coordination.
 */
import { Clock, Effect, Layer, Random } from "effect";
import * as BucketMemory from "../../bucket/BucketMemory.ts";
import { defaultLeaseMillis, type Entry, priorities, TaskQueue, type Waiting } from "./TaskQueue.ts";

export interface Options {
  readonly leaseMillis?: number | undefined;
}

interface Item extends Waiting {
  /** Order of arrival. */
  readonly number: number;
  /** Earliest time of its delivery, epoch milliseconds; moves with every lease and delay. */
  freeAt: number;
  /** Number of its deliveries: an older receipt settles nothing. */
  handedOut: number;
}

const isBefore = (one: Item, other: Item): boolean => {
  const urgency = priorities.indexOf(one.priority) - priorities.indexOf(other.priority);
  return urgency < 0 || (urgency === 0 && one.number < other.number);
};

const make = Effect.fnUntraced(function* ({ leaseMillis = defaultLeaseMillis }: Options) {
  const items = new Map<string, Item>();
  const held = new Set<number>();
  const waiting = new Set<() => void>();
  const holder = (yield* Random.Random).nextDoubleUnsafe().toString(36).slice(2);
  let last = 0;

  const wake = () => {
    const wakes = [...waiting];
    waiting.clear();
    for (const one of wakes) one();
  };
  const changed = Effect.callback<void>((resume) => {
    const one = () => resume(Effect.void);
    waiting.add(one);
    return Effect.sync(() => waiting.delete(one));
  });
  /** Acts on the entry, unless it was handed out again meanwhile. */
  const on = (entry: Entry, act: (item: Item, now: number) => void) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const item = items.get(entry.taskId);
      if (item === undefined || entry.receipt !== `${item.number} ${item.handedOut}`) return;
      act(item, now);
      wake();
    });

  const take = Effect.fnUntraced(function* (agentTypes: ReadonlyArray<string>) {
    for (;;) {
      const now = yield* Clock.currentTimeMillis;
      let first: Item | undefined;
      let next = Infinity;
      for (const item of items.values()) {
        if (!agentTypes.includes(item.agentType)) continue;
        if (item.freeAt > now) next = Math.min(next, item.freeAt);
        else if (first === undefined || isBefore(item, first)) first = item;
      }
      if (first !== undefined) {
        first.freeAt = now + leaseMillis;
        first.handedOut++;
        const { agentType, handedOut, number, taskId } = first;
        const known = handedOut === 1 ? first.known : undefined;
        return { taskId, agentType, known, receipt: `${number} ${handedOut}`, leaseMillis };
      }
      yield* next === Infinity ? changed : Effect.race(changed, Effect.sleep(next - now));
    }
  });

  return TaskQueue.of({
    put: (task) =>
      Effect.sync(() => {
        if (items.has(task.taskId)) return false;
        items.set(task.taskId, { ...task, number: ++last, freeAt: 0, handedOut: 0 });
        wake();
        return true;
      }),
    take,
    keep: (entry) =>
      on(entry, (item, now) => {
        item.freeAt = now + leaseMillis;
      }),
    giveBack: (entry, delayMillis) =>
      on(entry, (item, now) => {
        item.freeAt = now + delayMillis;
      }),
    withdraw: ({ taskId }) => Effect.sync(() => void items.delete(taskId)),
    done: (entry) => on(entry, (item) => items.delete(item.taskId)),
    holder,
    hold: (token) => Effect.sync(() => void held.add(token)),
    letGo: (token) => Effect.sync(() => void held.delete(token)),
    isHeld: (one) => Effect.sync(() => one.holder === holder && held.has(one.token)),
    now: Clock.currentTimeMillis,
    incarnation: Effect.succeed("the only one"),
  });
});

export const layer = (options: Options = {}) => Layer.merge(Layer.effect(TaskQueue, make(options)), BucketMemory.layer);
