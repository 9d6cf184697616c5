import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { AcpTraffic } from "../../../src/edge/wrap/acp/AcpTraffic.ts";
import * as Journal from "../../../src/edge/wrap/Journal.ts";
import { parse } from "../../../src/edge/wrap/Arguments.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import * as World from "../../publish/World.ts";
import * as NatsServer from "../../support/NatsServer.ts";
import { callsIn, factsIn, only, recordedAfter, wrapCommand } from "./Wrapped.ts";

const agent = [process.execPath, new URL("acpAgent.ts", import.meta.url).pathname];
const sessionId = "s-1";

interface Said {
  readonly id?: number;
  readonly method?: string;
  readonly result?: unknown;
  readonly error?: unknown;
}

/** Requests of an editor, in order; resolves with every line that it was told. */
const edit = async (command: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, WRAP_AS: "acp" } });
  const told: Array<string> = [];
  const waiting = new Map<number, () => void>();
  const write = (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  createInterface({ input: child.stdout }).on("line", (line) => {
    told.push(line);
    const { id = -1, method } = JSON.parse(line) as Said;
    if (method === undefined) waiting.get(id)?.();
    else if (id === 900) write({ id, result: { outcome: { outcome: "selected", optionId: "yes" } } });
  });
  let last = 0;
  const ask = (method: string, params: object) => {
    const id = ++last;
    const answered = new Promise<void>((resolve) => waiting.set(id, resolve));
    write({ id, method, params });
    return answered;
  };
  const say = (text: string) => ask("session/prompt", { sessionId, prompt: [{ type: "text", text }] });
  await ask("initialize", { protocolVersion: 1, clientInfo: { name: "an editor", version: "1" } });
  await ask("session/new", { cwd: "/work", mcpServers: [] });
  await say("read a.txt");
  await say("fail");
  const cancelled = say("wait");
  write({ method: "session/cancel", params: { sessionId } });
  await cancelled;
  await ask("session/load", { sessionId, cwd: "/work", mcpServers: [] });
  child.stdin.end();
  await once(child, "close");
  return told;
};

const world = Layer.provideMerge(World.natsLog, NatsServer.layer());

layer(world, { excludeTestServices: true })("acp, an agent that is recorded", (it) => {
  it.effect(
    "passes every line unchanged, and records prompts, answers, thoughts, calls, permissions and ends, once",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        const log = yield* EventLog;
        const { lastSequence: before } = yield* log.info;
        const command = wrapCommand(["--data", data, "--nats-url", url, "--", ...agent]);
        const [bare, wrapped] = yield* Effect.promise(async () => [await edit(agent), await edit(command)]);
        assert.deepStrictEqual(wrapped, bare);
        yield* World.until(Effect.sync(() => Journal.journals(data).length === 0));
        const events = yield* recordedAfter(before);
        const facts = factsIn(events);
        assert.deepStrictEqual(
          only(facts, "MessageSaid").map(({ parts, role, stopReason }) => [
            role,
            parts.map((part) => ("text" in part ? `${part.type}: ${part.text}` : part.type)),
            stopReason,
          ]),
          [
            ["user", ["text: read a.txt"], undefined],
            ["assistant", ["thinking: I think.", "text: Let me look."], undefined],
            ["assistant", ["text: It says hello."], "end_turn"],
            ["user", ["text: fail"], undefined],
            ["user", ["text: wait"], undefined],
          ],
        );
        const [one] = callsIn(facts);
        assert.deepInclude(one?.call, { name: "read", arguments: '{"path":"a.txt"}', server: "scripted" });
        assert.deepInclude(one?.returned, { outcome: "ok", result: "hello" });
        const calls = events.filter(({ type }) => type.startsWith("thread.tool_"));
        assert.deepStrictEqual(
          calls.map(({ correlationId }) => correlationId),
          ["t1", "t1"],
        );
        assert.deepStrictEqual(
          events.flatMap(({ history, type }) =>
            type.startsWith("x.") || type === "thread.renamed" ? [`${history.id} ${type}`] : [],
          ),
          ["exchanged", "plan", "renamed", "prompt_failed", "cancelled"].map((name) =>
            name === "renamed" ? "acp/s-1 thread.renamed" : `acp/s-1 x.acp.${name}`,
          ),
        );
        const described = only(facts, "ThreadDescribed");
        assert.deepInclude(described[0], { tool: "acp", cwd: "/work", parentThreadId: "s-1" });
        const [started] = only(facts, "SessionSeen");
        assert.deepInclude(started, {
          client: { name: "an editor", version: "1" },
          server: { name: "scripted", version: "2" },
        });
        assert.isTrue(events.every(({ session }) => session === events[0]?.session));
      }),
    120_000,
  );
});

describe("acp, what is seen", () => {
  const at = { epochMillis: 1, monotonicMillis: 1 };
  const line = (message: unknown) => ({ _tag: "Whole" as const, text: JSON.stringify(message) });

  it("never throws, whatever a line holds, and goes on from its own state", () => {
    const odd: ReadonlyArray<unknown> = [
      null,
      [[]],
      { method: "session/update" },
      { method: "session/update", params: { sessionId: "x", update: null } },
      { method: "session/update", params: { sessionId: "x", update: { sessionUpdate: "tool_call" } } },
      { method: "session/update", params: { sessionId: "__proto__", update: { sessionUpdate: "plan", entries: 1 } } },
      { method: "session/update", params: { sessionId: "x", update: { sessionUpdate: "Bad Name", value: 1 } } },
      { id: 1, result: 7 },
      { id: {}, method: 3 },
      {
        method: "session/update",
        params: { sessionId: "x", update: { sessionUpdate: "agent_message_chunk", content: 5 } },
      },
    ];
    const traffic = new AcpTraffic();
    for (const message of odd) {
      for (const direction of ["toServer", "toClient"] as const) traffic.see(direction, line(message), at);
    }
    const again = new AcpTraffic(JSON.parse(JSON.stringify(traffic.state)));
    assert.deepStrictEqual(again.end(at), traffic.end(at));
  });

  it("takes an agent's command and where the store is, and nothing of an MCP server's", () => {
    assert.deepInclude(parse(["--data", "/x", "--", "agent", "--acp"], "acp"), {
      protocol: "acp",
      command: ["agent", "--acp"],
    });
    for (const words of [["--limits"], ["--cache"], ["--thread", "t"], ["--http", "http://x"]]) {
      assert.isUndefined(parse([...words, "--", "agent"], "acp"));
    }
    assert.notProperty(parse(["--", "server"]), "protocol");
  });
});
