/**
 * A small conversation in every format whose entry is a line, made by hand, with what is right about it.
 *
 * `counts` are taken from the lines by eye: messages by role, calls, results and tokens as the provider states them.
 */
import type { JsonValue } from "../../../src/domain/Json.ts";

export interface Counts {
  readonly messages: Readonly<Record<string, number>>;
  readonly calls: number;
  readonly results: number;
  readonly input: number;
  readonly output: number;
}

export interface LineFixture {
  readonly format: string;
  /** The file's path below the folder that is imported. */
  readonly path: string;
  readonly thread: string;
  readonly lines: ReadonlyArray<JsonValue>;
  readonly counts: Counts;
  readonly title?: string;
  readonly cwd?: string;
}

const uuid = (n: number): string => `0a0b0c0d-0000-4000-8000-${String(n).padStart(12, "0")}`;
const at = (second: number): string => `2026-03-04T05:06:${String(second).padStart(2, "0")}.000Z`;
const millis = (second: number): number => Date.parse(at(second));
const none = { calls: 0, results: 0, input: 0, output: 0 } as const;

const claudeLine = (n: number, type: string, message: JsonValue): JsonValue => ({
  type,
  uuid: `c${n}`,
  parentUuid: n === 1 ? null : `c${n - 1}`,
  sessionId: uuid(1),
  timestamp: at(n),
  cwd: "/home/ana/app",
  version: "2.1.200",
  message,
});

const qwenLine = (n: number, type: string, message: JsonValue, more: Record<string, JsonValue> = {}): JsonValue => ({
  uuid: `q${n}`,
  parentUuid: n === 1 ? null : `q${n - 1}`,
  sessionId: uuid(2),
  timestamp: at(n),
  type,
  cwd: "/home/ana/app",
  version: "0.21.0",
  gitBranch: "main",
  message,
  ...more,
});

const streamLine = (n: number, type: string, more: Record<string, JsonValue>): JsonValue => ({
  type,
  session_id: uuid(3),
  uuid: uuid(30 + n),
  ...more,
});

/** The formats that were read before, so that no new reader takes them: a few lines each. */
const older: ReadonlyArray<Omit<LineFixture, "path" | "thread" | "counts"> & Partial<LineFixture>> = [
  {
    format: "claude-code",
    lines: [
      { type: "summary", summary: "Repair", leafUuid: "c2" },
      { type: "file-history-snapshot", messageId: "m", snapshot: {} },
      claudeLine(1, "user", { role: "user", content: "fix it" }),
      claudeLine(2, "assistant", { id: "msg_1", role: "assistant", content: [{ type: "text", text: "done" }] }),
      { type: "system", subtype: "compact_boundary", content: "", uuid: "c3", parentUuid: "c2", sessionId: uuid(1) },
      { type: "queue-operation", operation: "enqueue", sessionId: uuid(1), timestamp: at(3), content: "and test" },
    ],
  },
  {
    format: "codex",
    lines: [
      { timestamp: at(1), type: "session_meta", payload: { id: uuid(4), cwd: "/x", cli_version: "0.150.0" } },
      {
        timestamp: at(2),
        type: "response_item",
        payload: { type: "message", role: "user", content: [{ type: "input_text", text: "fix it" }] },
      },
    ],
  },
  {
    format: "codex-exec",
    lines: [
      { type: "thread.started", thread_id: uuid(5) },
      { type: "item.completed", item: { id: "item_0", type: "agent_message", text: "done" } },
    ],
  },
  {
    format: "codex-tui",
    lines: [
      { ts: at(1), dir: "meta", kind: "session_start", cwd: "/x" },
      { ts: at(2), dir: "to_tui", kind: "codex_event", payload: { msg: { type: "agent_message", message: "done" } } },
    ],
  },
  {
    format: "pi",
    lines: [
      { type: "session", version: 3, id: uuid(6), timestamp: at(1), cwd: "/x" },
      {
        type: "message",
        id: "a",
        timestamp: at(2),
        message: { role: "user", content: "fix it", timestamp: millis(2) },
      },
    ],
  },
  {
    format: "copilot",
    lines: [
      { type: "session.start", data: { sessionId: "s", producer: "copilot-agent" }, id: "e1", timestamp: at(1) },
      { type: "user.message", data: { content: "fix it" }, id: "e2", timestamp: at(2) },
    ],
  },
  {
    format: "cursor",
    lines: [
      { role: "user", message: { content: [{ type: "text", text: "fix it" }] } },
      { role: "assistant", message: { content: [{ type: "text", text: "done" }] } },
    ],
  },
  {
    format: "droid",
    lines: [
      { type: "session_start", id: "d1", title: "Repair", cwd: "/x" },
      { type: "message", id: "m1", parentId: "d1", message: { role: "user", content: [{ type: "text", text: "go" }] } },
    ],
  },
  {
    format: "droid",
    lines: [
      { type: "system", subtype: "init", cwd: "/x", session_id: "s", tools: [], model: "opus" },
      { type: "message", session_id: "s", timestamp: at(1), role: "user", text: "fix it" },
      { type: "tool_call", session_id: "s", timestamp: at(2), toolCallId: "c", toolName: "Shell", parameters: {} },
      { type: "completion", session_id: "s", timestamp: at(3), finalText: "done", id: "end" },
    ],
  },
  {
    format: "grok",
    lines: [
      { type: "system", content: "You are an agent." },
      { type: "user", content: [{ type: "text", text: "fix it" }] },
      { type: "assistant", content: "done", tool_calls: [] },
    ],
  },
  {
    format: "antigravity",
    lines: [{ step_index: 0, source: "USER_EXPLICIT", type: "USER_INPUT", status: "DONE", content: "fix it" }],
  },
  {
    format: "gemini-cli",
    lines: [
      { sessionId: uuid(7), projectHash: "h", startTime: at(1), lastUpdated: at(1), kind: "main" },
      { id: "m1", timestamp: at(2), type: "user", content: "fix it" },
    ],
  },
];

