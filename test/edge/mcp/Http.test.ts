import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { Recollect } from "../../../src/index.ts";
import { Door } from "../http/Knock.ts";

const door = new Door();
let reader = "";
let foreigner = "";

beforeAll(async () => {
  await door.open();
  reader = await door.token("r", "reader");
  foreigner = await door.token("f", "worker", "acme");
}, 60_000);
afterAll(() => door[Symbol.asyncDispose]());

const connect = async (token: string) => {
  const client = new Client({ name: "a test", version: "1" });
  const headers = { authorization: `Bearer ${token}` };
  // The SDK's own types do not fit its transport under exactOptionalPropertyTypes.
  const transport = new StreamableHTTPClientTransport(new URL(`${door.url}/mcp`), { requestInit: { headers } });
  await client.connect(transport as Parameters<Client["connect"]>[0]);
  const ask = async (name: string, args: Readonly<Record<string, unknown>> = {}) => {
    const { content, isError } = await client.callTool({ name, arguments: args });
    const [block] = content as ReadonlyArray<{ readonly text: string }>;
    if (isError === true) throw new Error(block?.text);
    return JSON.parse(block?.text ?? "") as Readonly<Record<string, unknown>>;
  };
  return { client, ask, [Symbol.asyncDispose]: () => client.close() };
};

const tasks = "io.modelcontextprotocol/tasks";

interface Response {
  readonly status: number;
  readonly result: Readonly<Record<string, unknown>>;
  readonly error: { readonly code: number; readonly data?: unknown };
}

