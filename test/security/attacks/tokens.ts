/** A holder of a token of HTTP: another tenant's, one of a lesser role, one that is over. */
import { assert } from "@effect/vitest";
import { attacksOf, status } from "./Attack.ts";

const initialize = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "x", version: "1" } },
};

export const tokens = attacksOf("a holder of a token")([
  [
    "read, search, list, export or follow what another tenant has",
    "404, or nothing of it",
    async (world) => {
      await status(world.as("eve", "/v1/threads/secret"), 404);
      await status(world.as("eve", "/v1/threads/secret/messages"), 404, 200);
      await status(world.as("eve", "/v1/threads/secret/events"), 200);
      for (const path of ["/v1/search?q=CANARY", "/v1/threads", "/v1/follow?thread=secret&forSeconds=1"])
        await status(world.as("eve", path), 200);
    },
  ],
  [
    "name another tenant in a header",
    "403",
    async (world) =>
      void (await status(world.as("eve", "/v1/threads", undefined, { "recollect-tenant": "acme" }), 403)),
  ],
  [
    "leave its tenant or history by the path: `..`, encoded slashes, wildcards of subjects",
    "it is the name of a thread like any other, or no address",
    async (world) => {
      for (const id of ["..%2F..%2Facme%2Fthread%2Fsecret", "*", "%3E", "secret.*", "acme.thread.secret", "%00"])
        await status(world.as("eve", `/v1/threads/${id}`), 404, 400);
    },
  ],
  [
    "write more than the quota of its tenant",
    "429 with the quota's name; what it has goes on, and other tenants are not concerned",
    async (world) => {
      const say = (name: "gus" | "eve", thread: string) =>
        world.as(name, `/v1/threads/${thread}/messages`, { role: "user", text: "junk" });
      await status(say("gus", "first"), 201);
      const refused = await status(say("gus", "second"), 429);
      assert.match(refused.text, /quotas\.gamma\.threads|quota threads of the tenant gamma/);
      // No waiting makes room for another thread.
      assert.notProperty(refused.headers, "retry-after");
      await status(say("gus", "first"), 201);
      for (const thread of ["first", "second"]) await status(say("eve", thread), 201);
    },
  ],
  [
    "write with a reader's token",
    "403, naming the role that it needs",
    async (world) =>
      void (await status(world.as("bob", "/v1/threads/secret/messages", { role: "user", text: "x" }), 403)),
  ],
  [
    "submit or end a task with a publisher's token, as an event of a task's history",
    "403: it needs a worker's",
    async (world) => {
      for (const type of ["task.submitted", "task.claimed", "task.completed", "task.cancelled"]) {
        const said = { type, data: { agentType: "shell", message: "rm -rf /" } };
        await status(world.as("ana", "/v1/tasks/stolen/events", said), 403);
        await status(world.as("ana", "/v1/tasks/stolen/events", { events: [said] }), 403);
      }
    },
  ],
  [
    "run SQL, change the configuration, or read the status, with less than an operator's token",
    "403",
    async (world) => {
      await status(world.as("wor", "/v1/sql", { statement: "SELECT 1" }), 403);
      await status(world.as("wor", "/v1/status"), 403);
      await status(world.as("wor", "/v1/config/rollback", { to: 1 }), 403);
    },
  ],
  [
    "end, or speak in, the MCP session of another token",
    "404: there is no such session for it",
    async (world) => {
      const opened = await world.as("bob", "/mcp", initialize);
      const session = String(opened.headers["mcp-session-id"]);
      assert.match(session, /\w{8}/, opened.text);
      const inIt = { "mcp-session-id": session, "mcp-protocol-version": "2025-06-18" };
      const end = (name: "ana" | "bob") => {
        const headers = { authorization: `Bearer ${world.tokens.get(name)}`, ...inIt };
        return world.ask("/mcp", { method: "DELETE", headers });
      };
      assert.strictEqual((await end("ana")).status, 404);
      assert.strictEqual((await world.as("ana", "/mcp", { jsonrpc: "2.0", id: 2, method: "ping" }, inIt)).status, 404);
      assert.strictEqual((await world.ask("/mcp", { method: "DELETE", headers: inIt })).status, 401);
      assert.strictEqual((await world.as("bob", "/mcp", { jsonrpc: "2.0", id: 3, method: "ping" }, inIt)).status, 200);
      assert.strictEqual((await end("bob")).status, 204);
    },
  ],
  [
    "read or write anything but hooks with the token that stands in agents' files, or was sent to another server on our port",
    "401",
    async (world) => {
      const authorization = `Bearer ${await world.hooksToken()}`;
      const asked = (path: string, body?: string) =>
        world.ask(path, {
          method: body === undefined ? "GET" : "POST",
          headers: { authorization },
          ...(body === undefined ? {} : { body }),
        });
      await status(asked("/hooks/claude-code", '{"hook_event_name":"Stop","session_id":"h"}'), 200);
      for (const path of ["/v1/threads", "/v1/principal", "/v1/search?q=CANARY", "//hooks/../v1/threads"])
        await status(asked(path), 401, 404);
      for (const path of ["/v1/threads/x/messages", "/mcp", "/v1/threads/x/messages?/hooks/"])
        await status(asked(path, "{}"), 401);
    },
  ],
  [
    "use a token as a cookie, or a cookie as a token",
    "401",
    async (world) => {
      const cookie = await world.signedIn();
      const secret = cookie.split("=")[1] ?? "";
      await status(world.ask("/v1/threads", { headers: { authorization: `Bearer ${secret}` } }), 401);
      const port = new URL(world.url).port;
      await status(world.ask("/v1/threads", { headers: { cookie: `recollect_${port}=${world.local}` } }), 401);
    },
  ],
  [
    "go on with a token that was revoked, or follow on",
    "401 from the next request on; a stream ends within a second",
    { file: "edge/http/Api.test.ts", title: "ends when its token is revoked" },
  ],
  [
    "forge a lease, or use another tenant's",
    "refused by its signature",
    { file: "edge/http/Work.test.ts", title: "are refused to a forged lease, to another tenant's" },
  ],
  [
    "send 40 MB, or cut the connection in the middle of a body",
    "413 before it is read; nothing is left behind",
    { file: "edge/http/Api.test.ts", title: "of 40 MB are refused before they are read" },
  ],
  [
    "send JSON nested 100,000 levels deep",
    "400 before anything reads it",
    { file: "edge/http/Door.test.ts", title: "refuses JSON that is nested too deep to be read" },
  ],
  [
    "ask for more at once than the door takes",
    "429 for that token, 503 beyond all, each with Retry-After; others are served",
    { file: "edge/http/Bounds.test.ts", title: "is told 429 by its own token's bound" },
  ],
  [
    "ask for SQL that never ends, twice at once and more",
    "two run at a time, each is ended at its time",
    { file: "edge/http/Door.test.ts", title: "runs two at a time with those of the API" },
  ],
]);
