/** Costs of sub-agents beside those of the threads that gave them work, and open tasks without an owner. */
import { assert, beforeEach, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Effect } from "effect";
import { task, thread } from "../../../src/domain/History.ts";
import { Query } from "../../../src/query/Query.ts";
import * as QuerySqlite from "../../../src/query/QuerySqlite.ts";
import { reportNamed } from "../../../src/query/report/All.ts";
import { runReport } from "../../../src/query/report/RunReport.ts";
import { event } from "../../projection/StubLog.ts";
import { folded } from "../../projection/World.ts";

const hour = 3_600_000;
const begun = Date.UTC(2026, 2, 1);
let sequence = 0;
beforeEach(() => {
  sequence = 0;
});
const put = (type: string, history: ReturnType<typeof thread>, at: number, data: unknown) =>
  event(++sequence, type, data, { in: history, occurredAt: at, recordedAt: at });

/** Each thread says one thing: 1,000,000 tokens sent, which cost 5 dollars by the list. */
const spoke = (id: string, at = begun) =>
  put("thread.message_appended", thread(id), at, {
    messageId: `${id} said`,
    role: "assistant",
    provider: "anthropic",
    model: "claude-opus-4-5",
    usage: { input: 1_000_000, output: 0 },
    parts: [{ type: "text", text: "done" }],
  });
const opened = (id: string, parentThreadId?: string) => put("thread.opened", thread(id), begun, { parentThreadId });

const rowsOf = Effect.fnUntraced(function* (
  file: string,
  report: string,
  section: string,
  more: { readonly since?: number } = {},
) {
  const asked = runReport(reportNamed(report) ?? assert.fail(report), {
    tenant: "default",
    sections: [section],
    ...more,
  });
  const answer = yield* Effect.provideService(asked, Query, yield* QuerySqlite.make({ path: file }));
  const [found] = answer.sections;
  return (found?.rows ?? []).map((row) =>
    Object.fromEntries((found?.columns ?? []).map(({ name }, at) => [name, row[at]])),
  );
});

const inDatabase = (file: string, sql: string) => {
  const db = new Database(file);
  db.exec(sql);
  db.close();
};

describe("the dearest threads", () => {
  it.live("have what sub-agents cost beside their own, reported and estimated apart, however deep and wherever", () =>
    Effect.gen(function* () {
      const { file } = yield* folded([
        opened("root"),
        opened("child", "root"),
        opened("grandchild", "child"),
        put("thread.forked", thread("fork"), begun, { fromThreadId: "root", at: 1 }),
        opened("idle"),
        opened("busy", "idle"),
        ...["root", "child", "grandchild", "fork", "inside"].map((id) => spoke(id)),
        spoke("busy", begun + 24 * hour),
      ]);
      const number = (id: string) => `(SELECT name FROM names WHERE text = '${id}')`;
      inDatabase(
        file,
        `UPDATE token_usage SET cost_usd = 3 WHERE thread_id = ${number("grandchild")};
         UPDATE token_usage SET sidechain = 1 WHERE thread_id = ${number("inside")}`,
      );
      const rows = yield* rowsOf(file, "cost", "dearest");
      const spent = (id: string) => {
        const row = rows.find((one) => one["thread_id"] === id) ?? assert.fail(id);
        return ["cost_usd", "estimated_usd", "delegated_cost_usd", "delegated_estimated_usd", "delegated_input_tokens"]
          .map((name) => row[name])
          .concat(row["delegated_threads"]);
      };
      assert.deepStrictEqual(spent("root"), [null, 5, 3, 5, 2_000_000, 2]);
      assert.deepStrictEqual(spent("child"), [null, 5, 3, null, 1_000_000, 1]);
      assert.deepStrictEqual(spent("grandchild"), [3, null, null, null, 0, 0]);
      assert.deepStrictEqual(spent("fork"), [null, 5, null, null, 0, 0]);
      assert.deepStrictEqual(spent("inside"), [null, null, null, 5, 1_000_000, 0]);
      assert.deepStrictEqual(spent("idle"), [null, null, null, 5, 1_000_000, 1]);
      assert.strictEqual(rows[0]?.["thread_id"], "root");
      assert.sameMembers(
        (yield* rowsOf(file, "cost", "dearest", { since: begun + hour })).map((row) => row["thread_id"]),
        ["idle", "busy"],
      );
    }),
  );
});

describe("open tasks", () => {
  it.live("are counted as waiting, at work, stuck or orphaned, each once, and orphaned ones are listed apart", () =>
    Effect.gen(function* () {
      const request = { agentType: "coder", description: "work" };
      const submitted = (id: string, more: object = {}) => put("task.submitted", task(id), begun, { request, ...more });
      const started = (id: string, at: number) => put("task.started", task(id), at, { worker: "w" });
      const { file } = yield* folded([
        put("thread.opened", thread("gone"), begun, {}),
        submitted("parent"),
        submitted("orphan", { parentTaskId: "parent" }),
        submitted("of-gone", { threadId: "gone" }),
        submitted("waiting"),
        submitted("stuck"),
        submitted("working"),
        started("stuck", begun),
        started("orphan", begun),
        put("task.cancelled", task("parent"), begun + hour, {}),
        put("thread.deleted", thread("gone"), begun + hour, {}),
        started("working", begun + 3 * hour),
      ]);
      assert.deepStrictEqual(yield* rowsOf(file, "tasks", "open"), [
        { agent_type: "coder", open: 5, waiting: 1, working: 1, stuck: 1, orphaned: 2 },
      ]);
      const ids = (section: string) =>
        Effect.map(rowsOf(file, "tasks", section), (rows) => rows.map((row) => row["task_id"]));
      assert.deepStrictEqual(yield* ids("stuck"), ["stuck", "waiting"]);
      assert.deepStrictEqual(yield* ids("orphaned"), ["of-gone", "orphan"]);
    }),
  );
});
