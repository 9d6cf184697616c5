/** Files as agents write them today, with the fields that came last: every number beside what is right about it. */
import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Effect, FileSystem } from "effect";
import { join } from "node:path";
import { imported, importedFiles, rows, store } from "../../../support/Imported.ts";

const start = Date.parse("2026-09-04T05:06:00.000Z");
const at = (second: number): string => new Date(start + second * 1000).toISOString();
const seconds = (second: number): number => start / 1000 + second;
const id = (n: number): string => `0a0b0c0d-2222-4000-8000-${String(n).padStart(12, "0")}`;
const json = JSON.stringify;

/** Tokens by thread: input, output, cache read, cache written, reasoning, cost. */
const tokens = Effect.map(
  rows(`SELECT thread_id, sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens),
    sum(reasoning_tokens), sum(cost_usd) FROM v_token_usage GROUP BY 1 ORDER BY 1`),
  (found) => Object.fromEntries(found.map(([thread, ...counts]) => [thread, counts])),
);
/** Messages that count, by thread and role, without those of the program. */
const messages = Effect.map(
  rows(
    "SELECT thread_id || ' ' || role || ' ' || kind, count(*) FROM v_messages WHERE is_copied = 0 GROUP BY 1 ORDER BY 1",
  ),
  (found) => Object.fromEntries(found),
);
/** Calls by name and outcome. */
const calls = rows("SELECT tool_name, outcome, count(*) FROM v_tool_calls GROUP BY 1, 2 ORDER BY 1, 2");
const compactions = rows("SELECT thread_id, trigger, tokens_before, summary FROM v_compactions ORDER BY sequence");
const family = rows("SELECT thread_id, parent_thread_id, parent_relation FROM v_threads ORDER BY 1");
const known = rows("SELECT title, cwd, branch FROM v_threads ORDER BY thread_id");

/** Imports a database that is built for it. */
const importedDatabase = Effect.fnUntraced(function* (
  name: string,
  build: (db: Database.Database) => void,
  change?: (db: Database.Database) => void,
) {
  const fs = yield* FileSystem.FileSystem;
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "recollect-today-" });
  const db = new Database(join(folder, name));
  build(db);
  const first = yield* imported([folder]);
  if (change !== undefined) {
    change(db);
    yield* imported([folder]);
  }
  db.close();
  return first;
}, Effect.scoped);

describe("Goose, schema 16", () => {
  const build = (db: Database.Database): void => {
    db.exec(`CREATE TABLE sessions (id TEXT PRIMARY KEY, name TEXT NOT NULL DEFAULT '', description TEXT NOT NULL DEFAULT '',
      session_type TEXT NOT NULL DEFAULT 'user', working_dir TEXT NOT NULL, created_at TIMESTAMP, extension_data TEXT DEFAULT '{}',
      input_tokens INTEGER, output_tokens INTEGER, cache_read_tokens INTEGER, cache_write_tokens INTEGER,
      accumulated_input_tokens INTEGER, accumulated_output_tokens INTEGER, accumulated_cache_read_tokens INTEGER,
      accumulated_cache_write_tokens INTEGER, accumulated_cost REAL, provider_name TEXT, model_config_json TEXT,
      parent_session_id TEXT);
      CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT, session_id TEXT NOT NULL, role TEXT NOT NULL,
      content_json TEXT NOT NULL, created_timestamp INTEGER NOT NULL, metadata_json TEXT)`);
    const session = db.prepare(
      "INSERT INTO sessions VALUES (?, ?, '', ?, '/home/ana/app', '2026-09-04 05:06:00', '{}', ?, ?, 3, 1, ?, ?, ?, ?, ?, 'anthropic', ?, ?)",
    );
    const model = json({ model_name: "opus" });
    session.run("20260904_1", "Retry", "user", 7, 2, 350, 120, 200, 50, 0.25, model, null);
    session.run("20260904_2", "Retry (copy)", "user", null, null, null, null, null, null, null, model, null);
    session.run("20260904_3", "Look", "sub_agent", 9, 1, 40, 4, 0, 0, 0.01, model, "20260904_1");
    const put = db.prepare(
      "INSERT INTO messages(message_id, session_id, role, content_json, created_timestamp) VALUES (?, ?, ?, ?, ?)",
    );
    const call = { status: "success", value: { name: "developer__shell", arguments: { command: "ls" } } };
    const failed = { status: "success", value: { content: [{ type: "text", text: "no such file" }], isError: true } };
    for (const session_id of ["20260904_1", "20260904_2"]) {
      put.run("msg_a", session_id, "user", json([{ type: "text", text: "please fix it" }]), seconds(1));
      put.run("msg_b", session_id, "assistant", json([{ type: "toolRequest", id: "t1", toolCall: call }]), seconds(2));
      put.run("msg_c", session_id, "user", json([{ type: "toolResponse", id: "t1", toolResult: failed }]), seconds(3));
    }
    put.run("msg_d", "20260904_2", "user", json([{ type: "text", text: "and test it" }]), seconds(9));
    put.run("msg_e", "20260904_3", "assistant", json([{ type: "text", text: "looked" }]), seconds(9));
  };

  it.live("counts the cache, the cost and a copied session's messages once, and knows a sub-agent", () =>
    Effect.gen(function* () {
      yield* importedDatabase("sessions.db", build);
      assert.deepStrictEqual(yield* tokens, {
        "20260904_1": [350, 120, 200, 50, null, 0.25],
        "20260904_3": [40, 4, 0, 0, null, 0.01],
      });
      assert.deepStrictEqual(yield* messages, {
        "20260904_1 assistant answer": 1,
        "20260904_1 user prompt": 1,
        "20260904_1 user tool_result": 1,
        "20260904_2 user prompt": 1,
        "20260904_3 assistant answer": 1,
      });
      assert.deepStrictEqual(yield* calls, [["developer__shell", "error", 1]]);
      assert.deepInclude(yield* family, ["20260904_3", "20260904_1", "sub-agent"]);
      assert.deepStrictEqual(yield* rows("SELECT DISTINCT model FROM v_token_usage"), [["opus"]]);
    }).pipe(Effect.provide(store)),
  );
});

