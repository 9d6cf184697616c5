/** The promises of `TaskQueue`, as one suite for every layer. The lease is `leaseMillis`; each test has agent types of its own. */
import { assert } from "@effect/vitest";
import { Effect, Fiber } from "effect";
import { TaskQueue } from "../../src/coordination/tasks/queue/TaskQueue.ts";

/** Long enough for a round trip to a busy server, short enough to be waited for. */
export const leaseMillis = 1_000;

type Tester = (name: string, test: () => Effect.Effect<void, unknown, TaskQueue>) => void;

const put = (agentType: string, taskId: string, priority: "high" | "normal" | "low" = "normal") =>
  TaskQueue.use((queue) => queue.put({ taskId, agentType, priority }));

const taken = (...agentTypes: ReadonlyArray<string>) => TaskQueue.use((queue) => queue.take(agentTypes));
const takenId = (...agentTypes: ReadonlyArray<string>) => Effect.map(taken(...agentTypes), ({ taskId }) => taskId);

export const suite = (test: Tester) => {
  test("gives the most urgent entry first, of equally urgent ones the oldest, and only of the types asked for", () =>
    Effect.gen(function* () {
      yield* put("order", "low", "low");
      yield* put("order", "first");
      yield* put("order", "second");
      yield* put("order", "urgent", "high");
      yield* put("other order", "other", "high");
      const ids = yield* Effect.replicateEffect(takenId("order"), 4);
      assert.deepStrictEqual(ids, ["urgent", "first", "second", "low"]);
      assert.strictEqual(yield* takenId("order", "other order"), "other");
    }));

  test("tells what was known of a task when it was put in, and only at its first handing out", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      const submitted = { request: { agentType: "known", message: "é" }, queue: { priority: "high" } } as const;
      const known = { upTo: 7, submitted };
      yield* queue.put({ taskId: "told", agentType: "known", priority: "high", known });
      const entry = yield* queue.take(["known", "other"]);
      assert.deepInclude(entry, { taskId: "told", agentType: "known", known });
      yield* queue.giveBack(entry, 0);
      assert.isUndefined((yield* queue.take(["known"])).known);
      // What is too much for an entry is left to the log.
      const large = {
        upTo: 8,
        submitted: { ...submitted, request: { agentType: "known", message: "x".repeat(9_000) } },
      };
      yield* queue.put({ taskId: "large", agentType: "known", priority: "high", known: large });
      assert.strictEqual((yield* queue.take(["known"])).taskId, "large");
    }));

  test("has a task at most once, however often it is put in, also while it is handed out", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      const id = "once / 🙂 . >";
      yield* put("once", id);
      yield* put("once", id);
      const entry = yield* taken("once");
      assert.strictEqual(entry.taskId, id);
      yield* put("once", id);
      yield* put("once", "next");
      assert.strictEqual(yield* takenId("once"), "next");
      yield* queue.done(entry);
      // What is done may be put in again, as a task that was given up by mistake would be.
      yield* Effect.repeat(put("once", id), { until: (isNew) => isNew });
      assert.strictEqual(yield* takenId("once"), id);
    }));

  test("waits for an entry that comes later", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(takenId("later"), { startImmediately: true });
      yield* put("later", "comes");
      assert.strictEqual(yield* Fiber.join(fiber), "comes");
    }));

  test("hands out again what is silent for a whole lease, and not what is kept", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      yield* put("lapse", "silent");
      yield* put("lapse", "kept");
      yield* taken("lapse");
      const kept = yield* taken("lapse");
      const beating = yield* Effect.forkChild(
        Effect.forever(Effect.andThen(queue.keep(kept), Effect.sleep(leaseMillis / 4))),
      );
      assert.strictEqual(yield* takenId("lapse"), "silent");
      assert.strictEqual(yield* takenId("lapse"), "silent");
      yield* Fiber.interrupt(beating);
      const again = [yield* takenId("lapse"), yield* takenId("lapse")];
      assert.sameMembers(again, ["silent", "kept"]);
    }));

  test("hands out at once what was given back, and after its delay what was given back for later", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      yield* put("back", "much later");
      yield* queue.giveBack(yield* taken("back"), 3_600_000);
      yield* put("back", "now");
      const now = yield* taken("back");
      assert.strictEqual(now.taskId, "now");
      yield* queue.giveBack(now, 0);
      const again = yield* taken("back");
      assert.strictEqual(again.taskId, "now");
      yield* queue.giveBack(again, leaseMillis / 4);
      assert.strictEqual(yield* takenId("back"), "now");
    }));

  test("hands out no more what is done", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      yield* put("done", "is done");
      yield* queue.done(yield* taken("done"));
      const nothing = yield* Effect.timeoutOption(taken("done"), leaseMillis * 1.5);
      assert.strictEqual(nothing._tag, "None");
    }));

  test("hands out no more what was withdrawn, whether it waited or was handed out, and takes it in again", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      const named = (taskId: string) => ({ taskId, agentType: "withdrawn", priority: "normal" }) as const;
      yield* queue.withdraw(named("never there"));
      yield* put("withdrawn", "handed out");
      const entry = yield* taken("withdrawn");
      yield* put("withdrawn", "waits");
      yield* put("withdrawn", "stays");
      yield* queue.withdraw(named("handed out"));
      yield* queue.withdraw(named("waits"));
      // The last to be withdrawn is gone, and it can be put in again.
      yield* Effect.repeat(put("withdrawn", "waits"), { until: (isNew) => isNew });
      yield* queue.giveBack(entry, 0);
      assert.deepStrictEqual([yield* takenId("withdrawn"), yield* takenId("withdrawn")], ["stays", "waits"]);
      assert.isTrue(yield* put("withdrawn", "handed out"));
    }));

  test("keeps no entry from others for a take that was interrupted", () =>
    Effect.gen(function* () {
      const gone = yield* Effect.forkChild(taken("gone"), { startImmediately: true });
      // It has asked the server when an entry of another type that came later has gone the same way.
      const other = yield* Effect.forkChild(takenId("gone", "probe"), { startImmediately: true });
      yield* put("probe", "p");
      yield* Fiber.join(other);
      yield* Fiber.interrupt(gone);
      yield* put("gone", "left");
      assert.strictEqual(yield* Effect.timeout(takenId("gone"), leaseMillis * 0.9), "left");
    }));

  test("says of a task that is put in whether it was not there, waiting or handed out", () =>
    Effect.gen(function* () {
      assert.isTrue(yield* put("there", "t"));
      assert.isFalse(yield* put("there", "t"));
      yield* taken("there");
      assert.isFalse(yield* put("there", "t"));
    }));

  test("answers for what this process holds, and for nothing that nobody holds", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      const { holder } = queue;
      yield* queue.hold(7);
      assert.isTrue(yield* queue.isHeld({ holder, token: 7 }));
      assert.isFalse(yield* queue.isHeld({ holder, token: 8 }));
      for (const nobody of ["nobody", "", ">", "no subject", "x 0\r\n\r\nPUB y 0\r\n\r\n"]) {
        assert.isFalse(yield* queue.isHeld({ holder: nobody, token: 7 }));
      }
      yield* queue.letGo(7);
      assert.isFalse(yield* queue.isHeld({ holder, token: 7 }));
    }));
};
