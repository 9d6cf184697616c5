import { assert, describe, it, layer } from "@effect/vitest";
import { Context, Effect, Fiber, Layer } from "effect";
import { TaskQueue, type Trouble } from "../../src/coordination/tasks/queue/TaskQueue.ts";
import * as TaskQueueMemory from "../../src/coordination/tasks/queue/TaskQueueMemory.ts";
import * as TaskPullNats from "../../src/coordination/tasks/queue/TaskPullNats.ts";
import * as TaskQueueNats from "../../src/coordination/tasks/queue/TaskQueueNats.ts";
import { NatsConnection } from "../../src/log/connection/NatsConnectionNats.ts";
import { leaseMillis, suite } from "../contract/TaskQueueContract.ts";
import { logOnServer } from "../log/natsLayers.ts";
import { until } from "../publish/World.ts";

describe("the order in which priorities are asked", () => {
  it("is that of their urgency, but one that was kept waiting for ten seconds comes first", () => {
    const lanes = (lowAskedAt: number) =>
      TaskPullNats.inOrder(
        [
          { priority: "low", askedAt: lowAskedAt },
          { priority: "normal", askedAt: 19_000 },
          { priority: "high", askedAt: 19_999 },
          { priority: "high", askedAt: 19_998 },
        ],
        20_000,
      ).map(({ askedAt, priority }) => `${priority} ${askedAt}`);
    assert.deepStrictEqual(lanes(10_001), ["high 19998", "high 19999", "normal 19000", "low 10001"]);
    assert.deepStrictEqual(lanes(9_999), ["low 9999", "high 19998", "high 19999", "normal 19000"]);
  });
});

layer(TaskQueueMemory.layer({ leaseMillis }), { excludeTestServices: true })("the task queue in memory", (it) =>
  suite((name, test) => it.effect(name, test)),
);

const onServer = TaskQueueNats.layer({ leaseMillis }).pipe(Layer.provideMerge(logOnServer()));

layer(onServer, { excludeTestServices: true })("the task queue on JetStream", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("is one for each tenant", () =>
    Effect.gen(function* () {
      const ours = yield* TaskQueue;
      const theirs = Context.get(yield* Layer.build(TaskQueueNats.layer({ tenant: "they", leaseMillis })), TaskQueue);
      yield* ours.put({ taskId: "ours", agentType: "shared", priority: "normal" });
      yield* theirs.put({ taskId: "theirs", agentType: "shared", priority: "normal" });
      assert.strictEqual((yield* theirs.take(["shared"])).taskId, "theirs");
      assert.strictEqual((yield* ours.take(["shared"])).taskId, "ours");
      assert.isTrue(yield* theirs.put({ taskId: "ours", agentType: "shared", priority: "normal" }));
    }),
  );

  it.effect("has a consumer for each priority that an agent type has tasks of, which goes when nobody asks it", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      const { jsm } = yield* NatsConnection;
      const consumers = Effect.promise(async () => {
        const found: Array<number | undefined> = [];
        for await (const { config } of jsm.consumers.list(TaskQueueNats.streamName)) {
          if (config.filter_subject?.includes(".lanes.")) found.push(config.inactive_threshold);
        }
        return found;
      });
      const put = (taskId: string, priority: "high" | "normal") => queue.put({ taskId, agentType: "lanes", priority });
      yield* put("first", "normal");
      assert.strictEqual((yield* queue.take(["lanes"])).taskId, "first");
      assert.deepStrictEqual(yield* consumers, [300e9]);
      // One that waits hears of a lane that it has not opened.
      const waiting = yield* Effect.forkChild(queue.take(["lanes"]), { startImmediately: true });
      yield* put("urgent", "high");
      assert.strictEqual((yield* Fiber.join(waiting)).taskId, "urgent");
      assert.deepStrictEqual(yield* consumers, [300e9, 300e9]);
    }),
  );

  it.effect("tells those who wait why an agent type cannot be asked for", () =>
    Effect.gen(function* () {
      const { jsm } = yield* NatsConnection;
      // A stream of another kind has its name: no consumer of ours can be made there.
      const taken = yield* Effect.promise(() => jsm.streams.delete(TaskQueueNats.streamName));
      assert.isTrue(taken);
      yield* Effect.promise(() =>
        jsm.streams.add({ name: TaskQueueNats.streamName, subjects: ["elsewhere"], max_consumers: 1 }),
      );
      yield* Effect.promise(() =>
        jsm.consumers.add(TaskQueueNats.streamName, { durable_name: "theirs", ack_policy: "explicit" }),
      );
      const queue = yield* TaskQueue;
      const told: Array<Trouble> = [];
      const waiting = yield* Effect.forkChild(
        queue.take(["troubled"], (trouble) => told.push(trouble)),
        { startImmediately: true },
      );
      yield* until(Effect.sync(() => told.length > 0));
      assert.strictEqual(told[0]?.agentType, "troubled");
      assert.match(told[0]?.reason ?? "", /consumer/);
      yield* Fiber.interrupt(waiting);
      yield* Effect.promise(() => jsm.streams.delete(TaskQueueNats.streamName));
      // The queue is there again, for whoever comes next.
      yield* queue.incarnation;
    }),
  );

  it.effect("takes a holder that is connected and does not answer for one that works, until it is gone", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      const { nc } = yield* NatsConnection;
      // As a process whose handler keeps its thread: the server has its subscription, and nobody answers.
      const holder = crypto.randomUUID();
      const subscription = nc.subscribe(`recollect-holder.${holder}`, { callback: () => undefined });
      assert.isTrue(yield* queue.isHeld({ holder, token: 7 }));
      subscription.unsubscribe();
      assert.isFalse(yield* queue.isHeld({ holder, token: 7 }));
    }),
  );

  it.effect("keeps its connection when it is asked for a holder whose name is longer than a server takes", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      const { link, nc } = yield* NatsConnection;
      let isLost = false;
      link.onLost(() => (isLost = true));
      assert.isFalse(yield* queue.isHeld({ holder: "x".repeat(10_000), token: 7 }));
      yield* Effect.promise(() => nc.flush().catch(() => undefined));
      assert.isFalse(isLost);
    }),
  );

  it.effect("is made again when it was deleted under those who wait, and settles nothing by an old receipt", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      const { jsm } = yield* NatsConnection;
      const deleted = Effect.promise(() => jsm.streams.delete(TaskQueueNats.streamName));
      // Each task is the first one of its queue, so that only what the queue begins with tells them apart.
      yield* deleted;
      yield* queue.put({ taskId: "old", agentType: "deleted", priority: "normal" });
      const old = yield* queue.take(["deleted"]);
      const waiting = yield* Effect.forkChild(queue.take(["deleted"]), { startImmediately: true });
      const before = yield* queue.incarnation;
      assert.strictEqual(yield* queue.incarnation, before);
      yield* deleted;
      assert.notStrictEqual(yield* queue.incarnation, before);
      yield* queue.put({ taskId: "new", agentType: "deleted", priority: "normal" });
      const entry = yield* Fiber.join(waiting);
      assert.strictEqual(entry.taskId, "new");
      yield* queue.done(old);
      yield* queue.giveBack(entry, 0);
      const again = yield* Effect.timeout(queue.take(["deleted"]), leaseMillis * 5);
      assert.strictEqual(again.taskId, "new");
      assert.isFalse(yield* queue.put({ taskId: "new", agentType: "deleted", priority: "normal" }));
    }),
  );
});
