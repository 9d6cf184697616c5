import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { entries } from "../../projections/entries.ts";
import { ledger } from "../../projections/ledger.ts";
import { messages } from "../../projections/messages.ts";
import { paths } from "../../projections/paths.ts";
import { sessions } from "../../projections/sessions.ts";
import { tasks } from "../../projections/tasks.ts";
import { threads } from "../../projections/threads.ts";
import { tokenUsage } from "../../projections/tokenUsage.ts";
import { toolCalls } from "../../projections/toolCalls.ts";
import type { Fact } from "../../src/domain/Fact.ts";
import { session, source, task, thread } from "../../src/domain/History.ts";
import type { Projection } from "../../src/projection/Projection.ts";
import { event, misfit, said, uuid } from "../projection/StubLog.ts";
import { folded } from "../projection/World.ts";

const all = [ledger, threads, paths, messages, toolCalls, tokenUsage, tasks, sessions, entries];

/** Feeds facts past the interpreters: each event carries its own, by sequence. */
const telling = (facts: Readonly<Record<number, ReadonlyArray<Fact>>>): ReadonlyArray<Projection> =>
  all.map(({ facts: kinds, ...projection }) => ({
    ...projection,
    handle: (recorded, _facts, quoting) => {
      const told = (facts[recorded.sequence] ?? []).map((fact) => ({ at: recorded.occurredAt, ...fact }));
      const concerns = kinds === undefined || told.some(({ _tag }) => kinds.includes(_tag));
      return concerns ? projection.handle(recorded, told, quoting) : [];
    },
  }));

/** What was told, one event for each list of facts, in thread `t1` unless another is named. */
const told = Effect.fnUntraced(function* (
  ...lists: ReadonlyArray<ReadonlyArray<Fact> | readonly [string, ReadonlyArray<Fact>]>
) {
  const given = lists.map((list, index) => {
    const [id, facts] =
      typeof list[0] === "string" ? (list as readonly [string, ReadonlyArray<Fact>]) : (["t1", list] as const);
    return { entry: event(index + 1, "test.told", {}, { in: thread(id) }), facts: facts as ReadonlyArray<Fact> };
  });
  return yield* folded(
    given.map(({ entry }) => entry),
    telling(Object.fromEntries(given.map(({ entry, facts }) => [entry.sequence, facts]))),
  );
});

const spoke = (messageId: string, segment: string, texts: ReadonlyArray<string>, more: object = {}): Fact => ({
  _tag: "MessageSaid",
  messageId,
  segment,
  role: "assistant",
  parts: texts.map((text) => ({ type: "text", text })),
  ...more,
});

describe("the ledger", () => {
  it.live("keeps every field of every event, and ids readable and searchable", () =>
    Effect.gen(function* () {
      const { rows } = yield* folded([
        event(
          1,
          "thread.renamed",
          { title: "x" },
          {
            actor: "ann",
            session: "s",
            correlationId: uuid(9),
            causationId: "not-a-uuid",
            traceparent: "00-1",
            extensions: { team: "blue", principal: "ann-of-finance" },
          },
        ),
        event(2, "thread.renamed", { title: "é" }, { id: "UPPER-1" }),
        misfit(3, "the subject is strange"),
        event(4, "thread.unheard", Buffer.from([0xff]).toString("latin1"), { body: new Uint8Array([0xff, 0]) }),
      ]);
      assert.deepStrictEqual(rows("SELECT * FROM v_events WHERE sequence = 1")[0], {
        sequence: 1,
        event_id: uuid(1),
        type: "thread.renamed",
        schema_version: 1,
        tenant: "default",
        kind: "thread",
        subject: "t1",
        source: "test",
        actor: "ann",
        session: "s",
        correlation_id: uuid(9),
        causation_id: "not-a-uuid",
        traceparent: "00-1",
        extensions: '{"team":"blue","principal":"ann-of-finance"}',
        principal: "ann-of-finance",
        occurred_at: 1_700_000_001_000,
        recorded_at: 1_700_000_000_001,
        is_ahead: 0,
        data: '{"title":"x"}',
        data_bytes: 13,
        problem: null,
        digest: "401f8a00917937c213351412da6292aac8251b3c40ba8eb07fe61b5d7bcfaca0",
        wire_headers: null,
        misfit_subject: null,
        meaning: "thread_described",
        stored_actor: "ann",
        stored_session: "s",
        stored_correlation_id: uuid(9),
        event_key: Buffer.from(uuid(1).replaceAll("-", ""), "hex"),
      });
      assert.deepInclude(rows("SELECT event_id, data, data_bytes FROM v_events WHERE sequence = 2")[0], {
        event_id: "UPPER-1",
        data: '{"title":"é"}',
        data_bytes: 14,
      });
      assert.deepInclude(rows("SELECT * FROM v_events WHERE sequence = 3")[0], {
        type: null,
        subject: null,
        misfit_subject: "recollect.strange",
        problem: "the subject is strange",
      });
      assert.deepStrictEqual(rows("SELECT data FROM v_events WHERE sequence = 4")[0]?.["data"], Buffer.from([0xff, 0]));
      const byKey = `FROM v_events WHERE event_key = x'${uuid(1).replaceAll("-", "")}'`;
      assert.match(JSON.stringify(rows(`EXPLAIN QUERY PLAN SELECT data ${byKey}`)), /USING INDEX events_by_2/);
      assert.lengthOf(rows(`SELECT 1 ${byKey}`), 1);
      const ofHistory = "EXPLAIN QUERY PLAN SELECT sequence, data FROM v_events WHERE subject = 't1'";
      assert.match(JSON.stringify(rows(ofHistory)), /USING INDEX events_by_1/);
    }),
  );
});

