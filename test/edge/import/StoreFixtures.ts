/**
 * Databases of agents, small and made by hand, in the tables that the agents make, with what is right about each.
 */
import type Database from "better-sqlite3";
import type { Counts } from "./LineFixtures.ts";

const time = Date.parse("2026-03-04T05:06:01.000Z");
const json = JSON.stringify;

export interface StoreFixture {
  readonly format: string;
  readonly file: string;
  readonly build: (db: Database.Database) => void;
  readonly thread: string;
  readonly rows: number;
  readonly counts: Counts;
  readonly title: string;
  readonly cwd?: string;
  /** A statement by which the agent says more in an answer that it gave already. */
  readonly rewrite: string;
  readonly after: string;
}

const opencode = (db: Database.Database): void => {
  db.exec(`CREATE TABLE session(id text primary key, project_id text, parent_id text, slug text, directory text, title text,
      version text, time_created integer, time_updated integer);
    CREATE TABLE message(id text primary key, session_id text, time_created integer, time_updated integer, data text);
    CREATE TABLE part(id text primary key, message_id text, session_id text, time_created integer, time_updated integer, data text)`);
  db.prepare("INSERT INTO session VALUES ('ses_1','p',NULL,'fox','/home/ana/app','Retry','1.17.0',?,?)").run(
    time,
    time,
  );
  const message = db.prepare("INSERT INTO message VALUES (?, 'ses_1', ?, ?, ?)");
  const part = db.prepare("INSERT INTO part VALUES (?, ?, 'ses_1', ?, ?, ?)");
  message.run("msg_1", time, time, json({ role: "user", time: { created: time } }));
  const tokens = { input: 10, output: 20, reasoning: 0, cache: { read: 5, write: 6 } };
  message.run(
    "msg_2",
    time + 1,
    time + 1,
    json({ role: "assistant", time: { created: time + 1 }, modelID: "opus", tokens }),
  );
  part.run("prt_1", "msg_1", time, time, json({ type: "text", text: "please fix the loop" }));
  const state = {
    status: "completed",
    input: { command: "npm test" },
    output: "ok",
    time: { start: time, end: time + 3 },
  };
  part.run("prt_2", "msg_2", time, time, json({ type: "tool", callID: "call_1", tool: "bash", state }));
  part.run("prt_3", "msg_2", time, time, json({ type: "text", text: "it is fixed" }));
};

const cursor = (db: Database.Database): void => {
  db.exec(`CREATE TABLE ItemTable(key text unique on conflict replace, value blob);
    CREATE TABLE cursorDiskKV(key text unique on conflict replace, value blob)`);
  const put = db.prepare("INSERT INTO cursorDiskKV VALUES (?, ?)");
  const headers = ["b9", "b2", "b3"].map((bubbleId) => ({ bubbleId }));
  put.run(
    "composerData:cmp-1",
    json({ composerId: "cmp-1", name: "Retry", createdAt: time, fullConversationHeadersOnly: headers }),
  );
  put.run("composerData:empty", json({ composerId: "empty", fullConversationHeadersOnly: [] }));
  put.run(
    "bubbleId:cmp-1:b9",
    json({ type: 1, bubbleId: "b9", text: "please fix it", createdAt: "2026-03-04T05:06:01.000Z" }),
  );
  const toolFormerData = {
    toolCallId: "call_1",
    name: "read_file",
    rawArgs: '{"path":"a"}',
    status: "completed",
    result: '{"contents":"forty-two"}',
  };
  put.run("bubbleId:cmp-1:b2", json({ type: 2, bubbleId: "b2", text: "", toolFormerData }));
  const tokenCount = { inputTokens: 10, outputTokens: 2 };
  put.run("bubbleId:cmp-1:b3", json({ type: 2, bubbleId: "b3", text: "it is fixed", tokenCount }));
};

const goose = (db: Database.Database): void => {
  db.exec(`CREATE TABLE sessions (id TEXT PRIMARY KEY, name TEXT NOT NULL DEFAULT '', description TEXT NOT NULL DEFAULT '',
      working_dir TEXT NOT NULL, created_at TIMESTAMP, extension_data TEXT DEFAULT '{}', input_tokens INTEGER,
      output_tokens INTEGER, accumulated_input_tokens INTEGER, accumulated_output_tokens INTEGER);
    CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL, role TEXT NOT NULL,
      content_json TEXT NOT NULL, created_timestamp INTEGER NOT NULL, metadata_json TEXT)`);
  db.exec("INSERT INTO sessions VALUES ('20260304_2','Retry','','/home/ana/app','2026-03-04 05:06:01','{}',7,2,35,12)");
  const put = db.prepare(
    "INSERT INTO messages(session_id, role, content_json, created_timestamp) VALUES ('20260304_2', ?, ?, ?)",
  );
  put.run("user", json([{ type: "text", text: "please fix it" }]), time / 1000);
  const toolCall = { status: "success", value: { name: "developer__shell", arguments: { command: "ls" } } };
  put.run("assistant", json([{ type: "toolRequest", id: "tr1", toolCall }]), time / 1000 + 1);
  const toolResult = { status: "success", value: [{ type: "text", text: "a b" }] };
  put.run("user", json([{ type: "toolResponse", id: "tr1", toolResult }]), time / 1000 + 2);
  put.run("assistant", json([{ type: "text", text: "it is fixed" }]), time / 1000 + 3);
};

