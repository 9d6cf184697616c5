import { assert, describe, it } from "@effect/vitest";
import type { Fact } from "../../src/domain/Fact.ts";
import { type Carry, type EntryContext, noCarry } from "../../src/domain/interpret/Interpreter.ts";
import { interpreters } from "../../src/domain/interpret/interpreters.ts";
import type { JsonValue } from "../../src/domain/Json.ts";
import { tokensOf } from "../../src/domain/Tokens.ts";

type Place = EntryContext["place"];
interface Story {
  readonly thread?: string;
  readonly place?: Place;
}

/** The facts of entries of one thread, told in order; entry n is the event `e<n>`. */
const tell = (format: string, entries: ReadonlyArray<JsonValue>, story: Story = {}): ReadonlyArray<Fact> => {
  const interpreter = interpreters.get(format);
  if (interpreter === undefined) throw new Error(`no interpreter for ${format}`);
  let carry: Carry = noCarry;
  return entries.flatMap((entry, index) => {
    const context = {
      threadId: story.thread ?? "t",
      eventId: `e${index}`,
      occurredAt: 0,
      place: story.place ?? "line",
    };
    const told = interpreter.interpret(entry, context, carry);
    carry = told.carry ?? carry;
    return told.facts;
  });
};

const only = <Tag extends Fact["_tag"]>(facts: ReadonlyArray<Fact>, tag: Tag) =>
  facts.filter((fact): fact is Extract<Fact, { readonly _tag: Tag }> => fact._tag === tag);
const messages = (facts: ReadonlyArray<Fact>) => only(facts, "MessageSaid");
const calls = (facts: ReadonlyArray<Fact>) => only(facts, "ToolWasCalled");
const results = (facts: ReadonlyArray<Fact>) => only(facts, "ToolHasReturned");
const usages = (facts: ReadonlyArray<Fact>) => only(facts, "TokensUsed");
const described = (facts: ReadonlyArray<Fact>) => only(facts, "ThreadDescribed");
const notes = (facts: ReadonlyArray<Fact>) => only(facts, "Noted");
const elements: Story = { place: "element" };