describe("Hermes, schema 30", () => {
  const calling = json([{ id: "t1", type: "function", function: { name: "terminal", arguments: "{}" } }]);
  const build = (db: Database.Database): void => {
    db.exec(`CREATE TABLE sessions (id TEXT PRIMARY KEY, source TEXT NOT NULL, model TEXT, model_config TEXT, parent_session_id TEXT,
      started_at REAL NOT NULL, input_tokens INTEGER DEFAULT 0, output_tokens INTEGER DEFAULT 0, cache_read_tokens INTEGER DEFAULT 0,
      cache_write_tokens INTEGER DEFAULT 0, reasoning_tokens INTEGER DEFAULT 0, cwd TEXT, git_branch TEXT,
      estimated_cost_usd REAL, actual_cost_usd REAL, title TEXT);
      CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL, role TEXT NOT NULL, content TEXT,
      tool_call_id TEXT, tool_calls TEXT, tool_name TEXT, timestamp REAL NOT NULL, finish_reason TEXT, reasoning TEXT,
      active INTEGER NOT NULL DEFAULT 1, compacted INTEGER NOT NULL DEFAULT 0)`);
    db.prepare(
      "INSERT INTO sessions VALUES ('hermes-1','cli','opus','{}',NULL,?,30,9,100,20,4,'/home/ana/app','main',0.5,NULL,'Retry')",
    ).run(seconds(0));
    const put = db.prepare(
      "INSERT INTO messages(session_id, role, content, tool_call_id, tool_calls, timestamp) VALUES ('hermes-1', ?, ?, ?, ?, ?)",
    );
    put.run("user", "please fix it", null, null, seconds(1));
    put.run("assistant", "", null, calling, seconds(2));
    put.run("tool", "a b", "t1", null, seconds(3));
  };

  it.live("counts a call once though its rows are written again when the conversation is compacted", () =>
    Effect.gen(function* () {
      yield* importedDatabase("state.db", build, (db) => db.exec("UPDATE messages SET active = 0, compacted = 1"));
      assert.deepStrictEqual(yield* calls, [["terminal", "ok", 1]]);
      assert.deepStrictEqual(yield* known, [["Retry", "/home/ana/app", "main"]]);
      assert.deepStrictEqual(yield* tokens, { "hermes-1": [150, 9, 100, 20, 4, 0.5] });
    }).pipe(Effect.provide(store)),
  );
});

