import { assert, describe, it } from "@effect/vitest";
import { plainWords } from "../../src/domain/thread/MessageKind.ts";
import { Effect, Layer } from "effect";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { tokensOf } from "../../src/domain/Tokens.ts";
import { dataRoot } from "../domain/realEntries.ts";
import { imported, importedFiles, rows, store } from "../support/Imported.ts";

const fresh = Effect.provide(Layer.fresh(store));

const claude = (uuid: string, more: Readonly<Record<string, unknown>>) => ({
  parentUuid: null,
  sessionId: "5e550000-0000-4000-8000-000000000001",
  type: "user",
  uuid,
  timestamp: "2026-03-01T22:30:00.000Z",
  ...more,
});

describe("a time that nobody said", () => {
  it.live("is no time: of messages, calls and threads of formats without times, which keep the file's as such", () =>
    Effect.gen(function* () {
      const call = { id: "c1", type: "function", function: { name: "look", arguments: "{}" } };
      yield* importedFiles({
        "talk.json": JSON.stringify({
          messages: [
            { role: "user", content: "where is it?" },
            { role: "assistant", content: null, tool_calls: [call] },
            { role: "tool", tool_call_id: "c1", content: "here" },
          ],
        }),
      });
      assert.deepStrictEqual(
        yield* rows("SELECT occurred_at, assumed_at > 0 FROM v_messages"),
        Array.from({ length: 3 }, () => [null, 1]),
      );
      assert.deepStrictEqual(yield* rows("SELECT started_at, ended_at, duration_millis, outcome FROM v_tool_calls"), [
        [null, null, null, "ok"],
      ]);
      assert.deepStrictEqual(
        yield* rows("SELECT calls, timed, mean_duration_millis, max_duration_millis FROM v_tool_stats"),
        [[1, 0, null, null]],
      );
      assert.deepStrictEqual(yield* rows("SELECT opened_at, last_activity_at, listed_at > 0 FROM v_threads"), [
        [null, null, 1],
      ]);
    }).pipe(fresh),
  );

  it.live("does not make a call of 0 ms of one that is told together with its result", () =>
    Effect.gen(function* () {
      const toolCalls = [{ id: "a", name: "read", args: {}, status: "success", result: [{ text: "x" }] }];
      const at = "2026-03-01T10:00:00.000Z";
      yield* importedFiles({
        "session.json": JSON.stringify({
          sessionId: "9e3e0000-0000-4000-8000-000000000001",
          projectHash: "p",
          startTime: at,
          messages: [{ id: "m", type: "gemini", timestamp: at, content: "ok", toolCalls }],
        }),
      });
      assert.deepStrictEqual(yield* rows("SELECT started_at > 0, duration_millis FROM v_tool_calls"), [[1, null]]);
    }).pipe(fresh),
  );

  it.live("that lies in the future counts as when it was recorded, and is kept and marked", () =>
    Effect.gen(function* () {
      const said = (session: string, timestamp: string) =>
        claude("u1", { sessionId: session, timestamp, message: { role: "user", content: "hi" } });
      yield* importedFiles({
        "a.jsonl": [said("a0000000-0000-4000-8000-000000000001", "2099-01-01T00:00:00Z")],
        "b.jsonl": [said("b0000000-0000-4000-8000-000000000001", "2026-03-01T00:00:00Z")],
      });
      const [[latest] = []] = yield* rows("SELECT max(listed_at) - unixepoch('now') * 1000 FROM v_threads");
      assert.isBelow(Number(latest), 60_000);
      assert.deepStrictEqual(yield* rows("SELECT count(*) FROM v_messages WHERE occurred_at > 4000000000000"), [[0]]);
      assert.deepStrictEqual(yield* rows("SELECT max(day) <= date('now', '+1 day') FROM v_daily_activity"), [[1]]);
      assert.deepStrictEqual(
        yield* rows(`SELECT date(occurred_at / 1000, 'unixepoch'), is_ahead FROM v_events
          WHERE type = 'thread.entry_recorded' ORDER BY sequence`),
        [
          ["2099-01-01", 1],
          ["2026-03-01", 0],
        ],
      );
    }).pipe(fresh),
  );
});