describe("Claude Code", () => {
  const line = (type: string, uuid: string, message: JsonValue, more: Record<string, JsonValue> = {}): JsonValue => ({
    type,
    uuid,
    parentUuid: null,
    sessionId: "t",
    cwd: "/repo",
    gitBranch: "main",
    version: "2.1.0",
    isSidechain: false,
    message,
    ...more,
  });
  const said = (uuid: string, block: JsonValue, output: number) =>
    line(
      "assistant",
      uuid,
      {
        id: "msg_1",
        role: "assistant",
        model: "opus",
        content: [block],
        usage: { input_tokens: 3, output_tokens: output, cache_read_input_tokens: 9 },
      },
      { requestId: "req_1" },
    );

  it("is one message and one usage however many lines it is split over", () => {
    const facts = tell("claude-code", [
      said("a", { type: "thinking", thinking: "hm", signature: "proof" }, 1),
      said("b", { type: "text", text: "yes" }, 7),
    ]);
    assert.deepStrictEqual(
      messages(facts).map(({ messageId, segment, parts }) => [messageId, segment, parts]),
      [
        ["msg_1", "a", [{ type: "thinking", text: "hm" }]],
        ["msg_1", "b", [{ type: "text", text: "yes" }]],
      ],
    );
    assert.deepStrictEqual([...new Set(usages(facts).map(({ usageKey }) => usageKey))], ["msg_1 req_1"]);
    assert.deepStrictEqual(usages(facts).at(-1)?.usage, {
      input: 3,
      output: 7,
      cacheRead: 9,
      cacheWrite: null,
      reasoning: null,
    });
  });

  it("knows a call by the provider's id, its MCP server, its failure and its duration", () => {
    const facts = tell("claude-code", [
      said("a", { type: "tool_use", id: "toolu_1", name: "mcp__linear-server__get_issue", input: { id: 4 } }, 1),
      line(
        "user",
        "u",
        {
          role: "user",
          content: [{ type: "tool_result", tool_use_id: "toolu_1", is_error: true, content: "Exit code 2\nno" }],
        },
        { toolUseResult: { durationMs: 12 } },
      ),
    ]);
    assert.deepInclude(calls(facts)[0], {
      callKey: "toolu_1",
      server: "linear-server",
      name: "mcp__linear-server__get_issue",
      arguments: '{"id":4}',
    });
    assert.deepInclude(results(facts)[0], {
      callKey: "toolu_1",
      outcome: "error",
      errorType: "exit_code",
      resultBytes: 14,
      durationMillis: 12,
    });
    assert.deepStrictEqual(
      messages(facts).map(({ role }) => role),
      ["assistant", "user"],
    );
  });

  it("gives no duration where a line has two results, because it does not say whose it is", () => {
    const result = (id: string) => ({ type: "tool_result", tool_use_id: id, content: "" });
    const facts = tell("claude-code", [
      line("user", "u", { role: "user", content: [result("a"), result("b")] }, { toolUseResult: { durationMs: 12 } }),
    ]);
    assert.deepStrictEqual(
      results(facts).map(({ durationMillis }) => durationMillis),
      [undefined, undefined],
    );
  });

  it("counts nothing for a synthetic message that used nothing, and what one used otherwise", () => {
    const synthetic = (output: number) =>
      line("assistant", "s", {
        id: "s",
        role: "assistant",
        model: "<synthetic>",
        content: [],
        usage: { input_tokens: 0, output_tokens: output },
      });
    assert.lengthOf(usages(tell("claude-code", [synthetic(0)])), 0);
    assert.lengthOf(usages(tell("claude-code", [synthetic(1)])), 1);
  });

  it("describes the thread once, and again when something changed", () => {
    const user = (uuid: string, more: Record<string, JsonValue> = {}) =>
      line("user", uuid, { role: "user", content: "hi" }, more);
    const facts = tell("claude-code", [user("a"), user("b"), user("c", { gitBranch: "fix" })]);
    assert.deepStrictEqual(described(facts), [
      {
        _tag: "ThreadDescribed",
        client: { name: "claude-code", version: "2.1.0" },
        cwd: "/repo",
        branch: "main",
        session: "t",
      },
      { _tag: "ThreadDescribed", branch: "fix" },
    ]);
  });

  it("prefers a person's title to the program's; a summary titles the thread of the line it names", () => {
    const titles = (...lines: ReadonlyArray<JsonValue>) =>
      described(tell("claude-code", lines)).map(({ title }) => title);
    const summary = { type: "summary", summary: "S", leafUuid: "x" };
    const ai = { type: "ai-title", aiTitle: "A", sessionId: "t" };
    const custom = { type: "custom-title", customTitle: "C", sessionId: "t" };
    assert.deepStrictEqual(titles(summary, ai, custom), ["A", "C"]);
    assert.deepStrictEqual(titles(custom, ai, summary), ["C"]);
    assert.deepInclude(only(tell("claude-code", [summary]), "LineTitled")[0], { lineId: "x", title: "S" });
  });

  it("tells a sub-agent's own file from its parent, and its repetition in the parent's as a copy of that", () => {
    const side = line("user", "u", { role: "user", content: "go" }, { isSidechain: true, sessionId: "parent" });
    const facts = tell("claude-code", [side], { thread: "parent/agent-1" });
    assert.strictEqual(described(facts)[0]?.parentThreadId, "parent");
    assert.strictEqual(messages(facts)[0]?.isSidechain, true);
    const told = {
      type: "progress",
      uuid: "p",
      sessionId: "t",
      data: {
        type: "agent_progress",
        agentId: "1",
        message: {
          type: "assistant",
          message: { role: "user", content: [{ type: "tool_use", id: "x", name: "Bash", input: {} }] },
        },
      },
    };
    const copies = tell("claude-code", [told]);
    assert.deepInclude(messages(copies)[0], { isSidechain: true, copyOf: "t/agent-1" });
    assert.deepInclude(only(copies, "ToolWasCalled")[0], { callKey: "t x", copyOf: "x" });
  });

  it("marks the harness's words: injected ones, a compaction's summary, an API error", () => {
    const flags = [{ isMeta: true }, { isCompactSummary: true }, { isApiErrorMessage: true }, {}];
    const facts = tell(
      "claude-code",
      flags.map((flag, index) => line("user", `${index}`, { role: "user", content: "x" }, flag)),
    );
    assert.deepStrictEqual(
      messages(facts).map(({ isMeta }) => isMeta),
      [true, true, true, false],
    );
  });

  it("leaves the bytes of an image in the entry", () => {
    const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "QUJD" } };
    const facts = tell("claude-code", [line("user", "u", { role: "user", content: [image] })]);
    assert.deepStrictEqual(messages(facts)[0]?.parts, [{ type: "image", mediaType: "image/png" }]);
  });
});

