import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Effect, Layer } from "effect";
import { join } from "node:path";
import { temporaryFolder } from "../projection/World.ts";
import { exported } from "../edge/import/World.ts";
import { imported, importedFiles, rows, store } from "../support/Imported.ts";

const fresh = Effect.provide(Layer.fresh(store));

const parent = "c4000000-0000-7000-8000-00000000000a";
const fork = "c4000000-0000-7000-8000-00000000000b";

/** Lines of a Codex rollout, a second apart unless they were written in one go. */
const rollout = (begun: string, copied: number) => {
  let lines = 0;
  const at = () => new Date(Date.parse(begun) + (lines++ < copied ? 0 : lines * 20_000)).toISOString();
  const line = (type: string, payload: object) => ({ timestamp: at(), type, payload });
  return {
    meta: (id: string, more: object = {}) =>
      line("session_meta", { id, timestamp: begun, cwd: "/app", originator: "codex_cli_rs", ...more }),
    said: (role: string, text: string) =>
      line("response_item", { type: "message", role, content: [{ type: "input_text", text }] }),
    call: (call_id: string) =>
      line("response_item", { type: "function_call", name: "shell", arguments: "{}", call_id }),
    counted: (total: number, last: number) => {
      const usage = (input: number) => ({ input_tokens: input, output_tokens: input / 10, total_tokens: input });
      const info = { total_token_usage: usage(total), last_token_usage: usage(last) };
      return line("event_msg", { type: "token_count", info });
    },
  };
};

const parentLines = () => {
  const { call, counted, meta, said } = rollout("2026-09-01T10:00:00.000Z", 0);
  return [
    meta(parent),
    said("user", "parent asks"),
    call("call_1"),
    said("assistant", "parent answer"),
    counted(1000, 1000),
    said("user", "parent asks two"),
    said("assistant", "parent answer two"),
    counted(2500, 1500),
  ];
};

/** The same session resumed by a Codex that writes the whole history into its file once more, then goes on. */
const resumedLines = (copy: "as it was" | "with new times" | "by hand") => {
  const lines = parentLines();
  const begun = Date.parse("2026-09-02T10:00:00.000Z");
  const again = lines.map((line, at) =>
    copy === "as it was"
      ? line
      : { ...line, timestamp: new Date(begun + (copy === "by hand" ? at * 20_000 : 0)).toISOString() },
  );
  const { counted, said } = rollout("2026-09-02T11:00:00.000Z", 0);
  return [...lines, ...again, said("user", "and then"), said("assistant", "this"), counted(3200, 700)];
};

const forkLines = (more: object = { forked_from_id: parent }) => {
  const { call, counted, meta, said } = rollout("2026-09-01T11:00:00.000Z", 10);
  return [
    meta(fork, more),
    meta(parent),
    said("user", "parent asks"),
    call("call_1"),
    said("assistant", "parent answer"),
    counted(1000, 1000),
    said("user", "parent asks two"),
    said("assistant", "parent answer two"),
    counted(2500, 1500),
    counted(2500, 1500),
    said("user", "fork asks"),
    said("assistant", "fork answer"),
    counted(3500, 1000),
  ];
};

const totals = Effect.gen(function* () {
  return {
    tokens: yield* rows("SELECT count(*), sum(input_tokens), sum(output_tokens) FROM v_token_usage"),
    threads: yield* rows("SELECT thread_id, parent_thread_id, messages, tool_calls FROM v_threads ORDER BY 1"),
    calls: yield* rows("SELECT count(*) FROM v_tool_calls"),
  };
});

const once = {
  tokens: [[3, 3500, 350]],
  threads: [
    [parent, null, 4, 1],
    [fork, parent, 2, 0],
  ],
  calls: [[1]],
};