describe("threads", () => {
  it.live("describes a thread by its latest words and its whole span", () =>
    Effect.gen(function* () {
      const { rows } = yield* folded([
        event(
          1,
          "thread.opened",
          { title: "First", tool: "claude-code", client: { name: "cli", version: "1" }, tags: ["a", "b"] },
          { occurredAt: 5000 },
        ),
        said(2, "hello", { occurredAt: 1000 }),
        event(3, "thread.renamed", { title: "Second" }, { occurredAt: 9000 }),
        event(4, "thread.tagged", { add: ["c"], remove: ["a"] }, { occurredAt: 8000 }),
        event(5, "thread.opened", {}, { in: thread("t1", "another") }),
        event(6, "source.described", { format: "x" }, { in: source("f") }),
      ]);
      assert.deepInclude(rows("SELECT * FROM v_threads WHERE tenant = 'default'")[0], {
        thread_id: "t1",
        title: "Second",
        tool: "claude-code",
        client: "cli",
        opened_at: 1000,
        last_activity_at: 9000,
        messages: 1,
        tool_calls: 0,
        parent_thread_id: null,
      });
      assert.lengthOf(rows("SELECT * FROM v_threads"), 2);
      assert.deepStrictEqual(
        rows("SELECT tag FROM v_thread_tags ORDER BY tag").map(({ tag }) => tag),
        ["b", "c"],
      );
    }),
  );

  it.live("is known by the first words of a person, not of the program or a side chain", () =>
    Effect.gen(function* () {
      const { rows } = yield* told(
        [spoke("m0", "", ["caveat"], { role: "user", isMeta: true })],
        [spoke("m1", "", ["from a sub-agent"], { role: "user", isSidechain: true })],
        [spoke("m2", "", ["I am the model"])],
        [spoke("m3", "", [" ", "  Why is it slow?\n"], { role: "user" })],
        [spoke("m4", "", ["And now?"], { role: "user" })],
      );
      assert.deepInclude(rows("SELECT title, opening FROM v_threads")[0], { title: null, opening: "Why is it slow?" });
    }),
  );

  it.live("lists the newest fifty without looking at the others", () =>
    Effect.gen(function* () {
      const { rows } = yield* folded([said(1, "x")]);
      const steps = rows("EXPLAIN QUERY PLAN SELECT * FROM v_threads ORDER BY listed_at DESC LIMIT 50");
      const plan = JSON.stringify(steps);
      assert.match(plan, /SCAN t USING INDEX threads_by_1/);
      // A fork's own opening is the first of a few messages, sorted for its row alone.
      assert.notMatch(JSON.stringify(steps.filter(({ parent }) => parent === 0)), /TEMP B-TREE FOR ORDER BY/);
      assert.notMatch(plan, /SCAN (?!t )\w+ USING|SCAN c"|SCAN w"/);
    }),
  );

  it.live("sums tools and reads a thread's durations in the order of an index that has them", () =>
    Effect.gen(function* () {
      const { rows } = yield* folded([said(1, "x")]);
      const stats = JSON.stringify(rows("EXPLAIN QUERY PLAN SELECT calls FROM v_tool_stats"));
      assert.match(stats, /SCAN call_activity USING COVERING INDEX call_activity_by_2/);
      assert.notMatch(stats, /TEMP B-TREE FOR GROUP BY/);
      const ofThread =
        "SELECT max(duration_millis) FROM v_call_durations WHERE thread_number = 1 AND tenant = 'default'";
      assert.match(JSON.stringify(rows(`EXPLAIN QUERY PLAN ${ofThread}`)), /USING INDEX tool_calls_by_1/);
    }),
  );

  it.live("finds one thread's messages and calls through the name of the thread", () =>
    Effect.gen(function* () {
      const { rows } = yield* folded([said(1, "x")]);
      for (const view of ["v_threads", "v_messages", "v_message_parts", "v_tool_calls", "v_token_usage"]) {
        const plan = JSON.stringify(rows(`EXPLAIN QUERY PLAN SELECT * FROM ${view} WHERE thread_id = 't1'`));
        assert.notMatch(plan, /SCAN [a-z]\b/, view);
      }
    }),
  );
});