describe("Codex", () => {
  const item = (payload: Record<string, JsonValue>): JsonValue => ({
    timestamp: "2026-01-01T00:00:00Z",
    type: "response_item",
    payload,
  });
  const event = (payload: Record<string, JsonValue>): JsonValue => ({
    timestamp: "2026-01-01T00:00:00Z",
    type: "event_msg",
    payload,
  });
  const call = (callId: string, more: Record<string, JsonValue> = {}) =>
    item({ type: "function_call", name: "exec_command", arguments: '{"cmd":"ls"}', call_id: callId, ...more });
  const output = (callId: string, text: JsonValue) =>
    item({ type: "function_call_output", call_id: callId, output: text });
  const outcomes = (...lines: ReadonlyArray<JsonValue>) =>
    results(tell("codex", lines)).map(({ outcome, errorType, durationMillis }) => [outcome, errorType, durationMillis]);

  it("hears from its own item how a tool ended, and says so with the result", () => {
    const ended = event({
      type: "item_completed",
      item: {
        type: "CommandExecution",
        id: "c",
        status: "failed",
        exit_code: 1,
        duration: { secs: 1, nanos: 500_000_000 },
      },
    });
    assert.deepStrictEqual(outcomes(call("c"), ended, output("c", "Process exited with code 0\nOutput:\n")), [
      ["error", "exit_code", 1500],
    ]);
    assert.deepStrictEqual(outcomes(call("c"), ended), []);
  });

  it("reads an exit code from the head Codex writes, never from what the tool printed", () => {
    assert.deepStrictEqual(outcomes(output("c", "Wall time: 2.5 seconds\nProcess exited with code 3\nOutput:\nok")), [
      ["error", "exit_code", 2500],
    ]);
    assert.deepStrictEqual(outcomes(output("c", "Process exited with code 0\nOutput:\nProcess exited with code 3\n")), [
      ["ok", undefined, undefined],
    ]);
    assert.deepStrictEqual(outcomes(output("c", "Process exited with code 3")), [["ok", undefined, undefined]]);
    assert.deepStrictEqual(outcomes(output("c", '{"output":"x","metadata":{"exit_code":2,"duration_seconds":0.5}}')), [
      ["error", "exit_code", 500],
    ]);
    assert.deepStrictEqual(outcomes(output("c", "unsupported call: nope")), [["error", "unsupported_call", undefined]]);
    assert.deepStrictEqual(outcomes(output("c", { content: "no", success: false })), [["error", "failed", undefined]]);
  });

  it("knows the failure of an MCP tool and its server", () => {
    const ended = event({
      type: "mcp_tool_call_end",
      call_id: "c",
      duration: { secs: 0, nanos: 1_000_000 },
      result: { Err: "gone" },
    });
    const facts = tell("codex", [call("c", { name: "read", namespace: "mcp__store" }), ended, output("c", "gone")]);
    assert.deepInclude(calls(facts)[0], { server: "store", name: "read", callKey: "t c", arguments: '{"cmd":"ls"}' });
    assert.deepInclude(results(facts)[0], {
      outcome: "error",
      errorType: "tool_error",
      errorMessage: "gone",
      durationMillis: 1,
    });
  });

  it("counts the usage records, and token counts only where there are none and the total moved", () => {
    const usage = { input_tokens: 10, cached_input_tokens: 4, output_tokens: 5, reasoning_output_tokens: 2 };
    const count = (total: number) =>
      event({ type: "token_count", info: { total_token_usage: { total_tokens: total }, last_token_usage: usage } });
    const older = usages(tell("codex", [count(15), count(15), count(30), event({ type: "token_count", info: null })]));
    assert.lengthOf(older, 2);
    assert.deepStrictEqual(older[0]?.usage, {
      input: 10,
      output: 5,
      cacheRead: 4,
      cacheWrite: null,
      reasoning: 2,
      cacheInInput: true,
    });
    const record: JsonValue = { type: "token_usage_record", payload: { response_id: "r", usage } };
    assert.deepStrictEqual(
      usages(tell("codex", [record, count(15), record])).map(({ usageKey }) => usageKey),
      ["t r", "t r"],
    );
  });

  it("names messages' model from the turn, thoughts are notices, injected words are marked", () => {
    const facts = tell("codex", [
      {
        type: "session_meta",
        payload: {
          id: "t",
          model_provider: "openai",
          originator: "codex_cli_rs",
          cli_version: "1",
          git: { branch: "b" },
          source: { subagent: { thread_spawn: { parent_thread_id: "p" } } },
        },
      },
      { type: "turn_context", payload: { model: "gpt-5", cwd: "/x" } },
      item({ type: "message", role: "user", content: [{ type: "input_text", text: "<environment_context>\n" }] }),
      item({ type: "reasoning", summary: [{ type: "summary_text", text: "why" }], content: null }),
      item({ type: "message", id: "m", role: "assistant", content: [{ type: "output_text", text: "hi" }] }),
    ]);
    assert.deepInclude(described(facts)[0], {
      client: { name: "codex_cli_rs", version: "1" },
      provider: "openai",
      branch: "b",
      parentThreadId: "p",
    });
    assert.deepStrictEqual(
      messages(facts).map(({ role, model, isMeta }) => [role, model, isMeta]),
      [
        ["user", undefined, true],
        ["assistant", "gpt-5", false],
      ],
    );
    assert.strictEqual(messages(facts)[1]?.messageId, "m");
    assert.deepInclude(notes(facts), { _tag: "Noted", kind: "thinking", text: "why" });
  });

  it("understands the bare lines of the first rollouts", () => {
    const facts = tell("codex", [
      { id: "t", timestamp: "2025-05-01T00:00:00Z", instructions: null, git: { branch: "b" } },
      { record_type: "state" },
      { type: "message", role: "user", content: [{ type: "input_text", text: "hi" }] },
      { type: "local_shell_call", call_id: "c", status: "completed", action: { command: ["ls"] } },
      { type: "function_call_output", call_id: "c", output: "x" },
    ]);
    assert.strictEqual(described(facts)[0]?.branch, "b");
    assert.deepStrictEqual(
      [messages(facts).length, calls(facts)[0]?.name, results(facts)[0]?.outcome],
      [1, "local_shell", "ok"],
    );
  });

  it("adds nothing for history that is sent again, and lets the provider's own tools answer themselves", () => {
    const search = item({ type: "web_search_call", id: "ws", status: "completed", action: { query: "q" } });
    const facts = tell("codex", [call("c"), output("c", "a"), call("c"), output("c", "a"), search]);
    assert.deepStrictEqual([...new Set(calls(facts).map(({ callKey }) => callKey))], ["t c", "t ws"]);
    assert.strictEqual(results(facts).at(-1)?.callKey, "t ws");
  });
});

