import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { answers } from "../../projections/answers.ts";
import type { RecordedEvent } from "../../src/domain/Event.ts";
import { config, task, thread } from "../../src/domain/History.ts";
import { eventAt, noTruth } from "../drill/catalog/Stream.ts";
import { event, said } from "../projection/StubLog.ts";
import { folded } from "../projection/World.ts";

const events = 2_400;

const round = (value: unknown) => Math.round(Number(value) * 1e6) / 1e6;

/** Nearest rank, reckoned anew. */
const rank = (sorted: ReadonlyArray<number>, percent: number) => sorted[Math.ceil((sorted.length * percent) / 100) - 1];

describe("answers", () => {
  it.live("say of a made-up year what was counted when it was made", () =>
    Effect.gen(function* () {
      const truth = noTruth();
      const given = Array.from({ length: events }, (_, index) => eventAt(truth, index, events));
      const { rows } = yield* folded(given);
      const millis = new Map([...truth.tools].map(([name, tool]) => [name, tool.millis.toSorted((a, b) => a - b)]));
      const tools = [...truth.tools].toSorted(([a], [b]) => (a < b ? -1 : 1));

      assert.deepStrictEqual(
        rows(`SELECT tool_name, calls, ok, errors, unknown, result_bytes, p50_duration_millis, p95_duration_millis, p99_duration_millis,
          max_duration_millis FROM v_tool_stats ORDER BY 1`).map(Object.values),
        tools.map(([name, tool]) => [
          name,
          tool.calls,
          tool.ok,
          tool.errors,
          tool.calls - tool.ok - tool.errors,
          tool.resultBytes,
          ...[50, 95, 99, 100].map((percent) => rank(millis.get(name) ?? [], percent)),
        ]),
      );
      const byClient = rows(
        "SELECT tool_name, sum(calls), sum(errors), sum(result_bytes) FROM v_tool_use GROUP BY 1 ORDER BY 1",
      );
      assert.deepStrictEqual(
        byClient.map(Object.values),
        tools.map(([name, tool]) => [name, tool.calls, tool.errors, tool.resultBytes]),
      );
      assert.deepStrictEqual(
        rows("SELECT tool_name, sum(timed) FROM v_tool_latency GROUP BY 1 ORDER BY 1").map(Object.values),
        tools.map(([name, tool]) => [name, tool.millis.length]),
      );
      assert.strictEqual(round(rows("SELECT sum(context_share) AS whole FROM v_tool_context")[0]?.["whole"]), 1);
      assert.deepStrictEqual(
        rows("SELECT error_message, sum(errors) FROM v_errors GROUP BY 1 ORDER BY 1").map(Object.values),
        [...truth.errors].toSorted(([a], [b]) => (a < b ? -1 : 1)),
      );

      const before = process.env["TZ"];
      try {
        process.env["TZ"] = "UTC";
        assert.deepStrictEqual(
          rows(
            "SELECT day || ' ' || model AS it, input_tokens, output_tokens, cache_read_tokens FROM v_daily_tokens ORDER BY 1",
          ).map(Object.values),
          [...truth.tokens]
            .toSorted(([a], [b]) => (a < b ? -1 : 1))
            .map(([day, sums]) => [day, sums.input, sums.output, sums.cacheRead]),
        );
        assert.deepStrictEqual(
          rows("SELECT day, messages, prompts, threads FROM v_daily_activity ORDER BY 1").map(Object.values),
          [...truth.days]
            .toSorted(([a], [b]) => (a < b ? -1 : 1))
            .map(([day, sums]) => [day, sums.messages, sums.prompts, sums.threads.size]),
        );
      } finally {
        if (before === undefined) delete process.env["TZ"];
        else process.env["TZ"] = before;
      }
      const sources = [...truth.sources]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, sums]) => [name, sums.events, sums.bytes]);
      for (const view of ["v_daily_storage", "v_event_meanings"])
        assert.deepStrictEqual(
          rows(`SELECT source, sum(events), sum(data_bytes) FROM ${view} GROUP BY 1 ORDER BY 1`).map(Object.values),
          sources,
        );
      assert.strictEqual(rows("SELECT sum(events) AS events FROM v_thread_storage")[0]?.["events"], events);

      const [funnel] = rows("SELECT tasks, started, completed, failed, still_open FROM v_task_funnel");
      const ends = truth.statuses;
      assert.deepStrictEqual(Object.values(funnel ?? {}), [
        24,
        24,
        ends.get("completed") ?? 0,
        ends.get("failed") ?? 0,
        ends.get("running") ?? 0,
      ]);
      assert.strictEqual(
        rows("SELECT count(*) AS n FROM v_open_tasks WHERE is_stuck = 1")[0]?.["n"],
        ends.get("running") ?? 0,
      );
      assert.deepStrictEqual(
        rows("SELECT DISTINCT status_millis FROM v_task_states WHERE status = 'pending'").map(Object.values),
        [[20_000]],
      );
      assert.lengthOf(rows("SELECT * FROM v_illegal_transitions"), 0);

      const [model] = rows("SELECT * FROM v_model_usage WHERE model = 'claude-opus-4-5'");
      const opus = [...truth.tokens].filter(([key]) => key.endsWith(" claude-opus-4-5")).map(([, sums]) => sums);
      const sum = (of: (sums: { input: number; output: number; cacheRead: number }) => number) =>
        opus.reduce((all, one) => all + of(one), 0);
      const hit = sum(({ cacheRead }) => cacheRead);
      const estimate = ((sum(({ input }) => input) - hit) * 5 + hit * 0.5 + sum(({ output }) => output) * 25) / 1e6;
      assert.strictEqual(round(model?.["estimated_usd"]), round(estimate));
      assert.strictEqual(model?.["cost_usd"], null);
      assert.strictEqual(round(model?.["cache_hit_share"]), round(hit / sum(({ input }) => input)));
      for (const view of ["v_daily_costs", "v_project_costs", "v_thread_costs", "v_family_costs"])
        assert.strictEqual(
          round(rows(`SELECT sum(estimated_usd) AS sum FROM ${view}`)[0]?.["sum"]),
          round(rows("SELECT sum(estimated_usd) AS sum FROM v_model_usage")[0]?.["sum"]),
          view,
        );

      const [turn] = rows(
        "SELECT count(*) AS turns, sum(messages) AS messages, sum(tool_calls) AS calls FROM v_turns WHERE thread_id = 'thread-3'",
      );
      const [whole] = rows("SELECT turns, answers, tool_calls FROM v_thread_turns WHERE thread_id = 'thread-3'");
      assert.strictEqual(turn?.["turns"], whole?.["turns"]);
      assert.strictEqual(turn?.["calls"], whole?.["tool_calls"]);
      assert.deepStrictEqual(
        rows("SELECT events, last_sequence, checkpoint_sequence, dead_letters, unanswered FROM v_health").map(
          Object.values,
        ),
        [[events, events, events, 0, 0]],
      );
      const written = given.filter(
        ({ body, type }) => type === "thread.tool_called" && /"name":"(Edit|Write)"/.test(body.toString()),
      );
      const failed = new Set(
        given.flatMap(({ body, type }) =>
          type === "thread.tool_returned" && Buffer.from(body).includes('"error"')
            ? [(JSON.parse(Buffer.from(body).toString()) as { callId: string }).callId]
            : [],
        ),
      );
      const callIds = written.map(
        ({ body }) => (JSON.parse(Buffer.from(body).toString()) as { callId: string }).callId,
      );
      assert.strictEqual(
        rows("SELECT sum(writes) AS n FROM v_file_use")[0]?.["n"],
        callIds.filter((id) => !failed.has(id)).length,
      );
    }),
  );

  it.live("know loops, what follows what, calls without an outcome, and moves that the rule book forbids", () =>
    Effect.gen(function* () {
      const call = (n: number, name: string, args: object) =>
        event(n, "thread.tool_called", { callId: `c${n}`, name, arguments: args }, { in: thread("t1") });
      const { rows } = yield* folded([
        said(1, "go", { in: thread("t1"), role: "user" }),
        call(2, "Read", { path: "/a" }),
        call(3, "Read", { path: "/a" }),
        call(4, "Edit", { path: "/a" }),
        call(5, "Read", { path: "/a" }),
        call(6, "Read", { path: "/b" }),
        said(7, "and again", { in: thread("t1"), role: "user" }),
        event(8, "task.submitted", { request: { agentType: "coder" } }, { in: task("k1") }),
        event(9, "task.completed", { output: 1 }, { in: task("k1") }),
        event(10, "task.started", {}, { in: task("k2") }),
      ]);
      assert.deepStrictEqual(
        rows("SELECT tool_name, times, arguments, first_sequence, last_sequence FROM v_loops").map(Object.values),
        [["Read", 3, '{"path":"/a"}', 2, 5]],
      );
      assert.deepStrictEqual(
        rows("SELECT tool_name, next_tool_name, times, follow_share FROM v_tool_sequences ORDER BY 1, 2").map(
          Object.values,
        ),
        [
          ["Edit", "Read", 1, 1],
          ["Read", null, 1, 0.25],
          ["Read", "Edit", 1, 0.25],
          ["Read", "Read", 2, 0.5],
        ],
      );
      assert.deepStrictEqual(
        rows("SELECT sequence, is_cut FROM v_open_calls ORDER BY 1").map(Object.values),
        [2, 3, 4, 5, 6].map((n) => [n, 1]),
      );
      assert.deepStrictEqual(
        rows("SELECT task_id, from_status, to_status FROM v_illegal_transitions ORDER BY 1").map(Object.values),
        [
          ["k1", "pending", "completed"],
          ["k2", "new", "running"],
        ],
      );
      assert.deepStrictEqual(rows("SELECT turn, messages, tool_calls FROM v_turns ORDER BY turn").map(Object.values), [
        [1, 1, 5],
        [2, 1, 0],
      ]);
    }),
  );

  it.live("take a price that was set in place of the list's, and say whose it is", () =>
    Effect.gen(function* () {
      const spoke = (n: number, model: string): RecordedEvent =>
        event(n, "thread.message_appended", {
          messageId: `m${n}`,
          role: "assistant",
          model,
          parts: [{ type: "text", text: "x" }],
          usage: { input: 1_000_000, output: 0 },
        });
      const set = (n: number, value: unknown) =>
        event(
          n,
          "config.changed",
          { changes: [{ field: "prices.claude-opus-4-5", value }] },
          { in: config("default") },
        );
      const asked = "SELECT model, estimated_usd, unpriced_messages FROM v_model_usage ORDER BY 1";
      const own = yield* folded([
        spoke(1, "anthropic/claude-opus-4-5-20251101"),
        spoke(2, "nobody-knows"),
        set(3, { input: 7, output: 1 }),
      ]);
      assert.deepStrictEqual(own.rows(asked).map(Object.values), [
        ["anthropic/claude-opus-4-5-20251101", 7, 0],
        ["nobody-knows", null, 1],
      ]);
      assert.deepStrictEqual(
        own
          .rows("SELECT price_source, cache_read_usd_per_million FROM v_prices WHERE priced_model = 'claude-opus-4-5'")
          .map(Object.values),
        [["configuration", 7]],
      );
      const priceOfAll = yield* folded(
        [
          "claude-haiku-4.5",
          "claude-opus-4-1-20250805",
          "claude-opus-4-6",
          "claude-opus-4-9",
          "claude-opus-4@20250514",
          "gemini-3-pro-preview",
          "gpt-5-2025-08-07",
          "gpt-5-codex",
          "gpt-5-pro",
          "gpt-5.4",
          "gpt-5.9",
          "o3-pro",
          "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ].map((model, at) => spoke(at + 1, model)),
      );
      assert.deepStrictEqual(
        priceOfAll.rows("SELECT model, estimated_usd FROM v_model_usage ORDER BY 1").map(Object.values),
        [
          ["claude-haiku-4.5", 1],
          ["claude-opus-4-1-20250805", 15],
          ["claude-opus-4-6", 5],
          ["claude-opus-4-9", null],
          ["claude-opus-4@20250514", 15],
          ["gemini-3-pro-preview", 2],
          ["gpt-5-2025-08-07", 1.25],
          ["gpt-5-codex", 1.25],
          ["gpt-5-pro", null],
          ["gpt-5.4", 2.5],
          ["gpt-5.9", null],
          ["o3-pro", null],
          ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", 3],
        ],
      );
      const back = yield* folded([spoke(1, "claude-opus-4-5"), set(2, { input: 7, output: 1 }), set(3, null)]);
      assert.deepStrictEqual(back.rows(asked).map(Object.values), [["claude-opus-4-5", 5, 0]]);
    }),
  );

  it("have no rows of their own", () => assert.isEmpty(answers.tables));
});
