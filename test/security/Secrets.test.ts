/** Secrets of every kind through every door: none lies in the data folder, and none is shown of a transcript that has them. */
import { assert, describe, it } from "@effect/vitest";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Recollect } from "../../src/client/Recollect.ts";
import { chatStore } from "../../src/edge/sdk/ai-sdk.ts";
import { sessionStore as claudeStore } from "../../src/edge/sdk/claude-agent-sdk.ts";
import { session as openaiSession } from "../../src/edge/sdk/openai-agents.ts";
import { session, Stage } from "../edge/cli/Program.ts";
import { planted, plantedValues } from "../support/secrets.ts";

const filesIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return [];
    return found.isDirectory() ? filesIn(path) : [path];
  });

/** What is left of secrets in the bytes of a folder's files. */
const leftIn = (folder: string, secrets: ReadonlyArray<string>): ReadonlyArray<string> =>
  filesIn(folder).flatMap((path) => {
    const bytes = readFileSync(path);
    return secrets
      .filter((secret) => bytes.includes(secret) || (secret.length > 20 && bytes.includes(secret.slice(10))))
      .map((secret) => `${path.slice(folder.length)}: ${secret}`);
  });

/** Everything that one door is given: texts with a secret each, and values in which a name tells. */
const given = (seed: string) => {
  const texts = planted(seed);
  const values = plantedValues(seed);
  return {
    text: texts.map(({ text }) => text).join("\n"),
    values: { texts: texts.map(({ text }) => text), values: values.map(({ value }) => value) },
    // The last: of a file in base64, which begins with a secret.
    secrets: [
      ...[...texts, ...values].map(({ secret }) => secret),
      Buffer.from(texts[0]?.text ?? "")
        .toString("base64")
        .slice(0, 40),
    ],
  };
};

const cut = (text: string, size: number): ReadonlyArray<string> =>
  Array.from({ length: Math.ceil(text.length / size) }, (_, at) => text.slice(at * size, (at + 1) * size));

/** A server that answers each call with its arguments, as a text and as a value. */
const echo = `
let rest = "";
process.stdin.on("data", (chunk) => {
  const lines = (rest + chunk).split("\\n");
  rest = lines.pop();
  for (const line of lines) {
    const { id, method, params } = JSON.parse(line);
    const result = method === "initialize"
      ? { protocolVersion: "2025-06-18", capabilities: {}, serverInfo: { name: "echo", version: "1" } }
      : { content: [{ type: "text", text: JSON.stringify(params.arguments) }], structuredContent: params.arguments, isError: params.name === "fails" };
    if (id !== undefined) process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\\n");
  }
});`;

/** What a program says through the client, by every way of saying something. */
const sayAll = async (recollect: Recollect, { text, values }: ReturnType<typeof given>, file: string) => {
  const thread = recollect.thread();
  await thread.open({ title: text.slice(0, 4_000) });
  await thread.say({ role: "user", text, author: text.slice(0, 200) });
  await thread.say({
    role: "user",
    parts: [{ type: "file", path: "a.env", mediaType: "text/plain", data: Buffer.from(text).toString("base64") }],
  });
  // Too large for an event: the object store has it.
  await thread.say({ role: "user", text: `${"words ".repeat(30_000)}${text}${" more".repeat(30_000)}` });
  await thread.sync([
    { role: "user", content: text },
    {
      role: "assistant",
      content: "",
      tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: JSON.stringify(values) } }],
    },
    { role: "tool", tool_call_id: "1", content: text },
  ]);
  const call = await thread.toolCalled({ name: "deploy", arguments: values });
  await call.returned(values);
  const failing = await thread.toolCalled({ name: "deploy", arguments: { text } });
  await failing.failed(new Error(text));
  const answer = await thread.answer({ role: "assistant" });
  for (const bit of cut(text, 7)) answer.delta(bit);
  await answer.complete();
  await thread.rename(text.slice(0, 4_000));
  await thread.archive(text);
  await recollect.files.read(file, { thread: thread.id });
  const history = recollect.history({ thread: thread.id });
  await history.publish({ type: "x.acme.noted", data: values });
  await recollect.responses.reuse({ kind: "tool", name: "t", request: { text } }, () => Promise.resolve(values));
  await recollect.inbox.send({ from: "a", to: "b", body: values });
  const held = await recollect.sessions.register({
    command: ["server", "--password", "hunter2hunter2", text],
    cwd: text.slice(0, 2_000),
  });
  await held.end(text.slice(0, 4_000));
  const { taskId } = await recollect.tasks.submit({ agentType: "t", workflowParams: values });
  const byHand = recollect.task();
  await byHand.submitted({ agentType: "h", workflowParams: values });
  await byHand.started();
  await byHand.progressed({ message: text });
  await byHand.completed(values);
  return { threadId: thread.id, taskId };
};

