import { assert, beforeAll, afterAll, describe, it } from "@effect/vitest";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { tokensIn } from "../../../src/query/brief/Tokens.ts";
import { command } from "../../support/command.ts";
import { program as main } from "../../support/program.ts";

const folder = mkdtempSync(join(tmpdir(), "recollect-cli-"));
const data = join(folder, "data");
const transcript = join(folder, "session.jsonl");
const threadId = "0f0e0d0c-1111-4222-8333-444455556666";

/** A session of one question, one tool call and one answer. */
const lines = [
  { type: "user", uuid: "u1", message: { role: "user", content: "Why is the database locked?" } },
  {
    type: "assistant",
    uuid: "a1",
    requestId: "r1",
    message: {
      id: "msg_1",
      role: "assistant",
      model: "claude-opus-4-5",
      content: [{ type: "tool_use", id: "toolu_1", name: "Bash", input: { command: "lsof" } }],
      usage: { input_tokens: 10, output_tokens: 2, cache_read_input_tokens: 5 },
    },
  },
  {
    type: "user",
    uuid: "u2",
    message: { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "sqlite3 4711" }] },
  },
  {
    type: "assistant",
    uuid: "a2",
    requestId: "r2",
    message: {
      id: "msg_2",
      role: "assistant",
      model: "claude-opus-4-5",
      content: [{ type: "text", text: "Process 4711 holds it." }],
      usage: { input_tokens: 20, output_tokens: 7 },
    },
  },
].map((line, index) =>
  JSON.stringify({
    parentUuid: null,
    sessionId: threadId,
    timestamp: `2026-01-01T00:00:0${index}.000Z`,
    cwd: "/x",
    ...line,
  }),
);

const run = (...words: ReadonlyArray<string>) => command([...words, "--data", data]);

/** The same as a process of its own. */
const started = (...words: ReadonlyArray<string>) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...words, "--data", data], {
    encoding: "utf8",
  });
  return { code: status, out: stdout, err: stderr };
};

/** Runs a command that must succeed and gives back the JSON it printed. */
const json = async (...words: ReadonlyArray<string>) => {
  const { code, out, err } = await run(...words, "--json");
  assert.strictEqual(code, 0, err);
  return JSON.parse(out);
};

/** A daemon of the folder that is ready. */
const daemon = async () => {
  const child = spawn(process.execPath, [main, "up", "--json", "--data", data], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const end = async () => {
    child.kill("SIGINT");
    const [code] = (await once(child, "exit")) as [number | null];
    return code;
  };
  return { ready: JSON.parse(line), pid: child.pid, end };
};

beforeAll(() => writeFileSync(transcript, `${lines.join("\n")}\n`));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the command line, where no daemon runs", { timeout: 300_000 }, () => {
  it("says that there is no store yet, what to do, and ends with 4", async () => {
    const { code, err, out } = await run("threads");
    assert.strictEqual(code, 4);
    assert.strictEqual(out, "");
    assert.match(err, /^recollect: There is no store in .*\n {2}Begin one with/);
  });

  it("imports without a running daemon, leaves nothing running, and again appends nothing", async () => {
    assert.deepInclude(await json("import", transcript), {
      files: 1,
      threads: 1,
      messages: 4,
      toolCalls: 1,
      eventsAppended: 4,
      refused: [],
    });
    assert.isFalse(existsSync(join(data, "instance.json")));
    assert.deepInclude(await json("import", transcript), { eventsAppended: 0, duplicates: 4 });
  });

  it("says by name why nothing was taken of what was given, and ends with 2", async () => {
    const picture = join(folder, "picture.png");
    writeFileSync(picture, Buffer.from("89504e470d0a1a0a00", "hex"));
    const { code, err, out } = await run("import", picture);
    assert.strictEqual(code, 2);
    assert.include(err, `${picture}\n    it is a PNG picture, which holds no conversation`);
    assert.match(err, /^recollect: Nothing was imported: the file holds no conversation that can be read\.$/m);
    assert.notMatch(out, /png/);
    const beside = await run("import", picture, transcript);
    assert.strictEqual(beside.code, 0);
    assert.include(beside.err, "it is a PNG picture");
    const nothing = await run("import", picture, "--json");
    assert.deepInclude(JSON.parse(nothing.out), { files: 0 });
    assert.strictEqual(nothing.code, 2);
  });

  it("shows the events as they were written", async () => {
    const events = (await run("tail", "--no-follow", "--json")).out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepStrictEqual(
      events.map(({ sequence, type, id }) => [sequence, type, id]),
      [1, 2, 3, 4].map((sequence) => [sequence, "thread.entry_recorded", threadId]),
    );
  });

  it("says how far everything is, in the shape of the contract", async () => {
    const status = await json("status");
    assert.deepInclude(status.stream, { firstSequence: 1, lastSequence: 4, messages: 4 });
    assert.includeMembers(Object.keys(status.stream), ["bytes", "created"]);
    for (const projection of status.projections) {
      assert.deepInclude(projection, { checkpoint: 4, gap: 0, lagMillis: 0, deadLetters: 0 });
    }
    assert.deepStrictEqual(Object.keys(status.snapshots), ["keys", "bytes", "reachable"]);
    assert.deepInclude(status.nats, { syncInterval: "always" });
  });

  it("verifies, rebuilds, and verifies again with the same digests", async () => {
    const before = await json("verify");
    assert.isTrue(before.ok);
    assert.deepInclude(await json("rebuild"), { checkpoint: 4, lost: [] });
    assert.deepStrictEqual((await json("verify")).tables, before.tables);
  });

  it("ends with 2 on a wrong command line and with 5 when NATS is away, one sentence and no stack trace", () => {
    assert.strictEqual(started("frob").code, 2);
    assert.strictEqual(started("export").code, 2);
    const { code, err } = started("status", "--nats-url", "nats://127.0.0.1:1");
    assert.strictEqual(code, 5);
    assert.match(err, /^recollect: No nats-server answers at .*\n {2}Start it/);
  });

  it("prints completions", async () => {
    assert.match((await run("--completions", "bash")).out, /recollect/);
  });

  it("says where everything is, and how the page is opened", async () => {
    const up = spawn(process.execPath, [main, "up", "--data", data], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    for await (const line of createInterface({ input: up.stderr })) {
      said += `${line}\n`;
      if (line.includes("records a stdio MCP server")) up.kill("SIGINT");
    }
    if (up.exitCode === null) await once(up, "exit");
    assert.match(said, / {2}HTTP {7}http:\/\/127\.0\.0\.1:\d+\n/);
    assert.match(said, / {2}data {7}.*\n {2}page {7}.*recollect(?:\.mjs)? open --data \S+ {4}opens it in a browser\n/);
  });

  it("answers SQL as JSON, as CSV and as a table, and refuses to write", async () => {
    const question = "SELECT sum(input_tokens) AS input, sum(cache_read_tokens) AS cached FROM v_token_usage";
    assert.deepStrictEqual(await json("sql", question), [{ input: 35, cached: 5 }]);
    assert.strictEqual((await run("sql", question, "--csv")).out, "input,cached\n35,5\n");
    assert.match((await run("sql", "SELECT tool_name, outcome FROM v_tool_calls")).out, /Bash +ok/);
    for (const wrong of ["DELETE FROM messages", "SELECT * FROM nowhere"]) {
      const { code, err } = await run("sql", wrong);
      assert.strictEqual(code, 2, wrong);
      assert.notMatch(err, /\n {4}at /);
    }
  });
});

