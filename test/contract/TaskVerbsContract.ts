/**
 * The promises of what tasks can be asked beside to be run: order, keys, deadlines, deferral, retries by kind of error,
 * logs. One suite for every layer of log and queue; each test has agent types of its own.
 */
import { assert } from "@effect/vitest";
import { Clock, Effect, Fiber, Result, type Scope } from "effect";
import { children } from "../../src/coordination/tasks/TaskChildren.ts";
import { lookInLog } from "../../src/coordination/tasks/Requeue.ts";
import type { TaskQueue } from "../../src/coordination/tasks/queue/TaskQueue.ts";
import { idOf } from "../../src/coordination/config/TaskSchedule.ts";
import * as TaskOccurrence from "../../src/coordination/tasks/TaskOccurrence.ts";
import { Tasks } from "../../src/coordination/tasks/Tasks.ts";
import { work } from "../../src/coordination/tasks/Worker.ts";
import { EventLog } from "../../src/log/EventLog.ts";

type Services = Tasks | TaskQueue | EventLog;
type Tester = (name: string, test: () => Effect.Effect<void, unknown, Services | Scope.Scope>) => void;

const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.result(effect), (result) => Result.getOrThrow(Result.flip(result)));
const claimed = (agentType: string) => Tasks.use((tasks) => tasks.claim({ agentTypes: [agentType] }));
const statusOf = (taskId: string) => Tasks.use((tasks) => Effect.map(tasks.show(taskId), ({ status }) => status));
const isNotHandedOut = (agentType: string) =>
  Effect.map(Effect.timeoutOption(claimed(agentType), 150), ({ _tag }) => assert.strictEqual(_tag, "None"));

