import { assert, layer } from "@effect/vitest";
import { Effect } from "effect";
import { RecollectTasks } from "../../src/index.ts";
import * as NatsServer from "../support/NatsServer.ts";

const connected = Effect.gen(function* () {
  const { url } = yield* NatsServer.NatsServer;
  return yield* Effect.acquireRelease(
    Effect.promise(() => RecollectTasks.connect({ url, leaseMillis: 1_000 })),
    (tasks) => Effect.promise(() => tasks.close()),
  );
});

const refusal = (promise: Promise<unknown>) =>
  Effect.promise(() =>
    promise.then(
      () => assert.fail("it was not refused"),
      (error: unknown) => error as { readonly _tag: string },
    ),
  );

layer(NatsServer.layer(), { excludeTestServices: true })("tasks for programs that speak in promises", (it) => {
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

  it.effect("reject with what is wrong, and connecting with what to do when there is no server", () =>
    Effect.gen(function* () {
      const tasks = yield* connected;
      assert.strictEqual((yield* refusal(tasks.show("never")))._tag, "TaskNotFound");
      assert.strictEqual((yield* refusal(tasks.submit({ agentType: "" })))._tag, "InvalidTask");
      const away = RecollectTasks.connect({ url: "nats://127.0.0.1:1" });
      assert.strictEqual((yield* refusal(away))._tag, "NatsUnusable");
    }),
  );
});