describe("Crush 0.60", () => {
  it.live("shows a summary as a compaction, a person's own command, and sub-agents below their session", () =>
    Effect.gen(function* () {
      yield* importedDatabase("crush.db", (db) => {
        db.exec(`CREATE TABLE sessions (id TEXT PRIMARY KEY, parent_session_id TEXT, title TEXT NOT NULL, message_count INTEGER,
          prompt_tokens INTEGER, completion_tokens INTEGER, cost REAL, updated_at INTEGER, created_at INTEGER,
          summary_message_id TEXT, todos TEXT);
          CREATE TABLE messages (id TEXT PRIMARY KEY, session_id TEXT, role TEXT, parts TEXT, model TEXT, created_at INTEGER,
          updated_at INTEGER, finished_at INTEGER, provider TEXT, is_summary_message INTEGER DEFAULT 0 NOT NULL)`);
        const session = db.prepare("INSERT INTO sessions VALUES (?, ?, ?, 3, 5, 6, ?, ?, ?, NULL, NULL)");
        session.run("crush-1", null, "Retry", 0.25, seconds(0), seconds(0));
        session.run("m2$$call_1", "crush-1", "New Agent Session", 0.05, seconds(1), seconds(1));
        const put = db.prepare("INSERT INTO messages VALUES (?, ?, ?, ?, 'opus', ?, ?, NULL, 'anthropic', ?)");
        const say = (id_: string, session_: string, role: string, parts: unknown, second: number, summary = 0) =>
          put.run(id_, session_, role, json(parts), seconds(second), seconds(second), summary);
        const finish = { type: "finish", data: { reason: "end_turn" } };
        say(
          "m1",
          "crush-1",
          "user",
          [{ type: "shell_command", data: { command: "ls", output: "a b", exit_code: 0 } }],
          0,
        );
        say("m2", "crush-1", "assistant", [{ type: "text", data: { text: "I see." } }, finish], 1);
        say("m3", "crush-1", "assistant", [{ type: "text", data: { text: "All of it, shortly." } }, finish], 2, 1);
        say("m4", "m2$$call_1", "assistant", [{ type: "text", data: { text: "looked" } }, finish], 1);
      });
      assert.deepStrictEqual(yield* compactions, [["crush-1", null, null, "All of it, shortly."]]);
      assert.deepStrictEqual(yield* family, [
        ["crush-1", null, null],
        ["m2$$call_1", "crush-1", "sub-agent"],
      ]);
      assert.deepStrictEqual(yield* messages, {
        "crush-1 assistant answer": 2,
        "crush-1 user command": 1,
        "m2$$call_1 assistant answer": 1,
      });
    }).pipe(Effect.provide(store)),
  );
});

describe("OpenCode 1.17", () => {
  it.live("shows a compaction where it happened", () =>
    Effect.gen(function* () {
      yield* importedDatabase("opencode.db", (db) => {
        db.exec(`CREATE TABLE session(id text primary key, project_id text, parent_id text, slug text, directory text, title text,
          version text, cost real default 0, tokens_input integer default 0, revert text, model text, time_created integer, time_updated integer);
          CREATE TABLE message(id text primary key, session_id text, time_created integer, time_updated integer, data text);
          CREATE TABLE part(id text primary key, message_id text, session_id text, time_created integer, time_updated integer, data text)`);
        db.prepare(
          "INSERT INTO session VALUES ('ses_1','p',NULL,'fox','/home/ana/app','Retry','1.17.0',0.5,10,NULL,NULL,?,?)",
        ).run(start, start);
        const message = db.prepare("INSERT INTO message VALUES (?, 'ses_1', ?, ?, ?)");
        const part = db.prepare("INSERT INTO part VALUES (?, ?, 'ses_1', ?, ?, ?)");
        message.run("msg_1", start, start, json({ role: "user", time: { created: start } }));
        part.run("prt_1", "msg_1", start, start, json({ type: "compaction", auto: true }));
        const usage = { input: 10, output: 20, reasoning: 5, cache: { read: 7, write: 6 } };
        const about = { role: "assistant", summary: true, modelID: "opus", providerID: "anthropic", cost: 0.5 };
        message.run("msg_2", start + 1, start + 1, json({ ...about, time: { created: start + 1 }, tokens: usage }));
        part.run("prt_2", "msg_2", start, start, json({ type: "text", text: "All of it, shortly." }));
      });
      assert.deepStrictEqual(yield* compactions, [["ses_1", "auto", null, null]]);
      assert.deepStrictEqual(yield* tokens, { ses_1: [23, 25, 7, 6, 5, 0.5] });
    }).pipe(Effect.provide(store)),
  );
});