/** One request of the revision that has the extension, with the headers that belong to it. */
const modern = async (
  method: string,
  params: Readonly<Record<string, unknown>>,
  how: { readonly name?: string; readonly token?: string; readonly without?: true } = {},
): Promise<Response> => {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "a test", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": how.without === true ? {} : { extensions: { [tasks]: {} } },
  };
  const name = how.name ?? params["taskId"] ?? params["name"];
  const answer = await door.ask("/mcp", {
    method: "POST",
    headers: {
      authorization: `Bearer ${how.token ?? door.local}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(typeof name === "string" ? { "mcp-name": name } : {}),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta } }),
  });
  return { status: answer.status, ...answer.json() } as Response;
};

const submit = (message: string, how = {}) =>
  modern("tools/call", { name: "task", arguments: { action: "submit", agent_type: "clerk", message } }, how);

describe("/mcp", { timeout: 120_000 }, () => {
  it("serves the official client in the role and the tenant of its token", async () => {
    await using own = await connect(door.local);
    const note = await own.ask("append", { title: "Birds", text: "The pelican came." });
    assert.strictEqual(note["stored"], "in the log");
    // A thread without a name is a new one.
    const heron = await own.ask("append", { thread: "", title: "Herons", text: "A heron came." });
    assert.match(String(heron["thread"]), /^[0-9a-f-]{36}$/);
    assert.nestedPropertyVal(
      await own.ask("read_thread", { thread: note["thread"] }),
      "messages[0].text",
      "The pelican came.",
    );
    // Whatever a client calls itself, the record has the name of its token.
    const rowsOf = async (sql: string, count: number) => {
      let rows: ReadonlyArray<unknown> = [];
      for (let tries = 0; tries < 50 && rows.length < count; tries++)
        rows = (await own.ask("query", { sql }))["rows"] as typeof rows;
      return rows;
    };
    const principals = `SELECT json_extract(extensions, '$.principal') FROM v_events WHERE subject = '${String(note["thread"])}'`;
    assert.deepStrictEqual(await rowsOf(principals, 2), [["local"], ["local"]]);
    const actors = "SELECT DISTINCT actor FROM v_events WHERE type = 'x.recollect.sql_asked'";
    assert.deepStrictEqual(await rowsOf(actors, 1), [["mcp/local"]]);
    await using asking = await connect(reader);
    const { tools } = await asking.client.listTools();
    assert.notIncludeMembers(
      tools.map(({ name }) => name),
      ["append", "task", "query"],
    );
    await using other = await connect(foreigner);
    const refused = await other.ask("read_thread", { thread: note["thread"] }).catch((error: Error) => error);
    assert.match(String(refused), /no thread/);
  });

  it("lets in nobody without a token, and no other method than its own", async () => {
    const body = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    assert.strictEqual((await door.ask("/mcp", { method: "POST", headers, body })).status, 401);
    const authorization = `Bearer ${door.local}`;
    assert.strictEqual((await door.ask("/mcp", { method: "GET", headers: { authorization } })).status, 405);
    for (const broken of ["", "no json", "[]", "5", '{"jsonrpc":"2.0","id":{},"method":"ping"}']) {
      const answer = await door.ask("/mcp", { method: "POST", headers: { ...headers, authorization }, body: broken });
      assert.strictEqual(answer.status, 400, broken);
      assert.nestedProperty(answer.json(), "error.code", broken);
    }
  });

  it("says in words that a session is missing or unknown here, as it is for all after the daemon was started again", async () => {
    const authorization = `Bearer ${door.local}`;
    const headers = {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      authorization,
    };
    const body = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';
    const gone = { ...headers, "mcp-session-id": "of-an-earlier-daemon", "mcp-protocol-version": "2025-11-25" };
    const unknown = await door.ask("/mcp", { method: "POST", headers: gone, body });
    assert.strictEqual(unknown.status, 404);
    assert.deepNestedInclude(unknown.json(), { "error.code": -32001 });
    const missing = { ...headers, "mcp-protocol-version": "2025-11-25" };
    const without = await door.ask("/mcp", { method: "POST", headers: missing, body });
    assert.deepStrictEqual([without.status, /mcp-session-id/i.test(without.text)], [400, true]);
    const narrow = await door.ask("/mcp", { method: "POST", headers: { ...headers, accept: "text/html" }, body });
    assert.deepStrictEqual([narrow.status, narrow.text.includes("text/event-stream")], [406, true]);
    const other = await door.ask("/mcp", { method: "PUT", headers: { authorization } });
    assert.deepStrictEqual([other.status, other.text.includes("posted here")], [405, true]);
  });

  it("answers a submitted task with the task, asks for what it waits for, and gives its result", async () => {
    const made = await submit("count the birds");
    assert.deepInclude(made.result, { resultType: "task", status: "working", ttlMs: null });
    const { taskId } = made.result as { readonly taskId: string };
    const client = await Recollect.connect({ data: door.data });
    const worker = client.tasks.work({
      agentTypes: ["clerk"],
      run: async ({ requestInput }) => `counted ${(await requestInput("Which birds?")).message}`,
    });
    let seen: Response;
    do seen = await modern("tasks/get", { taskId });
    while (seen.result["status"] === "working");
    assert.deepInclude(seen.result, { status: "input_required" });
    const [[key = ""] = []] = Object.entries(seen.result["inputRequests"] as object);
    const content = { answer: "herons" };
    const update = { taskId, inputResponses: { [key]: { action: "accept", content }, unknown: {} } };
    assert.deepStrictEqual((await modern("tasks/update", update)).result, { resultType: "complete" });
    do seen = await modern("tasks/get", { taskId });
    while (seen.result["status"] !== "completed");
    assert.nestedPropertyVal(seen.result, "result.content[0].text", "counted herons");
    await worker.stop();
    await client.close();
  });

  it("cancels a task, once and again, and knows no task that there is not", async () => {
    const { result } = await submit("never mind");
    const taskId = String(result["taskId"]);
    for (let times = 0; times < 2; times++) {
      assert.deepStrictEqual((await modern("tasks/cancel", { taskId })).result, { resultType: "complete" });
    }
    assert.deepInclude((await modern("tasks/get", { taskId })).result, { status: "cancelled" });
    for (const method of ["tasks/get", "tasks/cancel"]) {
      assert.deepInclude((await modern(method, { taskId: "no-such" })).error, { code: -32602 });
    }
    assert.deepInclude((await modern("tasks/get", { taskId }, { token: foreigner })).error, { code: -32602 });
  });

  it("keeps the extension from clients that do not declare it, and from headers that say something else", async () => {
    const plain = await submit("as ever", { without: true });
    assert.strictEqual(plain.result["resultType"], "complete");
    const refused = await modern("tasks/get", { taskId: "t" }, { without: true });
    assert.deepInclude(refused, { status: 400 });
    assert.deepInclude(refused.error, {
      code: -32021,
      data: { requiredCapabilities: { extensions: { [tasks]: {} } } },
    });
    const misfit = await modern("tasks/get", { taskId: "t" }, { name: "other" });
    assert.strictEqual(misfit.status, 400);
    assert.strictEqual(misfit.error.code, -32020);
    // Of a call that is refused for its headers nothing is done.
    assert.strictEqual((await submit("not to be done", { name: "other" })).error.code, -32020);
    const list = await door.json<{ readonly tasks: ReadonlyArray<{ readonly request: string }> }>(["tasks"]);
    assert.notInclude(JSON.stringify(list), "not to be done");
    for (const method of ["tasks/list", "tasks/result"]) {
      assert.deepInclude((await modern(method, {})).error, { code: -32601 });
    }
    assert.deepInclude((await modern("tasks/get", { taskId: "t" }, { token: reader })).error, { code: -32601 });
  });
});
