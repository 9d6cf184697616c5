import { assert, describe, it } from "@effect/vitest";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Stage } from "../Program.ts";

const script = 'read request; case "$request" in *down*) echo broken >&2; exit 3;; esac; echo "{\\"got\\": $request}"';

describe("recollect tasks", () => {
  it(
    "submits, works with any command, shows results and dead letters, cancels and retries",
    { timeout: 180_000 },
    async () => {
      await using stage = new Stage();
      await stage.up();
      const json = async (...words: ReadonlyArray<string>) => JSON.parse((await stage.run([...words, "--json"])).out);

      assert.deepStrictEqual(await json("tasks", "submit", "up", "hello", "--id", "a"), {
        taskId: "a",
        isNew: true,
        where: "log",
      });
      assert.deepStrictEqual(await json("tasks", "submit", "up", "hello", "--id", "a"), {
        taskId: "a",
        isNew: false,
        where: "log",
      });
      await json("tasks", "submit", "down", "--id", "b", "--max-attempts", "1", "--priority", "high");
      await json("tasks", "submit", "nobody", "--id", "c");

      const types = ["--agent-type", "up", "--agent-type", "down"];
      const worker = stage.start(["tasks", "work", ...types, "--worker", "w", "--", "sh", "-c", script]);
      const done = await json("tasks", "result", "a");
      assert.deepInclude(done, { status: "completed", mcpStatus: "completed", worker: "w", attempt: 1 });
      assert.deepStrictEqual(done.output, { got: { agentType: "up", message: "hello" } });
      const failed = await json("tasks", "result", "b");
      assert.deepInclude(failed, { status: "failed", deadLetter: true });
      assert.deepStrictEqual(failed.error, { type: "exit 3", message: "broken" });
      assert.strictEqual((await worker.end()).code, 130);

      assert.strictEqual((await json("tasks", "cancel", "c", "--reason", "no need")).status, "cancelled");
      assert.deepInclude(await json("tasks", "retry", "c"), { taskId: "c~", isNew: true });
      let dead: ReadonlyArray<{ readonly taskId: string }> = [];
      while (dead.length === 0) dead = (await json("tasks", "--dead-letters")).tasks;
      assert.deepStrictEqual(
        dead.map(({ taskId }) => taskId),
        ["b"],
      );

      const plan = await json("tasks", "retry", "--all", "--type", "down", "--since", "1h");
      assert.deepStrictEqual(
        plan.plan.map(({ taskId }: { readonly taskId: string }) => taskId),
        ["b"],
      );
      assert.strictEqual((await stage.run(["tasks", "show", "b~"])).code, 4);
      const { retried } = await json("tasks", "retry", "--all", "--type", "down", "--yes");
      assert.deepInclude(retried[0], { taskId: "b", retry: "b~", refused: null });
      while ((await json("tasks", "retry", "--all")).plan.length > 0);

      const file = join(stage.data, "requests.jsonl");
      writeFileSync(file, '{"message":"one"}\n\n{"agentType":"nobody","message":"two"}\n');
      const batching = ["tasks", "submit", "nobody", "--batch", file, "--id", "many", "--sequential", "--fail-fast"];
      assert.deepStrictEqual((await json(...batching)).taskIds, ["many.0", "many.1"]);
      assert.strictEqual((await json("tasks", "cancel", "many.0")).status, "cancelled");
      assert.deepInclude(await json("tasks", "batch", "many"), { status: "failed", size: 2, atOnce: 1, failed: 2 });
      assert.isAbove((await json("tasks", "restore", "a")).archivedAt, done.archivedAt);
      const list = async (...words: ReadonlyArray<string>) => (await json("tasks", "list", ...words)).tasks;
      while ((await list("--batch", "many", "--status", "cancelled")).length < 2);
      assert.deepStrictEqual(await list("--archived"), []);

      const scheduled = ["tasks", "schedule", "add", "nightly", "nobody", "--cron", "0 2 * * *"];
      assert.deepInclude(await json(...scheduled), { name: "nightly", cron: "0 2 * * *", missed: "skip" });
      assert.isNull((await json("tasks", "schedule", "pause", "nightly")).next);

      assert.deepInclude(await json("tasks", "retention", "--keep", "3"), { isChanged: false, days: 7, newDays: 3 });
      assert.deepInclude(await json("tasks", "retention", "--keep", "3", "--yes"), { isChanged: true, newDays: 3 });
      assert.strictEqual((await json("tasks", "retention")).days, 3);

      const drain = ["tasks", "queue", "drain", "down", "--wait"];
      const open = await stage.run([...drain, "--within", "1"]);
      assert.strictEqual(open.code, 6, open.err);
      assert.match(open.err, /down is not empty after 1 s: 1 wait, 0 are due later, 0 are held/);
      await json("tasks", "cancel", "b~");
      assert.deepInclude(await json(...drain), { agentType: "down", draining: true });
      assert.strictEqual((await stage.run([...drain, "--within", "0"])).code, 2);

      const late = await stage.run(["tasks", "cancel", "a"]);
      assert.strictEqual(late.code, 2);
      assert.match(late.err, /Task a is completed: task\.cancelled is not possible/);
      assert.strictEqual((await stage.run(["tasks", "show", "never"])).code, 4);
      assert.strictEqual((await stage.run(["tasks", "submit", ""])).code, 2);
    },
  );
});