describe("VS Code's chat", () => {
  const request = (n: number, more: Record<string, unknown> = {}) => ({
    requestId: `request_${n}`,
    timestamp: start + n * 1000,
    message: { text: "please fix it", parts: [] },
    response: [{ value: "it is fixed" }],
    modelId: "copilot/gpt-5",
    ...more,
  });
  const state = (requests: ReadonlyArray<unknown>) => ({ version: 3, sessionId: id(1), creationDate: start, requests });

  it.live("counts the tokens that stand on a request, in a document", () =>
    Effect.gen(function* () {
      const requests = [
        request(1, { promptTokens: 1000, completionTokens: 200, copilotCredits: 1.5 }),
        request(2, {
          promptTokens: 400,
          completionTokens: 30,
          modelTotals: [
            { model: "gpt-5", inputTokens: 900, cachedTokens: 500, outputTokens: 60 },
            { model: "gpt-5-mini", inputTokens: 80, cachedTokens: 0, outputTokens: 8 },
          ],
        }),
      ];
      yield* importedFiles({ [`chatSessions/${id(1)}.json`]: json(state(requests)) });
      assert.deepStrictEqual(yield* tokens, { [id(1)]: [1980, 268, 500, null, null, null] });
    }).pipe(Effect.provide(store)),
  );

  it.live("counts them in the log of mutations, told again as they grow", () =>
    Effect.gen(function* () {
      const lines = [
        { kind: 0, v: state([request(1, { response: [] })]) },
        { kind: 2, k: ["requests", 0, "response"], v: [{ value: "it is fixed" }] },
        { kind: 1, k: ["requests", 0, "completionTokens"], v: 20 },
        { kind: 1, k: ["requests", 0, "promptTokens"], v: 900 },
        { kind: 1, k: ["requests", 0, "completionTokens"], v: 55 },
      ];
      yield* importedFiles({ [`chatSessions/${id(1)}.jsonl`]: lines });
      assert.deepStrictEqual(yield* tokens, { [id(1)]: [900, 55, null, null, null, null] });
    }).pipe(Effect.provide(store)),
  );
});

describe("Cursor", () => {
  it.live("counts the cost of a composer, told again as it grows", () =>
    Effect.gen(function* () {
      const composer = (cents: number) =>
        json({
          composerId: "cmp-1",
          name: "Retry",
          createdAt: start,
          fullConversationHeadersOnly: [{ bubbleId: "b1" }],
          usageData: { default: { costInCents: 45, amount: 8 }, "claude-4-opus": { costInCents: cents, amount: 2 } },
        });
      yield* importedDatabase(
        "state.vscdb",
        (db) => {
          db.exec("CREATE TABLE cursorDiskKV(key text unique on conflict replace, value blob)");
          const put = db.prepare("INSERT INTO cursorDiskKV VALUES (?, ?)");
          put.run("composerData:cmp-1", composer(100));
          put.run("bubbleId:cmp-1:b1", json({ type: 1, bubbleId: "b1", text: "please fix it", createdAt: at(1) }));
        },
        (db) => db.prepare("INSERT INTO cursorDiskKV VALUES ('composerData:cmp-1', ?)").run(composer(250)),
      );
      assert.deepStrictEqual(yield* rows("SELECT model, cost_usd FROM v_token_usage ORDER BY 1"), [
        [null, 0.45],
        ["claude-4-opus", 2.5],
      ]);
    }).pipe(Effect.provide(store)),
  );
});

describe("Zed", () => {
  it.live("knows folder, branch and the parent of a sub-agent", () =>
    Effect.gen(function* () {
      yield* importedDatabase("threads.db", (db) => {
        db.exec(`CREATE TABLE threads (id TEXT PRIMARY KEY, summary TEXT NOT NULL, updated_at TEXT NOT NULL, data_type TEXT NOT NULL,
          data BLOB NOT NULL, parent_id TEXT, folder_paths TEXT, folder_paths_order TEXT, created_at TEXT)`);
        const put = db.prepare("INSERT INTO threads VALUES (?, ?, ?, 'json', ?, ?, ?, '0', ?)");
        const thread = (more: Record<string, unknown>) =>
          Buffer.from(
            json({
              title: "Retry",
              messages: [{ User: { id: id(5), content: [{ Text: "please fix it" }] } }],
              updated_at: at(1),
              cumulative_token_usage: { input_tokens: 10, output_tokens: 2, cache_read_input_tokens: 5 },
              model: { provider: "anthropic", model: "opus" },
              version: "0.3.0",
              ...more,
            }),
          );
        const tree = { worktree_path: "/home/ana/app", git_state: { current_branch: "main" } };
        const snapshot = { worktree_snapshots: [tree], timestamp: at(0) };
        put.run(id(1), "Retry", at(1), thread({ initial_project_snapshot: snapshot }), null, "/home/ana/app", at(0));
        const context = { parent_thread_id: id(1), depth: 1 };
        put.run(id(2), "Look", at(1), thread({ subagent_context: context }), id(1), "/home/ana/app", at(0));
      });
      assert.deepStrictEqual(yield* known, [
        ["Retry", "/home/ana/app", "main"],
        ["Retry", "/home/ana/app", null],
      ]);
      assert.deepStrictEqual(yield* family, [
        [id(1), null, null],
        [id(2), id(1), "sub-agent"],
      ]);
      assert.deepStrictEqual(yield* tokens, {
        [id(1)]: [15, 2, 5, null, null, null],
        [id(2)]: [15, 2, 5, null, null, null],
      });
    }).pipe(Effect.provide(store)),
  );
});

