import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer as ServerOfSdk1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { McpServer as ServerOfSdk2 } from "@modelcontextprotocol/server";
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { Effect, Layer, Schema } from "effect";
import { McpProtocol, McpServer, McpTest, Tool, Toolkit } from "effect/ai";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { z } from "zod";
import * as Layers from "../../../src/client/Layers.ts";
import { record } from "../../../src/edge/mcp/record/mcp.ts";
import * as RecordEffect from "../../../src/edge/mcp/record/mcp-effect.ts";
import { Recollect } from "../../../src/index.ts";
import { Stage } from "../cli/Program.ts";

const stage = new Stage();
let recollect: Recollect;
beforeAll(async () => {
  await stage.up();
  recollect = await Recollect.connect({ data: stage.data, client: "recorded" });
}, 60_000);
afterAll(async () => {
  await recollect.close();
  await stage[Symbol.asyncDispose]();
});

/** The calls of a thread: asked with what, and how they ended. */
const callsOf = async (thread: string) => {
  await recollect.flush();
  const events = await recollect.history({ thread }).read();
  const data = (type: string) =>
    events.filter((event) => event.type === type).map((event) => event.data as Readonly<Record<string, unknown>>);
  const returned = data("thread.tool_returned");
  return data("thread.tool_called").map(({ arguments: args, callId, name, server }) => ({
    name,
    server,
    args,
    ...Object.fromEntries(
      Object.entries(returned.find((one) => one["callId"] === callId) ?? {}).filter(
        ([key]) => key === "outcome" || key === "result",
      ),
    ),
  }));
};

/** A client of SDK 1 at one end of a pair of transports, whose other end the server takes. */
const talk = async (
  connect: (transport: InMemoryTransport) => Promise<void>,
  use: (client: Client) => Promise<void>,
) => {
  const [near, far] = InMemoryTransport.createLinkedPair();
  await connect(far);
  const client = new Client({ name: "a test", version: "1" });
  await client.connect(near);
  await use(client);
  await client.close();
};

const answer = { content: [{ type: "text" as const, text: "7" }] };

const asks = async (client: Client) => {
  assert.deepInclude(await client.callTool({ name: "add", arguments: { a: 3, b: 4 } }), answer);
  const failed = await client.callTool({ name: "fail", arguments: {} });
  assert.isTrue(failed.isError);
};

const expected = (server: string) => [
  { name: "add", server, args: { a: 3, b: 4 }, outcome: "ok", result: answer },
  { name: "fail", server, args: {}, outcome: "error" },
];

const withoutFailure = (calls: Awaited<ReturnType<typeof callsOf>>) =>
  calls.map((call) =>
    Object.fromEntries(Object.entries(call).filter(([key]) => key !== "result" || call.name === "add")),
  );

describe("one line that records an MCP server", { timeout: 60_000 }, () => {
  it("records one of SDK 1, intent and outcome, once however often it is said", async () => {
    const server = new ServerOfSdk1({ name: "sums", version: "1" });
    server.registerTool("add", { inputSchema: { a: z.number(), b: z.number() } }, ({ a, b }) => ({
      content: [{ type: "text", text: String(a + b) }],
    }));
    server.registerTool("fail", {}, () => {
      throw new Error("no");
    });
    assert.strictEqual(record(record(server, recollect, { thread: "sdk-1" }), recollect, { thread: "twice" }), server);
    await talk((transport) => server.connect(transport as Parameters<typeof server.connect>[0]), asks);
    assert.deepStrictEqual(withoutFailure(await callsOf("sdk-1")), expected("sums"));
    assert.lengthOf(await callsOf("twice"), 0);
  });

  it("records one of SDK 2 the same", async () => {
    const server = new ServerOfSdk2({ name: "sums", version: "2" });
    server.registerTool("add", { inputSchema: z.object({ a: z.number(), b: z.number() }) }, ({ a, b }) => ({
      content: [{ type: "text", text: String(a + b) }],
    }));
    server.registerTool("fail", {}, () => {
      throw new Error("no");
    });
    record(server, recollect, { thread: "sdk-2" });
    await talk((transport) => server.connect(transport as unknown as Parameters<typeof server.connect>[0]), asks);
    assert.deepStrictEqual(withoutFailure(await callsOf("sdk-2")), expected("sums"));
  });

  it("records Effect's server by a layer", async () => {
    const add = Tool.make("add", {
      parameters: Schema.Struct({ a: Schema.Finite, b: Schema.Finite }),
      success: Schema.Finite,
    });
    const tools = Toolkit.make(add);
    const registrations = McpServer.toolkit(tools).pipe(
      Layer.provide(tools.toLayer({ add: ({ a, b }) => Effect.succeed(a + b) })),
      Layer.merge(RecordEffect.record({ thread: "effect" })),
      Layer.provide(Layers.core({ data: stage.data })),
      Layer.provide(NodeServices.layer),
    );
    const called = Effect.gen(function* () {
      const client = yield* McpTest.makeClient(registrations, { protocols: [McpProtocol.v2025_11_25] });
      const result = yield* client.callTool({ name: "add", arguments: { a: 3, b: 4 } });
      assert.deepInclude(result.content[0], { text: "7" });
    }).pipe(Effect.scoped);
    await Effect.runPromise(called);
    const [call] = await callsOf("effect");
    assert.deepInclude({ ...call }, { name: "add", args: { a: 3, b: 4 }, outcome: "ok" } as object);
  });

  it("changes no answer, and delays none, when nothing can be recorded", async () => {
    const closed = await Recollect.connect({ data: stage.data });
    await closed.close();
    const server = record(new ServerOfSdk1({ name: "alone", version: "1" }), closed);
    server.registerTool("add", { inputSchema: { a: z.number(), b: z.number() } }, ({ a, b }) => ({
      content: [{ type: "text", text: String(a + b) }],
    }));
    await talk(
      (transport) => server.connect(transport as Parameters<typeof server.connect>[0]),
      async (client) => assert.deepInclude(await client.callTool({ name: "add", arguments: { a: 3, b: 4 } }), answer),
    );
  });
});