describe("codex exec", () => {
  const completed = (input: number) => ({
    type: "turn.completed",
    usage: { input_tokens: input, cached_input_tokens: 0, output_tokens: 1 },
  });

  it("counts what a turn added to the total, and begins again when the total fell", () => {
    const used = usages(tell("codex-exec", [completed(300), completed(1000), completed(50)]));
    assert.deepStrictEqual(
      used.map(({ usage }) => [usage.input, usage.output]),
      [
        [300, 1],
        [700, 0],
        [50, 1],
      ],
    );
    assert.isTrue(used.every(({ secondHand }) => secondHand === true));
  });

  it("tells the items of different runs apart, although their ids are the same", () => {
    const run = [
      { type: "thread.started", thread_id: "t" },
      {
        type: "item.completed",
        item: { id: "item_1", type: "command_execution", command: "ls", exit_code: 1, status: "failed" },
      },
    ];
    const facts = tell("codex-exec", [...run, ...run]);
    assert.deepStrictEqual(
      calls(facts).map(({ callKey }) => callKey),
      ["t exec e0 item_1", "t exec e2 item_1"],
    );
    assert.deepStrictEqual(
      results(facts).map(({ outcome, errorType }) => [outcome, errorType]),
      [
        ["error", "exit_code"],
        ["error", "exit_code"],
      ],
    );
  });
});