describe("messages", () => {
  it.live("tell a person's prompt, a command, a program's notice and a tool's result apart", () =>
    Effect.gen(function* () {
      const user = (uuid: string, content: unknown, more = {}) =>
        claude(uuid, { message: { role: "user", content }, ...more });
      yield* importedFiles({
        "s.jsonl": [
          user(
            "a",
            "<command-name>/model</command-name>\n<command-message>model</command-message>\n<command-args>opus</command-args>",
          ),
          user("b", "<local-command-stdout>Set model</local-command-stdout>"),
          user("c", "Why is it slow?"),
          user("d", [{ type: "tool_result", tool_use_id: "t", content: "x" }]),
          user("e", "told by a hook", { isMeta: true }),
          user("f", "[Request interrupted by user]"),
        ],
      });
      assert.deepStrictEqual(yield* rows("SELECT kind FROM v_messages ORDER BY sequence"), [
        ["command"],
        ["notice"],
        ["prompt"],
        ["tool_result"],
        ["notice"],
        ["notice"],
      ]);
      assert.deepStrictEqual(yield* rows("SELECT opening, messages, prompts, answers, tool, client FROM v_threads"), [
        ["Why is it slow?", 6, 1, 0, "claude-code", "claude-code"],
      ]);
    }).pipe(fresh),
  );

  it("are shown without the tags that an agent put around a person's words", () => {
    assert.strictEqual(plainWords("<task>\nfix it\n</task>\n<environment_details>x</environment_details>"), "fix it");
    assert.strictEqual(plainWords("<USER_REQUEST> list </USER_REQUEST>"), "list");
    assert.strictEqual(plainWords("<user_query>cut of"), "cut of");
    assert.strictEqual(plainWords("<b>bold</b> words"), "<b>bold</b> words");
  });
});

describe("tokens", () => {
  it("mean one thing for every provider: parts of what was sent and received, never larger than it", () => {
    const anthropic = tokensOf({ input: 3, output: 10, cacheRead: 900, cacheWrite: 97 });
    assert.deepStrictEqual(anthropic, { uncached: 3, cacheRead: 900, cacheWrite: 97, visible: 10, reasoning: null });
    const openai = tokensOf({ input: 1000, output: 10, cacheRead: 900, reasoning: 4, cacheInInput: true });
    assert.deepStrictEqual(openai, { uncached: 100, cacheRead: 900, cacheWrite: null, visible: 6, reasoning: 4 });
    const gemini = tokensOf({
      input: 1000,
      output: 10,
      cacheRead: 900,
      reasoning: 40,
      cacheInInput: true,
      reasoningInOutput: false,
    });
    assert.deepStrictEqual(gemini, { uncached: 100, cacheRead: 900, cacheWrite: null, visible: 10, reasoning: 40 });
    // Said to be inside, and larger than the whole: it was beside.
    assert.strictEqual(tokensOf({ input: 5, output: 1, cacheRead: 9, cacheInInput: true }).uncached, 5);
    assert.strictEqual(tokensOf({ input: 5, output: 1, reasoning: 9 }).visible, 1);
  });

  it.live("are added up by day of the person, with the provider's own numbers beside, and days nobody said apart", () =>
    Effect.gen(function* () {
      const usage = {
        input_tokens: 3,
        output_tokens: 10,
        cache_read_input_tokens: 900,
        cache_creation_input_tokens: 97,
      };
      const spoke = (id: string, timestamp: string | undefined) => ({
        ...claude(id, { type: "assistant", requestId: `r${id}` }),
        timestamp,
        message: { id: `m${id}`, role: "assistant", model: "opus", content: [], usage },
      });
      yield* importedFiles({
        "s.jsonl": [spoke("a", "2026-03-01T22:30:00Z"), spoke("b", "2026-03-01T23:30:00Z"), spoke("c", undefined)],
      });
      const daily = "SELECT day, provider_messages, input_tokens, cache_read_tokens, threads FROM v_daily_tokens";
      const before = process.env["TZ"];
      try {
        process.env["TZ"] = "UTC";
        assert.deepStrictEqual(yield* rows(daily), [
          [null, 1, 1000, 900, 1],
          ["2026-03-01", 2, 2000, 1800, 1],
        ]);
        process.env["TZ"] = "Europe/Berlin";
        assert.deepStrictEqual(yield* rows(daily), [
          [null, 1, 1000, 900, 1],
          ["2026-03-01", 1, 1000, 900, 1],
          ["2026-03-02", 1, 1000, 900, 1],
        ]);
        assert.deepStrictEqual(yield* rows("SELECT day, threads, messages, answers FROM v_daily_activity"), [
          [null, 1, 1, 1],
          ["2026-03-01", 1, 1, 1],
          ["2026-03-02", 1, 1, 1],
        ]);
      } finally {
        if (before === undefined) delete process.env["TZ"];
        else process.env["TZ"] = before;
      }
      assert.deepStrictEqual(
        yield* rows("SELECT DISTINCT input_tokens, uncached_input_tokens, provider_input_tokens FROM v_token_usage"),
        [[1000, 3, 3]],
      );
    }).pipe(fresh),
  );

  it.live("are held by the table itself: no part is negative", () =>
    Effect.gen(function* () {
      yield* importedFiles({ "s.jsonl": [claude("a", { message: { role: "user", content: "hi" } })] });
      const [[sql] = []] = yield* rows("SELECT sql FROM sqlite_schema WHERE name = 'token_usage'");
      for (const part of ["uncached", "visible", "cache_read", "cache_write", "reasoning"])
        assert.include(String(sql), `CHECK (${part}_tokens >= 0)`);
    }).pipe(fresh),
  );
});