describe("a fork of a Codex session", () => {
  for (const [order, files] of [
    ["its parent first", ["parent.jsonl", "fork.jsonl"]],
    ["it first", ["fork.jsonl", "parent.jsonl"]],
  ] as const) {
    it.live(`repeats its parent and counts once, imported ${order}`, () =>
      Effect.gen(function* () {
        for (const name of files) yield* importedFiles({ [name]: name === "fork.jsonl" ? forkLines() : parentLines() });
        assert.deepStrictEqual(yield* totals, once);
        assert.deepStrictEqual(
          yield* rows("SELECT text FROM v_messages WHERE thread_id LIKE '%b' AND NOT is_copied ORDER BY sequence"),
          [["fork asks"], ["fork answer"]],
        );
        assert.deepStrictEqual(yield* rows("SELECT opening FROM v_threads ORDER BY thread_id"), [
          ["parent asks"],
          ["fork asks"],
        ]);
      }).pipe(fresh),
    );
    it.live(`is counted by the report of its import as SQL counts it, imported ${order}`, () =>
      Effect.gen(function* () {
        const contents = { "parent.jsonl": parentLines(), "fork.jsonl": forkLines() };
        const both = yield* importedFiles(Object.fromEntries(files.map((name) => [name, contents[name]])));
        const { messages, repeated, toolCalls } = both;
        assert.deepStrictEqual({ messages, repeated, toolCalls }, { messages: 6, repeated: 4, toolCalls: 1 });
      }).pipe(fresh),
    );
  }

  it.live(
    "is counted by its own import's report as SQL counts it, whether its parent was imported before or never",
    () =>
      Effect.gen(function* () {
        const alone = yield* importedFiles({ "fork.jsonl": forkLines() });
        assert.deepStrictEqual([alone.messages, alone.repeated], [6, 0]);
        yield* importedFiles({ "parent.jsonl": parentLines() });
        const after = yield* importedFiles({ "again.jsonl": forkLines() });
        assert.deepStrictEqual([after.messages, after.repeated], [2, 4]);
      }).pipe(fresh),
  );

  it.live(
    "whose history a resumed session wrote into its own file again counts once, and what is asked again by hand is new",
    () =>
      Effect.gen(function* () {
        for (const copy of ["as it was", "with new times"] as const)
          yield* Effect.gen(function* () {
            const report = yield* importedFiles({ "parent.jsonl": resumedLines(copy) });
            assert.deepInclude(report, { messages: 6, toolCalls: 1 });
            const { threads, tokens } = yield* totals;
            assert.deepStrictEqual([tokens, threads], [[[3, 3200, 320]], [[parent, null, 6, 1]]], copy);
          }).pipe(fresh);
        yield* importedFiles({ "parent.jsonl": resumedLines("by hand") });
        const { threads } = yield* totals;
        assert.deepStrictEqual(threads, [[parent, null, 10, 1]]);
      }).pipe(fresh),
  );

  it.live("is told by its content where it does not name its parent", () =>
    Effect.gen(function* () {
      yield* importedFiles({ "fork.jsonl": forkLines({}), "parent.jsonl": parentLines() });
      assert.deepStrictEqual(yield* totals, once);
    }).pipe(fresh),
  );

  it.live("keeps what it repeats while its parent is not here", () =>
    Effect.gen(function* () {
      yield* importedFiles({ "fork.jsonl": forkLines() });
      const { threads, tokens } = yield* totals;
      assert.deepStrictEqual([tokens, threads], [[[3, 3500, 350]], [[fork, parent, 6, 1]]]);
    }).pipe(fresh),
  );

  it.live("asks its parent's next question again: that is its own", () =>
    Effect.gen(function* () {
      const { counted, meta, said } = rollout("2026-09-01T11:00:00.000Z", 4);
      const again = [
        meta(fork, { forked_from_id: parent }),
        meta(parent),
        said("user", "parent asks"),
        counted(1000, 1000),
        said("user", "parent asks two"),
        said("assistant", "another answer"),
      ];
      yield* importedFiles({ "fork.jsonl": again, "parent.jsonl": parentLines() });
      assert.deepStrictEqual(yield* rows(`SELECT messages FROM v_threads WHERE thread_id = '${fork}'`), [[2]]);
    }).pipe(fresh),
  );

  it.live("is a sub-agent's when it was spawned: what it spent is its parent's delegated work", () =>
    Effect.gen(function* () {
      const source = { subagent: { thread_spawn: { parent_thread_id: parent, depth: 1 } } };
      yield* importedFiles({ "fork.jsonl": forkLines({ source }), "parent.jsonl": parentLines() });
      assert.deepStrictEqual(
        yield* rows(
          "SELECT thread_id, input_tokens, delegated_input_tokens, delegated_threads FROM v_thread_tokens ORDER BY 1",
        ),
        [
          [parent, 2500, 1000, 1],
          [fork, 1000, 0, 0],
        ],
      );
      assert.deepStrictEqual(yield* rows("SELECT DISTINCT parent_relation FROM v_threads ORDER BY 1"), [
        [null],
        ["sub-agent"],
      ]);
    }).pipe(fresh),
  );
});