describe("secrets of every kind", { timeout: 300_000 }, () => {
  it("given to every door lie nowhere in the data folder: no stream, bucket, database, spool, log or file", async () => {
    await using stage = new Stage();
    const doors = {
      client: given("client"),
      wrap: given("wrap"),
      http: given("http"),
      spool: given("spool"),
      refused: given("refused"),
      hooks: given("hooks"),
      mcp: given("mcp"),
      page: given("page"),
      saved: given("saved"),
    };
    const file = join(stage.folder, "app.env");
    writeFileSync(file, doors.client.text);
    const up = await stage.up();
    const recollect = await Recollect.connect({ data: stage.data, client: "test", actor: "tester" });
    await sayAll(recollect, doors.client, file);
    const refused = await recollect.config.set({ "tasks.concurrency": { [doors.refused.secrets[0] ?? ""]: 1 } }).then(
      () => "set",
      (error: unknown) => String(error),
    );
    assert.include(refused, "never stored");
    const token = readFileSync(join(stage.data, "keys", "http.token"), "utf8").trim();
    const post = (path: string, body: unknown) =>
      fetch(`${stage.instance()?.http}${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const noted = await post("/v1/threads/http/events", { type: "x.acme.noted", data: doors.http.values });
    assert.strictEqual(noted.status, 201, await noted.text());
    const { text } = doors.http;
    for (const path of ["/v1/threads/http/messages", "/v1/threads/http/sync"]) {
      const one = { role: "user", [path.endsWith("sync") ? "content" : "text"]: text };
      const said = await post(path, path.endsWith("sync") ? { messages: [one] } : one);
      assert.oneOf(said.status, [200, 201], await said.text());
    }
    // Its bound of 32 KiB lies in the middle of a secret.
    const long = `${"words ".repeat(6_000).slice(0, 32 * 1024 - 12)}\n${doors.hooks.secrets[3]} and more`;
    for (const body of [
      { hook_event_name: "UserPromptSubmit", prompt: doors.hooks.text },
      { hook_event_name: "PreToolUse", tool_name: "Bash", tool_use_id: "t1", tool_input: doors.hooks.values },
      { hook_event_name: "Stop", last_assistant_message: long },
    ]) {
      const told = await post("/hooks/claude-code", { session_id: "hooked", ...body });
      assert.strictEqual(told.status, 200, await told.text());
    }
    const transport = new StreamableHTTPClientTransport(new URL(`${stage.instance()?.http}/mcp`), {
      requestInit: { headers: { authorization: `Bearer ${token}` } },
    });
    const agent = new Client({ name: "a test", version: "1" });
    await agent.connect(transport as Transport);
    const tool = async (name: string, input: Readonly<Record<string, unknown>>) => {
      const answer = await agent.callTool({ name, arguments: input });
      assert.notStrictEqual(answer["isError"], true, JSON.stringify(answer));
    };
    await tool("append", { text: doors.mcp.text, title: doors.mcp.secrets[0] ?? "" });
    const task = { action: "submit", agent_type: "m", message: doors.mcp.text, description: doors.mcp.secrets[1] };
    await tool("task", task);
    const quoted = (words: string) => `'${words.replaceAll("'", "''")}'`;
    await tool("query", { sql: `SELECT ${quoted(doors.mcp.text)}` });
    // A statement is recorded up to a bound, here in the middle of a secret; a saved one with a secret is refused.
    const statement = `SELECT ${quoted(doors.page.text)}, ${quoted("x".repeat(100))}`;
    const halved = `SELECT ${quoted(`${"w ".repeat(9_990)}${doors.page.secrets[3]}`)}`;
    for (const sql of [statement, halved]) {
      const asked = await post("/v1/sql", { statement: sql });
      assert.strictEqual(asked.status, 200, await asked.text());
    }
    const asBrowser = { headers: { authorization: `Bearer ${token}` } };
    for (const secret of doors.page.secrets.slice(0, 8)) {
      const q = new URLSearchParams({ q: `SELECT ${quoted(secret)}` });
      const shown = await fetch(`${stage.instance()?.http}/sql?${q}`, asBrowser);
      assert.strictEqual(shown.status, 200, await shown.text());
    }
    const form = new URLSearchParams({ name: "mine", q: `SELECT ${quoted(doors.saved.secrets[1] ?? "")}` });
    const saving = await fetch(`${stage.instance()?.http}/sql/save`, { ...asBrowser, method: "POST", body: form });
    assert.strictEqual(saving.status, 400, await saving.text());
    const kept = await stage.run(["query", "save", "mine", `SELECT ${quoted(doors.saved.secrets[0] ?? "")}`]);
    assert.notStrictEqual(kept.code, 0);
    assert.include(kept.err, "never stored");
    await agent.close();
    const server = join(stage.folder, "echo.mjs");
    writeFileSync(server, echo);
    const lines = [
      { id: 0, method: "initialize", params: { clientInfo: { name: "c", version: "1" } } },
      { id: 1, method: "tools/call", params: { name: "echo", arguments: doors.wrap.values } },
      { id: 2, method: "tools/call", params: { name: "fails", arguments: { text: doors.wrap.text } } },
    ].map((line) => JSON.stringify({ jsonrpc: "2.0", ...line }));
    writeFileSync(join(stage.folder, "input"), `${lines.join("\n")}\n`);
    const wrapped = await stage.shell(
      `(cat '${stage.folder}/input'; sleep 1) | recollect wrap -- '${process.execPath}' '${server}' --api-key ${doors.wrap.secrets[0]}`,
    );
    // The server's own answers pass unchanged.
    assert.include(wrapped.out, JSON.stringify(doors.wrap.secrets[0]).slice(1, -1));
    const threads = await stage.json<{ readonly threads: ReadonlyArray<object> }>(["threads"]);
    assert.isAtLeast(threads.threads.length, 2);
    const scan = await stage.json<{
      readonly secrets: ReadonlyArray<object>;
      readonly marks: ReadonlyArray<{ rule: string }>;
    }>(["scan"]);
    assert.deepStrictEqual(scan.secrets, []);
    const marked = new Set(scan.marks.map(({ rule }) => rule));
    for (const { rule } of planted("client")) assert.isTrue(marked.has(rule) || rule === "openai-key", rule);
    await up.end();
    await recollect.thread("later").say({ role: "user", text: doors.spool.text });
    await recollect.thread("later").sync([{ role: "user", content: doors.spool.text }]);
    await recollect.close();
    const secrets = Object.values(doors).flatMap((door) => door.secrets);
    assert.deepStrictEqual(leftIn(stage.data, secrets), []);
    // The same search finds what is there.
    writeFileSync(join(stage.data, "planted"), `x${secrets[3]}x`);
    assert.lengthOf(leftIn(stage.data, secrets), 1);
  });

  it("in a transcript are kept as they came, shown nowhere, found by scan, and had back with --raw", async () => {
    await using stage = new Stage();
    const { secrets, text } = given("transcript");
    const file = join(stage.folder, "a.jsonl");
    const transcript = session("a", [...text.split("\n\n"), text, `zebra ${text}`]);
    writeFileSync(file, transcript);
    await stage.json(["import", file]);
    // What the commands below would else start and end each for itself.
    await stage.up();
    const said = async (...words: ReadonlyArray<string>) => {
      const { code, err, out } = await stage.run(words);
      assert.strictEqual(code, 0, `${words.join(" ")}: ${err}`);
      return out + err;
    };
    const ways = [
      ["thread", "a", "--full", "--all"],
      ["thread", "a", "--json"],
      ["search", "zebra", "--json"],
      ["search", "--contains", "zebra"],
      ["threads", "--json"],
      ["export", "a"],
      ["export", "a", "--format", "openai-chat"],
      ["export", "a", "--format", "md"],
      ["export", "a", "--format", "html"],
      ["hand-over", "a", "--budget", "20000"],
      ["tail", "--thread", "a", "--no-follow", "--json"],
      ["tail", "--thread", "a", "--no-follow"],
      ["sql", "SELECT text FROM v_message_parts", "--json"],
      ["report", "overview", "--json"],
      ["scan"],
      ["scan", "--json"],
    ];
    for (const words of ways) {
      const shown = await said(...words);
      for (const secret of secrets) assert.notInclude(shown, secret.slice(0, 60), words.join(" "));
      assert.isAbove(shown.length, 0, words.join(" "));
    }
    assert.strictEqual(await said("export", "a", "--raw"), transcript);
    assert.include(await said("thread", "a", "--json", "--raw"), secrets[0] ?? "");
    assert.include(await said("export", "a", "--format", "md", "--raw"), secrets[0] ?? "");
    const scan = await stage.json<{
      readonly secrets: ReadonlyArray<{ readonly rule: string; readonly secrets: number; readonly histories: number }>;
      readonly places: ReadonlyArray<{ readonly id: string; readonly sequence: number; readonly count: number }>;
    }>(["scan"]);
    const found = new Map(scan.secrets.map(({ rule, secrets: count }) => [rule, count]));
    for (const { rule } of planted("transcript"))
      assert.isTrue((found.get(rule) ?? 0) > 0 || rule === "openai-key", rule);
    for (const { id, sequence } of scan.places) assert.isTrue(id === "a" && sequence > 0);
    const token = readFileSync(join(stage.data, "keys", "http.token"), "utf8").trim();
    const named = await fetch(`${stage.instance()?.http}/v1/threads/lost/events`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ type: "x.acme.noted", data: { blob: { sha256: "0".repeat(64), bytes: 1 } } }),
    });
    assert.strictEqual(named.status, 201, await named.text());
    const rest = await said("scan", "--thread", "lost");
    assert.include(rest, "1 large part could not be read");
    assert.include(rest, "No secrets lie in the rest.");
  });

  it("that an SDK keeps here it is given back as they were, and they are shown and exported nowhere", async () => {
    await using stage = new Stage();
    await stage.up();
    const { secrets, text } = given("sdk");
    const recollect = await Recollect.connect({ data: stage.data });
    const key = { projectKey: "-work-app", sessionId: "kept-by-claude" };
    const frame = { type: "user", uuid: "u1", message: { role: "user", content: text } };
    const claude = claudeStore(recollect);
    await claude.append(key, [frame]);
    assert.deepStrictEqual(await claude.load(key), [frame]);
    const item = { type: "message", role: "user", content: text };
    const openai = openaiSession(recollect, "kept-by-openai");
    await openai.addItems([item]);
    assert.deepStrictEqual(await openai.getItems(), [item]);
    const chats = chatStore(recollect);
    const message = { id: "m1", role: "user", parts: [{ type: "text", text }] };
    await chats.save({ chatId: "kept-by-ai", messages: [message] });
    assert.deepStrictEqual(await chats.load("kept-by-ai"), [message]);
    await recollect.close();
    const shown: Array<string> = [];
    for (const thread of ["kept-by-claude", "kept-by-openai", "kept-by-ai"]) {
      for (const words of [
        ["export", thread],
        ["thread", thread, "--full", "--all"],
      ])
        shown.push((await stage.run(words)).out);
      const { http } = stage.instance() ?? {};
      const token = readFileSync(join(stage.data, "keys", "http.token"), "utf8").trim();
      const headers = { authorization: `Bearer ${token}` };
      for (const part of ["", "/messages", "/events"])
        shown.push(await (await fetch(`${http}/v1/threads/${thread}${part}`, { headers })).text());
    }
    for (const one of shown) {
      assert.include(one, "redacted:");
      for (const secret of secrets) assert.notInclude(one, secret.slice(0, 60));
    }
  });
});
