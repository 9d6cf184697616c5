import { assert, layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvalidTask, Recollect } from "recollect";
import * as Configuration from "../../../src/coordination/config/Configuration.ts";
import * as EventLogNats from "../../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../../src/log/connection/NatsConnectionNats.ts";
import * as NatsServer from "../../support/NatsServer.ts";

/** A data folder of its own for each connection, so that one's spool is not drained by another. */
const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "recollect-tasks-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
);

const connected = Effect.gen(function* () {
  const { url } = yield* NatsServer.NatsServer;
  const data = yield* folder;
  return yield* Effect.acquireRelease(
    Effect.promise(() => Recollect.connect({ url, data, leaseMillis: 1_000 })),
    (recollect) => Effect.promise(() => recollect.close()),
  ).pipe(Effect.map(({ tasks }) => tasks));
});

const refusal = (promise: Promise<unknown>) =>
  Effect.promise(() =>
    promise.then(
      () => assert.fail("it was not refused"),
      (error: unknown) => error as { readonly _tag: string; readonly hint?: string },
    ),
  );

layer(NatsServer.layer({ stream: true }), { excludeTestServices: true })(
  "tasks for programs that speak in promises",
  (it) => {
    it.effect("are submitted here, run there, and their results read anywhere", () =>
      Effect.gen(function* () {
        const [submitter, worker] = [yield* connected, yield* connected];
        worker.work({
          agentTypes: ["upper", "fails"],
          concurrency: 2,
          run: async ({ progress, request }) => {
            if (request.agentType === "fails") throw Object.assign(new RangeError("no way"), { retry: "never" });
            await progress({ message: "on it" });
            return request.message?.toUpperCase();
          },
        });
        yield* Effect.promise(async () => {
          const { taskId } = await submitter.submit({ agentType: "upper", message: "hello" });
          assert.deepInclude(await submitter.result(taskId), { status: "completed", output: "HELLO" });
          const seen: Array<string> = [];
          for await (const { status } of submitter.watch(taskId)) seen.push(status);
          assert.deepStrictEqual(seen, ["completed"]);
          const failed = await submitter.submit({ agentType: "fails" });
          const { error } = await submitter.result(failed.taskId);
          assert.deepStrictEqual(error, { type: "RangeError", message: "no way" });
        });
      }),
    );

    it.effect("abort their signal when they are cancelled, and come back when their worker is stopped", () =>
      Effect.gen(function* () {
        const tasks = yield* connected;
        yield* Effect.promise(async () => {
          const began: Array<PromiseWithResolvers<AbortSignal>> = [Promise.withResolvers(), Promise.withResolvers()];
          let at = 0;
          const worker = tasks.work({
            agentTypes: ["waits"],
            run: ({ signal }) => {
              began[at++]?.resolve(signal);
              return new Promise(() => {});
            },
          });
          const first = await tasks.submit({ agentType: "waits" });
          const signal = await began[0]?.promise;
          await tasks.cancel(first.taskId);
          await new Promise((resolve) => signal?.addEventListener("abort", resolve));
          const second = await tasks.submit({ agentType: "waits" });
          await began[1]?.promise;
          await worker.stop();
          assert.deepInclude(await tasks.show(second.taskId), { status: "pending", attempt: 0 });
        });
      }),
    );

    it.effect("run no more at once than is configured, over all connections, and all of them in the end", () =>
      Effect.gen(function* () {
        const workers = [yield* connected, yield* connected];
        const { url } = yield* NatsServer.NatsServer;
        const log = EventLogNats.layer().pipe(Layer.provide(NatsConnection.layer({ servers: url })));
        const configured = Configuration.Configuration.use((config) =>
          config.set({ "tasks.concurrency": { narrow: 2 } }),
        ).pipe(Effect.provide(Configuration.layer().pipe(Layer.provide(log))));
        yield* configured;
        yield* Effect.promise(async () => {
          let running = 0;
          let most = 0;
          const run = async () => {
            most = Math.max(most, ++running);
            await new Promise((resolve) => setTimeout(resolve, 5));
            running--;
          };
          for (const worker of workers) worker.work({ agentTypes: ["narrow"], concurrency: 4, run });
          const [submitter] = workers;
          const batch = await submitter?.submitBatch(Array.from({ length: 12 }, () => ({ agentType: "narrow" })));
          for (const taskId of batch?.taskIds ?? []) {
            assert.strictEqual((await submitter?.result(taskId))?.status, "completed");
          }
          assert.isAtMost(most, 2);
        });
      }),
    );

    it.effect("are accepted while NATS is away, and run once when it is back", () =>
      Effect.gen(function* () {
        const { start, stop } = yield* NatsServer.NatsServer;
        const [submitter, worker] = [yield* connected, yield* connected];
        const ran: Array<string> = [];
        worker.work({ agentTypes: ["later"], run: ({ taskId }) => void ran.push(taskId) });
        yield* stop;
        const accepted = yield* Effect.promise(async () => {
          const first = await submitter.submit({ agentType: "later" });
          const second = await submitter.submit({ agentType: "later" });
          return [first, second, await submitter.submit({ agentType: "later" }, { id: first.taskId })];
        });
        assert.deepStrictEqual(
          accepted.map(({ where }) => where),
          ["spool", "spool", "spool"],
        );
        yield* start;
        const [first, second] = accepted;
        yield* Effect.promise(async () => {
          for (const one of [first, second]) {
            assert.strictEqual((await submitter.result(one?.taskId ?? "")).status, "completed");
          }
        });
        assert.sameMembers(ran, [first?.taskId ?? "", second?.taskId ?? ""]);
      }),
    );

    it.effect("do what the example says", () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const env = { ...process.env, RECOLLECT_NATS_URL: url, RECOLLECT_DATA: yield* folder };
        const cwd = join(import.meta.dirname, "../../..");
        const example = promisify(execFile)(process.execPath, ["examples/tasks.ts"], { cwd, env });
        const { stdout } = yield* Effect.promise(() => example);
        assert.strictEqual(stdout.trim(), "completed { summary: 'It was a bright cold…' }");
      }),
    );

    it.effect("are accepted as a batch while NATS is away, and run once and in their order when it is back", () =>
      Effect.gen(function* () {
        const { start, stop } = yield* NatsServer.NatsServer;
        const [submitter, worker] = [yield* connected, yield* connected];
        yield* stop;
        const requests = ["a", "b", "c"].map((message) => ({ agentType: "together", message }));
        const batch = { id: "kept together", atOnce: 1 };
        const [first, second] = yield* Effect.promise(async () => [
          await submitter.submitBatch(requests, batch),
          await submitter.submitBatch(requests, batch),
        ]);
        assert.deepInclude(first, { where: "spool", isNew: true });
        assert.deepStrictEqual(second?.taskIds, first?.taskIds);
        yield* start;
        const ran: Array<string> = [];
        worker.work({
          agentTypes: ["together"],
          concurrency: 3,
          run: ({ request, taskId }) => void ran.push(`${taskId} ${request.message}`),
        });
        const taskIds = first?.taskIds ?? [];
        yield* Effect.promise(() => Promise.all(taskIds.map((taskId) => submitter.result(taskId))));
        assert.deepStrictEqual(ran, ["kept together.0 a", "kept together.1 b", "kept together.2 c"]);
        const again = yield* Effect.promise(() => submitter.submitBatch(requests, batch));
        assert.deepInclude(again, { where: "log", isNew: false });
      }),
    );

    it.effect("can be submitted and worked on by a program that began before the server", () =>
      Effect.gen(function* () {
        const { start, stop } = yield* NatsServer.NatsServer;
        yield* stop;
        const [submitter, worker] = [yield* connected, yield* connected];
        const ran: Array<string> = [];
        worker.work({ agentTypes: ["early"], run: ({ taskId }) => void ran.push(taskId) });
        const { taskId, where } = yield* Effect.promise(() => submitter.submit({ agentType: "early" }));
        assert.strictEqual(where, "spool");
        const refused = yield* refusal(worker.show(taskId));
        assert.strictEqual(refused._tag, "LogUnavailable");
        assert.match(refused.hint ?? "", /^Start it/);
        yield* start;
        assert.strictEqual((yield* Effect.promise(() => submitter.result(taskId))).status, "completed");
        assert.deepStrictEqual(ran, [taskId]);
      }),
    );

    it.effect("reject what is still waited for when they are closed", () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const data = yield* folder;
        yield* Effect.promise(async () => {
          const recollect = await Recollect.connect({ url, data });
          const { tasks } = recollect;
          const { taskId } = await tasks.submit({ agentType: "never run" });
          const waiting = tasks.result(taskId).then(
            () => "ended",
            () => "rejected",
          );
          const seen: Array<string> = [];
          const watching = (async () => {
            for await (const { status } of tasks.watch(taskId)) seen.push(status);
          })().then(
            () => "ended",
            () => "rejected",
          );
          while (seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
          await recollect.close();
          assert.deepStrictEqual([await waiting, await watching], ["rejected", "rejected"]);
          assert.strictEqual(await tasks.show(taskId).catch(() => "rejected"), "rejected");
        });
      }),
    );

    it.effect("reject with what is wrong", () =>
      Effect.gen(function* () {
        const tasks = yield* connected;
        assert.strictEqual((yield* refusal(tasks.show("never")))._tag, "TaskNotFound");
        assert.strictEqual((yield* refusal(tasks.submit({ agentType: "" })))._tag, "InvalidTask");
        for (const leaseMillis of [0, -1, 99, 1.5, Number.NaN, 1e12]) {
          assert.strictEqual((yield* refusal(Recollect.connect({ leaseMillis })))._tag, "InvalidTask");
        }
        assert.throws(() => tasks.work({ agentTypes: ["a"], concurrency: -1, run: () => {} }), InvalidTask);
      }),
    );
  },
);