const session = "d1000000-0000-4000-8000-000000000011";
const claude = (uuid: string, parentUuid: string | null, more: object) => ({
  parentUuid,
  isSidechain: false,
  sessionId: session,
  uuid,
  timestamp: "2026-09-01T10:00:00.000Z",
  ...more,
});
const asks = (uuid: string, parentUuid: string | null, content: unknown, more: object = {}) =>
  claude(uuid, parentUuid, { type: "user", message: { role: "user", content }, ...more });
const answers = (uuid: string, parentUuid: string | null, content: unknown, more: object = {}) =>
  claude(uuid, parentUuid, {
    type: "assistant",
    requestId: `req_${uuid}`,
    message: {
      id: `msg_${uuid}`,
      role: "assistant",
      model: "opus",
      content,
      usage: { input_tokens: 10, output_tokens: 1 },
    },
    ...more,
  });

describe("a sub-agent of Claude Code", () => {
  const grep = { type: "tool_use", id: "toolu_pp1", name: "Grep", input: { pattern: "zebra" } };
  const usage = { input_tokens: 700, output_tokens: 7, cache_creation_input_tokens: 70, cache_read_input_tokens: 7000 };
  const message = { id: "msg_pp1", role: "assistant", model: "haiku", content: [grep], usage };
  const inner = {
    type: "assistant",
    timestamp: "2026-09-01T10:00:02.000Z",
    uuid: "pp1",
    requestId: "req_pp1",
    message,
  };
  const main = [
    asks("p1", null, "delegate"),
    answers("p2", "p1", [{ type: "tool_use", id: "toolu_p1", name: "Task", input: {} }]),
    claude("p3", "p2", { type: "progress", data: { type: "agent_progress", agentId: "ag1", message: inner } }),
    asks("p4", "p3", [{ type: "tool_result", tool_use_id: "toolu_p1", content: "nothing" }]),
  ];
  const own = [{ ...inner, parentUuid: null, isSidechain: true, sessionId: session, agentId: "ag1" }];
  const spent = "SELECT sum(input_tokens), sum(output_tokens), count(*) FROM v_token_usage WHERE model = 'haiku'";

  it.live("is read inside its parent's progress, and counted once beside its own file, in either order", () =>
    Effect.gen(function* () {
      yield* importedFiles({ [`${session}.jsonl`]: main });
      assert.deepStrictEqual(yield* rows(spent), [[7770, 7, 1]]);
      assert.deepStrictEqual(yield* rows("SELECT tool_name FROM v_tool_calls ORDER BY 1"), [["Grep"], ["Task"]]);
      const parts =
        "SELECT input_tokens, delegated_input_tokens, delegated_threads FROM v_thread_tokens ORDER BY thread_id";
      assert.deepStrictEqual(yield* rows(parts), [[10, 7770, 0]]);
      yield* importedFiles({ [`${session}/subagents/agent-ag1.jsonl`]: own });
      assert.deepStrictEqual(yield* rows(spent), [[7770, 7, 1]]);
      assert.deepStrictEqual(yield* rows("SELECT tool_name FROM v_tool_calls ORDER BY 1"), [["Grep"], ["Task"]]);
      assert.deepStrictEqual(yield* rows(parts), [
        [10, 7770, 1],
        [7770, 0, 0],
      ]);
      assert.deepStrictEqual(yield* rows("SELECT messages FROM v_threads ORDER BY thread_id"), [[3], [1]]);
    }).pipe(fresh),
  );
});