describe("Cline 4", () => {
  it.live("counts what stands on a message, once in a session that grows", () =>
    Effect.gen(function* () {
      const said = [
        { id: "nano_user_1", role: "user", content: [{ type: "text", text: "please fix it" }] },
        {
          id: "nano_answer_1",
          role: "assistant",
          ts: start,
          content: [{ type: "tool_use", id: "toolu_1", name: "editor", input: {} }],
          modelInfo: { id: "claude-sonnet-4-6", provider: "anthropic" },
        },
        {
          id: "nano_user_2",
          role: "user",
          content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "denied", is_error: true }],
        },
      ];
      const last = {
        id: "nano_answer_2",
        role: "assistant",
        ts: start + 1,
        content: [{ type: "text", text: "it is fixed" }],
        modelInfo: { id: "claude-sonnet-4-6", provider: "anthropic" },
        metrics: { inputTokens: 21, outputTokens: 8, cacheReadTokens: 3, cacheWriteTokens: 1, cost: 0.13 },
      };
      const document = (messages_: ReadonlyArray<unknown>) =>
        json({ version: 1, updated_at: at(2), agent: "lead", sessionId: id(1), messages: messages_ });
      yield* importedFiles({ [`sessions/${id(1)}/${id(1)}.messages.json`]: document(said) });
      yield* importedFiles({ [`sessions/${id(1)}/${id(1)}.messages.json`]: document([...said, last]) });
      assert.deepStrictEqual(yield* tokens, { [id(1)]: [25, 8, 3, 1, null, 0.13] });
      assert.deepStrictEqual(yield* messages, {
        [`${id(1)} assistant answer`]: 2,
        [`${id(1)} user prompt`]: 1,
        [`${id(1)} user tool_result`]: 1,
      });
      assert.deepStrictEqual(yield* calls, [["editor", "error", 1]]);
    }).pipe(Effect.provide(store)),
  );
});

describe("Continue", () => {
  it.live("counts a message once that is written again when its call was answered", () =>
    Effect.gen(function* () {
      const call = { id: "c1", type: "function", function: { name: "ls", arguments: "{}" } };
      const answer = (states: ReadonlyArray<unknown>) => ({
        message: {
          id: id(8),
          role: "assistant",
          content: "",
          toolCalls: [call],
          usage: { promptTokens: 9, completionTokens: 3 },
        },
        contextItems: [],
        toolCallStates: states,
      });
      const document = (states: ReadonlyArray<unknown>) =>
        json({
          sessionId: id(1),
          title: "Retry",
          workspaceDirectory: "/home/ana/app",
          history: [{ message: { id: id(7), role: "user", content: "list" }, contextItems: [] }, answer(states)],
        });
      const state = { toolCallId: "c1", status: "generated" };
      yield* importedFiles({ [`sessions/${id(1)}.json`]: document([state]) });
      const output = [{ name: "ls", content: "a b" }];
      yield* importedFiles({ [`sessions/${id(1)}.json`]: document([{ ...state, status: "done", output }]) });
      assert.deepStrictEqual(yield* messages, { [`${id(1)} assistant answer`]: 1, [`${id(1)} user prompt`]: 1 });
      assert.deepStrictEqual(yield* calls, [["ls", "ok", 1]]);
      assert.deepStrictEqual(yield* tokens, { [id(1)]: [9, 3, null, null, null, null] });
    }).pipe(Effect.provide(store)),
  );
});