describe("messages", () => {
  it.live("puts a message together from its segments, in the order in which they came first", () =>
    Effect.gen(function* () {
      const { rows } = yield* told(
        [spoke("m", "one", ["1a", "1b"], { model: "opus" })],
        [spoke("m", "two", ["2"])],
        [spoke("m", "one", ["1 again", "1b", "1c"], { model: "sonnet" })],
      );
      assert.deepInclude(rows("SELECT * FROM v_messages")[0], {
        text: "1 again\n1b\n1c\n2",
        sequence: 1,
        model: "sonnet",
      });
      assert.lengthOf(rows("SELECT * FROM v_messages"), 1);
    }),
  );

  it.live("replaces a segment whole: fewer parts leave none behind, also not in the search", () =>
    Effect.gen(function* () {
      const { rows } = yield* told([spoke("m", "", ["apple", "banana"])], [spoke("m", "", ["cherry"])]);
      assert.deepStrictEqual(rows("SELECT text FROM v_message_parts"), [{ text: "cherry" }]);
      const found = (word: string) =>
        rows("SELECT rowid FROM message_parts_fts WHERE message_parts_fts MATCH ?", word).length;
      assert.deepStrictEqual([found("apple"), found("banana"), found("cherry")], [0, 0, 1]);
    }),
  );

  it.live("shows what was said and what tools answered, thoughts in the parts only", () =>
    Effect.gen(function* () {
      const parts = [
        { type: "thinking", text: "secret" },
        { type: "text", text: "said" },
        { type: "tool_use", callId: "c1", name: "Read" },
        { type: "tool_result", callId: "c1", text: "answered" },
        { type: "image", url: "http://i" },
        { type: "file", path: "/a/b" },
        { type: "text", text: "" },
      ] as const;
      const { rows } = yield* told([{ _tag: "MessageSaid", messageId: "m", segment: "", role: "user", parts }]);
      assert.strictEqual(rows("SELECT text FROM v_messages")[0]?.["text"], "said\nanswered");
      assert.deepStrictEqual(
        rows("SELECT type, refers_to FROM v_message_parts ORDER BY ordinal").map(({ type, refers_to }) => [
          type,
          refers_to,
        ]),
        [
          ["thinking", null],
          ["text", null],
          ["tool_use", "c1"],
          ["tool_result", "c1"],
          ["image", "http://i"],
          ["file", "/a/b"],
          ["text", null],
        ],
      );
    }),
  );

  it.live("cuts a part after 1 MiB and says how large it was", () =>
    Effect.gen(function* () {
      const { rows } = yield* told([spoke("m", "", ["é".repeat(1_100_000)])]);
      assert.deepStrictEqual(rows("SELECT length(text) AS cut, content_bytes AS bytes FROM v_message_parts"), [
        { cut: 1_048_576, bytes: 2_200_000 },
      ]);
    }),
  );

  it.live("counts a second witness only where nobody tells first-hand, whichever came first", () =>
    Effect.gen(function* () {
      const second = { secondHand: true };
      const called = (callKey: string, more: object = {}): Fact => ({
        _tag: "ToolWasCalled",
        callKey,
        callId: "c",
        name: "Read",
        arguments: "{}",
        ...more,
      });
      const used = (usageKey: string, more: object = {}): Fact => ({
        _tag: "TokensUsed",
        usageKey,
        providerMessageId: "p",
        usage: { input: 1 },
        ...more,
      });
      const { rows } = yield* told(
        ["later", [spoke("x1", "", ["second"], second), called("k1", second), used("u1", second)]],
        ["later", [spoke("m1", "", ["first"]), called("k2"), used("u2")]],
        ["sooner", [spoke("m1", "", ["first"]), called("k3"), used("u3")]],
        ["sooner", [spoke("m1", "", ["second"], second), called("k3", second), used("u3", second)]],
        ["only", [spoke("x1", "", ["second"], second), called("k4", second), used("u4", second)]],
      );
      const byThread = (view: string) =>
        rows(`SELECT thread_id, count(*) AS n FROM ${view} GROUP BY 1 ORDER BY 1`).map(({ thread_id, n }) => [
          thread_id,
          n,
        ]);
      for (const view of ["v_messages", "v_message_parts", "v_tool_calls", "v_token_usage"]) {
        assert.deepStrictEqual(
          byThread(view),
          [
            ["later", 1],
            ["only", 1],
            ["sooner", 1],
          ],
          view,
        );
      }
      assert.deepStrictEqual(
        rows("SELECT text FROM v_messages ORDER BY 1").map(({ text }) => text),
        ["first", "first", "second"],
      );
      assert.deepStrictEqual(
        rows("SELECT messages, tool_calls FROM v_threads").map((row) => [row["messages"], row["tool_calls"]]),
        [
          [1, 1],
          [1, 1],
          [1, 1],
        ],
      );
    }),
  );
});