describe("a fork", () => {
  const other = "d2000000-0000-4000-8000-000000000022";
  const from = (messageUuid: string) => ({ sessionId: other, forkedFrom: { sessionId: session, messageUuid } });
  const claudeParent = [asks("a", null, "one"), answers("b", "a", "1"), asks("c", "b", "two"), answers("d", "c", "2")];
  const claudeFork = [
    asks("x", null, "one", from("a")),
    {
      ...answers("y", "x", "1", from("b")),
      requestId: "req_b",
      message: (answers("b", "a", "1") as { message?: object }).message,
    },
    asks("z", "y", "other", { sessionId: other }),
    answers("w", "z", "3", { sessionId: other }),
  ];
  const piParent = "e1000000-0000-4000-8000-000000000001";
  const piFork = "e1000000-0000-4000-8000-000000000002";
  const piSession = (id: string, more: object = {}) => ({
    type: "session",
    id,
    timestamp: "2026-09-01T10:00:00.000Z",
    cwd: "/x",
    ...more,
  });
  const pi = (id: string, parentId: string | null, role: string) => ({
    type: "message",
    id,
    parentId,
    timestamp: "2026-09-01T10:00:00.000Z",
    message: {
      role,
      content: [{ type: "text", text: id }],
      timestamp: 1788256800000,
      ...(role === "assistant"
        ? { usage: { input: 100, output: 10, cacheRead: 0, cacheWrite: 0, cost: { total: 1 } } }
        : {}),
    },
  });
  const copied = [pi("p1", null, "user"), pi("p2", "p1", "assistant")];
  const files: Readonly<Record<string, ReadonlyArray<unknown>>> = {
    "claude-parent.jsonl": claudeParent,
    "claude-fork.jsonl": claudeFork,
    "pi-parent.jsonl": [piSession(piParent), ...copied, pi("p3", "p2", "user")],
    "pi-fork.jsonl": [
      piSession(piFork, { parentSession: `/home/x/sessions/2026-09-01_${piParent}.jsonl` }),
      ...copied,
      pi("q3", "p2", "user"),
      pi("q4", "q3", "assistant"),
    ],
  };

  for (const [order, names] of [
    ["parents first", Object.keys(files)],
    ["forks first", Object.keys(files).toReversed()],
  ] as const) {
    it.live(`of Claude Code or pi counts what it copied once, imported ${order}`, () =>
      Effect.gen(function* () {
        for (const name of names) yield* importedFiles({ [name]: files[name] ?? [] });
        assert.deepStrictEqual(
          yield* rows("SELECT thread_id, parent_thread_id, parent_relation, messages FROM v_threads ORDER BY 1"),
          [
            [session, null, null, 4],
            [other, session, "fork", 2],
            [piParent, null, null, 3],
            [piFork, piParent, "fork", 2],
          ],
        );
        assert.deepStrictEqual(
          yield* rows("SELECT thread_id, input_tokens, output_tokens, cost_usd FROM v_thread_tokens ORDER BY 1"),
          [
            [session, 20, 2, null],
            [other, 10, 1, null],
            [piParent, 100, 10, 1],
            [piFork, 100, 10, 1],
          ],
        );
        assert.deepStrictEqual(yield* rows("SELECT count(*) FROM v_messages WHERE is_abandoned"), [[0]]);
        assert.deepStrictEqual(yield* rows("SELECT opening FROM v_threads ORDER BY thread_id"), [
          ["one"],
          ["other"],
          ["p1"],
          ["q3"],
        ]);
        const { messages, repeated } = yield* importedFiles(
          Object.fromEntries(names.map((name) => [name, files[name] ?? []])),
        );
        assert.deepStrictEqual([messages, repeated], [11, 4]);
      }).pipe(fresh),
    );
  }
});