describe("Kimi CLI 1.x", () => {
  const line = (second: number, type: string, payload: unknown) => ({
    timestamp: seconds(second) + 0.123456,
    message: { type, payload },
  });
  const usage = (message_id: string, input_other: number, output: number) => ({
    token_usage: { input_other, output, input_cache_read: 3, input_cache_creation: 1 },
    message_id,
  });
  const call = { type: "function", id: "Shell_0", function: { name: "Shell", arguments: "{}" } };
  const failed = {
    tool_call_id: "Shell_0",
    return_value: { is_error: true, output: "no such file", message: "failed" },
  };
  const inside = [
    line(20, "TurnBegin", { user_input: "look around" }),
    line(21, "StepBegin", { n: 1 }),
    line(22, "ContentPart", { type: "text", text: "I looked." }),
    line(23, "StatusUpdate", usage("chatcmpl-2", 20, 2)),
    line(24, "TurnEnd", {}),
  ];
  const wire = (agent_id: string | null) => [
    { type: "metadata", protocol_version: "1.9" },
    line(1, "TurnBegin", { user_input: "please fix it" }),
    line(2, "StepBegin", { n: 1 }),
    line(3, "ContentPart", { type: "think", think: "hm", encrypted: null }),
    line(4, "ContentPart", { type: "text", text: "I try." }),
    line(5, "ToolCall", call),
    line(6, "StatusUpdate", usage("chatcmpl-1", 10, 5)),
    line(7, "ToolResult", failed),
    ...inside.map(({ timestamp, message }) => ({
      timestamp: timestamp + 0.000_1,
      message: { type: "SubagentEvent", payload: { parent_tool_call_id: "Agent_1", agent_id, event: message } },
    })),
    line(30, "CompactionBegin", {}),
    line(31, "CompactionEnd", {}),
    line(32, "TurnEnd", {}),
  ];
  const path = (session: string, more = "") => `sessions/0f0f/${session}/${more}wire.jsonl`;
  const own = { type: "metadata", protocol_version: "1.9" };

  for (const order of ["its own first", "its parent first"])
    it.live(`counts a sub-agent once that stands in its parent's wire too, ${order}`, () =>
      Effect.gen(function* () {
        const parent = { [path(id(1))]: wire("a1b2c3d4e") };
        const child = { [path(id(1), "subagents/a1b2c3d4e/")]: [own, ...inside] };
        for (const files of order === "its own first" ? [child, parent] : [parent, child]) yield* importedFiles(files);
        const sub = `${id(1)}/a1b2c3d4e`;
        assert.deepStrictEqual(yield* tokens, { [id(1)]: [14, 5, 3, 1, null, null], [sub]: [24, 2, 3, 1, null, null] });
        assert.deepStrictEqual(yield* messages, {
          [`${id(1)} assistant answer`]: 1,
          [`${id(1)} tool tool_result`]: 1,
          [`${id(1)} user prompt`]: 1,
          [`${sub} assistant answer`]: 1,
          [`${sub} user prompt`]: 1,
        });
        assert.deepInclude(yield* family, [sub, id(1), "sub-agent"]);
        assert.deepStrictEqual(yield* calls, [["Shell", "error", 1]]);
        assert.lengthOf(yield* compactions, 1);
      }).pipe(Effect.provide(store)),
    );

  it.live("reads an older version's sub-agent out of its parent's wire, and a fork's copies once", () =>
    Effect.gen(function* () {
      yield* importedFiles({
        [path(id(1))]: wire(null),
        [path(id(2))]: [...wire(null).slice(0, 8), line(40, "TurnBegin", { user_input: "another way" })],
      });
      assert.deepStrictEqual(yield* tokens, { [id(1)]: [38, 7, 6, 2, null, null] });
      assert.deepStrictEqual(yield* rows("SELECT text FROM v_messages WHERE is_sidechain = 1 AND role = 'assistant'"), [
        ["I looked."],
      ]);
      assert.deepStrictEqual(
        yield* rows(
          "SELECT text FROM v_messages WHERE is_copied = 0 AND is_sidechain = 0 AND kind = 'prompt' ORDER BY 1",
        ),
        [["another way"], ["please fix it"]],
      );
    }).pipe(Effect.provide(store)),
  );
});

