import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { appendFileSync, mkdirSync } from "node:fs";
import { request, Agent } from "node:http";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { Door } from "../http/Knock.ts";
import { claudeEvents } from "./Payloads.ts";

const door = new Door();
let token = "";
beforeAll(async () => {
  await door.open();
  token = await door.token("hooks", "publisher");
}, 120_000);
afterAll(() => door[Symbol.asyncDispose]());

const kept = new Agent({ keepAlive: true });

interface Answered {
  readonly status: number;
  readonly kept: string | undefined;
  readonly body: Record<string, unknown>;
}

/** Posts as an agent does: over one connection that stays. */
const post = (path: string, payload: unknown): Promise<Answered> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const sent = request(`${door.url}${path}`, { method: "POST", headers, agent: kept }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (more: string) => (text += more));
      response.once("end", () => {
        const { headers: got, statusCode: status = 0 } = response;
        const said = got["recollect-kept"];
        resolve({ status, kept: typeof said === "string" ? said : undefined, body: JSON.parse(text) });
      });
    });
    sent.once("error", reject);
    sent.end(typeof payload === "string" ? payload : JSON.stringify(payload));
  });

interface Row {
  readonly [column: string]: unknown;
}

const rows = async (sql: string): Promise<ReadonlyArray<Row>> => {
  const answer = await door.json<{ readonly rows: ReadonlyArray<Row> }>(["sql", sql]);
  return answer.rows ?? (answer as unknown as ReadonlyArray<Row>);
};

/** Asks until the read models have it, a minute at most: then it says what there is instead. */
const eventually = async (sql: string, expected: ReadonlyArray<Row>): Promise<void> => {
  const began = performance.now();
  for (;;) {
    const found = await rows(sql);
    if (isDeepStrictEqual(found, expected)) return;
    if (performance.now() - began > 60_000) return assert.deepStrictEqual(found, expected);
  }
};