describe("a sub-agent's trajectory inside its parent's", () => {
  const run = "0a0b0c0d-2222-4000-8000-000000000001";
  const alone = "0a0b0c0d-2222-4000-8000-000000000002";
  const steps = (words: string, tokens: number) => [
    { step_id: 1, timestamp: "2026-09-01T10:00:00Z", source: "user", message: `do ${words}` },
    {
      step_id: 2,
      timestamp: "2026-09-01T10:00:01Z",
      source: "agent",
      message: `did ${words}`,
      tool_calls: [{ tool_call_id: "c1", function_name: "grep", arguments: { words } }],
      observation: { results: [{ source_call_id: "c1", content: words }] },
      metrics: { prompt_tokens: tokens, completion_tokens: 1, cost_usd: 0.5 },
    },
  ];
  const trajectory = (words: string, tokens: number, more: object) => ({
    schema_version: "ATIF-v1.7",
    agent: { name: "terminus", version: "2", model_name: "opus" },
    ...more,
    steps: steps(words, tokens),
  });
  const inner = trajectory("deep", 1, { trajectory_id: "deep" });
  const child = trajectory("child", 10, { session_id: alone, trajectory_id: "child", subagent_trajectories: [inner] });
  const outer = trajectory("parent", 100, {
    session_id: run,
    subagent_trajectories: [child, trajectory("nameless", 1000, {})],
  });
  // A step that came with the context of an earlier trajectory was paid for there.
  const copied = outer.steps.map((step) => ({ ...step, is_copied_context: true }));
  const continued = { ...trajectory("more", 10_000, { session_id: `${run}-cont-1` }) };
  const files: Readonly<Record<string, string>> = {
    "trajectory.json": JSON.stringify(outer, null, 2),
    "child.json": JSON.stringify({ ...child, subagent_trajectories: undefined }),
    "cont.json": JSON.stringify({
      ...continued,
      steps: [...copied, ...continued.steps.map((step) => ({ ...step, step_id: step.step_id + 2 }))],
    }),
  };

  for (const names of [Object.keys(files), Object.keys(files).toReversed()]) {
    it.live(`is a thread below it and counts once, also beside its own file: ${names.join(", ")}`, () =>
      Effect.gen(function* () {
        for (const name of names) yield* importedFiles({ [name]: files[name] ?? "" });
        assert.deepStrictEqual(
          yield* rows("SELECT thread_id, parent_thread_id, parent_relation FROM v_threads ORDER BY 1"),
          [
            [run, null, null],
            [`${run}-cont-1`, null, null],
            [`${run}/2`, run, "sub-agent"],
            [`${run}/child`, run, "sub-agent"],
            [`${run}/child/deep`, `${run}/child`, "sub-agent"],
            [alone, null, null],
          ],
        );
        assert.deepStrictEqual(
          yield* rows("SELECT count(*), sum(input_tokens), sum(output_tokens), total(cost_usd) FROM v_token_usage"),
          [[5, 11_111, 5, 2.5]],
        );
        assert.deepStrictEqual(yield* rows("SELECT count(*) FROM v_tool_calls"), [[5]]);
        const [spent] = yield* rows(
          `SELECT input_tokens + delegated_input_tokens, delegated_threads FROM v_thread_tokens WHERE thread_id = '${run}'`,
        );
        assert.strictEqual(spent?.[1], 3);
        assert.deepStrictEqual(JSON.parse(yield* exported(run)), outer);
        assert.deepStrictEqual(JSON.parse(yield* exported(`${run}/child/deep`)), inner);
      }).pipe(fresh),
    );
  }
});

const opencodeSession = (id: string, created: number, messages: ReadonlyArray<readonly [string, string, number]>) => {
  const statements: Array<readonly [string, ...ReadonlyArray<unknown>]> = [
    ["INSERT INTO session VALUES (?, 'p', NULL, '/x', ?, '1.17.0', ?)", id, `of ${id}`, created],
  ];
  for (const [messageId, role, at] of messages) {
    const tokens = { input: 10, output: 2, reasoning: 0, cache: { read: 0, write: 0 } };
    const info = { role, time: { created: at }, modelID: "opus", ...(role === "assistant" ? { tokens, cost: 1 } : {}) };
    statements.push(["INSERT INTO message VALUES (?, ?, ?, ?)", messageId, id, at, JSON.stringify(info)]);
    const part = "INSERT INTO part VALUES (?, ?, ?, ?)";
    statements.push([part, `${messageId} 1`, messageId, id, JSON.stringify({ type: "text", text: `at ${at}` })]);
    if (role !== "assistant") continue;
    const state = { status: "completed", input: {}, output: "ok", time: { start: at + 1, end: at + 2 } };
    const call = { type: "tool", callID: `call_${at}`, tool: "bash", state };
    statements.push([part, `${messageId} 2`, messageId, id, JSON.stringify(call)]);
  }
  return statements;
};

