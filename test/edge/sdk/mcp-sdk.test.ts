import { assert, layer } from "@effect/vitest";
import { InMemoryTaskStore } from "@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js";
import type { TaskStore } from "@modelcontextprotocol/sdk/experimental/tasks/interfaces.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import type { Result } from "@modelcontextprotocol/sdk/types.js";
import { Effect } from "effect";
import { randomUUID } from "node:crypto";
import { eventStore, taskStore } from "../../../src/edge/sdk/mcp-sdk.ts";
import * as NatsServer from "../../support/NatsServer.ts";
import { client, rejected } from "./SdkWorld.ts";

const note = (text: string) => ({ jsonrpc: "2.0" as const, method: "notifications/message", params: { text } });

/** What a store answers, without what another one cannot answer alike: ids and times. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(JSON.parse(JSON.stringify(value ?? null)), (key, inner: unknown) =>
      /^(?:taskId|createdAt|lastUpdatedAt|nextCursor)$/.test(key) ? typeof inner : inner,
    ),
  );

/** Every call of the interface, and what each comes to. */
const story = async (store: TaskStore): Promise<ReadonlyArray<unknown>> => {
  const said: Array<unknown> = [];
  const say = async (promise: Promise<unknown>) => {
    const answer = await promise.catch(
      ({ message }: Error) => `refused: ${/not found|no result|terminal status '\w+'|cursor/.exec(message)?.[0]}`,
    );
    said.push(plain(answer));
    return answer;
  };
  const request = { method: "tools/call", params: { name: "forecast", arguments: { city: "Ghent" } } };
  const create = async (session?: string) =>
    (
      (await say(store.createTask({ ttl: 60_000, pollInterval: 5 }, 1, request, session))) as {
        readonly taskId: string;
      }
    ).taskId;
  const [one, two, free] = [await create("s1"), await create("s2"), await create()];
  await say(store.getTask(one, "s1"));
  await say(store.getTask(one, "s2"));
  await say(store.getTask(free, "s2"));
  await say(store.getTask("none"));
  await say(store.getTaskResult(one, "s1"));
  await say(store.updateTaskStatus(one, "working", "half", "s1"));
  await say(store.getTask(one));
  await say(store.updateTaskStatus(one, "input_required", "which city?", "s1"));
  await say(store.getTask(one));
  await say(store.updateTaskStatus(one, "working", undefined, "s1"));
  await say(store.getTask(one));
  await say(store.storeTaskResult(one, "completed", { content: [{ type: "text", text: "rain" }] }, "s2"));
  await say(store.storeTaskResult(one, "completed", { content: [{ type: "text", text: "rain" }] }, "s1"));
  await say(store.getTask(one));
  await say(store.getTaskResult(one, "s1"));
  await say(store.storeTaskResult(one, "failed", {}, "s1"));
  await say(store.updateTaskStatus(one, "cancelled", "late", "s1"));
  await say(store.updateTaskStatus(two, "cancelled", "no more", "s2"));
  await say(store.getTask(two, "s2"));
  await say(store.storeTaskResult(free, "failed", { isError: true, content: [] }));
  await say(store.getTask(free));
  await say(store.getTaskResult(free));
  await say(store.updateTaskStatus("none", "failed"));
  for (let nth = 0; nth < 9; nth++) await store.createTask({}, nth, { method: "x" }, "s1");
  const first = (await say(store.listTasks(undefined, "s1"))) as { readonly nextCursor?: string };
  await say(store.listTasks(first.nextCursor, "s1"));
  await say(store.listTasks(undefined, "s2"));
  await say(store.listTasks("strange"));
  return said;
};