describe("the command line, beside a daemon", { timeout: 300_000 }, () => {
  let up: Awaited<ReturnType<typeof daemon>> | undefined;
  beforeAll(async () => {
    up = await daemon();
  }, 120_000);
  afterAll(() => up?.end());

  it("lists threads, and finds what was said, whatever characters the words have", async () => {
    assert.deepInclude((await json("threads")).threads[0], {
      threadId,
      messages: 4,
      toolCalls: 1,
      opening: "Why is the database locked?",
    });
    assert.include((await json("threads", "--text", "database")).threads[0].hit.snippet, "[database]");
    assert.deepStrictEqual((await json("threads", "--text", `"unclosed ( * ' OR NEAR`)).threads, []);
  });

  it("finds what was said with its place, and shows what stands around it by the beginning of the thread's id", async () => {
    const found = (await json("search", "database", "locked")).threads[0];
    assert.deepInclude(found, { threadId, count: found.hits.length });
    assert.deepInclude(found.hits[0], { kind: "said", role: "user" });
    const place = String(found.hits[0].sequence);
    const { err, out } = await run("search", "database", "locked");
    assert.include(out, "[database]");
    assert.match(err, new RegExp(`thread --data \\S+ ${threadId} --around ${place}$`, "m"));
    assert.include((await run("thread", threadId.slice(0, 8), "--around", place)).out, "▶ ");
    assert.include((await run("thread", "--last")).out, threadId);
    assert.strictEqual((await run("thread")).code, 2);
    assert.strictEqual((await run("search", "--contains", "--regex", "x")).code, 2);
    assert.strictEqual((await run("search", "--regex", "(")).code, 2);
    assert.deepStrictEqual((await json("search", "no such words anywhere")).threads, []);
  });

  it("takes the place of a thread in the last list for its id, and shows times by the clock of a zone", async () => {
    const listed = (await json("threads")).threads.findIndex((one: { threadId: string }) => one.threadId === threadId);
    await run("threads");
    assert.include((await run("thread", String(listed + 1))).out, `[${threadId}]`);
    assert.strictEqual((await run("thread", "999")).code, 4);
    await run("search", "database", "locked");
    assert.include((await run("resume", "1")).out, threadId);
    assert.include((await run("thread", threadId, "--tz", "Asia/Tokyo")).out, "2026-01-01 09:00:00  user");
    assert.include((await run("search", "database", "--tz", "Asia/Tokyo")).out, "2026-01-01 09:00:00");
    assert.strictEqual((await run("thread", threadId, "--tz", "Nowhere")).code, 2);
  });

  it("shows a conversation, and as it was at a sequence and at a time", async () => {
    assert.lengthOf((await json("thread", threadId)).messages, 4);
    assert.lengthOf((await json("thread", threadId, "--at", "2")).messages, 2);
    assert.lengthOf((await json("thread", threadId, "--at", "2026-01-01T00:00:00.500Z")).messages, 1);
    assert.match((await run("thread", threadId)).out, /Process 4711 holds it\./);
    assert.strictEqual((await run("thread", "missing")).code, 4);
  });

  it("answers everything from the record as it was, and refuses that of commands that write", async () => {
    const events = "SELECT max(sequence) AS last FROM v_events";
    const [now] = (await json("sql", events)) as unknown as ReadonlyArray<{ last: number }>;
    assert.deepStrictEqual(await json("sql", events, "--as-of", "2"), [{ last: 2 }]);
    assert.deepStrictEqual((await json("--as-of", "2000-01-01", "threads")).threads, []);
    assert.isBelow((await json("thread", threadId, "--as-of", "2")).messages.length, 4);
    assert.lengthOf((await json("thread", threadId, "--as-of", String(now?.last))).messages, 4);
    const later = await run("threads", "--as-of", "999999");
    assert.strictEqual(later.code, 2);
    assert.include(later.err, "There is no event 999999 yet");
    assert.strictEqual((await run("threads", "--as-of", "soon")).code, 2);
    assert.strictEqual((await run("thread", threadId)).code, 0);
    const left = readdirSync(data).filter((name) => name.includes("as-of"));
    assert.deepStrictEqual(left, []);
  });

  it("prints the dictionary, and metadata for Datasette", async () => {
    assert.match((await run("dictionary", "tool_stats")).out, /p95_duration_millis +real +milliseconds +measure/);
    assert.match((await run("dictionary")).out, /^v_threads {2,}One row per thread/m);
    const { databases } = JSON.parse((await run("dictionary", "--datasette", "mine")).out) as {
      databases: Record<string, { tables: object }>;
    };
    assert.property(databases["mine"]?.tables, "v_messages");
    assert.strictEqual((await run("dictionary", "nowhere")).code, 4);
  });

  it("exports what was imported, line by line", async () => {
    assert.strictEqual(
      (await run("export", threadId, "--format", "claude-code")).out,
      readFileSync(transcript, "utf8"),
    );
    assert.strictEqual((await run("export", "missing")).code, 4);
    const page = await run("export", threadId, "--format", "html");
    assert.match(page.out, /^<!doctype html>[^]*Process 4711 holds it\.[^]*<\/html>\n$/);
    assert.match((await run("export", threadId, "--format", "md")).out, /^# Why is[^]*> Process 4711 holds it\.\n/);
    assert.strictEqual((await run("export", "missing", "--format", "md")).code, 4);
  });

  it("says how the agent goes on with a thread, and briefs another one within a budget", async () => {
    assert.strictEqual((await run("resume", threadId.slice(0, 8))).out, `cd /x && claude --resume ${threadId}\n`);
    assert.strictEqual((await run("resume", "missing")).code, 4);
    const brief = await run("hand-over", threadId, "--budget", "300");
    assert.strictEqual(brief.code, 0, brief.err);
    assert.include(brief.out, "Why is the database locked?");
    assert.include(brief.out, "Process 4711 holds it.");
    assert.isAtMost(tokensIn(brief.out), 300);
    assert.deepInclude(await json("hand-over", threadId), { thread: threadId, agent: "claude-code", turns: 1 });
    assert.strictEqual((await run("hand-over", threadId, "--budget", "1")).code, 2);
  });
});

describe("a daemon", { timeout: 300_000 }, () => {
  it("runs in the foreground, is found by other commands, refuses a second one, and ends cleanly on Ctrl-C", async () => {
    const { end, pid, ready } = await daemon();
    assert.deepInclude(ready, { ready: true, data, database: join(data, "recollect.db") });
    assert.strictEqual((await json("status")).nats.url, ready.nats);
    const second = await run("up");
    assert.strictEqual(second.code, 5);
    assert.match(second.err, new RegExp(`Process ${pid} already uses the data folder`));
    const tail = spawn(process.execPath, [main, "tail", "--live", "--json", "--data", data], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const arrived = once(createInterface({ input: tail.stdout }), "line");
    writeFileSync(transcript, `${lines.join("\n")}\n${(lines[3] ?? "").replaceAll("a2", "a3")}\n`);
    for (let waited = 0; waited < 20; waited++) {
      await json("import", transcript);
      const isThere = await Promise.race([
        arrived.then(() => true),
        new Promise((done) => setTimeout(() => done(false), 200)),
      ]);
      if (isThere === true) break;
      writeFileSync(
        transcript,
        `${readFileSync(transcript, "utf8")}${(lines[3] ?? "").replaceAll("a2", `a4${waited}`)}\n`,
      );
    }
    const [event] = (await arrived) as [string];
    assert.deepInclude(JSON.parse(event), { type: "thread.entry_recorded", id: threadId });
    tail.kill("SIGINT");
    assert.strictEqual(await end(), 130);
    assert.isFalse(existsSync(join(data, "instance.json")));
    assert.strictEqual((await json("verify")).ok, true);
  });
});