describe("tool calls", () => {
  const called = (callKey: string, more: object = {}): Fact => ({
    _tag: "ToolWasCalled",
    callKey,
    callId: callKey,
    name: "Read",
    arguments: '{"é":1}',
    ...more,
  });
  const returned = (callKey: string, more: object = {}): Fact => ({
    _tag: "ToolHasReturned",
    callKey,
    callId: callKey,
    outcome: "ok",
    resultBytes: 7,
    ...more,
  });

  it.live("joins a call to its first answer, whole: a later one fills nothing in", () =>
    Effect.gen(function* () {
      const { rows } = yield* told(
        [called("a")],
        [returned("a")],
        [returned("a", { outcome: "error", errorType: "late", durationMillis: 5 })],
        [called("a", { name: "Other" })],
      );
      assert.deepStrictEqual(
        rows(
          "SELECT tool_name, outcome, error_type, started_at, ended_at, duration_millis, arguments_bytes, result_bytes FROM v_tool_calls",
        ),
        [
          {
            tool_name: "Read",
            outcome: "ok",
            error_type: null,
            started_at: 1_700_000_001_000,
            ended_at: 1_700_000_002_000,
            duration_millis: 1000,
            arguments_bytes: 8,
            result_bytes: 7,
          },
        ],
      );
    }),
  );

  const at = (millis: number, of: object) => ({ occurredAt: 1_700_000_000_000 + millis, ...of });
  const asked = (callId: string, more: object) => ({
    callId,
    name: "forecast",
    server: "weather",
    arguments: { city: "Ghent" },
    ...more,
  });
  const agents = (sequence: number, id: string) =>
    event(
      sequence,
      "thread.entry_recorded",
      {
        format: "claude-code",
        entry: {
          type: "assistant",
          uuid: uuid(sequence),
          sessionId: "agent",
          timestamp: new Date(1_700_000_000_000 + sequence).toISOString(),
          message: {
            id: `m-${id}`,
            role: "assistant",
            content: [{ type: "tool_use", id, name: "mcp__weather__forecast", input: { city: "Ghent" } }],
          },
        },
      },
      at(sequence, { in: thread("agent") }),
    );
  const servers = (sequence: number, callId: string, more: object) =>
    event(sequence, "thread.tool_called", asked(callId, {}), at(sequence + 100, { in: thread("wrap/1"), ...more }));
  const editors = (sequence: number) =>
    event(
      sequence,
      "thread.tool_called",
      asked("s/1", {}),
      at(sequence, { in: thread("acp/agent"), correlationId: "call_1" }),
    );

  for (const [order, place] of [
    ["the agent's record first", [1, 2]],
    ["the server's record first", [2, 1]],
  ] as const) {
    it.live(`counts a call once that agent and server recorded, and says how they were joined, ${order}`, () =>
      Effect.gen(function* () {
        const [first, second] = place;
        const named = [agents(first, "toolu_01"), servers(second, "one", { correlationId: "toolu_01" })];
        const { rows } = yield* folded(
          named.toSorted((one, other) => one.sequence - other.sequence),
          all,
        );
        assert.deepStrictEqual(rows("SELECT thread_id, tool_name FROM v_tool_calls"), [
          { thread_id: "agent", tool_name: "mcp__weather__forecast" },
        ]);
        const witness =
          "SELECT call_key, thread_id, witness_key, witness_thread_id, server, joined_by FROM v_call_witnesses";
        const joined = {
          call_key: "toolu_01",
          thread_id: "agent",
          witness_key: "wrap/1 one",
          witness_thread_id: "wrap/1",
          server: "weather",
        };
        assert.deepStrictEqual(rows(witness), [{ ...joined, joined_by: "call id" }]);
        const nameless = [agents(first, "toolu_01"), servers(second, "one", {})];
        const apart = yield* folded(
          nameless.toSorted((one, other) => one.sequence - other.sequence),
          all,
        );
        assert.deepStrictEqual(apart.rows(witness), [{ ...joined, joined_by: "arguments and time" }]);
      }),
    );
  }

  it.live(
    "counts a call once that hooks, a transcript and its server tell, in any order and whichever of them do",
    () =>
      Effect.gen(function* () {
        const hooks = (sequence: number) =>
          event(
            sequence,
            "thread.entry_recorded",
            {
              format: "claude-code-hook",
              entry: {
                session_id: "agent",
                hook_event_name: "PreToolUse",
                tool_name: "mcp__weather__forecast",
                tool_use_id: "toolu_01",
                tool_input: { city: "Ghent" },
              },
            },
            at(sequence, { in: thread("agent") }),
          );
        const witnesses = [
          hooks,
          (sequence: number) => agents(sequence, "toolu_01"),
          (sequence: number) => servers(sequence, "one", { correlationId: "toolu_01" }),
        ];
        const [hook, agent, server] = [0, 1, 2];
        const orders = [
          [hook, server],
          [server, hook],
          [hook, agent, server],
          [hook, server, agent],
          [agent, hook, server],
          [agent, server, hook],
          [server, hook, agent],
          [server, agent, hook],
        ];
        for (const order of orders) {
          const { rows } = yield* folded(
            order.flatMap((which, index) => witnesses[which]?.(index + 1) ?? []),
            all,
          );
          assert.deepStrictEqual(rows("SELECT thread_id FROM v_tool_calls"), [{ thread_id: "agent" }], order.join(" "));
          assert.deepStrictEqual(
            rows("SELECT thread_id, witness_thread_id, joined_by FROM v_call_witnesses"),
            [{ thread_id: "agent", witness_thread_id: "wrap/1", joined_by: "call id" }],
            order.join(" "),
          );
          assert.deepStrictEqual(rows("SELECT sum(calls) AS calls FROM v_call_activity"), [{ calls: 1 }]);
        }
      }),
  );

  it.live("joins no call to one of another time, of other arguments, or to nothing", () =>
    Effect.gen(function* () {
      const { rows } = yield* folded(
        [
          agents(1, "toolu_01"),
          servers(2, "later", { occurredAt: 1_700_000_700_000, recordedAt: 1_700_000_700_000 }),
          servers(3, "sooner", { occurredAt: 1_699_999_990_000 }),
          event(
            4,
            "thread.tool_called",
            asked("other", { arguments: { city: "Bruges" } }),
            at(4, { in: thread("wrap/1") }),
          ),
          servers(5, "lone", {
            correlationId: "toolu_02",
            occurredAt: 1_700_000_800_000,
            recordedAt: 1_700_000_800_000,
          }),
          editors(6),
        ],
        all,
      );
      assert.deepStrictEqual(rows("SELECT witness_key, joined_by FROM v_call_witnesses"), [
        { witness_key: "acp/agent s/1", joined_by: "arguments and time" },
      ]);
      assert.deepStrictEqual(rows("SELECT count(*) AS calls FROM v_tool_calls"), [{ calls: 6 }]);
    }),
  );

  it.live("takes an answer that comes before its call, shows one without a call apart, and knows what is unknown", () =>
    Effect.gen(function* () {
      const { rows } = yield* told(
        [returned("early", { durationMillis: 0.5 })],
        [called("early")],
        [returned("lonely")],
        [called("open")],
      );
      assert.deepStrictEqual(
        rows("SELECT tool_call_id, outcome, duration_millis, result_bytes FROM v_tool_calls ORDER BY sequence"),
        [
          { tool_call_id: "early", outcome: "ok", duration_millis: 0.5, result_bytes: 7 },
          { tool_call_id: "open", outcome: "unknown", duration_millis: null, result_bytes: null },
        ],
      );
      assert.deepStrictEqual(rows("SELECT tool_call_id FROM v_unmatched_results"), [{ tool_call_id: "lonely" }]);
      assert.deepInclude(rows("SELECT * FROM v_tool_stats")[0], {
        tool_name: "Read",
        calls: 2,
        ok: 1,
        errors: 0,
        unknown: 1,
        threads: 1,
      });
    }),
  );
});