const crush = (db: Database.Database): void => {
  db.exec(`CREATE TABLE sessions (id TEXT PRIMARY KEY, parent_session_id TEXT, title TEXT NOT NULL, prompt_tokens INTEGER,
      completion_tokens INTEGER, cost REAL, updated_at INTEGER, created_at INTEGER);
    CREATE TABLE messages (id TEXT PRIMARY KEY, session_id TEXT, role TEXT, parts BLOB, model TEXT, created_at INTEGER,
      updated_at INTEGER, finished_at INTEGER)`);
  db.prepare("INSERT INTO sessions VALUES ('crush-1', NULL, 'Retry', 5, 6, 0.1, ?, ?)").run(time / 1000, time / 1000);
  const put = db.prepare("INSERT INTO messages VALUES (?, 'crush-1', ?, ?, 'opus', ?, ?, NULL)");
  const say = (id: string, role: string, parts: unknown, second: number) =>
    put.run(id, role, Buffer.from(json(parts)), time / 1000 + second, time / 1000 + second);
  say("m1", "user", [{ type: "text", data: { text: "please fix it" } }], 0);
  say(
    "m2",
    "assistant",
    [{ type: "tool_call", data: { id: "t1", name: "bash", input: '{"command":"ls"}', finished: true } }],
    1,
  );
  say(
    "m3",
    "tool",
    [{ type: "tool_result", data: { tool_call_id: "t1", name: "bash", content: "a b", is_error: false } }],
    2,
  );
  say(
    "m4",
    "assistant",
    [
      { type: "text", data: { text: "it is fixed" } },
      { type: "finish", data: { reason: "end_turn" } },
    ],
    3,
  );
};

const hermes = (db: Database.Database): void => {
  db.exec(`CREATE TABLE sessions (id TEXT PRIMARY KEY, source TEXT NOT NULL, model TEXT, model_config TEXT,
      parent_session_id TEXT, started_at REAL NOT NULL, input_tokens INTEGER, output_tokens INTEGER, title TEXT);
    CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL, role TEXT NOT NULL, content TEXT,
      tool_call_id TEXT, tool_calls TEXT, tool_name TEXT, timestamp REAL NOT NULL, finish_reason TEXT, reasoning TEXT)`);
  db.prepare("INSERT INTO sessions VALUES ('hermes-1','cli','opus','{}',NULL,?,30,9,'Retry')").run(time / 1000 + 0.25);
  const put = db.prepare(
    "INSERT INTO messages(session_id, role, content, tool_call_id, tool_calls, timestamp) VALUES ('hermes-1', ?, ?, ?, ?, ?)",
  );
  const calls = json([{ id: "t1", type: "function", function: { name: "terminal", arguments: '{"command":"ls"}' } }]);
  put.run("user", "please fix it", null, null, time / 1000 + 1);
  put.run("assistant", "", null, calls, time / 1000 + 2);
  put.run("tool", "a b", "t1", null, time / 1000 + 3);
  put.run("assistant", "it is fixed", null, null, time / 1000 + 4);
};

const after = "it is fixed, and tested";

export const stores: ReadonlyArray<StoreFixture> = [
  {
    format: "opencode-db",
    file: "opencode.db",
    build: opencode,
    thread: "ses_1",
    rows: 6,
    title: "Retry",
    cwd: "/home/ana/app",
    counts: { messages: { user: 1, assistant: 1 }, calls: 1, results: 1, input: 10, output: 20 },
    rewrite: `UPDATE part SET data = '${json({ type: "text", text: after })}' WHERE id = 'prt_3'`,
    after,
  },
  {
    format: "cursor-db",
    file: "state.vscdb",
    build: cursor,
    thread: "cmp-1",
    rows: 4,
    title: "Retry",
    counts: { messages: { user: 1, assistant: 2 }, calls: 1, results: 1, input: 10, output: 2 },
    rewrite: `UPDATE cursorDiskKV SET value = '${json({ type: 2, bubbleId: "b3", text: after, tokenCount: { inputTokens: 10, outputTokens: 2 } })}' WHERE key = 'bubbleId:cmp-1:b3'`,
    after,
  },
  {
    format: "goose-db",
    file: "sessions.db",
    build: goose,
    thread: "20260304_2",
    rows: 5,
    title: "Retry",
    cwd: "/home/ana/app",
    counts: { messages: { user: 2, assistant: 2 }, calls: 1, results: 1, input: 35, output: 12 },
    rewrite: `UPDATE messages SET content_json = '${json([{ type: "text", text: after }])}' WHERE id = 4`,
    after,
  },
  {
    format: "crush",
    file: "crush.db",
    build: crush,
    thread: "crush-1",
    rows: 5,
    title: "Retry",
    counts: { messages: { user: 1, assistant: 2, tool: 1 }, calls: 1, results: 1, input: 0, output: 0 },
    rewrite: `UPDATE messages SET parts = '${json([{ type: "text", data: { text: after } }])}' WHERE id = 'm4'`,
    after,
  },
  {
    format: "hermes",
    file: "state.db",
    build: hermes,
    thread: "hermes-1",
    rows: 5,
    title: "Retry",
    counts: { messages: { user: 1, assistant: 2, tool: 1 }, calls: 1, results: 1, input: 30, output: 9 },
    rewrite: `UPDATE messages SET content = '${after}' WHERE id = 4`,
    after,
  },
];
