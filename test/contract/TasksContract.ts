/**
 * The promises of `Tasks` and of `work`, as one suite for every layer of log and queue. The lease is `leaseMillis`; each
 * test has agent types of its own.
 */
import { assert } from "@effect/vitest";
import { Clock, Deferred, Effect, Fiber, Queue, Result, type Scope, Stream } from "effect";
import type { RecordedEvent } from "../../src/domain/Event.ts";
import { task as historyOf } from "../../src/domain/History.ts";
import type { LeaseLost } from "../../src/domain/task/Task.ts";
import { Buckets, keyOf } from "../../src/coordination/bucket/Bucket.ts";
import { Configuration } from "../../src/coordination/config/Configuration.ts";
import { lookInLog, openInLog } from "../../src/coordination/tasks/Requeue.ts";
import type { TaskLease } from "../../src/coordination/tasks/TaskLease.ts";
import { TaskQueue } from "../../src/coordination/tasks/queue/TaskQueue.ts";
import { keepScheduled } from "../../src/coordination/tasks/TaskScheduler.ts";
import { idOf, type TaskSchedule } from "../../src/coordination/config/TaskSchedule.ts";
import { Tasks } from "../../src/coordination/tasks/Tasks.ts";
import { settings as slotSettings } from "../../src/coordination/tasks/queue/TaskSlots.ts";
import { work } from "../../src/coordination/tasks/Worker.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { compose } from "../../src/publish/write/NewEvent.ts";
import { writing } from "../support/writing.ts";

export const leaseMillis = 1_000;

type Services = Tasks | TaskQueue | EventLog | Configuration | Buckets;
type Tester = (name: string, test: () => Effect.Effect<void, unknown, Services | Scope.Scope>) => void;

const eventsOf = (taskId: string) => EventLog.use((log) => Stream.runCollect(log.read({ history: historyOf(taskId) })));
const typesOf = (taskId: string) => Effect.map(eventsOf(taskId), (events) => events.map(({ type }) => type.slice(5)));
const dataOf = ({ body }: RecordedEvent): Record<string, unknown> => JSON.parse(Buffer.from(body).toString("utf8"));

const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.result(effect), (result) => Result.getOrThrow(Result.flip(result)));

const submittedWith = (...given: Parameters<Tasks["Service"]["submit"]>) =>
  Tasks.use((tasks) => Effect.map(tasks.submit(...given), ({ taskId }) => taskId));

const submitted = (agentType: string, more: Parameters<Tasks["Service"]["submit"]>[1] = {}) =>
  submittedWith({ agentType }, more);

/** Looks every 10 ms, for 10 s at most. */
const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.gen(function* () {
    while (!(yield* condition)) yield* Effect.sleep(10);
  }).pipe(Effect.timeoutOrElse({ duration: 10_000, orElse: () => Effect.die(new Error("it never came to it")) }));

/** So many levels of arrays. */
const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);

const claimed = (agentType: string, worker = "w") =>
  Tasks.use((tasks) => tasks.claim({ agentTypes: [agentType], worker }));