// ------------------------------------------------------------------------------------------------------ real transcripts

const filesOf = (set: string, ending: string): ReadonlyArray<string> =>
  readdirSync(join(dataRoot ?? "", set))
    .filter((name) => name.endsWith(ending))
    .map((name) => readFileSync(join(dataRoot ?? "", set, name), "utf8"));

interface Counted {
  readonly cost?: number;
  readonly role: string;
  readonly usage?: { readonly prompt_tokens: number };
}

describe.skipIf(dataRoot === undefined)("what real transcripts say", { timeout: 120_000 }, () => {
  it.live("of costs is kept: tau2 by who spent it, pi by message, SWE-agent by run", () =>
    Effect.gen(function* () {
      yield* imported(["tau2-results", "pi-session", "swe-agent"].map((set) => join(dataRoot ?? "", set)));
      const tau2 = { agent: 0, user: 0 };
      for (const text of filesOf("tau2-results", ".json")) {
        const { simulations } = JSON.parse(text) as { simulations: Array<{ agent_cost: number; user_cost: number }> };
        for (const one of simulations) {
          tau2.agent += one.agent_cost;
          tau2.user += one.user_cost;
        }
      }
      const pi = filesOf("pi-session", ".jsonl")
        .flatMap((text) => text.split("\n"))
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as { message?: { usage?: { cost?: { total: number } } } })
        .reduce((sum, { message }) => sum + (message?.usage?.cost?.total ?? 0), 0);
      const swe = filesOf("swe-agent", ".traj")
        .map((text) => JSON.parse(text) as { info?: { model_stats?: { instance_cost?: number } } })
        .reduce((sum, { info }) => sum + (info?.model_stats?.instance_cost ?? 0), 0);
      const costs = yield* rows(
        `SELECT t.tool, u.spender, sum(u.cost_usd) FROM v_token_usage u JOIN v_threads t USING (thread_id, tenant)
         GROUP BY 1, 2 ORDER BY 1, 2`,
      );
      const rounded = costs.map(([tool, spender, cost]) => [tool, spender, Number(cost).toFixed(6)]);
      assert.deepStrictEqual(rounded, [
        ["pi", null, pi.toFixed(6)],
        ["swe-agent", null, swe.toFixed(6)],
        ["tau2", "agent", tau2.agent.toFixed(6)],
        ["tau2", "user", tau2.user.toFixed(6)],
      ]);
    }).pipe(fresh),
  );

  it.live("of models at the head of a file is known of all its tokens", () =>
    Effect.gen(function* () {
      yield* imported([join(dataRoot ?? "", "tau2-results")]);
      const expected = new Map<string, number>();
      for (const text of filesOf("tau2-results", ".json")) {
        const file = JSON.parse(text) as {
          info: { agent_info: { llm: string }; user_info: { llm: string } };
          simulations: Array<{ messages: Array<Counted & { raw_data?: { model?: string } }> }>;
        };
        for (const { messages } of file.simulations)
          for (const { raw_data, role, usage } of messages) {
            if (usage == null) continue;
            const head = role === "user" ? file.info.user_info.llm : file.info.agent_info.llm;
            const model = raw_data?.model ?? head;
            expected.set(model, (expected.get(model) ?? 0) + usage.prompt_tokens);
          }
      }
      assert.deepStrictEqual(
        yield* rows("SELECT model, sum(input_tokens) FROM v_token_usage GROUP BY 1 ORDER BY 1"),
        [...expected].toSorted(([left], [right]) => (left < right ? -1 : 1)),
      );
    }).pipe(fresh),
  );

  it.live("of the agent that wrote it is there for every thread of an agent", () =>
    Effect.gen(function* () {
      const sets = [
        "claude-code-entire",
        "codex-rollouts",
        "gemini-cli-entire",
        "inspect-eval-logs",
        "agent-sessions-fixtures",
      ];
      yield* imported(sets.map((set) => join(dataRoot ?? "", set)));
      assert.deepStrictEqual(yield* rows("SELECT count(*) FROM v_threads WHERE tool IS NULL OR client IS NULL"), [[0]]);
    }).pipe(fresh),
  );
});