describe("token usage", () => {
  it.live("counts a provider message once: the largest counts told, in the thread that told first", () =>
    Effect.gen(function* () {
      const used = (usage: object): Fact => ({
        _tag: "TokensUsed",
        usageKey: "u",
        providerMessageId: "p",
        model: "opus",
        usage,
      });
      const { rows } = yield* told(["t1", [used({ input: 10, output: 1 })]], ["t2", [used({ input: 10, output: 50 })]]);
      assert.deepStrictEqual(
        rows("SELECT thread_id, input_tokens, output_tokens, cache_read_tokens, reasoning_tokens FROM v_token_usage"),
        [{ thread_id: "t1", input_tokens: 10, output_tokens: 50, cache_read_tokens: null, reasoning_tokens: null }],
      );
      assert.deepInclude(rows("SELECT * FROM v_daily_tokens")[0], {
        day: "2023-11-14",
        model: "opus",
        provider_messages: 1,
        input_tokens: 10,
        cache_read_tokens: 0,
      });
    }),
  );
});

describe("tasks and sessions", () => {
  it.live("follows a task through its transitions, progress included", () =>
    Effect.gen(function* () {
      const mine = { in: task("k") };
      const { rows } = yield* folded([
        event(1, "task.submitted", { request: { agentType: "coder", description: "d" }, threadId: "t1" }, mine),
        event(2, "task.started", { worker: "w1" }, mine),
        event(3, "task.progressed", { message: "half", progress: 1, total: 2 }, mine),
        event(4, "task.failed", { error: { type: "Broken", message: "oh" }, durationMillis: 12.5 }, mine),
      ]);
      assert.deepInclude(rows("SELECT * FROM v_tasks")[0], {
        task_id: "k",
        thread_id: "t1",
        agent_type: "coder",
        status: "failed",
        worker: "w1",
        message: "half",
        progress: 1,
        progress_total: 2,
        error_type: "Broken",
        error_message: "oh",
        duration_millis: 12.5,
        submitted_at: 1_700_000_001_000,
        started_at: 1_700_000_002_000,
        ended_at: 1_700_000_004_000,
      });
      assert.deepStrictEqual(
        rows("SELECT from_status, to_status, sequence, message FROM v_task_transitions ORDER BY sequence").map(
          Object.values,
        ),
        [
          [null, "pending", 1, null],
          ["pending", "running", 2, null],
          ["running", "running", 3, "half"],
          ["running", "failed", 4, "oh"],
        ],
      );
    }),
  );

  it.live("counts the attempts of a task, and tells a dead letter from other failures", () =>
    Effect.gen(function* () {
      const [dead, failed] = [{ in: task("dead") }, { in: task("failed") }];
      const error = { type: "Boom", message: "oh" };
      const queue = { priority: "high", maxAttempts: 2 };
      const { rows } = yield* folded([
        event(1, "task.submitted", { request: { agentType: "coder" }, queue, retryOf: "older" }, dead),
        event(2, "task.claimed", { worker: "w1", attempt: 1 }, dead),
        event(3, "task.released", { reason: "failed", error, claim: 2, pauseMillis: 5 }, dead),
        event(4, "task.claimed", { worker: "w2", attempt: 2 }, dead),
        event(5, "task.failed", { error, claim: 4, deadLetter: true }, dead),
        event(6, "task.submitted", { request: { agentType: "coder" }, queue: {} }, failed),
        event(7, "task.failed", { error }, failed),
      ]);
      const columns = "priority, attempt, max_attempts, not_before, dead_letter, retry_of, worker, status";
      assert.deepStrictEqual(rows(`SELECT ${columns} FROM v_tasks ORDER BY task_id`).map(Object.values), [
        ["high", 2, 2, 1_700_000_000_008, 1, "older", "w2", "failed"],
        ["normal", null, 3, null, 0, null, null, "failed"],
      ]);
      const moves = rows("SELECT from_status, to_status, message FROM v_task_transitions WHERE sequence = 3");
      assert.deepStrictEqual(moves.map(Object.values), [["starting", "pending", "failed: oh"]]);
    }),
  );

  it.live("joins the beginning and the end of a session", () =>
    Effect.gen(function* () {
      const mine = { in: session("s") };
      const { rows } = yield* folded([
        event(
          1,
          "session.started",
          { client: { name: "c", version: "1" }, server: { name: "v" }, threadId: "t", command: ["a", "b"] },
          mine,
        ),
        event(2, "session.ended", { reason: "exit", exitCode: 0 }, mine),
      ]);
      assert.deepInclude(rows("SELECT * FROM v_sessions")[0], {
        session_id: "s",
        client: "c",
        server: "v",
        command: '["a","b"]',
        started_at: 1_700_000_001_000,
        ended_at: 1_700_000_002_000,
        reason: "exit",
        exit_code: 0,
        signal: null,
      });
    }),
  );
});