/** A database of OpenCode's in a folder of its own. */
const opencodeDb = Effect.fnUntraced(function* (rowsOf: ReadonlyArray<readonly [string, ...ReadonlyArray<unknown>]>) {
  const path = join(yield* temporaryFolder, "opencode.db");
  const db = new Database(path);
  db.exec(`CREATE TABLE session(id text primary key, project_id text, parent_id text, directory text, title text, version text, time_created integer);
    CREATE TABLE message(id text primary key, session_id text, time_created integer, data text);
    CREATE TABLE part(id text primary key, message_id text, session_id text, data text)`);
  for (const [statement, ...values] of rowsOf) db.prepare(statement).run(...values);
  db.close();
  return yield* imported([path]);
});

describe("history that a program copied without a word of where from", () => {
  const asked = Date.parse("2026-09-01T10:00:00.000Z");
  // Two sub-agents that were asked in the same millisecond are no copies of each other.
  const beside = opencodeSession("ses_c", asked, [
    ["msg_5", "user", asked],
    ["msg_6", "assistant", asked + 5],
  ]);
  const first = opencodeSession("ses_b", asked, [
    ["msg_1", "user", asked],
    ["msg_2", "assistant", asked + 5],
  ]);
  const forked = opencodeSession("ses_a", asked + 60_000, [
    ["msg_3", "user", asked],
    ["msg_4", "assistant", asked + 5],
    ["msg_7", "user", asked + 70_000],
  ]);
  const again = opencodeSession("ses_0", asked + 90_000, [
    ["msg_8", "user", asked],
    ["msg_9", "assistant", asked + 5],
    ["msg_10", "user", asked + 70_000],
  ]);
  const grep = [{ type: "tool_use", id: "toolu_1", name: "Grep", input: {} }];
  const one = [asks("a", null, "one"), answers("b", "a", grep), asks("c", "b", "two"), answers("d", "c", "2")];
  const inSession = (sessionId: string, lines: ReadonlyArray<object>) => lines.map((line) => ({ ...line, sessionId }));
  const resumed = "d3000000-0000-4000-8000-000000000033";
  const third = "d0000000-0000-4000-8000-000000000044";
  const claudeFiles = (id: string, lines: ReadonlyArray<object>) =>
    importedFiles({ [`${id}.jsonl`]: inSession(id, lines) });
  const piFile = (id: string, count: number) =>
    importedFiles({
      [`${id}.jsonl`]: [
        { type: "session", id, timestamp: "2026-09-01T10:00:00.000Z", cwd: "/x" },
        ...["user", "assistant", "user"].slice(0, count).map((role, at) => ({
          type: "message",
          id: `p${at}`,
          parentId: at === 0 ? null : `p${at - 1}`,
          timestamp: new Date(asked + at).toISOString(),
          message: {
            role,
            content: role === "user" ? "ask" : [{ type: "toolCall", id: "call_1", name: "bash", arguments: {} }],
            ...(role === "user" ? {} : { usage: { input: 100, output: 10, cost: { total: 1 } } }),
          },
        })),
      ],
    });
  const steps = [
    claudeFiles(session, one),
    claudeFiles(resumed, [...one, asks("e", "d", "three")]),
    claudeFiles(third, [...one, asks("e", "d", "three"), asks("f", "e", "four")]),
    opencodeDb(first),
    opencodeDb(forked),
    opencodeDb(again),
    opencodeDb(beside),
    piFile("e4000000-0000-4000-8000-000000000004", 3),
    piFile("e5000000-0000-4000-8000-000000000005", 2),
  ];

  for (const [order, take] of [
    ["in the order in which it was said", (at: number) => at],
    ["the other way round", (at: number) => steps.length - 1 - at],
    ["mixed", (at: number) => (at * 4 + 2) % steps.length],
  ] as const)
    it.live(`counts once, imported ${order}`, () =>
      Effect.gen(function* () {
        for (let at = 0; at < steps.length; at++) yield* steps[take(at)] ?? Effect.void;
        assert.deepStrictEqual(
          yield* rows("SELECT tool, sum(messages), sum(prompts), sum(tool_calls) FROM v_threads GROUP BY 1 ORDER BY 1"),
          [
            ["claude-code", 6, 4, 1],
            ["opencode", 5, 3, 2],
            ["pi", 3, 2, 1],
          ],
        );
        assert.deepStrictEqual(
          yield* rows(
            "SELECT model, count(*), sum(input_tokens), sum(cost_usd) FROM v_token_usage GROUP BY 1 ORDER BY 1, 2",
          ),
          [
            [null, 1, 100, 1],
            ["opus", 4, 40, 2],
          ],
        );
        assert.deepStrictEqual(yield* rows("SELECT count(*) FROM v_messages WHERE is_copied AND copied_from IS NULL"), [
          [0],
        ]);
      }).pipe(Effect.scoped, fresh),
    );
});

