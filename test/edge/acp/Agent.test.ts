import { assert, describe, it } from "@effect/vitest";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { stringAt } from "../../../src/domain/Json.ts";
import { updates } from "../../../src/edge/acp/Replay.ts";
import type { MessageRow, ToolCallRow } from "../../../src/query/Query.ts";
import { program } from "../../support/program.ts";
import { Stage } from "../cli/Program.ts";

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly sessionId: string; readonly update: Update };
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: { readonly hint: string } };
}

interface Update {
  readonly sessionUpdate: string;
  readonly [name: string]: unknown;
}

/** An editor: sequential requests, each with the notifications before its response. */
const editor = (data: string) => {
  const child = spawn(process.execPath, [program, "acp", "--data", data], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let last = 0;
  const next = async () => JSON.parse((await lines.next()).value ?? "null") as Message;
  const ask = async (method: string, params: object = {}) => {
    const id = ++last;
    child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    const told: Array<Update> = [];
    for (;;) {
      const message = await next();
      if (message.params !== undefined) told.push(message.params.update);
      else if (message.id === id) return { ...message, told };
    }
  };
  const write = (text: string) => child.stdin.write(text);
  const end = async () => {
    child.stdin.end();
    const [code] = await once(child, "close");
    return code as number;
  };
  return { ask, end, next, write };
};

/** Words of a chunk; undefined for a call. */
const said = (update: Update | undefined) => stringAt(update?.["content"], "text");

const setup = { cwd: "/x", mcpServers: [] };
const entry = (uuid: string, parentUuid: string | null, type: string, message: object) =>
  `${JSON.stringify({ type, uuid, parentUuid, sessionId: "s-1", cwd: "/x", timestamp: "2026-01-01T00:00:00Z", message })}\n`;
const transcript = [
  entry("u1", null, "user", { role: "user", content: "Which file is damaged?" }),
  entry("u2", "u1", "assistant", {
    role: "assistant",
    content: [
      { type: "thinking", thinking: "I look." },
      { type: "text", text: "Let me look, with ghp_16C7e42F292c6912E7710c838347Ae178B4a." },
      { type: "tool_use", id: "t1", name: "Read", input: { path: "a.txt" } },
    ],
  }),
  entry("u3", "u2", "user", {
    role: "user",
    content: [{ type: "tool_result", tool_use_id: "t1", content: "hello" }],
  }),
  entry("u4", "u3", "assistant", { role: "assistant", content: [{ type: "text", text: "None is." }] }),
].join("");

describe("the record as an agent of an editor", () => {
  it("lists recorded sessions, tells one again as it was, without its secrets, and answers with the brief for the next agent", async () => {
    await using stage = new Stage();
    mkdirSync(join(stage.folder, "from"));
    writeFileSync(join(stage.folder, "from", "s-1.jsonl"), transcript);
    // The editor may start before there is a store.
    const zed = editor(stage.data);
    const { result: initialized } = await zed.ask("initialize", { protocolVersion: 1 });
    assert.deepInclude(initialized, { protocolVersion: 1 });
    const early = await zed.ask("session/list");
    assert.strictEqual(early.error?.code, -32603);
    const imported = await stage.run(["import", join(stage.folder, "from"), "--yes"]);
    assert.strictEqual(imported.code, 0, imported.err);

    const { result: listed } = await zed.ask("session/list", { cwd: "/x" });
    assert.deepStrictEqual(listed?.["sessions"], [
      { sessionId: "s-1", cwd: "/x", title: "Which file is damaged?", updatedAt: "2026-01-01T00:00:00.000Z" },
    ]);
    assert.deepStrictEqual((await zed.ask("session/list", { cwd: "/y", cursor: null })).result?.["sessions"], []);

    const { result: loaded, told } = await zed.ask("session/load", { sessionId: "s-1", ...setup });
    assert.deepStrictEqual(loaded, {});
    assert.deepStrictEqual(
      told.map((update) => [update.sessionUpdate, said(update) ?? update["status"]]),
      [
        ["user_message_chunk", "Which file is damaged?"],
        ["agent_thought_chunk", "I look."],
        ["agent_message_chunk", said(told[2])],
        ["tool_call", "completed"],
        ["agent_message_chunk", "None is."],
      ],
    );
    assert.match(said(told[2]) ?? "", /^Let me look, with \[redacted:github-token:\w{16}\]\.$/);
    assert.deepInclude(told[3], {
      title: "Read",
      rawInput: { path: "a.txt" },
      content: [{ type: "content", content: { type: "text", text: "hello" } }],
    });

    const asked = await zed.ask("session/prompt", { sessionId: "s-1", prompt: [{ type: "text", text: "go on" }] });
    assert.deepStrictEqual(asked.result, { stopReason: "end_turn" });
    assert.match(said(asked.told[0]) ?? "", /no agent works behind it[^]*Which file is damaged\?/);

    const { result: made } = await zed.ask("session/new", setup);
    const { told: found } = await zed.ask("session/prompt", {
      sessionId: made?.["sessionId"],
      prompt: [{ type: "text", text: "damaged" }],
    });
    assert.include(said(found[0]), "session `s-1`");
    assert.deepStrictEqual((await zed.ask("session/resume", { sessionId: "s-1", cwd: "/x" })).told, []);

    assert.deepInclude((await zed.ask("session/load", { sessionId: "s-2", ...setup })).error, {
      code: -32002,
      data: { hint: "session/list and recollect threads list them." },
    });
    assert.strictEqual((await zed.ask("session/load", { sessionId: 7 })).error?.code, -32602);
    assert.strictEqual((await zed.ask("session/list", { cursor: "x" })).error?.code, -32002);
    assert.strictEqual((await zed.ask("session/fork", {})).error?.code, -32601);
    zed.write('{"jsonrpc":"2.0","method":"session/cancel","params":{"sessionId":"s-1"}}\n\nno JSON\n');
    assert.strictEqual((await zed.next()).error?.code, -32700);
    assert.strictEqual(await zed.end(), 0);
  }, 120_000);

  it("tells what an editor draws, a call without an answer as one that failed, and texts within a bound", () => {
    const message = (more: Partial<MessageRow>) =>
      ({
        sequence: 1,
        messageId: "m",
        role: "assistant",
        kind: "answer",
        isMeta: 0,
        isSidechain: 0,
        isAbandoned: 0,
        isCopied: 0,
        parts: [{ messageId: "m", type: "text", text: "said", contentBytes: 4, refersTo: null }],
        ...more,
      }) as MessageRow;
    const call = {
      sequence: 1,
      callKey: "c",
      toolName: "execute",
      server: null,
      outcome: "unknown",
      arguments: "no JSON",
      result: null,
    } as ToolCallRow;
    const long = { messageId: "m", type: "text", text: "x".repeat(300_000), contentBytes: 300_000, refersTo: null };
    const told = updates({
      messages: [
        message({ kind: "notice" }),
        message({ isAbandoned: 1 }),
        message({ isCopied: 1 }),
        message({ isSidechain: 1 }),
        message({ isMeta: 1 }),
        message({ parts: [long] }),
      ],
      calls: [call],
      compactions: [],
    });
    assert.deepStrictEqual(
      told.map(({ kind, sessionUpdate, status }) => [sessionUpdate, kind, status]),
      [
        ["agent_message_chunk", undefined, undefined],
        ["tool_call", "execute", "failed"],
      ],
    );
    assert.isBelow(JSON.stringify(told[0]).length, 263_000);
    assert.deepInclude(told[1], { rawInput: "no JSON" });
  });
});