describe("OpenAI chat", () => {
  const asks = (...ids: ReadonlyArray<string>): JsonValue => ({
    role: "assistant",
    content: null,
    tool_calls: ids.map((id) => ({ id, type: "function", function: { name: "f", arguments: "{}" } })),
  });
  const answers = (id: string, content = "done"): JsonValue => ({ role: "tool", tool_call_id: id, content });

  it("keeps calls apart that share an id, and gives each its own result", () => {
    const facts = tell(
      "openai-chat",
      [asks("c"), answers("c"), asks("c"), answers("c"), asks("c", "c"), answers("c"), answers("c")],
      elements,
    );
    const keys = calls(facts).map(({ callKey }) => callKey);
    assert.deepStrictEqual(keys, ["t c e0", "t c e2", "t c e4", "t c e4 1"]);
    assert.deepStrictEqual(
      results(facts).map(({ callKey }) => callKey),
      keys,
    );
  });

  it("joins a result to the nearest call: an unanswered one of the same id stays without result", () => {
    const facts = tell("openai-chat", [asks("c"), asks("c"), answers("c"), answers("c")], elements);
    assert.deepStrictEqual(
      results(facts).map(({ callKey }) => callKey),
      ["t c e1", "t c"],
    );
  });

  it("keeps arguments that are no JSON as the string they are", () => {
    const facts = tell(
      "openai-chat",
      [{ role: "assistant", tool_calls: [{ id: "c", function: { name: "f", arguments: '{"a":' } }] }],
      elements,
    );
    assert.strictEqual(calls(facts)[0]?.arguments, '"{\\"a\\":"');
    assert.deepInclude(messages(facts)[0]?.parts[0], { arguments: '{"a":' });
  });

  it("joins the deprecated function call by its name, and reads custom tools", () => {
    const facts = tell(
      "openai-chat",
      [
        { role: "assistant", function_call: { name: "f", arguments: "{}" } },
        { role: "function", name: "f", content: "x" },
      ],
      elements,
    );
    assert.strictEqual(results(facts)[0]?.callKey, calls(facts)[0]?.callKey);
    const custom = tell(
      "openai-chat",
      [{ role: "assistant", tool_calls: [{ id: "c", type: "custom", custom: { name: "sh", input: "ls -l" } }] }],
      elements,
    );
    assert.deepInclude(calls(custom)[0], { name: "sh", arguments: '"ls -l"' });
  });

  it("keeps refusals, images, files and spoken words", () => {
    const content: JsonValue = [
      { type: "image_url", image_url: { url: "https://x/y.png" } },
      { type: "image_url", image_url: { url: "data:image/gif;base64,AA" } },
      { type: "file", file: { filename: "a.pdf", file_data: "AA" } },
    ];
    const facts = tell(
      "openai-chat",
      [
        { role: "user", content },
        { role: "assistant", content: null, refusal: "no", audio: { id: "a", transcript: "spoken" } },
      ],
      elements,
    );
    assert.deepStrictEqual(messages(facts)[0]?.parts, [
      { type: "image", url: "https://x/y.png", mediaType: null },
      { type: "image", mediaType: "image/gif" },
      { type: "file", path: "a.pdf", mediaType: null },
    ]);
    assert.deepStrictEqual(messages(facts)[1]?.parts, [
      { type: "text", text: "no" },
      { type: "text", text: "spoken" },
    ]);
  });

  it("reads a request's response out of the frame, with its usage", () => {
    const response = {
      id: "chatcmpl-1",
      model: "gpt-x",
      choices: [{ finish_reason: "stop", message: { role: "assistant", content: "hi" } }],
      usage: { prompt_tokens: 10, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 4 } },
    };
    const facts = tell("openai-chat", [{ request: { model: "gpt-x" }, response }], { place: "frame" });
    assert.deepInclude(messages(facts)[0], {
      messageId: "chatcmpl-1",
      role: "assistant",
      stopReason: "stop",
      model: "gpt-x",
    });
    assert.deepInclude(usages(facts)[0]?.usage, { input: 10, output: 2, cacheRead: 4, cacheInInput: true });
  });
});