const span = (n: number, name: string, attributes: Record<string, JsonValue>): JsonValue => ({
  name,
  context: { trace_id: "0xabc123", span_id: `0x${n}` },
  parent_id: null,
  start_time: at(n),
  end_time: at(n + 1),
  status: { status_code: "OK" },
  attributes,
});

const asked = { role: "user", parts: [{ type: "text", content: "weather in Ghent?" }] };
const call = { type: "tool_call", id: "call_1", name: "forecast", arguments: { city: "Ghent" } };
const answer = { role: "tool", parts: [{ type: "tool_call_response", id: "call_1", response: "rain" }] };

/** The formats that came with this file, each with what is right. */
export const fixtures: ReadonlyArray<LineFixture> = [
  {
    format: "qwen",
    path: "projects/app/chats/qwen.jsonl",
    thread: uuid(2),
    cwd: "/home/ana/app",
    lines: [
      qwenLine(1, "user", { role: "user", parts: [{ text: "read the file a" }] }),
      qwenLine(
        2,
        "assistant",
        {
          role: "model",
          parts: [
            { text: "I look.", thought: true },
            { text: "Reading." },
            { functionCall: { id: "call_q", name: "read_file", args: { path: "a" } } },
          ],
        },
        {
          model: "qwen3-coder",
          usageMetadata: {
            promptTokenCount: 10,
            candidatesTokenCount: 3,
            cachedContentTokenCount: 4,
            totalTokenCount: 13,
          },
        },
      ),
      qwenLine(3, "tool_result", {
        role: "user",
        parts: [{ functionResponse: { id: "call_q", name: "read_file", response: { output: "forty-two" } } }],
      }),
      {
        ...(qwenLine(4, "system", null) as object),
        subtype: "ui_telemetry",
        systemPayload: { kind: "x" },
      } as JsonValue,
      qwenLine(5, "assistant", { role: "model", parts: [{ text: "It says forty-two." }] }),
    ],
    counts: { messages: { user: 1, assistant: 2, tool: 1 }, calls: 1, results: 1, input: 10, output: 3 },
  },
  {
    format: "claude-stream",
    path: "out.jsonl",
    thread: uuid(3),
    cwd: "/home/ana/app",
    lines: [
      { type: "system", subtype: "init", cwd: "/home/ana/app", session_id: uuid(3), tools: ["Bash"], model: "opus" },
      streamLine(1, "assistant", {
        parent_tool_use_id: null,
        message: {
          id: "msg_1",
          type: "message",
          role: "assistant",
          model: "opus",
          content: [{ type: "tool_use", id: "toolu_1", name: "Bash", input: { command: "ls" } }],
          usage: { input_tokens: 5, output_tokens: 6 },
        },
      }),
      streamLine(2, "user", {
        message: { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "a b" }] },
      }),
      streamLine(3, "assistant", {
        message: {
          id: "msg_2",
          role: "assistant",
          model: "opus",
          content: [{ type: "text", text: "Two files." }],
          usage: { input_tokens: 7, output_tokens: 2 },
        },
      }),
      streamLine(4, "result", { subtype: "success", num_turns: 2, total_cost_usd: 0.02, result: "Two files." }),
    ],
    counts: { messages: { user: 1, assistant: 2 }, calls: 1, results: 1, input: 12, output: 8 },
  },
  {
    format: "claude-history",
    path: "history.jsonl",
    thread: "gone",
    cwd: "/home/ana/app",
    lines: [
      {
        display: "typed long ago",
        pastedContents: {},
        timestamp: millis(1),
        project: "/home/ana/app",
        sessionId: "gone",
      },
      {
        display: "look at [Pasted text #1]",
        pastedContents: { "1": { id: 1, type: "text", content: "a stack trace" } },
        timestamp: millis(2),
        project: "/home/ana/app",
        sessionId: "gone",
      },
    ],
    counts: { messages: { user: 2 }, ...none },
  },
  {
    format: "codex-index",
    path: "session_index.jsonl",
    thread: uuid(8),
    title: "Repair the retry loop",
    lines: [
      { id: uuid(8), thread_name: "Retry", updated_at: at(1) },
      { id: uuid(8), thread_name: "Repair the retry loop", updated_at: at(2) },
    ],
    counts: { messages: {}, ...none },
  },
  {
    format: "goose",
    path: "sessions/20260304_1.jsonl",
    thread: "20260304_1",
    title: "Look around",
    cwd: "/home/ana/app",
    lines: [
      {
        working_dir: "/home/ana/app",
        description: "Look around",
        message_count: 3,
        input_tokens: 20,
        output_tokens: 10,
        accumulated_input_tokens: 35,
        accumulated_output_tokens: 12,
      },
      { id: null, role: "user", created: millis(1) / 1000, content: [{ type: "text", text: "look around" }] },
      {
        id: null,
        role: "assistant",
        created: millis(2) / 1000,
        content: [
          { type: "text", text: "Looking." },
          {
            type: "toolRequest",
            id: "tr1",
            toolCall: { status: "success", value: { name: "developer__shell", arguments: { command: "ls" } } },
          },
        ],
      },
      {
        id: null,
        role: "user",
        created: millis(3) / 1000,
        content: [
          {
            type: "toolResponse",
            id: "tr1",
            toolResult: { status: "success", value: [{ type: "text", text: "a b" }] },
          },
        ],
      },
    ],
    counts: { messages: { user: 2, assistant: 1 }, calls: 1, results: 1, input: 35, output: 12 },
  },
  {
    format: "kimi",
    path: "sessions/abc/kimi-session/wire.jsonl",
    thread: "kimi-session",
    lines: [
      { type: "metadata", protocol_version: "1.2" },
      { timestamp: millis(1) / 1000, message: { type: "TurnBegin", payload: { user_input: "look around" } } },
      { timestamp: millis(2) / 1000, message: { type: "StepBegin", payload: { n: 1 } } },
      { timestamp: millis(2) / 1000, message: { type: "ContentPart", payload: { type: "think", think: "hm" } } },
      { timestamp: millis(2) / 1000, message: { type: "ContentPart", payload: { type: "text", text: "Looking." } } },
      {
        timestamp: millis(3) / 1000,
        message: {
          type: "ToolCall",
          payload: { type: "function", id: "t1", function: { name: "Shell", arguments: '{"command":"ls"}' } },
        },
      },
      {
        timestamp: millis(4) / 1000,
        message: {
          type: "StatusUpdate",
          payload: {
            message_id: "chat-1",
            token_usage: { input_other: 9, output: 4, input_cache_read: 2, input_cache_creation: 0 },
          },
        },
      },
      {
        timestamp: millis(5) / 1000,
        message: {
          type: "ToolResult",
          payload: { tool_call_id: "t1", return_value: { is_error: false, output: "a b", message: "" } },
        },
      },
      { timestamp: millis(6) / 1000, message: { type: "StepBegin", payload: { n: 2 } } },
      { timestamp: millis(6) / 1000, message: { type: "ContentPart", payload: { type: "text", text: "Two files." } } },
    ],
    counts: { messages: { user: 1, assistant: 2, tool: 1 }, calls: 1, results: 1, input: 9, output: 4 },
  },
  {
    format: "kimi-code",
    path: "sessions/wd_app/session_1/agents/main/wire.jsonl",
    thread: "session_1",
    cwd: "/home/ana/app",
    lines: [
      { type: "metadata", protocol_version: "1.5", created_at: millis(0) },
      { type: "config.update", cwd: "/home/ana/app", profileName: "agent", time: millis(0) },
      { type: "turn.prompt", input: [{ type: "text", text: "list" }], origin: { kind: "user" }, time: millis(1) },
      {
        type: "context.append_message",
        message: { role: "user", content: [{ type: "text", text: "list" }], toolCalls: [] },
        time: millis(1),
      },
      {
        type: "context.append_loop_event",
        event: { type: "tool.call", stepUuid: "s1", toolCallId: "c1", name: "Bash", args: { command: "ls" } },
        time: millis(2),
      },
      {
        type: "context.append_loop_event",
        event: { type: "tool.result", toolCallId: "c1", result: { output: "a b" } },
        time: millis(3),
      },
      {
        type: "usage.record",
        model: "kimi-k2",
        usage: { inputOther: 9, output: 4, inputCacheRead: 2, inputCacheCreation: 0 },
        time: millis(4),
      },
      {
        type: "context.append_loop_event",
        event: { type: "content.part", stepUuid: "s2", part: { type: "text", text: "Two files." } },
        time: millis(5),
      },
    ],
    counts: { messages: { user: 1, assistant: 2, tool: 1 }, calls: 1, results: 1, input: 9, output: 4 },
  },
  {
    format: "kiro-lines",
    path: `sessions/cli/${uuid(77)}.jsonl`,
    thread: uuid(77),
    lines: [
      {
        version: "v1",
        kind: "Prompt",
        data: { message_id: "k1", content: [{ kind: "text", data: "list" }], meta: { timestamp: millis(1) / 1000 } },
      },
      {
        version: "v1",
        kind: "AssistantMessage",
        data: {
          message_id: "k2",
          content: [
            { kind: "text", data: "" },
            { kind: "toolUse", data: { toolUseId: "t1", name: "shell", input: { command: "ls" } } },
          ],
        },
      },
      {
        version: "v1",
        kind: "ToolResults",
        data: {
          message_id: "k3",
          content: [
            {
              kind: "toolResult",
              data: { toolUseId: "t1", content: [{ kind: "json", data: { stdout: "a b" } }], status: "success" },
            },
          ],
        },
      },
      {
        version: "v1",
        kind: "AssistantMessage",
        data: { message_id: "k4", content: [{ kind: "text", data: "Two files." }] },
      },
    ],
    counts: { messages: { user: 1, assistant: 2, tool: 1 }, calls: 1, results: 1, input: 0, output: 0 },
  },
  {
    format: "vscode-chat",
    path: `workspaceStorage/ab/chatSessions/${uuid(9)}.jsonl`,
    thread: uuid(9),
    title: "Retry",
    lines: [
      {
        kind: 0,
        v: {
          version: 3,
          sessionId: uuid(9),
          creationDate: millis(1),
          responderUsername: "GitHub Copilot",
          requests: [],
        },
      },
      { kind: 1, k: ["customTitle"], v: "Retry" },
      {
        kind: 2,
        k: ["requests"],
        v: [
          {
            requestId: "request_1",
            timestamp: millis(1),
            message: { text: "please fix it", parts: [] },
            response: [],
            modelId: "copilot/gpt-5.5",
          },
        ],
      },
      { kind: 2, k: ["requests", 0, "response"], v: [{ kind: "thinking", value: "hm" }, { value: "wrong words" }] },
      // What stood behind the first piece is taken back.
      { kind: 2, k: ["requests", 0, "response"], i: 1, v: [{ value: "fixed it" }] },
      {
        kind: 2,
        k: ["requests", 0, "response"],
        v: [
          {
            kind: "toolInvocationSerialized",
            toolCallId: "call_1",
            toolId: "copilot_readFile",
            isComplete: true,
            pastTenseMessage: { value: "Read a" },
          },
        ],
      },
      {
        kind: 1,
        k: ["requests", 0, "result"],
        v: { metadata: { promptTokens: 10, outputTokens: 2 } },
      },
      { kind: 1, k: ["inputState", "inputText"], v: "draft" },
    ],
    counts: { messages: { user: 1, assistant: 1 }, calls: 1, results: 1, input: 10, output: 2 },
  },
  {
    format: "langfuse",
    path: "observations.jsonl",
    thread: "lf-session",
    lines: [
      {
        id: "o1",
        traceId: "t1",
        sessionId: "lf-session",
        type: "GENERATION",
        name: "chat",
        startTime: at(1),
        model: "gpt-5",
        input: [{ role: "user", content: "weather in Ghent?" }],
        output: {
          role: "assistant",
          content: "",
          tool_calls: [{ id: "call_1", function: { name: "forecast", arguments: '{"city":"Ghent"}' } }],
        },
        usageDetails: { input: 11, output: 5, total: 16 },
      },
      {
        id: "o2",
        traceId: "t1",
        sessionId: "lf-session",
        type: "TOOL",
        name: "forecast",
        toolCallId: "call_1",
        startTime: at(2),
        endTime: at(3),
        input: { city: "Ghent" },
        output: "rain",
      },
      {
        id: "o3",
        traceId: "t1",
        sessionId: "lf-session",
        type: "GENERATION",
        name: "chat",
        startTime: at(4),
        model: "gpt-5",
        input: [
          { role: "user", content: "weather in Ghent?" },
          {
            role: "assistant",
            content: "",
            tool_calls: [{ id: "call_1", function: { name: "forecast", arguments: '{"city":"Ghent"}' } }],
          },
          { role: "tool", tool_call_id: "call_1", content: "rain" },
        ],
        output: { role: "assistant", content: "Take an umbrella." },
        usageDetails: { input: 20, output: 4, total: 24 },
      },
    ],
    counts: { messages: { user: 1, assistant: 2, tool: 1 }, calls: 1, results: 1, input: 31, output: 9 },
  },
  {
    format: "otel",
    path: "spans.jsonl",
    thread: "abc123",
    lines: [
      span(1, "chat gpt-5", {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.input.messages": JSON.stringify([asked]),
        "gen_ai.output.messages": JSON.stringify([{ role: "assistant", parts: [call], finish_reason: "tool_call" }]),
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 5,
      }),
      span(2, "execute_tool forecast", {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "forecast",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.call.arguments": '{"city":"Ghent"}',
        "gen_ai.tool.call.result": "rain",
      }),
      span(3, "chat gpt-5", {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.input.messages": JSON.stringify([asked, { role: "assistant", parts: [call] }, answer]),
        "gen_ai.output.messages": JSON.stringify([
          { role: "assistant", parts: [{ type: "text", content: "Take an umbrella." }] },
        ]),
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 4,
      }),
      // The span around them sums them up.
      span(4, "invoke_agent weather", {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "weather",
        "gen_ai.usage.input_tokens": 31,
        "gen_ai.usage.output_tokens": 9,
      }),
    ],
    counts: { messages: { user: 1, assistant: 2, tool: 1 }, calls: 1, results: 1, input: 31, output: 9 },
  },
];

/** Every line fixture, for the property that no line is of two formats. */
export const everyLine: ReadonlyArray<Pick<LineFixture, "format" | "lines">> = [...older, ...fixtures];