describe("a prompt that was queued", () => {
  const queue = (operation: string, content?: string) => ({
    type: "queue-operation",
    operation,
    timestamp: "2026-09-01T10:00:03.000Z",
    sessionId: session,
    content,
  });
  const prompts = "SELECT text FROM v_messages WHERE kind = 'prompt' ORDER BY sequence";

  it.live("is a message of the person, once, whatever becomes of it", () =>
    Effect.gen(function* () {
      yield* importedFiles({
        [`${session}.jsonl`]: [
          asks("q1", null, "start the work"),
          queue("enqueue", "also use xylophone"),
          answers("q2", "q1", "working"),
          queue("remove"),
          claude("q3", "q2", {
            type: "attachment",
            attachment: { type: "queued_command", prompt: "also use xylophone" },
          }),
          answers("q4", "q3", "xylophone it is"),
          queue("enqueue", "and then rest"),
          queue("dequeue"),
          asks("q5", "q4", "and then rest"),
          queue("enqueue", "said nowhere else"),
          queue("remove"),
          answers("q6", "q5", "resting"),
          queue("enqueue", "taken back"),
          queue("popAll"),
          // Not the one that left the queue long ago.
          asks("q7", "q6", "said nowhere else"),
        ],
      });
      assert.deepStrictEqual(
        yield* rows(prompts),
        ["start the work", "also use xylophone", "and then rest", "said nowhere else", "said nowhere else"].map(
          (text) => [text],
        ),
      );
      assert.deepStrictEqual(yield* rows("SELECT count(*) FROM v_messages WHERE is_abandoned"), [[0]]);
    }).pipe(fresh),
  );
});