export const suite = (test: Tester) => {
  test("begins a task of a batch when those that it names have completed: fan-out, fan-in", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const request = { agentType: "dag" };
      const { taskIds } = yield* tasks.submitBatch([
        request,
        { ...request, after: [0] },
        { ...request, after: [0] },
        { ...request, after: [1, 2] },
      ]);
      const order: Array<string> = [];
      for (let left = taskIds.length; left > 0; left--) {
        const lease = yield* claimed("dag");
        order.push(lease.taskId);
        yield* lease.complete(lease.taskId);
      }
      const [first, second, third, last] = taskIds;
      assert.strictEqual(order[0], first);
      assert.sameMembers(order.slice(1, 3), [second, third]);
      assert.strictEqual(order[3], last);
    }));

  test("cancels what waits for a task that does not complete, and runs it where that was asked for", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const request = { agentType: "dropped" };
      const chain = [request, { ...request, after: [0] }, { ...request, after: [1] }];
      const { taskIds } = yield* tasks.submitBatch(chain);
      const kept = yield* tasks.submitBatch(chain, { whenFailed: "run" });
      for (let left = 2; left > 0; left--) yield* (yield* claimed("dropped")).fail({ type: "Bad" }, { retry: "never" });
      const { error, status } = yield* tasks.result(taskIds[2] ?? "");
      assert.deepStrictEqual([status, error?.type], ["cancelled", "cancelled"]);
      assert.match(error?.message ?? "", /\.1, which it waited for, ended as cancelled/);
      const next = yield* claimed("dropped");
      assert.strictEqual(next.taskId, kept.taskIds[1]);
      yield* next.complete();
      yield* (yield* claimed("dropped")).complete();
      assert.strictEqual((yield* tasks.batch(kept.batchId)).completed, 2);
    }));

  test("waits for tasks outside of a batch, and is found when they have ended behind its back", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const { taskId: first } = yield* tasks.submit({ agentType: "outside" });
      const { taskId } = yield* tasks.submit({ agentType: "outside later" }, { after: [first] });
      yield* isNotHandedOut("outside later");
      yield* (yield* claimed("outside")).complete();
      yield* tasks.followUp([taskId]);
      const lease = yield* claimed("outside later");
      assert.deepStrictEqual(lease.submitted.after, [first]);
      yield* lease.complete();
    }));

  test("refuses a circle, a task that is not there, and rules that cannot be, before anything is written", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const request = { agentType: "refused order" };
      const refusals = [
        tasks.submitBatch([
          { ...request, after: [1] },
          { ...request, after: [0] },
        ]),
        tasks.submitBatch([{ ...request, after: [1] }, request], { atOnce: 1 }),
        tasks.submitBatch([{ ...request, after: [0] }]),
        tasks.submitBatch([{ ...request, after: [2] }, request]),
        tasks.submitBatch([{ ...request, after: ["never"] }]),
        tasks.submit(request, { after: ["never"] }),
        tasks.submit(request, { id: "itself", after: ["itself"] }),
        tasks.submit(request, { id: "both", dedupKey: "both" }),
        tasks.submit(request, { dedupKey: "x".repeat(81) }),
        tasks.submit(request, { startBy: 1, notBefore: 2 }),
        tasks.submit(request, { onError: { Bad: -1 } }),
        tasks.submit(request, { onError: { Bad: "always" as "never" } }),
      ];
      for (const refused of refusals) {
        const failed = failureOf(refused as Effect.Effect<unknown, { readonly _tag: string }>);
        assert.strictEqual((yield* failed)._tag, "InvalidTask");
      }
      const circle = yield* failureOf(
        tasks.submitBatch([
          { ...request, after: [1] },
          { ...request, after: [0] },
        ]),
      );
      assert.match(circle.message, /wait for each other: 0 after 1 after 0/);
    }));

  test("keeps one open task per key: the same while it is open, the next one when it has ended", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const submit = tasks.submit({ agentType: "keyed" }, { dedupKey: "user 42" });
      const all = yield* Effect.replicateEffect(submit, 8, { concurrency: 8 });
      assert.deepStrictEqual([...new Set(all.map(({ taskId }) => taskId))], ["keyed/user 42#1"]);
      assert.strictEqual(all.filter(({ isNew }) => isNew).length, 1);
      const ids: Array<string> = [];
      for (let turn = 0; turn < 5; turn++) {
        const lease = yield* claimed("keyed");
        ids.push(lease.taskId);
        assert.isFalse((yield* submit).isNew);
        yield* lease.complete();
        assert.isTrue((yield* submit).isNew);
      }
      assert.deepStrictEqual(
        ids,
        [1, 2, 3, 4, 5].map((number) => `keyed/user 42#${number}`),
      );
      yield* tasks.cancel("keyed/user 42#6");
      assert.deepInclude(yield* tasks.retry("keyed/user 42#6"), { taskId: "keyed/user 42#7", isNew: true });
      assert.deepInclude(yield* submit, { taskId: "keyed/user 42#7", isNew: false });
      assert.isTrue((yield* tasks.submit({ agentType: "keyed otherwise" }, { dedupKey: "user 42" })).isNew);
      // Type and key are apart, whatever is in them.
      assert.isTrue((yield* tasks.submit({ agentType: "a/b" }, { dedupKey: "c" })).isNew);
      assert.isTrue((yield* tasks.submit({ agentType: "a" }, { dedupKey: "b/c" })).isNew);
    }));

  test("fails a task that has not begun in time as expired, with a worker or without, and never one that has begun", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const now = yield* Clock.currentTimeMillis;
      const begun = yield* tasks.submit({ agentType: "in time" }, { startBy: now + 60_000 });
      const lease = yield* claimed("in time");
      yield* lease.complete();
      const late = yield* tasks.submit({ agentType: "expires" }, { startBy: now - 1 });
      const claiming = yield* Effect.forkChild(claimed("expires"));
      const ended = yield* tasks.result(late.taskId);
      yield* Fiber.interrupt(claiming);
      assert.deepInclude(ended, { status: "failed", deadLetter: false });
      assert.strictEqual(ended.error?.type, "expired");
      assert.strictEqual(yield* statusOf(begun.taskId), "completed");
      // In the queue, and nobody works.
      const alone = yield* tasks.submit({ agentType: "expires alone" }, { startBy: now + 60_000, id: "alone in time" });
      const look = yield* lookInLog();
      assert.notInclude((yield* look).overdue, alone.taskId);
      const soon = yield* tasks.submit(
        { agentType: "expires alone" },
        { startBy: (yield* Clock.currentTimeMillis) + 50 },
      );
      yield* Effect.repeat(
        Effect.flatMap(look, ({ overdue }) => tasks.followUp(overdue)),
        { until: () => Effect.map(Effect.orDie(statusOf(soon.taskId)), (status) => status === "failed") },
      );
      assert.strictEqual((yield* tasks.show(soon.taskId)).error?.type, "expired");
    }));

  test("gives a task back for a while at no attempt, however often", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const { taskId } = yield* tasks.submit({ agentType: "deferred" }, { maxAttempts: 1 });
      for (let turn = 0; turn < 3; turn++) {
        const lease = yield* claimed("deferred");
        assert.strictEqual(lease.attempt, 1);
        yield* lease.defer(30, "not now");
        assert.strictEqual((yield* failureOf(lease.complete()))._tag, "LeaseLost");
      }
      assert.deepInclude(yield* tasks.show(taskId), { status: "pending", attempt: 0 });
      const lease = yield* claimed("deferred");
      assert.strictEqual((yield* failureOf(lease.defer(-1)))._tag, "InvalidTask");
      yield* lease.complete();
    }));

  test("a worker defers by what its function throws, and tries by the kind of error", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const onError = { Bad: "never", Busy: 1 } as const;
      const submit = (message: string) =>
        tasks.submit({ agentType: "thrown", message }, { onError, maxAttempts: 2, backoffMillis: 600_000 });
      const [later, bad, busy] = yield* Effect.forEach(["later", "Bad", "Busy"], submit);
      const seen: Array<string> = [];
      const working = yield* Effect.forkChild(
        work({
          agentTypes: ["thrown"],
          run: ({ request: { message = "" } }) =>
            Effect.suspend(() => {
              seen.push(message ?? "");
              if (message !== "later") return Effect.fail({ type: message ?? "" });
              return seen.filter((one) => one === "later").length > 1
                ? Effect.succeed("done")
                : Effect.fail({ type: "TaskDeferred", message: "not now", deferMillis: 5 });
            }),
        }),
      );
      const ends = yield* Effect.forEach([later, bad, busy], (one) => tasks.result(one?.taskId ?? ""));
      yield* Fiber.interrupt(working);
      assert.deepStrictEqual(
        ends.map(({ attempt, deadLetter, status }) => [status, attempt, deadLetter]),
        [
          ["completed", 1, false],
          ["failed", 1, false],
          ["failed", 2, true],
        ],
      );
    }));

  test("claims nothing of a queue that is paused, and all of it when it is resumed", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      yield* tasks.submit({ agentType: "paused / queue" });
      assert.deepStrictEqual(yield* tasks.setQueue("paused / queue", { paused: true }), { paused: true });
      yield* isNotHandedOut("paused / queue");
      yield* tasks.submit({ agentType: "not paused" });
      const other = yield* tasks.claim({ agentTypes: ["paused / queue", "not paused"] });
      assert.strictEqual(other.submitted.request.agentType, "not paused");
      yield* other.complete();
      const claiming = yield* Effect.forkChild(claimed("paused / queue"), { startImmediately: true });
      assert.deepStrictEqual(yield* tasks.setQueue("paused / queue", { paused: null }), {});
      yield* (yield* Fiber.join(claiming)).complete();
      assert.isFalse((yield* tasks.queues).has("paused / queue"));
    }));

  test("refuses what is submitted to a queue that is drained, and works on what it has", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      yield* tasks.submit({ agentType: "drained" });
      yield* tasks.setQueue("drained", { draining: true });
      const refused = [
        failureOf(tasks.submit({ agentType: "drained" })),
        failureOf(tasks.submitBatch([{ agentType: "other" }, { agentType: "drained" }])),
      ];
      for (const one of refused) assert.match((yield* one).message, /is drained.*recollect tasks queue resume drained/);
      yield* (yield* claimed("drained")).complete();
      yield* tasks.setQueue("drained", { draining: false });
      assert.isTrue((yield* tasks.submit({ agentType: "drained" })).isNew);
    }));

  test("begins no more tasks in a window than the rate of their queue says, however many claim", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const windowMillis = 700;
      yield* tasks.setQueue("rated", { rate: { limit: 2, windowMillis } });
      const began = yield* Clock.currentTimeMillis;
      const { taskIds } = yield* tasks.submitBatch(Array.from({ length: 5 }, () => ({ agentType: "rated" })));
      const begun = yield* Effect.forEach(
        taskIds,
        () => Effect.flatMap(claimed("rated"), (lease) => Effect.as(lease.complete(), lease.token)),
        { concurrency: 3 },
      );
      const log = yield* EventLog;
      const times: Array<number> = [];
      for (const token of begun.toSorted((one, other) => one - other)) {
        const entry = yield* log.at(token);
        times.push(entry?.recordedAt ?? 0);
      }
      // None was counted before they were there.
      for (const at of [2, 3, 4]) assert.isAtLeast(times[at] ?? 0, began + Math.floor(at / 2) * windowMillis);
    }));

  test("submits an occurrence of a schedule beside its last task, behind it, in its place, or not, as it says", () =>
    Effect.gen(function* () {
      const from = Math.floor((yield* Clock.currentTimeMillis) / 1_000) * 1_000;
      const at = (number: number) => from + number * 1_000;
      const statuses = (name: string, ...numbers: ReadonlyArray<number>) =>
        Effect.forEach(numbers, (number) =>
          Effect.orElseSucceed(statusOf(idOf(name, at(number))), () => "none" as const),
        );
      for (const overlap of ["all", "skip", "queue", "replace"] as const) {
        const request = { agentType: `overlap ${overlap}` };
        const schedule = { request, everyMillis: 1_000, from, missed: "skip", paused: false, overlap } as const;
        // Two processes, of which one sees each occurrence later.
        const both = [yield* TaskOccurrence.make, yield* TaskOccurrence.make];
        const occur = (number: number) =>
          Effect.forEach(both, ({ submit }) => submit(overlap, schedule, at(number)), { discard: true });
        yield* occur(1);
        const lease = yield* claimed(request.agentType);
        yield* occur(2);
        yield* occur(3);
        const seen = yield* statuses(overlap, 1, 2, 3);
        const expected = {
          all: ["running", "pending", "pending"],
          skip: ["running", "none", "none"],
          queue: ["running", "pending", "none"],
          replace: ["cancelled", "cancelled", "pending"],
        }[overlap];
        assert.deepStrictEqual(seen, expected, overlap);
        if (overlap === "replace") {
          assert.strictEqual((yield* failureOf(lease.complete()))._tag, "LeaseLost");
          continue;
        }
        if (overlap === "queue") yield* isNotHandedOut(request.agentType);
        yield* lease.fail({ type: "Bad" }, { retry: "never" });
        yield* occur(4);
        const last = overlap === "queue" ? ["failed", "pending", "none", "none"] : undefined;
        if (last !== undefined) assert.deepStrictEqual(yield* statuses(overlap, 1, 2, 3, 4), last);
        if (overlap === "skip") assert.deepStrictEqual(yield* statuses(overlap, 2, 3, 4), ["none", "none", "pending"]);
      }
    }));

  test("submits the children of a task once over all its attempts, and gives their results to each", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const runs: Array<ReadonlyArray<unknown>> = [];
      const { taskId } = yield* tasks.submit({ agentType: "parent" }, { backoffMillis: 1 });
      const workers = [
        work({ agentTypes: ["child"], run: ({ request }) => Effect.succeed(request.message) }),
        work({
          agentTypes: ["parent"],
          run: (parent) =>
            Effect.gen(function* () {
              const requests = ["a", "b"].map((message) => ({ agentType: "child", message }));
              const ended = yield* Effect.orDie(children(parent.taskId, requests));
              runs.push(ended.map(({ output }) => output));
              if (parent.attempt === 1) return yield* Effect.fail({ type: "Once" });
              return "both";
            }),
        }),
      ];
      const working = yield* Effect.forEach(workers, (one) => Effect.forkChild(one));
      assert.strictEqual((yield* tasks.result(taskId)).output, "both");
      yield* Effect.forEach(working, Fiber.interrupt);
      assert.deepStrictEqual(runs, [
        ["a", "b"],
        ["a", "b"],
      ]);
      assert.strictEqual((yield* tasks.batch(`${taskId}/children`)).size, 2);
    }));
};
