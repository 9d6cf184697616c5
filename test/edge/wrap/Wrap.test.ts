import { assert, layer } from "@effect/vitest";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { Effect, Layer } from "effect";
import { PresenceBucket } from "../../../src/coordination/sessions/Presence.ts";
import * as PresenceKv from "../../../src/coordination/sessions/PresenceKv.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import * as NatsConnection from "../../../src/log/connection/NatsConnectionNats.ts";
import * as World from "../../publish/World.ts";
import { LogSwitch } from "../../publish/SwitchableLog.ts";
import * as NatsServer from "../../support/NatsServer.ts";
import { callsIn, connect, factsIn, only, recordedAfter } from "./Wrapped.ts";

const world = Layer.provideMerge(World.natsLog, NatsServer.layer());

const presence = Layer.unwrap(
  Effect.map(NatsServer.NatsServer, ({ url }) =>
    PresenceKv.layer().pipe(Layer.provide(NatsConnection.layer({ servers: url }))),
  ),
);

const head = EventLog.use((log) => Effect.map(log.info, ({ lastSequence }) => lastSequence));

layer(world, { excludeTestServices: true })("wrap, what is recorded", (it) => {
  it.effect(
    "records a session of the official client with server-everything: who, which tools, outcomes, durations",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        const before = yield* head;
        yield* Effect.scoped(
          Effect.gen(function* () {
            const client = yield* connect({ data, url });
            yield* Effect.promise(async () => {
              const { tools } = await client.listTools();
              assert.isTrue(tools.some(({ name }) => name === "echo"));
              const answer = await client.callTool(
                { name: "echo", arguments: { message: "hällo 🙂" } },
                CallToolResultSchema,
              );
              assert.deepStrictEqual(answer.content, [{ type: "text", text: "Echo: hällo 🙂" }]);
              await client.callTool({ name: "get-sum", arguments: { a: 1, b: 2 } });
              // Version by version a server answers a mistake with a JSON-RPC error or with a result that is an error.
              await client.callTool({ name: "no-such-tool", arguments: {} }).catch(() => undefined);
            });
          }),
        );
        const events = yield* recordedAfter(before);
        assert.deepStrictEqual(
          events.filter(({ type }) => type.startsWith("thread.")).map(({ type }) => type),
          ["thread.opened", ...Array.from({ length: 3 }, () => ["thread.tool_called", "thread.tool_returned"]).flat()],
        );
        const facts = factsIn(events);
        const calls = callsIn(facts);
        assert.deepStrictEqual(
          calls.map(({ call, returned }) => [call.name, call.server, returned?.outcome]),
          [
            ["echo", "mcp-servers/everything", "ok"],
            ["get-sum", "mcp-servers/everything", "ok"],
            ["no-such-tool", "mcp-servers/everything", "error"],
          ],
        );
        assert.match(calls[2]?.returned?.errorType ?? "", /^(?:tool|jsonrpc:-\d+)$/);
        assert.isTrue(calls.every(({ returned }) => (returned?.durationMillis ?? -1) >= 0));
        assert.deepStrictEqual(JSON.parse(calls[0]?.call.arguments ?? ""), { message: "hällo 🙂" });
        const [started, ended] = only(facts, "SessionSeen");
        assert.deepInclude(started?.client, { name: "a test", version: "1.2.3" });
        assert.strictEqual(started?.server?.name, "mcp-servers/everything");
        assert.match(started?.protocolVersion ?? "", /^\d{4}-\d{2}-\d{2}$/);
        assert.strictEqual(started?.cwd, process.cwd());
        assert.strictEqual(started?.command?.[0], process.execPath);
        assert.strictEqual(ended?.moment, "ended");
        assert.isTrue(events.every(({ session }) => session === events[0]?.session));
        // Which tools the model was offered.
        const offered = events.filter(({ type }) => type === "x.recollect.mcp_exchanged");
        assert.isTrue(offered.some((event) => "body" in event && Buffer.from(event.body).includes("tools/list")));
      }),
  );

  it.effect("is in the list of sessions for as long as its server runs", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      const { list } = yield* PresenceBucket;
      yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* connect({ data, url });
          yield* Effect.promise(() => client.listTools());
          yield* World.until(Effect.map(list, ({ length }) => length > 0));
          const [present] = yield* list;
          assert.deepInclude(present?.client, { name: "a test", version: "1.2.3" });
          assert.lengthOf(present?.threads ?? [], 1);
        }),
      );
      yield* World.until(Effect.map(list, ({ length }) => length === 0));
    }).pipe(Effect.provide(presence)),
  );

  it.effect("leaves no thread of a server that never started, only a session that ended", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      const before = yield* head;
      yield* Effect.exit(Effect.scoped(connect({ data, url, server: [process.execPath, "-e", ""] })));
      const ended = Effect.map(recordedAfter(before), (events) => events.some(({ type }) => type === "session.ended"));
      yield* World.until(ended);
      const events = yield* recordedAfter(before);
      assert.deepStrictEqual(
        events.map(({ type }) => type),
        ["session.started", "session.ended"],
      );
    }),
  );

  it.effect("writes to the thread it is given, and links a new one to the agent's session", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      const before = yield* head;
      const call = (options: { readonly thread?: string; readonly env?: Readonly<Record<string, string>> }) =>
        Effect.scoped(
          Effect.gen(function* () {
            const client = yield* connect({ data, url, ...options });
            yield* Effect.promise(() => client.callTool({ name: "echo", arguments: { message: "x" } }));
          }),
        );
      yield* call({ thread: "my thread" });
      const given = yield* recordedAfter(before);
      const inThread = given.filter(({ history }) => history.kind === "thread");
      assert.deepStrictEqual(
        inThread.map(({ type, history }) => [type, history.id]),
        [
          ["thread.tool_called", "my thread"],
          ["thread.tool_returned", "my thread"],
        ],
      );
      const middle = yield* head;
      yield* call({ env: { CLAUDE_CODE_SESSION_ID: "the agent's own" } });
      const [opened] = only(factsIn(yield* recordedAfter(middle)), "ThreadDescribed");
      assert.strictEqual(opened?.parentThreadId, "the agent's own");
    }),
  );

  it.effect(
    "records 1,000 calls, each once with its outcome, although nats-server is killed in the middle",
    () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        const before = yield* head;
        yield* Effect.scoped(
          Effect.gen(function* () {
            const client = yield* connect({ data, url: server.url });
            const calls = (from: number, to: number) =>
              Effect.promise(async () => {
                for (let index = from; index < to; index += 10) {
                  await Promise.all(
                    Array.from({ length: 10 }, (_, offset) =>
                      client.callTool({ name: "echo", arguments: { message: `${index + offset}` } }),
                    ),
                  );
                }
              });
            yield* calls(0, 400);
            yield* Effect.all([server.kill9, calls(400, 600)], { concurrency: 2 });
            yield* server.stop;
            // Waiting for NATS to answer or not would take seconds, thirty times, and nobody starts it before they are done.
            yield* calls(600, 900);
            yield* server.start;
            yield* calls(900, 1_000);
          }),
        );
        const target = server.url;
        yield* World.drained.pipe(Effect.provide(World.publisher({ folder: data, to: new LogSwitch(), target })));
        const events = yield* recordedAfter(before);
        assert.strictEqual(new Set(events.map(({ id }) => id)).size, events.length);
        const calls = callsIn(factsIn(events));
        const messages = calls.map(({ call }) => Number(JSON.parse(call.arguments).message));
        assert.deepStrictEqual(
          messages.toSorted((a, b) => a - b),
          Array.from({ length: 1_000 }, (_, index) => index),
        );
        assert.isTrue(calls.every(({ returned }) => returned?.outcome === "ok"));
        assert.strictEqual(events.filter(({ type }) => type === "thread.tool_returned").length, 1_000);
        assert.strictEqual(events.filter(({ type }) => type.startsWith("session.")).length, 2);
      }),
    60_000,
  );
});