describe("the tree of a conversation", () => {
  it.live("joins every message to the one before it, over segments, notices and results of tools", () =>
    Effect.gen(function* () {
      yield* importedFiles({
        [`${session}.jsonl`]: [
          claude("0", null, { type: "progress", data: { type: "hook_progress", hookEvent: "SessionStart" } }),
          asks("a", "0", "hi"),
          answers("b", "a", [{ type: "text", text: "one" }], {
            message: { id: "m", role: "assistant", content: [{ type: "text", text: "1" }] },
          }),
          answers("c", "b", [], {
            message: { id: "m", role: "assistant", content: [{ type: "tool_use", id: "t", name: "X", input: {} }] },
          }),
          claude("d", "c", { type: "system", subtype: "hook", content: "x" }),
          asks("e", "d", [{ type: "tool_result", tool_use_id: "t", content: "r" }]),
          answers("f", "e", "done"),
        ],
      });
      assert.deepStrictEqual(yield* rows("SELECT message_id, parent_message_id FROM v_messages ORDER BY sequence"), [
        ["a", null],
        ["m", "a"],
        ["e", "m"],
        ["msg_f", "e"],
      ]);
    }).pipe(fresh),
  );

  it.live("marks what an edit or a rewind left, by time and not by place in the file", () =>
    Effect.gen(function* () {
      const at = (seconds: number) => ({ timestamp: `2026-09-01T10:00:${String(seconds).padStart(2, "0")}.000Z` });
      yield* importedFiles({
        [`${session}.jsonl`]: [
          asks("f1", null, "make it red", at(0)),
          answers("f2", "f1", "it is red", at(1)),
          asks("f3", null, "make it blue", at(10)),
          answers("f4", "f3", "it is blue", at(11)),
          asks("f5", "f2", "abandoned follow-up", at(5)),
          answers("f6", "f5", "abandoned reply", at(6)),
        ],
      });
      const current = "SELECT text FROM v_messages WHERE NOT is_abandoned ORDER BY sequence";
      assert.deepStrictEqual(yield* rows(current), [["make it blue"], ["it is blue"]]);
      assert.deepStrictEqual(yield* rows("SELECT count(*) FROM v_messages"), [[6]]);
    }).pipe(fresh),
  );

  it.live("goes on from the point that a rewind went back to, in every format that writes one", () =>
    Effect.gen(function* () {
      const pi = (id: string, parentId: string | null, text: string) => ({
        type: "message",
        id,
        parentId,
        timestamp: "2026-09-01T10:00:00.000Z",
        message: { role: "user", content: text, timestamp: 1788256800000 },
      });
      const gemini = (id: string, type: string, content: string) => ({
        id,
        type,
        content,
        timestamp: "2026-09-01T10:00:00Z",
      });
      const { meta, said } = rollout("2026-09-01T10:00:00.000Z", 0);
      yield* importedFiles({
        "pi.jsonl": [
          {
            type: "session",
            id: "e1000000-0000-4000-8000-000000000001",
            timestamp: "2026-09-01T10:00:00.000Z",
            cwd: "/x",
          },
          pi("a1", null, "one"),
          pi("a2", "a1", "left"),
          pi("a3", "a1", "two"),
        ],
        "gemini.jsonl": [
          { sessionId: "e2000000-0000-4000-8000-000000000002", projectHash: "p", startTime: "2026-09-01T10:00:00Z" },
          gemini("g1", "user", "one"),
          gemini("g2", "user", "left"),
          { $rewindTo: "g2" },
          gemini("g3", "user", "two"),
        ],
        "codex.jsonl": [
          meta("e3000000-0000-4000-8000-000000000003"),
          said("user", "one"),
          said("user", "left"),
          {
            timestamp: "2026-09-01T11:00:00.000Z",
            type: "event_msg",
            payload: { type: "thread_rolled_back", num_turns: 1 },
          },
          said("user", "two"),
        ],
      });
      const current = "SELECT text FROM v_messages WHERE NOT is_abandoned ORDER BY thread_id, sequence";
      assert.deepStrictEqual(
        (yield* rows(current)).map(([text]) => text),
        ["one", "two", "one", "two", "one", "two"],
      );
    }).pipe(fresh),
  );

  it.live("shows a compaction where it happened", () =>
    Effect.gen(function* () {
      yield* importedFiles({
        [`${session}.jsonl`]: [
          asks("a", null, "before"),
          claude("b", null, {
            type: "system",
            subtype: "compact_boundary",
            logicalParentUuid: "a",
            compactMetadata: { trigger: "auto", preTokens: 167361 },
          }),
          asks("c", "b", "This session is being continued", { isCompactSummary: true }),
          asks("d", "c", "after"),
        ],
      });
      assert.deepStrictEqual(yield* rows("SELECT trigger, tokens_before, sequence FROM v_compactions"), [
        ["auto", 167361, 2],
      ]);
      assert.deepStrictEqual(
        yield* rows("SELECT text, kind FROM v_messages WHERE NOT is_abandoned ORDER BY sequence"),
        [
          ["before", "prompt"],
          ["This session is being continued", "notice"],
          ["after", "prompt"],
        ],
      );
    }).pipe(fresh),
  );
});

describe("a summary", () => {
  it.live("titles the thread that holds the line it names, from whatever file, which is no thread for that", () =>
    Effect.gen(function* () {
      const other = "e0000000-0000-4000-8000-00000000000b";
      const leaf = { type: "summary", summary: "Payment webhook repair", leafUuid: "aa2" };
      yield* importedFiles({
        "e0000000-0000-4000-8000-00000000000c.jsonl": [leaf],
        [`${other}.jsonl`]: [leaf, asks("bb1", null, "why is it slow", { sessionId: other })],
        [`${session}.jsonl`]: [asks("aa1", null, "repair it"), answers("aa2", "aa1", "repaired")],
      });
      assert.deepStrictEqual(yield* rows("SELECT thread_id, title, opening FROM v_threads ORDER BY 1"), [
        [session, "Payment webhook repair", "repair it"],
        [other, null, "why is it slow"],
      ]);
    }).pipe(fresh),
  );
});