describe("messages between agents", () => {
  it.live("have a row each, with who wrote to whom and what it answers", () =>
    Effect.gen(function* () {
      const [asker, worker] = [{ in: session("asker") }, { in: session("worker's") }];
      const { rows } = yield* folded([
        event(1, "session.message_sent", { from: "asker", to: "worker", body: { n: 1 } }, asker),
        event(2, "session.message_sent", { from: "worker", to: "asker", body: "ok", inReplyTo: "e1" }, worker),
      ]);
      assert.deepStrictEqual(
        rows("SELECT session_id, sender, recipient, in_reply_to, body FROM v_agent_messages ORDER BY sequence").map(
          Object.values,
        ),
        [
          ["asker", "asker", "worker", null, '{"n":1}'],
          ["worker's", "worker", "asker", "e1", '"ok"'],
        ],
      );
      assert.lengthOf(rows("SELECT * FROM v_sessions"), 0);
    }),
  );
});

describe("calls that a limit refused", () => {
  it.live("have a row for each while, with which limit, which tool, whose and how many", () =>
    Effect.gen(function* () {
      const refusal = { tool: "search", limit: "busy", count: 3, firstAt: 1_000, lastAt: 2_000 };
      const { rows } = yield* folded([
        event(1, "session.calls_refused", { ...refusal, user: "ana" }, { in: session("s") }),
        event(2, "session.calls_refused", { ...refusal, count: 4 }, { in: session("s") }),
      ]);
      assert.deepStrictEqual(
        rows("SELECT session_id, limit_name, tool_name, user, calls, first_at, last_at FROM v_limit_refusals").map(
          Object.values,
        ),
        [
          ["s", "busy", "search", "ana", 3, 1_000, 2_000],
          ["s", "busy", "search", null, 4, 1_000, 2_000],
        ],
      );
    }),
  );
});

describe("what is not understood", () => {
  it.live("is kept, counted and named, and no dead letter", () =>
    Effect.gen(function* () {
      const { rows } = yield* folded([
        event(1, "thread.from_the_future", {}),
        event(2, "thread.entry_recorded", { format: "martian", entry: {} }),
      ]);
      assert.deepStrictEqual(rows("SELECT sequence, thread_id, what FROM v_unknown").map(Object.values), [
        [1, "t1", "event type thread.from_the_future"],
        [2, "t1", "format martian"],
      ]);
      assert.lengthOf(rows("SELECT * FROM v_dead_letters"), 0);
    }),
  );

  it.live("keeps the words of notes beside the messages", () =>
    Effect.gen(function* () {
      const { rows } = yield* told([
        { _tag: "Noted", kind: "tick" },
        { _tag: "Noted", kind: "thinking", text: "hm" },
      ]);
      assert.deepStrictEqual(rows("SELECT thread_id, kind, text FROM v_notes").map(Object.values), [
        ["t1", "thinking", "hm"],
      ]);
    }),
  );
});