layer(NatsServer.layer({ stream: true }), { excludeTestServices: true })("the MCP SDK's stores", (it) => {
  it.effect("tasks: answers as the SDK's own store does, and each is a task that others see and end", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* client, yield* client];
      yield* Effect.promise(async () => {
        const store = taskStore<Result>(one);
        assert.deepStrictEqual(await story(store), await story(new InMemoryTaskStore()));
        const { taskId } = await store.createTask({}, "r", { method: "tools/call", params: { name: "forecast" } });
        assert.deepInclude(await two.tasks.show(taskId), { status: "running" });
        await two.task(taskId).cancelled("by a person");
        assert.deepInclude(await store.getTask(taskId), { status: "cancelled", statusMessage: "by a person" });
        const late = await rejected(store.storeTaskResult(taskId, "completed", {}));
        assert.deepInclude(late, { _tag: "SdkRefused", code: "Ended" });
        const big = { content: [{ type: "text", text: "x".repeat(1_000_000) }] };
        const large = await store.createTask({}, 2, { method: "x" });
        const ends = [taskStore<Result>(one), taskStore<Result>(two)].map((each) =>
          each.storeTaskResult(large.taskId, "completed", big),
        );
        const outcomes = await Promise.allSettled(ends);
        assert.deepStrictEqual(outcomes.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
        assert.deepStrictEqual(await taskStore<Result>(two).getTaskResult(large.taskId), big);
        const brief = await store.createTask({ ttl: 1 }, 3, { method: "x" });
        while ((await store.getTask(brief.taskId)) !== null) await new Promise(setImmediate);
      });
    }),
  );

  it.effect("events: sends again what came after, of that stream alone, also by a server that was started again", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* client, yield* client];
      yield* Effect.promise(async () => {
        const session = randomUUID();
        const store = eventStore(one, { session });
        const ids: Array<string> = [];
        for (const at of [0, 1, 2, 3, 4, 5])
          ids.push(await store.storeEvent(at % 2 === 0 ? "even_0" : "odd", note(`${at}`)));
        assert.strictEqual(new Set(ids).size, 6);
        const large = await store.storeEvent("even_0", note("x".repeat(1_500_000)));
        const replay = async (from: string, of = eventStore(two, { session })) => {
          const sent: Array<readonly [string, unknown]> = [];
          const stream = await of.replayEventsAfter(from, {
            send: async (id, message) => void sent.push([id, message]),
          });
          return { stream, sent };
        };
        assert.deepStrictEqual(await replay(ids[0] ?? ""), {
          stream: "even_0",
          sent: [
            [ids[2] ?? "", note("2")],
            [ids[4] ?? "", note("4")],
            [large, note("x".repeat(1_500_000))],
          ],
        });
        assert.deepStrictEqual(await replay(ids[3] ?? ""), { stream: "odd", sent: [[ids[5] ?? "", note("5")]] });
        assert.deepStrictEqual(await replay("none"), { stream: "", sent: [] });
        assert.deepStrictEqual(await replay(ids[0] ?? "", eventStore(two)), { stream: "", sent: [] });
        assert.strictEqual(await store.getStreamIdForEventId(ids[1] ?? ""), "odd");
        assert.isUndefined(await store.getStreamIdForEventId("none"));
      });
    }),
  );

  it.effect("a client of the SDK's transport resumes where its connection broke, at another server", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* client, yield* client];
      yield* Effect.promise(async () => {
        const sessionId = randomUUID();
        const serverOn = async (recollect: typeof one) => {
          const server = new McpServer({ name: "s", version: "1" }, { capabilities: { logging: {} } });
          const transport = new WebStandardStreamableHTTPServerTransport({
            sessionIdGenerator: () => sessionId,
            eventStore: eventStore(recollect, { session: sessionId }),
          });
          await server.connect(transport);
          const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "c", version: "1" } };
          const ask = (init: RequestInit & { readonly headers?: Record<string, string> }) =>
            transport.handleRequest(
              new Request("http://localhost/mcp", {
                ...init,
                headers: {
                  accept: "application/json, text/event-stream",
                  "content-type": "application/json",
                  ...init.headers,
                },
              }),
            );
          const begun = await ask({
            method: "POST",
            body: JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params }),
          });
          assert.strictEqual(begun.status, 200);
          await begun.text();
          return { server, ask };
        };
        const inSession = { "mcp-session-id": sessionId, "mcp-protocol-version": "2025-11-25" };
        const first = await serverOn(one);
        const stream = await first.ask({ method: "GET", headers: inSession });
        const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
        await first.server.server.sendLoggingMessage({ level: "info", data: "seen" });
        let seen = "";
        while (!seen.includes("seen")) seen += (await reader?.read())?.value ?? "";
        const last = [...seen.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? "";
        await reader?.cancel();
        await first.server.server.sendLoggingMessage({ level: "info", data: "missed" });
        await first.server.close();
        const second = await serverOn(two);
        const resumed = await second.ask({ method: "GET", headers: { ...inSession, "last-event-id": last } });
        assert.strictEqual(resumed.status, 200);
        const again = resumed.body?.pipeThrough(new TextDecoderStream()).getReader();
        let text = "";
        while (!text.includes("missed")) text += (await again?.read())?.value ?? "";
        assert.notInclude(text, '"seen"');
        await again?.cancel();
        await second.server.close();
      });
    }),
  );
});