describe("Kimi Code, protocol 1.5", () => {
  const record = (second: number, type: string, more: Record<string, unknown>) => ({
    type,
    ...more,
    time: start + second * 1000,
  });
  const step = (second: number, event: unknown) => record(second, "context.append_loop_event", { event });
  const usage = { inputOther: 10, output: 5, inputCacheRead: 30, inputCacheCreation: 4 };
  const said = (second: number, text: string, kind = "user") =>
    record(second, "context.append_message", {
      message: { role: "user", content: [{ type: "text", text }], toolCalls: [], origin: { kind } },
    });
  const begun = [
    { type: "metadata", protocol_version: "1.5", created_at: start },
    record(0, "profile.bind", {
      modelAlias: "kimi-k2",
      environmentDisclosure: { cwd: "/home/ana/app", date: { disclosed: false } },
      systemPrompt: "You are Kimi.",
    }),
    record(1, "turn.prompt", { input: [{ type: "text", text: "please fix it" }], origin: { kind: "user" } }),
    said(2, "please fix it"),
    said(3, "remember the rules", "injection"),
    step(4, { type: "step.begin", uuid: "s1", step: 0 }),
    step(5, { type: "content.part", uuid: "c1", stepUuid: "s1", part: { type: "text", text: "I try." } }),
    step(6, {
      type: "tool.call",
      uuid: "c2",
      stepUuid: "s1",
      toolCallId: "call_1",
      name: "Bash",
      args: { command: "ls" },
    }),
    step(7, { type: "step.end", uuid: "s1", usage, finishReason: "tool_use" }),
    record(8, "usage.record", { model: "kimi-k2", usage, usageScope: "turn" }),
    step(9, { type: "tool.result", toolCallId: "call_1", result: { output: "no such file", isError: true } }),
  ];
  const later = [
    record(20, "context.apply_compaction", { summary: "all of it, shortly", compactedCount: 4, tokensBefore: 900 }),
    said(21, "a wrong turn"),
    record(22, "context.undo", { count: 1 }),
    said(23, "the right one"),
  ];
  const path = (session: string, agent: string) => `sessions/wd_app_0f0f/${session}/agents/${agent}/wire.jsonl`;

  it.live("counts messages, calls and tokens once, also of a fork, and knows sub-agents", () =>
    Effect.gen(function* () {
      const [main, fork] = [`session_${id(1)}`, `session_${id(2)}`];
      yield* importedFiles({
        [path(main, "main")]: [...begun, ...later],
        [path(main, "agent-0")]: [
          begun[0],
          said(30, "look around"),
          record(31, "usage.record", { model: "kimi-k2", usage }),
        ],
        [path(fork, "main")]: [...begun, record(40, "forked", { agentId: "main" }), said(41, "another way")],
      });
      assert.deepStrictEqual(yield* tokens, {
        [main]: [44, 5, 30, 4, null, null],
        [`${main}/agent-0`]: [44, 5, 30, 4, null, null],
      });
      assert.deepStrictEqual(yield* messages, {
        [`${main} assistant answer`]: 1,
        [`${main} tool tool_result`]: 1,
        [`${main} user notice`]: 1,
        [`${main} user prompt`]: 3,
        [`${main}/agent-0 user prompt`]: 1,
        [`${fork} user prompt`]: 1,
      });
      assert.deepStrictEqual(yield* calls, [["Bash", "error", 1]]);
      assert.deepStrictEqual(yield* compactions, [[main, null, 900, "all of it, shortly"]]);
      assert.deepInclude(yield* family, [`${main}/agent-0`, main, "sub-agent"]);
      assert.deepStrictEqual(yield* rows("SELECT text FROM v_messages WHERE is_abandoned = 1"), [["a wrong turn"]]);
      assert.deepStrictEqual(yield* rows(`SELECT cwd, model FROM v_threads WHERE thread_id = '${main}'`), [
        ["/home/ana/app", "kimi-k2"],
      ]);
    }).pipe(Effect.provide(store)),
  );
});