describe("the door for hooks", { timeout: 240_000 }, () => {
  it("takes every event of Claude Code, answers with nothing that changes it, and keeps each as it came", async () => {
    const all = claudeEvents("session-1", "/home/ana/app");
    assert.strictEqual(Object.keys(all).length, 34);
    for (const [name, payload] of Object.entries(all)) {
      const answer = await post("/hooks/claude-code", payload);
      assert.deepInclude(answer, { status: 200, body: {} }, name);
    }
    // Sent again, a hook that names its call is the same event.
    await post("/hooks/claude-code", all["PreToolUse"]);
    // All but pieces of an answer that is being shown.
    await eventually(
      "SELECT count(*) AS n, count(DISTINCT json_extract(data, '$.entry.hook_event_name')) AS names FROM v_events WHERE type = 'thread.entry_recorded'",
      [{ n: 33, names: 33 }],
    );
  });

  it("counts a call once that the transcript tells again, and a prompt, whichever came first", async () => {
    const calls = "SELECT tool_name, outcome FROM v_tool_calls WHERE thread_id = 'session-1'";
    await eventually(calls, [{ tool_name: "Bash", outcome: "ok" }]);
    const words =
      "SELECT role, text FROM v_messages WHERE thread_id = 'session-1' AND kind IN ('prompt', 'answer') AND text <> '' ORDER BY sequence";
    await eventually(words, [
      { role: "user", text: "please fix the loop" },
      { role: "assistant", text: "it is fixed" },
    ]);
    const folder = join(door.folder, "transcripts");
    mkdirSync(folder);
    const line = (uuid: string, type: string, message: unknown) =>
      appendFileSync(
        join(folder, "session-1.jsonl"),
        `${JSON.stringify({ type, uuid, sessionId: "session-1", timestamp: "2026-03-01T00:00:00Z", message })}\n`,
      );
    const use = { type: "tool_use", id: "toolu_01", name: "Bash", input: { command: "npm test" } };
    line("u1", "user", { role: "user", content: "please fix the loop" });
    line("u2", "assistant", { id: "m1", role: "assistant", content: [use] });
    line("u3", "user", { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_01", content: "ok" }] });
    line("u4", "assistant", { id: "m2", role: "assistant", content: [{ type: "text", text: "it is fixed" }] });
    const report = await door.json<{ readonly eventsAppended: number }>(["import", folder]);
    assert.strictEqual(report.eventsAppended, 4);
    await eventually(calls, [{ tool_name: "Bash", outcome: "ok" }]);
    await eventually(words, [
      { role: "user", text: "please fix the loop" },
      { role: "assistant", text: "it is fixed" },
    ]);
    const exported = await door.run(["export", "session-1"]);
    assert.strictEqual(exported.out.trim().split("\n").length, 4);
  });

  it("keeps no secret that a hook tells, and no more of a large text than a hook is for", async () => {
    const secret = `ghp_${"a1B2".repeat(9)}`;
    await post("/hooks/claude-code", {
      session_id: "session-2",
      hook_event_name: "PostToolUse",
      tool_name: "Read",
      tool_use_id: "toolu_02",
      tool_input: { file_path: ".env", token: secret },
      tool_response: `x = ${secret}\n${"long ".repeat(20_000)}`,
    });
    await eventually("SELECT count(*) AS n FROM v_events WHERE subject = 'session-2'", [{ n: 1 }]);
    const [row] = await rows("SELECT data FROM v_events WHERE subject = 'session-2'");
    const body = String(row?.["data"]);
    assert.notInclude(body, secret);
    assert.include(body, "characters in all");
    assert.isBelow(body.length, 40_000);
  });

  it("understands the hooks of the other agents by their own names", async () => {
    await post("/hooks/codex", {
      session_id: "cx",
      hook_event_name: "PreToolUse",
      tool_name: "shell",
      tool_use_id: "c1",
      tool_input: { command: "ls" },
      cwd: "/x",
      model: "gpt",
    });
    await post("/hooks/codex", {
      session_id: "cx",
      hook_event_name: "PostToolUse",
      tool_name: "shell",
      tool_use_id: "c1",
      tool_input: { command: "ls" },
      tool_response: "a",
    });
    const gemini = {
      session_id: "gm",
      tool_name: "read_file",
      tool_input: { path: "a" },
      timestamp: "2026-03-01T00:00:00Z",
    };
    for (const error of [undefined, "no such file"]) {
      await post("/hooks/gemini-cli", { ...gemini, hook_event_name: "BeforeTool" });
      await post("/hooks/gemini-cli", {
        ...gemini,
        hook_event_name: "AfterTool",
        tool_response: { llmContent: "x", error: error === undefined ? undefined : { message: error } },
      });
    }
    await post("/hooks/gemini-cli", { session_id: "gm", hook_event_name: "BeforeAgent", prompt: "read a" });
    await post("/hooks/cursor", {
      conversation_id: "cu",
      hook_event_name: "beforeSubmitPrompt",
      prompt: "hi",
      workspace_roots: ["/w"],
    });
    await post("/hooks/cursor", { conversation_id: "cu", hook_event_name: "afterAgentResponse", text: "hello" });
    await post("/hooks/copilot?event=postToolUse", {
      sessionId: "cp",
      toolName: "bash",
      toolArgs: '{"command":"ls"}',
      toolResult: { resultType: "failure", textResultForLlm: "denied" },
    });
    await post("/hooks/opencode?event=tool.execute.after", {
      sessionID: "oc",
      tool: "bash",
      callID: "o1",
      args: { command: "ls" },
      output: "a",
    });
    await eventually(
      "SELECT thread_id || ' ' || tool_name || ' ' || outcome AS x FROM v_tool_calls WHERE thread_id IN ('cx', 'gm', 'cp', 'oc') ORDER BY thread_id, sequence",
      ["cp bash error", "cx shell ok", "gm read_file ok", "gm read_file error", "oc bash ok"].map((x) => ({ x })),
    );
    await eventually(
      "SELECT thread_id || ' ' || role || ' ' || text AS x FROM v_messages WHERE thread_id IN ('gm', 'cu') AND text <> '' AND kind IN ('prompt', 'answer') ORDER BY sequence",
      ["gm user read a", "cu user hi", "cu assistant hello"].map((x) => ({ x })),
    );
    // A payload that says no time has that of its arrival.
    await eventually(
      `SELECT count(*) AS n FROM v_tool_calls c JOIN v_threads t USING (thread_id) WHERE thread_id = 'cx'
       AND c.started_at > 1700000000000 AND c.ended_at >= c.started_at AND t.last_activity_at >= c.ended_at`,
      [{ n: 1 }],
    );
  });

  it("tells a session that asks for it what was done in its folder before", async () => {
    const start = { session_id: "session-3", hook_event_name: "SessionStart", source: "startup", cwd: "/home/ana/app" };
    assert.deepStrictEqual((await post("/hooks/claude-code", start)).body, {});
    // The first of a daemon's life waits 100 ms for what is prepared for all others.
    let body: Record<string, unknown> = {};
    while (!("hookSpecificOutput" in body)) ({ body } = await post("/hooks/claude-code?brief=1", start));
    const said = body["hookSpecificOutput"] as Record<string, unknown>;
    assert.strictEqual(said["hookEventName"], "SessionStart");
    assert.match(String(said["additionalContext"]), /please fix the loop.*thread session-1/);
    const cursor = await post("/hooks/cursor?brief=1", { ...start, hook_event_name: "sessionStart" });
    assert.hasAllKeys(cursor.body, ["additional_context"]);
  });

  it("tells a session no secret of an earlier one's title, and nothing of a thread that is over", async () => {
    const secret = `ghp_${"c3D4".repeat(9)}`;
    const folder = join(door.folder, "told");
    mkdirSync(folder);
    const said = (session: string, content: string) =>
      appendFileSync(
        join(folder, `${session}.jsonl`),
        `${JSON.stringify({ type: "user", uuid: `${session}-1`, sessionId: session, cwd: "/told", timestamp: "2026-03-02T00:00:00Z", message: { role: "user", content } })}\n`,
      );
    said("told-1", `use ${secret} for the upload`);
    said("told-2", "a plan that is over");
    await door.json(["import", folder]);
    const authorization = `Bearer ${token}`;
    const headers = { authorization, "content-type": "application/json" };
    const over = await door.ask("/v1/threads/told-2/expire", { method: "POST", headers, body: '{"at":1}' });
    assert.strictEqual(over.status, 201, over.text);
    await eventually("SELECT thread_id FROM v_threads WHERE cwd = '/told' AND expires_at IS NULL", [
      { thread_id: "told-1" },
    ]);
    const start = { session_id: "session-4", hook_event_name: "SessionStart", source: "startup", cwd: "/told" };
    let body = "{}";
    while (body === "{}") body = JSON.stringify((await post("/hooks/claude-code?brief=1", start)).body);
    assert.include(body, "for the upload");
    assert.notInclude(body, secret);
    assert.notInclude(body, "a plan that is over");
  });

  it("refuses by name and reason what is no hook, and who has no token", async () => {
    assert.deepInclude((await post("/hooks/nobody", {})).body, { code: "agent", status: 404 });
    for (const payload of ["{torn", "[]", "{}"])
      assert.deepInclude((await post("/hooks/codex", payload)).body, { code: "payload", status: 400 });
    assert.strictEqual((await door.ask("/hooks/codex", { method: "POST", body: "{}" })).status, 401);
  });

  it("keeps each of many tool calls that come one after the other", async () => {
    const payload = (n: number) => ({
      session_id: `fast-${n % 5}`,
      hook_event_name: "PostToolUse",
      tool_name: "Bash",
      tool_use_id: `toolu_fast_${n}`,
      tool_input: { command: "npm test" },
      tool_response: { stdout: "ok ".repeat(300) },
    });
    for (let n = 0; n < 200; n++) assert.strictEqual((await post("/hooks/claude-code", payload(n))).status, 200);
    await eventually("SELECT count(*) AS n FROM v_tool_calls WHERE thread_id LIKE 'fast-%'", [{ n: 200 }]);
  });
});