describe("Gemini CLI", () => {
  it("reads thoughts, tools with their results, and says that cached tokens stand inside the input", () => {
    const toolCalls = [
      {
        id: "a",
        name: "ls",
        args: { dir: "." },
        status: "success",
        result: [{ functionResponse: { id: "a", name: "ls", response: { output: "x" } } }],
      },
      { id: "b", name: "rm", args: {}, status: "cancelled" },
      { id: "c", name: "wait", args: {}, status: "executing" },
    ];
    const facts = tell(
      "gemini-cli",
      [
        {
          id: "m",
          type: "gemini",
          content: "ok",
          model: "g",
          thoughts: [{ subject: "S", description: "D" }],
          tokens: { input: 10, output: 2, cached: 4, thoughts: 3 },
          toolCalls,
        },
      ],
      elements,
    );
    assert.deepStrictEqual(
      messages(facts)[0]?.parts.map(({ type }) => type),
      ["thinking", "text", "tool_use", "tool_result", "tool_use", "tool_result", "tool_use"],
    );
    assert.deepStrictEqual(
      results(facts).map(({ callKey, outcome, errorType }) => [callKey, outcome, errorType]),
      [
        ["t m a", "ok", undefined],
        ["t m b", "error", "cancelled"],
      ],
    );
    assert.deepStrictEqual(usages(facts)[0]?.usage, {
      input: 10,
      cacheInInput: true,
      reasoningInOutput: false,
      output: 2,
      cacheRead: 4,
      cacheWrite: null,
      reasoning: 3,
    });
  });

  it("takes warnings as notices with their words", () => {
    assert.deepStrictEqual(tell("gemini-cli", [{ id: "w", type: "warning", content: "careful" }], elements), [
      { _tag: "Noted", kind: "warning", text: "careful" },
    ]);
  });
});