describe("Gemini CLI 0.50", () => {
  const head = (sessionId: string, kind: string) => ({
    sessionId,
    projectHash: "0f0f",
    startTime: at(0),
    lastUpdated: at(0),
    kind,
  });
  const answer = (name: string, more: Record<string, unknown> = {}) => ({
    id: name,
    timestamp: at(2),
    type: "gemini",
    content: "it is fixed",
    thoughts: [],
    tokens: { input: 100, output: 20, cached: 40, thoughts: 5, tool: 3, total: 128 },
    model: "gemini-3-pro",
    ...more,
  });
  const call = { id: "run_1", name: "run_shell_command", args: {}, timestamp: at(2) };
  const result = [{ functionResponse: { id: "run_1", name: "run_shell_command", response: { error: "denied" } } }];

  it.live("counts a message once that is written again, a sub-agent below its session, and a compression", () =>
    Effect.gen(function* () {
      const summary = {
        id: "s1",
        timestamp: at(5),
        type: "user",
        content: [{ text: "<state_snapshot>all of it</state_snapshot>" }],
      };
      yield* importedFiles({
        "tmp/app/chats/session-2026-09-04T05-06-0a0b0c0d.jsonl": [
          head(id(1), "main"),
          { id: "u1", timestamp: at(1), type: "user", content: [{ text: "please fix it" }] },
          { $set: { lastUpdated: at(1) } },
          answer("g1", { tokens: null }),
          answer("g1"),
          answer("g1", { toolCalls: [{ ...call, status: "executing" }] }),
          answer("g1", { toolCalls: [{ ...call, status: "error", result }] }),
          { $set: { messages: [summary, answer("g1")], lastUpdated: at(5) } },
          { $set: { messages: [summary, answer("g1"), answer("g2")], lastUpdated: at(6) } },
          { $set: { summary: "Retry" } },
        ],
        [`tmp/app/chats/${id(1)}/explore-1.jsonl`]: [
          head("explore-1", "subagent"),
          { id: "u1", timestamp: at(3), type: "user", content: "look around" },
          answer("g1"),
        ],
      });
      const sub = `${id(1)}/explore-1`;
      assert.deepStrictEqual(yield* tokens, {
        [id(1)]: [103, 25, 40, null, 5, null],
        [sub]: [103, 25, 40, null, 5, null],
      });
      assert.deepStrictEqual(yield* messages, {
        [`${id(1)} assistant answer`]: 1,
        [`${id(1)} user prompt`]: 1,
        [`${sub} assistant answer`]: 1,
        [`${sub} user prompt`]: 1,
      });
      assert.deepStrictEqual(yield* calls, [["run_shell_command", "error", 1]]);
      assert.deepStrictEqual(yield* compactions, [[id(1), null, null, "<state_snapshot>all of it</state_snapshot>"]]);
      assert.deepStrictEqual(yield* family, [
        [id(1), null, null],
        [sub, id(1), "sub-agent"],
      ]);
    }).pipe(Effect.provide(store)),
  );

  it.live("counts a session once that was moved from a document into lines", () =>
    Effect.gen(function* () {
      const user = { id: "u1", timestamp: at(1), type: "user", content: "please fix it" };
      const done = answer("g1", { toolCalls: [{ ...call, status: "error", result }] });
      const { kind: _kind, ...whole } = head(id(1), "main");
      yield* importedFiles({
        "tmp/app/chats/session-1.json": json({ ...whole, messages: [user, done] }),
        "tmp/app/chats/session-1.jsonl": [head(id(1), "main"), user, done, answer("g2")],
      });
      assert.deepStrictEqual(yield* tokens, { [id(1)]: [206, 50, 80, null, 10, null] });
      assert.deepStrictEqual(yield* messages, { [`${id(1)} assistant answer`]: 2, [`${id(1)} user prompt`]: 1 });
      assert.deepStrictEqual(yield* calls, [["run_shell_command", "error", 1]]);
    }).pipe(Effect.provide(store)),
  );
});

describe("Qwen Code", () => {
  let last: string | null = null;
  const line = (n: number, type: string, more: Record<string, unknown>) => {
    const uuid = id(n);
    const made = {
      uuid,
      parentUuid: last,
      sessionId: id(1),
      timestamp: at(n),
      type,
      cwd: "/home/ana/app",
      version: "0.30.0",
      gitBranch: "main",
      ...more,
    };
    last = uuid;
    return made;
  };

  it.live("knows titles, compressions and the session that began it", () =>
    Effect.gen(function* () {
      const usageMetadata = {
        promptTokenCount: 100,
        candidatesTokenCount: 20,
        cachedContentTokenCount: 40,
        thoughtsTokenCount: 5,
        totalTokenCount: 120,
      };
      yield* importedFiles({
        [`projects/app/chats/${id(1)}.jsonl`]: [
          line(1, "system", { subtype: "parent_session", systemPayload: { parentSessionId: id(9) } }),
          line(2, "user", { message: { role: "user", parts: [{ text: "please fix it" }] } }),
          line(3, "assistant", {
            model: "qwen3-coder",
            message: { role: "model", parts: [{ functionCall: { id: "c1", name: "ls", args: {} } }] },
            usageMetadata,
          }),
          line(4, "tool_result", {
            message: {
              role: "user",
              parts: [{ functionResponse: { id: "c1", name: "ls", response: { error: "no" } } }],
            },
            toolCallResult: { callId: "c1", status: "error" },
          }),
          line(5, "system", {
            subtype: "chat_compression",
            systemPayload: {
              info: { originalTokenCount: 900, newTokenCount: 100, compressionStatus: 1 },
              compressedHistory: [{ role: "user", parts: [{ text: "all of it, shortly" }] }],
            },
          }),
          line(6, "system", { subtype: "custom_title", systemPayload: { customTitle: "Retry", titleSource: "auto" } }),
        ],
      });
      assert.deepStrictEqual(yield* tokens, { [id(1)]: [100, 20, 40, null, 5, null] });
      assert.deepStrictEqual(yield* compactions, [[id(1), null, 900, "all of it, shortly"]]);
      assert.deepStrictEqual(yield* known, [["Retry", "/home/ana/app", "main"]]);
      assert.deepStrictEqual(yield* family, [[id(1), id(9), "sub-agent"]]);
      assert.deepStrictEqual(yield* calls, [["ls", "error", 1]]);
    }).pipe(Effect.provide(store)),
  );
});
