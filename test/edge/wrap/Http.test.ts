import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect as connectTo } from "node:net";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { Recollect } from "../../../src/index.ts";
import { parse } from "../../../src/edge/wrap/Arguments.ts";
import { Stage, until } from "../cli/Program.ts";
import { ask } from "../http/Knock.ts";

const stage = new Stage();
let upstream: Server;
let address = "";
const seenHeaders: Array<string | undefined> = [];

const waiting: Array<() => void> = [];
/** Answers come when two calls are open at the same time: with the same id, in two sessions. */
const bothAreThere = () =>
  new Promise<void>((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 2) for (const go of waiting.splice(0)) go();
  });

/** A server of the SDK with sessions: it adds. */
const serve = () => {
  const transports = new Map<string, StreamableHTTPServerTransport>();
  return createServer((request, response) => {
    seenHeaders.push(request.headers.authorization);
    void (async () => {
      const known = transports.get(String(request.headers["mcp-session-id"]));
      if (known !== undefined) return known.handleRequest(request, response);
      const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => void transports.set(id, transport),
      });
      const server = new McpServer({ name: "sums", version: "1" });
      server.registerTool("add", { inputSchema: { a: z.number(), b: z.number() } }, async ({ a, b }) => {
        await bothAreThere();
        return { content: [{ type: "text", text: String(a + b) }] };
      });
      await server.connect(transport as Parameters<typeof server.connect>[0]);
      return transport.handleRequest(request, response);
    })();
  });
};

beforeAll(async () => {
  upstream = serve().listen(0, "127.0.0.1");
  await once(upstream, "listening");
  address = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/mcp`;
  await stage.up();
}, 60_000);
afterAll(async () => {
  upstream.closeAllConnections();
  upstream.close();
  await stage[Symbol.asyncDispose]();
});

const connect = async (url: string) => {
  const client = new Client({ name: "a test", version: "1" });
  const headers = { authorization: "Bearer secret" };
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  await client.connect(transport as Parameters<Client["connect"]>[0]);
  return client;
};

/** A request with two names, as no client library sends it. */
const twoHosts = async (url: string, first: string, second: string) => {
  const socket = connectTo(Number(new URL(url).port), "127.0.0.1");
  socket.write(`GET /mcp HTTP/1.1\r\nhost: ${first}\r\nhost: ${second}\r\nconnection: close\r\n\r\n`);
  return text(socket);
};

describe("recollect wrap --http", { timeout: 120_000 }, () => {
  it("passes everything on, records each call of each session, and ends with a signal", async () => {
    const wrap = stage.start(["wrap", "--http", address.replace("//", "//user:pass@"), "--thread", "sums"]);
    await until(() => wrap.err.includes("recorded"));
    const url = /http:\S+/.exec(wrap.err)?.[0] ?? "";
    // Two sessions that use the same ids at the same time.
    const clients = await Promise.all([connect(url), connect(url)]);
    const results = await Promise.all(
      clients.map((client, at) => client.callTool({ name: "add", arguments: { a: at, b: 10 } })),
    );
    assert.deepStrictEqual(
      results.map(({ content }) => content),
      [10, 11].map((sum) => [{ type: "text", text: String(sum) }]),
    );
    assert.include(seenHeaders, "Bearer secret");
    for (const client of clients) await client.close();
    assert.strictEqual((await ask(url, { method: "POST", headers: { host: "evil.example" }, body: "{}" })).status, 403);
    assert.strictEqual(
      (await ask(url, { method: "POST", headers: { origin: "https://evil.example" }, body: "{}" })).status,
      403,
    );
    // A picture of a page has no origin; and a target that is no path ends the request, and not the proxy.
    assert.strictEqual((await ask(url, { headers: { "sec-fetch-site": "cross-site" } })).status, 403);
    const socket = connectTo(Number(new URL(url).port), "127.0.0.1");
    socket.write("GET //[ HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    assert.match(await text(socket), /^HTTP\/1\.1 400 /);
    for (const [first, second] of [
      ["127.0.0.1", "evil.example"],
      ["evil.example", "127.0.0.1"],
    ] as const)
      assert.match(await twoHosts(url, first, second), /^HTTP\/1\.1 400 /);
    const { code } = await wrap.end("SIGTERM");
    assert.strictEqual(code, 0);
    assert.notInclude(wrap.err, "user:pass");
    const recollect = await Recollect.connect({ data: stage.data });
    const events = await recollect.history({ thread: "sums" }).read();
    await recollect.close();
    const of = (type: string) =>
      events.filter((event) => event.type === type).map(({ data }) => data as Readonly<Record<string, unknown>>);
    const returned = of("thread.tool_returned");
    const sums = of("thread.tool_called").map(({ arguments: args, callId, name }) => {
      const answer = returned.find((one) => one["callId"] === callId);
      return [name, args, answer?.["outcome"], JSON.stringify(answer?.["result"]).match(/"text":"(\d+)"/)?.[1]];
    });
    assert.sameDeepMembers(sums, [
      ["add", { a: 0, b: 10 }, "ok", "10"],
      ["add", { a: 1, b: 10 }, "ok", "11"],
    ]);
    assert.notInclude(JSON.stringify(events.map(({ data }) => data)), "pass");
  });

  it("answers 502 for a server that is not there, and says what is no address", async () => {
    const wrap = stage.start(["wrap", "--http", "http://127.0.0.1:9/mcp"]);
    await until(() => wrap.err.includes("recorded"));
    const url = /http:\S+/.exec(wrap.err)?.[0] ?? "";
    assert.strictEqual((await ask(url, { method: "POST", body: "{}" })).status, 502);
    await wrap.end("SIGTERM");
    const refused = await stage.start(["wrap", "--http", "ftp://example.com"]).ended;
    assert.strictEqual(refused.code, 2);
    assert.match(refused.err, /is no address/);
  });

  it("is one server: an address or a command", () => {
    assert.deepInclude(parse(["--http", "https://e.com/mcp", "--port", "4290"]), {
      http: "https://e.com/mcp",
      port: 4290,
    });
    for (const words of [
      ["--http", "https://e.com", "--", "node"],
      [],
      ["--"],
      ["--port", "1", "--", "node"],
      ["--http", "x", "--limits"],
      ["--http", "x", "--port", "x"],
    ]) {
      assert.isUndefined(parse(words), words.join(" "));
    }
  });
});