export const suite = (test: Tester) => {
  test("takes a task from its submission to its result", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const { isNew, taskId } = yield* tasks.submit({ agentType: "plain", message: "do it" });
      assert.isTrue(isNew);
      assert.deepInclude(yield* tasks.show(taskId), { status: "pending", mcpStatus: "working", attempt: 0 });
      const lease = yield* claimed("plain");
      assert.strictEqual(lease.submitted.request.message, "do it");
      yield* lease.progress({ message: "half", progress: 1, total: 2 });
      assert.deepInclude(yield* tasks.show(taskId), { status: "running", message: "half", progress: 1, worker: "w" });
      yield* lease.complete({ answer: 42 });
      const result = yield* tasks.result(taskId);
      assert.deepInclude(result, { status: "completed", mcpStatus: "completed", attempt: 1, deadLetter: false });
      assert.deepStrictEqual(result.output, { answer: 42 });
      assert.deepStrictEqual(yield* typesOf(taskId), ["submitted", "claimed", "progressed", "completed"]);
      for (const event of (yield* eventsOf(taskId)).slice(2)) assert.strictEqual(dataOf(event)["claim"], lease.token);
    }));

  test("can be claimed first and begun later", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const taskId = yield* submitted("begin");
      const lease = yield* tasks.claim({ agentTypes: ["begin"], begin: "starting" });
      assert.strictEqual((yield* tasks.show(taskId)).status, "starting");
      assert.strictEqual((yield* failureOf(lease.complete()))._tag, "IllegalTransition");
      yield* lease.start;
      yield* lease.complete();
      assert.strictEqual((yield* tasks.result(taskId)).status, "completed");
    }));

  test("submits the same id once, whatever became of the task", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const id = yield* submitted("same", { id: "the same / task 🙂" });
      assert.isFalse((yield* tasks.submit({ agentType: "same", message: "other content" }, { id })).isNew);
      const lease = yield* claimed("same");
      assert.isUndefined(lease.submitted.request.message);
      yield* lease.complete();
      assert.isFalse((yield* tasks.submit({ agentType: "same" }, { id })).isNew);
      assert.deepStrictEqual(yield* typesOf(id), ["submitted", "claimed", "completed"]);
    }));

  test("gives a large output back whole: a text as a text, also when it looks like JSON, and a value as a value", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const text = JSON.stringify("x".repeat(400_000));
      for (const output of [text, { text }]) {
        const taskId = yield* submitted("large");
        yield* (yield* claimed("large")).complete(output);
        assert.deepStrictEqual((yield* tasks.result(taskId)).output, output);
      }
    }));

  test("refuses what no task can be, in words, before anything is written", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const log = yield* EventLog;
      const before = (yield* log.info).lastSequence;
      const request = { agentType: "refused" };
      const secret = { agentType: "refused", env_vars: { KEY: "secret" } };
      const refusals = yield* Effect.forEach(
        [
          tasks.submit({ agentType: "" }),
          tasks.submit({ agentType: "x".repeat(101) }),
          tasks.submit(secret),
          tasks.submit(request, { id: "x".repeat(201) }),
          tasks.submit(request, { maxAttempts: 0 }),
          tasks.submit(request, { backoffMillis: -1 }),
          tasks.submit(request, { notBefore: 1e18 }),
          tasks.submit(request, { threadId: "" }),
          tasks.submit(request, { parentTaskId: "half a character \ud800" }),
          tasks.submit({ ...request, timeoutSeconds: 0 }),
          tasks.submit({ ...request, timeoutSeconds: 1e300 }),
          tasks.submit({ ...request, workflowParams: { deep: nested(501) } }),
          tasks.submit(null as never),
          tasks.submit(request, { id: 7 as never }),
          tasks.submit(request, { dedupKey: 7 as never }),
          tasks.claim({ agentTypes: [7 as never] }),
          tasks.claim({ agentTypes: [] }),
          tasks.claim({ agentTypes: Array.from({ length: 101 }, (_, n) => `refused ${n}`) }),
          tasks.claim({ agentTypes: ["x".repeat(101)] }),
          tasks.claim({ agentTypes: ["refused"], worker: "x".repeat(301) }),
          work({ agentTypes: [], run: () => Effect.void }),
          work({ agentTypes: { refused: 1.5 }, run: () => Effect.void }),
          work({ agentTypes: ["refused"], concurrency: 0, run: () => Effect.void }),
          work({ agentTypes: { a: 600, b: 600 }, run: () => Effect.void }),
          tasks.submitBatch([]),
          tasks.submitBatch([request], { atOnce: 0 }),
          tasks.submitBatch([request, { agentType: "" }]),
        ],
        (refused) => failureOf(refused as Effect.Effect<unknown, { readonly _tag: string; readonly hint?: string }>),
      );
      for (const refusal of refusals) {
        assert.strictEqual(refusal._tag, "InvalidTask");
        assert.isString(refusal.hint);
      }
      assert.strictEqual((yield* log.info).lastSequence, before);
    }));

  test("refuses a report that is no number, and an output that is too deep, and leaves the lease as it is", () =>
    Effect.gen(function* () {
      const taskId = yield* submitted("odd reports");
      const lease = yield* claimed("odd reports");
      assert.strictEqual((yield* failureOf(lease.progress({ progress: Number.NaN })))._tag, "InvalidTask");
      assert.strictEqual((yield* failureOf(lease.complete(nested(501))))._tag, "InvalidTask");
      yield* lease.complete(nested(500));
      assert.deepStrictEqual(yield* typesOf(taskId), ["submitted", "claimed", "completed"]);
    }));

  test("a worker outlives what its function throws, however odd or large, and says so of the task", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const trap = () => {
        throw new Error("a trap");
      };
      const thrown: ReadonlyArray<unknown> = [new Proxy({}, { get: trap }), null, new Error("x".repeat(2_000_000))];
      const ids = yield* Effect.forEach([...thrown.keys(), "deep", "last"], (at) =>
        submittedWith({ agentType: "odd", message: String(at) }, { maxAttempts: 1 }),
      );
      const working = yield* Effect.forkChild(
        work({
          agentTypes: ["odd"],
          run: ({ request }) => {
            const { message } = request;
            if (message === "deep") return Effect.succeed(nested(501));
            if (message === "last") return Effect.succeed("done");
            throw thrown[Number(message)];
          },
        }),
      );
      const results = yield* Effect.forEach(ids, (id) => tasks.result(id));
      yield* Fiber.interrupt(working);
      assert.deepStrictEqual(
        results.map(({ error, status }) => [status, error?.type, error?.message?.slice(0, 10)]),
        [
          ["failed", "Error", undefined],
          ["failed", "Error", "null"],
          ["failed", "Error", "xxxxxxxxxx"],
          ["failed", "InvalidOutput", "the output"],
          ["completed", undefined, undefined],
        ],
      );
    }));

  test("ends a task that somebody has submitted with a time that cannot be", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const log = yield* EventLog;
      const data = { request: { agentType: "foreign", timeoutSeconds: -1 }, queue: {} };
      const { event, history } = yield* compose(
        { history: historyOf("foreign time"), type: "task.submitted", data },
        writing("another program"),
      );
      yield* log.append({ history, events: [event], expected: 0 });
      yield* tasks.requeue([{ taskId: history.id, agentType: "foreign", priority: "normal" }]);
      const working = yield* Effect.forkChild(work({ agentTypes: ["foreign"], run: () => Effect.never }));
      assert.strictEqual((yield* tasks.result(history.id)).status, "timeout");
      yield* Fiber.interrupt(working);
    }));

  test("knows no task that was never submitted", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      for (const asked of [tasks.show("never"), tasks.result("never"), tasks.cancel("never"), tasks.retry("never")]) {
        const refused = failureOf(asked as Effect.Effect<unknown, { readonly _tag: string }>);
        assert.strictEqual((yield* refused)._tag, "TaskNotFound");
      }
    }));

  test("hands each of many tasks to exactly one of many workers", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const count = 40;
      const requests = Array.from({ length: count }, () => ({ agentType: "many" }));
      const { taskIds } = yield* tasks.submitBatch(requests);
      const leases = yield* Effect.replicateEffect(claimed("many"), count, { concurrency: 8 });
      assert.sameMembers(
        leases.map(({ taskId }) => taskId),
        [...taskIds],
      );
      yield* Effect.forEach(leases, ({ complete }) => complete(), { concurrency: 8 });
      for (const taskId of taskIds) {
        assert.strictEqual((yield* typesOf(taskId)).filter((type) => type === "claimed").length, 1);
      }
    }));

  test("gives the task of a worker that died to another, and refuses everything the first one still says", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const taskId = yield* submitted("died");
      const first = yield* claimed("died", "first");
      yield* first.abandon;
      const second = yield* claimed("died", "second");
      assert.isAbove(second.token, first.token);
      assert.strictEqual(second.attempt, 2);
      const refusals = [
        first.progress({ progress: 1 }),
        first.complete("wrong"),
        first.fail({ type: "wrong" }),
        first.timeOut(1),
        first.release,
        first.heartbeat,
      ];
      for (const said of refusals) {
        const lost = yield* failureOf(said as Effect.Effect<unknown, LeaseLost>);
        assert.deepInclude(lost, { _tag: "LeaseLost", taskId, token: first.token, status: "running" });
      }
      yield* second.complete("right");
      assert.strictEqual((yield* tasks.result(taskId)).output, "right");
      const types = ["submitted", "claimed", "released", "claimed", "completed"];
      assert.deepStrictEqual(yield* typesOf(taskId), types);
      const [, , released] = yield* eventsOf(taskId);
      if (released === undefined) return assert.fail("nothing was released");
      assert.deepInclude(dataOf(released), { reason: "lapsed", claim: first.token, worker: "first", attempt: 1 });
    }));

  test("leaves a task with a worker that lives, although the queue has lost its entry and has a new one", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const queue = yield* TaskQueue;
      const taskId = yield* submitted("lives");
      const lease = yield* claimed("lives");
      // As if the queue had been made anew: the entry is there a second time, and nobody keeps it.
      const entry = { taskId, agentType: "lives", priority: "low" } as const;
      yield* queue.put(entry);
      const nothing = yield* Effect.timeoutOption(claimed("lives"), leaseMillis * 1.5);
      assert.strictEqual(nothing._tag, "None");
      yield* lease.complete();
      assert.strictEqual((yield* tasks.show(taskId)).status, "completed");
    }));

  test("tries again after a pause, at most so many times, and keeps the reason of the last one as a dead letter", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const taskId = yield* submitted("fails", { maxAttempts: 3, backoffMillis: 50 });
      for (let attempt = 1; attempt <= 3; attempt++) {
        const lease = yield* claimed("fails");
        assert.strictEqual(lease.attempt, attempt);
        yield* lease.fail({ type: "Boom", message: `number ${attempt}` });
      }
      const result = yield* tasks.result(taskId);
      assert.deepInclude(result, { status: "failed", mcpStatus: "failed", attempt: 3, deadLetter: true });
      assert.deepStrictEqual(result.error, { type: "Boom", message: "number 3" });
      const events = yield* eventsOf(taskId);
      const released = events.filter(({ type }) => type === "task.released");
      assert.strictEqual(released.length, 2);
      // How long the pauses are is said by the record (TaskRecord.test.ts).
      for (const event of released) {
        const next = events.find(({ sequence, type }) => sequence > event.sequence && type === "task.claimed");
        assert.isAtLeast(next?.recordedAt ?? 0, event.recordedAt + Number(dataOf(event)["pauseMillis"]));
      }
    }));

  test("makes a dead letter of a task whose workers die each time", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const taskId = yield* submitted("poison", { maxAttempts: 2 });
      yield* Effect.replicateEffect(
        Effect.flatMap(claimed("poison"), (lease) => lease.abandon),
        2,
      );
      const claiming = yield* Effect.forkChild(claimed("poison"));
      const result = yield* tasks.result(taskId);
      yield* Fiber.interrupt(claiming);
      assert.deepInclude(result, { status: "failed", deadLetter: true });
      assert.strictEqual(result.error?.type, "lease_lapsed");
    }));

  test("fails at once what is not worth another try, which is no dead letter", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const taskId = yield* submitted("never again");
      yield* (yield* claimed("never again")).fail({ type: "Bad" }, { retry: "never" });
      assert.deepInclude(yield* tasks.result(taskId), { status: "failed", attempt: 1, deadLetter: false });
    }));

  test("gives back at once, and does not count that attempt", () =>
    Effect.gen(function* () {
      yield* submitted("released", { maxAttempts: 1 });
      yield* (yield* claimed("released")).release;
      const again = yield* Effect.timeout(claimed("released"), leaseMillis * 0.9);
      assert.strictEqual(again.attempt, 1);
      yield* again.complete();
    }));

  test("cancels a task that waits and one that runs, tells the worker, and says so when it is too late", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const waiting = yield* submitted("cancelled");
      assert.deepInclude(yield* tasks.cancel(waiting, "no need"), { status: "cancelled", mcpStatus: "cancelled" });
      assert.strictEqual((yield* tasks.cancel(waiting)).status, "cancelled");
      assert.strictEqual((yield* typesOf(waiting)).length, 2);
      const queue = yield* TaskQueue;
      const entry = { taskId: waiting, agentType: "cancelled", priority: "normal" } as const;
      yield* Effect.repeat(queue.put(entry), { until: (isNew) => isNew });
      const running = yield* submitted("cancelled");
      const lease = yield* claimed("cancelled");
      assert.strictEqual(lease.taskId, running);
      yield* tasks.cancel(running);
      assert.deepInclude(yield* failureOf(lease.heartbeat), { _tag: "LeaseLost", status: "cancelled" });
      assert.strictEqual((yield* failureOf(lease.complete()))._tag, "LeaseLost");
      const done = yield* submitted("cancelled");
      yield* (yield* claimed("cancelled")).complete();
      assert.strictEqual((yield* failureOf(tasks.cancel(done)))._tag, "IllegalTransition");
    }));

  test("ends a task once that is cancelled while it is claimed, and leaves nobody a lease of it", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const { taskIds } = yield* tasks.submitBatch(Array.from({ length: 20 }, () => ({ agentType: "contended" })));
      const leases: Array<TaskLease> = [];
      const claiming = Effect.tap(claimed("contended"), (lease) => Effect.sync(() => leases.push(lease)));
      const claims = yield* Effect.forEach(taskIds, () => Effect.forkChild(claiming, { startImmediately: true }));
      yield* Effect.forEach(taskIds, (taskId) => tasks.cancel(taskId), { concurrency: "unbounded" });
      yield* Effect.forEach(claims, Fiber.interrupt);
      for (const lease of leases) assert.strictEqual((yield* failureOf(lease.complete()))._tag, "LeaseLost");
      for (const taskId of taskIds) {
        const types = yield* typesOf(taskId);
        assert.strictEqual(types.at(-1), "cancelled");
        assert.strictEqual(types.filter((type) => type === "cancelled").length, 1);
      }
    }));

  test("tries a dead letter again as one other task that names it", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const { taskId } = yield* tasks.submit(
        { agentType: "retried", message: "m" },
        { maxAttempts: 1, priority: "low" },
      );
      assert.strictEqual((yield* failureOf(tasks.retry(taskId)))._tag, "CannotRetry");
      yield* (yield* claimed("retried")).fail({ type: "Boom" });
      const retried = yield* tasks.retry(taskId);
      assert.deepStrictEqual(yield* tasks.retry(taskId), { ...retried, isNew: false });
      const lease = yield* claimed("retried");
      assert.strictEqual(lease.taskId, retried.taskId);
      assert.deepInclude(lease.submitted, { retryOf: taskId });
      assert.deepInclude(lease.submitted.request, { agentType: "retried", message: "m" });
      yield* lease.complete();
      assert.strictEqual((yield* failureOf(tasks.retry(lease.taskId)))._tag, "CannotRetry");
      assert.strictEqual((yield* tasks.result(taskId)).status, "failed");
      // Another task has the id of its retry.
      const other = yield* submitted("retried", { id: "retried of old" });
      yield* tasks.cancel(other);
      yield* tasks.cancel(yield* submitted("retried", { id: "retried of old~" }));
      const refused = yield* failureOf(tasks.retry(other));
      assert.deepInclude(refused, { _tag: "CannotRetry", message: "retried of old~ is another task than its retry." });
    }));

  test("hands out a delayed task by its own time, and what is not delayed meanwhile, however much less urgent", () =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis;
      const never = yield* submitted("delayed", { notBefore: now + 3_600_000, priority: "high" });
      const later = yield* submitted("delayed", { notBefore: now + 300, priority: "high" });
      const sooner = yield* submitted("delayed", { priority: "low" });
      const both = [(yield* claimed("delayed")).taskId, (yield* claimed("delayed")).taskId];
      assert.sameMembers(both, [later, sooner]);
      assert.deepStrictEqual(yield* typesOf(never), ["submitted"]);
      const claim = (yield* eventsOf(later)).find(({ type }) => type === "task.claimed");
      // By the log's own account, whatever the time was here.
      assert.isAtLeast(claim?.occurredAt ?? 0, now + 300);
    }));

  test("does not believe an entry whose task has moved on since it was put in", () =>
    Effect.gen(function* () {
      const queue = yield* TaskQueue;
      const taskId = yield* submitted("believed", { backoffMillis: 60_000 });
      const lease = yield* claimed("believed");
      const [{ sequence: upTo } = { sequence: 0 }] = yield* eventsOf(taskId);
      const known = { upTo, submitted: lease.submitted };
      const entry = { taskId, agentType: "believed again", priority: "normal", known } as const;
      yield* queue.put(entry);
      // It waits for a minute now, and for all that the entry says it could be claimed.
      yield* lease.fail({ type: "Boom" });
      const nothing = yield* Effect.timeoutOption(claimed("believed again"), leaseMillis / 3);
      assert.strictEqual(nothing._tag, "None");
      assert.deepStrictEqual(yield* typesOf(taskId), ["submitted", "claimed", "released"]);
    }));

  test("asks for input and goes on with the answer, under the same lease", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const taskId = yield* submitted("input");
      const lease = yield* claimed("input");
      const asked = yield* Effect.forkChild(lease.requestInput("which one?"), { startImmediately: true });
      const isAsked = Effect.map(tasks.show(taskId), ({ inputRequests }) => inputRequests.length === 1);
      yield* until(isAsked);
      assert.deepInclude(yield* tasks.show(taskId), { status: "input_required", mcpStatus: "input_required" });
      assert.deepInclude(yield* tasks.provideInput(taskId, "the left one"), { status: "running" });
      assert.deepStrictEqual(yield* Fiber.join(asked), { message: "the left one", value: "the left one" });
      assert.strictEqual((yield* tasks.show(taskId)).message, "the left one");
      yield* lease.complete();
      assert.strictEqual((yield* failureOf(tasks.provideInput(taskId, "late")))._tag, "IllegalTransition");
    }));

  test("asks for several things at once, each answered by its key, and runs on when none is open", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const taskId = yield* submitted("several inputs");
      const lease = yield* claimed("several inputs");
      const schema = { type: "number" };
      const asked = yield* Effect.forkChild(
        Effect.all(
          [lease.requestInput("what?", { key: "what" }), lease.requestInput("how many?", { key: "n", schema })],
          {
            concurrency: 2,
          },
        ),
        { startImmediately: true },
      );
      yield* until(Effect.map(tasks.show(taskId), ({ inputRequests }) => inputRequests.length === 2));
      const { inputRequests } = yield* tasks.show(taskId);
      assert.deepStrictEqual(
        inputRequests.toSorted((a, b) => (a.key < b.key ? -1 : 1)),
        [
          { key: "n", message: "how many?", schema },
          { key: "what", message: "what?", schema: null },
        ],
      );
      const unknown = yield* failureOf(tasks.provideInput(taskId, { key: "nobody asked", message: "x" }));
      assert.strictEqual(unknown._tag, "IllegalTransition");
      assert.deepInclude(yield* tasks.provideInput(taskId, { key: "n", value: 3 }), { status: "input_required" });
      assert.deepInclude(yield* tasks.provideInput(taskId, { key: "what", message: "a thing" }), { status: "running" });
      assert.deepStrictEqual(yield* Fiber.join(asked), [
        { message: "a thing", value: "a thing" },
        { message: null, value: 3 },
      ]);
      yield* lease.complete();
    }));

  test("an answer that is waited for ends with the lease", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const taskId = yield* submitted("cancelled while asked");
      const lease = yield* claimed("cancelled while asked");
      const asked = yield* Effect.forkChild(lease.requestInput("who?"), { startImmediately: true });
      yield* until(Effect.map(tasks.show(taskId), ({ status }) => status === "input_required"));
      yield* tasks.cancel(taskId);
      assert.strictEqual((yield* Effect.flip(Fiber.join(asked)))._tag, "LeaseLost");
    }));

  test("shows a task as it moves, up to its end", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const taskId = yield* submitted("watched");
      const seen = yield* Queue.unbounded<string>();
      const watching = yield* tasks.watch(taskId).pipe(
        Stream.runForEach(({ status }) => Queue.offer(seen, status)),
        Effect.forkChild,
      );
      assert.strictEqual(yield* Queue.take(seen), "pending");
      yield* (yield* claimed("watched")).complete();
      yield* Fiber.join(watching);
      assert.strictEqual((yield* Queue.takeAll(seen)).at(-1), "completed");
    }));

  test("runs at most so many tasks of a batch at once, in their order, and gives a free place to the next at once", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const requests = [0, 1, 2, 3, 4].map((index) => ({ agentType: "places", message: String(index) }));
      const { batchId, isNew, taskIds } = yield* tasks.submitBatch(requests, { atOnce: 2 });
      assert.isTrue(isNew);
      assert.isFalse((yield* tasks.submitBatch(requests, { id: batchId, atOnce: 2 })).isNew);
      const [a, b] = [yield* claimed("places"), yield* claimed("places")];
      assert.deepStrictEqual([a.taskId, b.taskId], taskIds.slice(0, 2));
      // Whichever ends, its place is taken by the next task.
      let free = b;
      for (const at of [2, 3, 4]) {
        const next = yield* Effect.forkChild(claimed("places"));
        assert.isUndefined(next.pollUnsafe());
        yield* free.complete();
        free = yield* Fiber.join(next);
        assert.strictEqual(free.taskId, taskIds[at]);
      }
      yield* Effect.forEach([a, free], (lease) => lease.complete());
      assert.deepInclude(yield* tasks.batch(batchId), { status: "completed", completed: 5 });
    }));

  test("refuses a batch of which another task has an id, and one of another size, and changes nothing", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const log = yield* EventLog;
      const requests = [0, 1, 2].map((index) => ({ agentType: "taken", message: String(index) }));
      yield* submitted("another", { id: "taken.1" });
      const { batchId } = yield* tasks.submitBatch(requests);
      const { lastSequence } = yield* log.info;
      const refused = yield* failureOf(tasks.submitBatch(requests, { id: "taken" }));
      assert.deepInclude(refused, { _tag: "InvalidTask", hint: "Take another id for the batch." });
      assert.strictEqual((yield* failureOf(tasks.submitBatch(requests.slice(1), { id: batchId })))._tag, "InvalidTask");
      const large = Array.from({ length: 30 }, () => ({ agentType: "taken", message: "x".repeat(700_000) }));
      assert.strictEqual((yield* failureOf(tasks.submitBatch(large)))._tag, "InvalidTask");
      assert.strictEqual((yield* log.info).lastSequence, lastSequence);
      assert.strictEqual((yield* failureOf(tasks.show("taken.0")))._tag, "TaskNotFound");
    }));

  test("cancels what is left of a batch that fails fast", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const requests = [0, 1, 2, 3].map(() => ({ agentType: "fast" }));
      const { taskIds } = yield* tasks.submitBatch(requests, { atOnce: 1, failFast: true });
      yield* (yield* claimed("fast")).complete();
      yield* (yield* claimed("fast")).fail({ type: "Boom" }, { retry: "never" });
      const ends = yield* Effect.forEach(taskIds, (taskId) => tasks.result(taskId));
      assert.deepStrictEqual(
        ends.map(({ status }) => status),
        ["completed", "failed", "cancelled", "cancelled"],
      );
    }));

  test("cancels what is left of a batch whose worker died between a failure and what follows from it", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const log = yield* EventLog;
      const requests = [0, 1, 2].map(() => ({ agentType: "broken" }));
      const { taskIds } = yield* tasks.submitBatch(requests, { failFast: true });
      const look = yield* lookInLog();
      const [first = "", second = "", third = ""] = taskIds;
      // Written past the Tasks of this process: as if it had died before it came to the others.
      const { event, history } = yield* compose(
        { history: historyOf(first), type: "task.cancelled", data: {} },
        writing("somebody who died"),
      );
      yield* log.append({ history, events: [event], expected: "any" });
      const { batches, open } = yield* look;
      assert.includeMembers(
        open.map(({ taskId }) => taskId),
        [second, third],
      );
      assert.include(batches, first);
      yield* tasks.followUp(batches);
      for (const id of [second, third]) assert.strictEqual((yield* tasks.show(id)).status, "cancelled");
      assert.notInclude((yield* look).batches, first);
    }));

  test("runs at most so many tasks of a type at once as are configured, and holds up no other type by it", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const config = yield* Configuration;
      yield* config.set({ "tasks.concurrency": { bounded: 2 } });
      yield* tasks.submitBatch([1, 2, 3, 4].map(() => ({ agentType: "bounded" })));
      const claims = yield* Queue.unbounded<TaskLease>();
      const claiming = tasks.claim({ agentTypes: ["bounded", "free"] }).pipe(
        Effect.flatMap((lease) => Queue.offer(claims, lease)),
        Effect.forkScoped,
      );
      yield* Effect.replicateEffect(claiming, 4, { discard: true });
      const [first, second] = [yield* Queue.take(claims), yield* Queue.take(claims)];
      yield* submitted("free");
      const free = yield* Queue.take(claims);
      assert.strictEqual(free.submitted.request.agentType, "free");
      assert.strictEqual(yield* Queue.size(claims), 0);
      yield* first.complete();
      const third = yield* Queue.take(claims);
      assert.strictEqual(third.submitted.request.agentType, "bounded");
      // One more place, and it is taken at once.
      yield* config.set({ "tasks.concurrency": { bounded: 3 } });
      const fourth = yield* tasks.claim({ agentTypes: ["bounded"] });
      yield* Effect.forEach([second, third, fourth, free], (lease) => lease.complete());
    }));

  test("runs tasks of types and with keys that are named as what every object has", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      for (const name of ["constructor", "__proto__", "toString"]) {
        const { taskId } = yield* tasks.submit({ agentType: name }, { dedupKey: name, onError: { other: "never" } });
        const lease = yield* Effect.timeout(claimed(name), leaseMillis * 2);
        const asked = yield* Effect.forkChild(lease.requestInput("which?", { key: name }));
        yield* until(Effect.map(tasks.show(taskId), ({ status }) => status === "input_required"));
        yield* tasks.provideInput(taskId, { key: name, message: "this" });
        assert.strictEqual((yield* Fiber.join(asked)).message, "this");
        yield* lease.fail({ type: name });
        assert.strictEqual((yield* tasks.show(taskId)).status, "pending");
      }
    }));

  test("takes the place of a worker that died within a lease, and none of one that lives", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const queue = yield* TaskQueue;
      yield* (yield* Configuration).set({ "tasks.concurrency": { orphaned: 2 } });
      const bucket = yield* (yield* Buckets).open(slotSettings);
      const lives = 4_711;
      yield* queue.hold(lives);
      for (const [number, held] of [`${queue.holder} ${lives}`, "nobody 1"].entries())
        yield* bucket.put(keyOf("default", "orphaned", String(number)), Buffer.from(held));
      yield* submitted("orphaned");
      yield* submitted("orphaned");
      const lease = yield* Effect.timeout(claimed("orphaned"), leaseMillis * 2);
      const nothing = yield* Effect.timeoutOption(claimed("orphaned"), leaseMillis * 1.2);
      assert.strictEqual(nothing._tag, "None");
      yield* queue.letGo(lives);
      yield* lease.complete();
      yield* (yield* claimed("orphaned")).complete();
      assert.strictEqual((yield* tasks.show(lease.taskId)).status, "completed");
    }));

  test("says when a task that has ended is archived, and puts it back among the recent ones", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const retention = yield* (yield* Configuration).get("tasks.retentionMillis");
      const taskId = yield* submitted("archived");
      assert.isNull((yield* tasks.show(taskId)).archivedAt);
      assert.strictEqual((yield* failureOf(tasks.restore(taskId)))._tag, "IllegalTransition");
      yield* (yield* claimed("archived")).complete("kept");
      const ended = yield* tasks.result(taskId);
      yield* Effect.repeat(Clock.currentTimeMillis, { until: (now) => now > (ended.endedAt ?? 0) });
      assert.strictEqual(ended.archivedAt, (ended.endedAt ?? 0) + retention);
      const restored = yield* tasks.restore(taskId, "looked at again");
      assert.deepInclude(restored, { status: "completed", output: "kept", endedAt: ended.endedAt });
      const at = (yield* eventsOf(taskId)).at(-1)?.occurredAt ?? 0;
      assert.strictEqual(restored.archivedAt, at + retention);
      assert.isAbove(at, ended.endedAt ?? Infinity);
      assert.deepStrictEqual(yield* typesOf(taskId), ["submitted", "claimed", "completed", "restored"]);
      assert.strictEqual((yield* tasks.result(taskId)).output, "kept");
    }));

  test("submits each occurrence of a schedule once, however many do it, and none of one that is removed", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const config = yield* Configuration;
      yield* Effect.replicateEffect(Effect.forkScoped(keepScheduled), 3);
      const now = yield* Clock.currentTimeMillis;
      const schedule: TaskSchedule = {
        request: { agentType: "scheduled", message: "again" },
        everyMillis: 1_000,
        // One was missed, and the next comes soon.
        from: now - 1_600,
        missed: "once",
        paused: false,
        priority: "high",
      };
      yield* config.set({ "schedules.pulse": schedule });
      const leases = yield* Effect.replicateEffect(claimed("scheduled"), 2);
      assert.deepStrictEqual(
        leases.map(({ taskId }) => taskId),
        [idOf("pulse", schedule.from + 1_000), idOf("pulse", schedule.from + 2_000)],
      );
      yield* config.set({ "schedules.pulse": undefined });
      for (const lease of leases) {
        assert.strictEqual(lease.submitted.request.message, "again");
        yield* lease.complete();
        assert.deepStrictEqual(yield* typesOf(lease.taskId), ["submitted", "claimed", "completed"]);
      }
      const third = yield* failureOf(tasks.show(idOf("pulse", schedule.from + 3_000)));
      assert.strictEqual(third._tag, "TaskNotFound");
    }));

  test("fills the queue again with what waits in the log", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const queue = yield* TaskQueue;
      const lost = yield* submitted("lost");
      yield* queue.done(yield* queue.take(["lost"]));
      const ended = yield* submitted("lost");
      yield* tasks.cancel(ended);
      const open = yield* openInLog();
      const waiting = yield* open;
      assert.include(waiting, lost);
      assert.notInclude(waiting, ended);
      const entries = [{ taskId: lost, agentType: "lost", priority: "normal" }] as const;
      yield* Effect.repeat(tasks.requeue(entries), { until: (count) => count === 1 });
      assert.strictEqual(yield* tasks.requeue(entries), 0);
      assert.strictEqual((yield* claimed("lost")).taskId, lost);
      const later = yield* submitted("lost");
      assert.include(yield* open, later);
    }));

  test("a worker settles what its function gives, fails with and throws", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const ids = yield* Effect.forEach(["gives", "fails", "throws"], (message) =>
        submittedWith({ agentType: "worked", message }, { maxAttempts: 1 }),
      );
      const working = yield* Effect.forkChild(
        work({
          agentTypes: ["worked"],
          concurrency: 2,
          run: ({ progress, request }) => {
            if (request.message === "gives") return Effect.as(Effect.ignore(progress({ message: "on it" })), "given");
            if (request.message === "fails") return Effect.fail({ type: "Known", message: "in words" });
            throw new TypeError("a defect");
          },
        }),
      );
      const [gives, fails, throws] = yield* Effect.forEach(ids, (id) => tasks.result(id));
      yield* Fiber.interrupt(working);
      assert.deepInclude(gives, { status: "completed", output: "given" });
      assert.deepStrictEqual(fails?.error, { type: "Known", message: "in words" });
      assert.deepStrictEqual(throws?.error, { type: "TypeError", message: "a defect" });
    }));

  test("a worker keeps its lease for longer than a lease, and ends what takes too long", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const long = yield* submitted("keeps");
      const { taskId: tooLong } = yield* tasks.submit({ agentType: "keeps", timeoutSeconds: 0.2 });
      const working = yield* Effect.forkChild(
        work({
          agentTypes: { keeps: 2 },
          run: ({ taskId }) => (taskId === long ? Effect.sleep(leaseMillis * 2.5) : Effect.never),
        }),
      );
      assert.deepInclude(yield* tasks.result(tooLong), { status: "timeout", mcpStatus: "failed" });
      assert.deepInclude(yield* tasks.result(long), { status: "completed", attempt: 1 });
      yield* Fiber.interrupt(working);
    }));

  test("a worker is told when its task was cancelled, and gives its tasks back when it is interrupted", () =>
    Effect.gen(function* () {
      const tasks = yield* Tasks;
      const began = yield* Queue.unbounded<string>();
      const stopped = yield* Deferred.make<string>();
      const first = yield* submitted("told");
      const working = yield* Effect.forkChild(
        work({
          agentTypes: ["told"],
          run: ({ taskId }) =>
            Effect.andThen(Queue.offer(began, taskId), Effect.never).pipe(
              Effect.onInterrupt(() => Deferred.succeed(stopped, taskId)),
            ),
        }),
      );
      assert.strictEqual(yield* Queue.take(began), first);
      yield* tasks.cancel(first);
      assert.strictEqual(yield* Deferred.await(stopped), first);
      const second = yield* submitted("told");
      assert.strictEqual(yield* Queue.take(began), second);
      yield* Fiber.interrupt(working);
      assert.deepInclude(yield* tasks.show(second), { status: "pending", attempt: 0 });
      const again = yield* Effect.timeout(claimed("told"), leaseMillis * 0.9);
      assert.strictEqual(again.taskId, second);
    }));
};