describe("the other formats", () => {
  it("OpenCode's parts join their message, and know the person's from the model's", () => {
    const facts = tell("opencode", [
      { id: "s", projectID: "p", directory: "/x", title: "T", version: "1", time: { created: 1 } },
      { id: "u", sessionID: "s", role: "user" },
      { id: "p1", messageID: "u", type: "text", text: "hi" },
      {
        id: "p2",
        messageID: "a",
        type: "tool",
        callID: "c",
        tool: "bash",
        state: { status: "completed", input: {}, output: "no", metadata: { exit: 1 }, time: { start: 5, end: 9 } },
      },
    ]);
    assert.deepStrictEqual(
      messages(facts).map(({ messageId, segment, role }) => [messageId, segment, role]),
      [
        ["u", "", "user"],
        ["u", "p1", "user"],
        ["a", "p2", "assistant"],
      ],
    );
    assert.deepInclude(results(facts)[0], {
      outcome: "error",
      errorType: "exit_code",
      durationMillis: 4,
      resultBytes: 2,
    });
  });

  it("a Cursor result answers the call that has waited longest", () => {
    const use = {
      role: "assistant",
      message: {
        content: [
          { type: "tool_use", name: "A", input: {} },
          { type: "tool_use", name: "B", input: {} },
        ],
      },
    };
    const result = { role: "user", message: { content: [{ type: "tool_result", tool_use_id: "t1", content: "x" }] } };
    const facts = tell("cursor", [use, result, result]);
    assert.deepStrictEqual(
      results(facts).map(({ callKey }) => callKey),
      calls(facts).map(({ callKey }) => callKey),
    );
  });

  it("Droid's stream says by its exit code, or by a flag, that a tool failed", () => {
    const result = (id: string, value: JsonValue, isError?: boolean): JsonValue => ({
      type: "tool_result",
      session_id: "s",
      toolCallId: id,
      value,
      ...(isError === undefined ? {} : { isError }),
    });
    const facts = tell("droid", [
      result("a", { stdout: "x", exitCode: 0 }),
      result("b", { stderr: "no", exitCode: 2 }),
      result("c", "gone", true),
    ]);
    assert.deepStrictEqual(
      results(facts).map(({ outcome, errorType, errorMessage }) => [outcome, errorType, errorMessage]),
      [
        ["ok", undefined, undefined],
        ["error", "exit_code", "no"],
        ["error", "error", "gone"],
      ],
    );
  });

  it("Zen's turns carry tool, provider, model, files and usage", () => {
    const turn = {
      role: "assistant",
      content: "ok",
      timestamp: "2026-01-01T00:00:00Z",
      files: ["/a.py"],
      images: null,
      tool_name: "chat",
      model_provider: "google",
      model_name: "gemini",
      model_metadata: { usage: { input_tokens: 4, output_tokens: 2 } },
    };
    const facts = tell("zen", [turn], elements);
    assert.deepInclude(messages(facts)[0], { tool: "chat", provider: "google", model: "gemini" });
    assert.deepStrictEqual(messages(facts)[0]?.parts, [
      { type: "text", text: "ok" },
      { type: "file", path: "/a.py" },
    ]);
    assert.deepInclude(usages(facts)[0]?.usage, { input: 4, output: 2 });
    const [about] = described(
      tell("zen", [{ thread_id: "t", parent_thread_id: "p", tool_name: "chat", turns: [], initial_context: {} }], {
        place: "frame",
      }),
    );
    assert.deepInclude(about, { parentThreadId: "p", tool: "chat" });
  });

  it("Anthropic requests keep their system prompt and their response", () => {
    const response = {
      id: "msg_9",
      type: "message",
      role: "assistant",
      model: "opus",
      content: [{ type: "text", text: "hi" }],
      usage: { input_tokens: 1, output_tokens: 2 },
      stop_reason: "end_turn",
    };
    const facts = tell("anthropic-messages", [{ model: "opus", system: "be kind", messages: [], response }], {
      place: "frame",
    });
    assert.deepStrictEqual(
      messages(facts).map(({ messageId, role }) => [messageId, role]),
      [
        ["e0 system", "system"],
        ["msg_9", "assistant"],
      ],
    );
    assert.strictEqual(usages(facts)[0]?.providerMessageId, "msg_9");
  });

  it("Inspect's frame counts its model events and knows how long its tools worked", () => {
    const frame = {
      events: [
        {
          event: "model",
          output: {
            model: "m",
            choices: [{ message: { id: "a" } }],
            usage: { input_tokens: 10, output_tokens: 1, input_tokens_cache_read: 4 },
          },
        },
        { event: "tool", id: "c", working_time: 0.25 },
      ],
      messages: [],
    };
    const interpreter = interpreters.get("inspect");
    const context = { threadId: "t", eventId: "e", occurredAt: 0 };
    const first = interpreter?.interpret(frame, { ...context, place: "frame" }, noCarry);
    assert.deepInclude(usages(first?.facts ?? [])[0], {
      messageId: "a",
      usage: { input: 10, output: 1, cacheRead: 4, cacheWrite: null, reasoning: null, cacheInInput: true },
    });
    const tool = interpreter?.interpret(
      { role: "tool", tool_call_id: "c", content: "x", error: { type: "timeout", message: "late" } },
      { ...context, place: "element" },
      first?.carry ?? noCarry,
    );
    assert.deepInclude(results(tool?.facts ?? [])[0], { outcome: "error", errorType: "timeout", durationMillis: 250 });
  });

  it("Langfuse's parts stand beside their whole or inside it, as its total or their names say, and it knows the cost", () => {
    const spent = (usageDetails: JsonValue, more: Record<string, JsonValue> = {}) => {
      const [used] = usages(
        tell("langfuse", [{ id: "o", traceId: "t", type: "GENERATION", name: "chat", usageDetails, ...more }]),
      );
      return used && { ...tokensOf(used.usage), costUsd: used.costUsd };
    };
    const parts = { uncached: 100, cacheRead: 900, cacheWrite: null, visible: 20, reasoning: 30 };
    const cost = { costUsd: 0.25 };
    assert.deepStrictEqual(
      spent(
        { input: 100, input_cached_tokens: 900, output: 20, output_reasoning_tokens: 30 },
        { providedCostDetails: {}, costDetails: { input: 0.05, output: 0.2, total: 0.25 }, totalCost: 9 },
      ),
      { ...parts, ...cost },
    );
    assert.deepStrictEqual(
      spent(
        { input: 1000, "prompt_details.cache_read": 900, output: 50, "completion_details.reasoning": 30 },
        { providedCostDetails: { total: 0.25 }, costDetails: { total: 9 } },
      ),
      { ...parts, ...cost },
    );
    assert.deepStrictEqual(
      spent({ input: 1000, input_cache_read: 900, output: 50, output_reasoning: 30, total: 1050 }, { totalCost: 0.25 }),
      { ...parts, ...cost },
    );
    assert.deepStrictEqual(
      spent({ input: 100, input_cache_read: 900, output: 20, output_reasoning: 30, total: 1050 }),
      {
        ...parts,
        costUsd: undefined,
      },
    );
    assert.strictEqual(spent({}, { costDetails: {}, totalCost: 0 }), undefined);
  });

  it("OpenTelemetry spans tell their cost where they have one", () => {
    const span = (attributes: Record<string, JsonValue>) => ({
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "b7ad6b7169203331",
      name: "chat",
      attributes: { "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10, ...attributes },
    });
    const costs = [{ "gen_ai.usage.cost": 0.5 }, { "llm.cost.total": 0.25 }, {}].map(
      (attributes) => usages(tell("otel", [span(attributes)]))[0]?.costUsd,
    );
    assert.deepStrictEqual(costs, [0.5, 0.25, undefined]);
  });

  it("say by name what they do not understand", () => {
    for (const format of interpreters.keys()) {
      const [fact] = tell(format, [{ type: "from-the-future" }], elements);
      assert.include(["NotUnderstood"], fact?._tag, format);
    }
  });
});
