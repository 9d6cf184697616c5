/**
 * A small conversation in every document shape that an agent has of its own, made by hand, with what is right about it.
 */
import type { JsonValue } from "../../../src/domain/Json.ts";
import type { Counts } from "./LineFixtures.ts";

export interface DocumentFixture {
  readonly format: string;
  readonly path: string;
  readonly thread: string;
  readonly document: JsonValue;
  /** What goes out again where that is not the document itself. */
  readonly exported?: JsonValue;
  /** Entries: the frame and the messages. */
  readonly entries: number;
  readonly counts: Counts;
  readonly title?: string;
  readonly cwd?: string;
  /** The document after the agent has gone on. */
  readonly grown: JsonValue;
}

const none = { calls: 0, results: 0, input: 0, output: 0 } as const;
const time = Date.parse("2026-03-04T05:06:01.000Z");
const at = (second: number): string => new Date(time + second * 1000).toISOString();

const node = (
  id: string,
  parent: string | null,
  role: string,
  content: JsonValue,
  more: Record<string, JsonValue> = {},
): JsonValue => ({
  id,
  parent,
  children: [],
  message: { id, author: { role }, create_time: time / 1000, content, ...more },
});
const words = (text: string): JsonValue => ({ content_type: "text", parts: [text] });
const mapping: Record<string, JsonValue> = {
  root: { id: "root", message: null, parent: null, children: ["n1"] },
  n1: node("n1", "root", "user", words("what is 6 times 7?")),
  n2: node("n2", "n1", "assistant", { content_type: "code", language: "python", text: "6*7" }, { recipient: "python" }),
  n3: node("n3", "n2", "tool", { content_type: "execution_output", text: "42" }),
  n4: node("n4", "n3", "assistant", words("It is 42."), { recipient: "all", metadata: { model_slug: "gpt-5" } }),
};
const chatgpt = (nodes: Record<string, JsonValue>): JsonValue => ({
  title: "Six times seven",
  create_time: time / 1000,
  mapping: nodes,
  current_node: "n4",
  conversation_id: "0a0b0c0d-1111-4000-8000-000000000001",
});

const spoken = (uuid: string, sender: string, text: string): JsonValue => ({
  uuid,
  sender,
  text,
  content: [{ type: "text", text }],
  created_at: at(1),
  attachments: sender === "human" ? [{ file_name: "notes.txt", extracted_content: "seven" }] : [],
});
const claudeAi = (messages: ReadonlyArray<JsonValue>): JsonValue => ({
  uuid: "0a0b0c0d-1111-4000-8000-000000000002",
  name: "Six times seven",
  created_at: at(0),
  updated_at: at(9),
  chat_messages: messages,
});

const request = (requestId: string, text: string): JsonValue => ({
  requestId,
  timestamp: time,
  message: { text, parts: [] },
  response: [{ value: "It is " }, { kind: "undoStop", id: "x" }, { value: "42." }],
  modelId: "copilot/gpt-5",
  result: {
    metadata: {
      promptTokens: 10,
      outputTokens: 2,
      toolCallRounds: [{ toolCalls: [{ id: "call_1", name: "calc", arguments: '{"a":6}' }] }],
      toolCallResults: { call_1: { content: [{ value: "42" }] } },
    },
  },
});
const vscode = (requests: ReadonlyArray<JsonValue>): JsonValue => ({
  version: 3,
  sessionId: "0a0b0c0d-1111-4000-8000-000000000003",
  customTitle: "Six times seven",
  creationDate: time,
  requests,
});

const ampMessages: ReadonlyArray<JsonValue> = [
  { role: "user", messageId: 0, content: [{ type: "text", text: "list" }], meta: { sentAt: time } },
  {
    role: "assistant",
    messageId: 1,
    content: [{ type: "tool_use", id: "toolu_1", name: "Bash", input: { cmd: "ls" } }],
    usage: { model: "opus", inputTokens: 10, outputTokens: 3, cacheReadInputTokens: 5 },
  },
  {
    role: "user",
    messageId: 2,
    content: [
      { type: "tool_result", toolUseID: "toolu_1", run: { status: "done", result: { output: "a b", exitCode: 0 } } },
    ],
  },
  {
    role: "assistant",
    messageId: 3,
    content: [{ type: "text", text: "Two." }],
    usage: { model: "opus", inputTokens: 4, outputTokens: 1 },
  },
];
const amp = (messages: ReadonlyArray<JsonValue>): JsonValue => ({
  v: 5,
  id: "T-0a0b0c0d-1111-4000-8000-000000000004",
  created: time,
  title: "List",
  env: { initial: { trees: [{ uri: "file:///home/ana/app" }] } },
  messages,
});

const continueHistory: ReadonlyArray<JsonValue> = [
  { message: { role: "user", content: "list" }, contextItems: [] },
  {
    message: {
      role: "assistant",
      content: "",
      toolCalls: [{ id: "c1", type: "function", function: { name: "ls", arguments: "{}" } }],
      usage: { promptTokens: 8, completionTokens: 2 },
    },
    toolCallStates: [{ toolCallId: "c1", status: "done", output: [{ name: "out", content: "a b" }] }],
  },
  { message: { role: "assistant", content: "Two." }, contextItems: [] },
];
const continueDev = (history: ReadonlyArray<JsonValue>): JsonValue => ({
  sessionId: "0a0b0c0d-1111-4000-8000-000000000005",
  title: "List",
  workspaceDirectory: "/home/ana/app",
  history,
});

const kiroHistory: ReadonlyArray<JsonValue> = [
  {
    user: {
      content: { Prompt: { prompt: "list" } },
      timestamp: at(0),
      env_context: { env_state: { current_working_directory: "/home/ana/app" } },
    },
    assistant: {
      ToolUse: {
        message_id: "m1",
        content: "",
        tool_uses: [{ id: "t1", name: "execute_bash", args: { command: "ls" } }],
      },
    },
  },
  {
    user: {
      content: {
        ToolUseResults: { tool_use_results: [{ tool_use_id: "t1", content: [{ Text: "a b" }], status: "Success" }] },
      },
    },
    assistant: { Response: { message_id: "m2", content: "Two." } },
  },
];
export const kiroDocument = (history: ReadonlyArray<JsonValue>): JsonValue => ({
  conversation_id: "0a0b0c0d-1111-4000-8000-000000000006",
  history,
});

const steps: ReadonlyArray<JsonValue> = [
  { step_id: 1, timestamp: at(0), source: "user", message: "list" },
  {
    step_id: 2,
    timestamp: at(1),
    source: "agent",
    message: "Looking.",
    tool_calls: [{ tool_call_id: "c1", function_name: "ls", arguments: {} }],
    observation: { results: [{ source_call_id: "c1", content: "a b" }] },
    metrics: { prompt_tokens: 20, completion_tokens: 4, cached_tokens: 10 },
  },
  {
    step_id: 3,
    timestamp: at(2),
    source: "agent",
    message: "Two.",
    metrics: { prompt_tokens: 5, completion_tokens: 1 },
  },
];
const atif = (list: ReadonlyArray<JsonValue>): JsonValue => ({
  schema_version: "ATIF-v1.7",
  session_id: "0a0b0c0d-1111-4000-8000-000000000007",
  agent: { name: "terminus", version: "2", model_name: "opus" },
  steps: list,
});

const lettaMessages: ReadonlyArray<JsonValue> = [
  { id: "message-1", role: "user", content: [{ type: "text", text: "hello" }], created_at: at(0) },
  {
    id: "message-2",
    role: "assistant",
    content: [{ type: "text", text: "hm" }],
    tool_calls: [{ id: "c1", type: "function", function: { name: "send_message", arguments: '{"message":"hi"}' } }],
    created_at: at(1),
  },
  { id: "message-3", role: "tool", content: [{ type: "text", text: "sent" }], tool_call_id: "c1", created_at: at(2) },
];
const lettaAgent = (messages: ReadonlyArray<JsonValue>): JsonValue => ({
  id: "agent-0a0b0c0d-1111-4000-8000-000000000008",
  name: "Ana's helper",
  llm_config: { model: "gpt-5" },
  messages,
});
const letta = (messages: ReadonlyArray<JsonValue>): JsonValue => ({
  agents: [lettaAgent(messages)],
  groups: [],
  blocks: [],
  tools: [],
});

const observations: ReadonlyArray<JsonValue> = [
  {
    id: "o1",
    type: "GENERATION",
    startTime: at(1),
    model: "gpt-5",
    input: '[{"role":"user","content":"hello"}]',
    output: "hi",
    usageDetails: { input: 3, output: 1 },
  },
];
const langfuse = (list: ReadonlyArray<JsonValue>): JsonValue => ({
  trace: { id: "0a0b0c0d1111400080000000000000009", name: "greeting", timestamp: at(0), sessionId: "s" },
  observations: list,
});
const secondTurn: JsonValue = {
  id: "o2",
  type: "GENERATION",
  startTime: at(2),
  input: '[{"role":"user","content":"hello"},{"role":"assistant","content":"hi"},{"role":"user","content":"thanks"}]',
  output: "welcome",
};

const clineMessages: ReadonlyArray<JsonValue> = [
  {
    role: "user",
    content: [
      { type: "text", text: "<task>list</task>" },
      {
        type: "text",
        text: "<environment_details>\n# Current Working Directory (/home/ana/app) Files\n</environment_details>",
      },
    ],
  },
  { role: "assistant", content: [{ type: "tool_use", id: "toolu_1", name: "list_files", input: { path: "." } }] },
  { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "a b" }] },
  { role: "assistant", content: [{ type: "text", text: "Two." }] },
];
const uiMessages: ReadonlyArray<JsonValue> = [
  { ts: time, type: "say", say: "task", text: "list the files" },
  {
    ts: time + 1,
    type: "say",
    say: "api_req_started",
    text: '{"tokensIn":10,"tokensOut":3,"cacheReads":2,"cost":0.1}',
  },
  { ts: time + 2, type: "say", say: "api_req_started", text: '{"tokensIn":12,"tokensOut":1,"cost":0.1}' },
];

export const documents: ReadonlyArray<DocumentFixture> = [
  {
    format: "chatgpt",
    path: "conversations.json",
    thread: "0a0b0c0d-1111-4000-8000-000000000001",
    title: "Six times seven",
    document: [chatgpt(mapping)],
    exported: chatgpt(mapping),
    entries: 6,
    counts: { messages: { user: 1, assistant: 2, tool: 1 }, calls: 1, results: 1, input: 0, output: 0 },
    grown: [chatgpt({ ...mapping, n5: node("n5", "n4", "user", words("thanks")) })],
  },
  {
    format: "claude-ai",
    path: "conversations.json",
    thread: "0a0b0c0d-1111-4000-8000-000000000002",
    title: "Six times seven",
    document: [claudeAi([spoken("u1", "human", "6 times 7?"), spoken("u2", "assistant", "42")])],
    exported: claudeAi([spoken("u1", "human", "6 times 7?"), spoken("u2", "assistant", "42")]),
    entries: 3,
    counts: { messages: { user: 1, assistant: 1 }, ...none },
    grown: [
      claudeAi([spoken("u1", "human", "6 times 7?"), spoken("u2", "assistant", "42"), spoken("u3", "human", "thanks")]),
    ],
  },
  {
    format: "vscode-chat",
    path: "chatSessions/a.json",
    thread: "0a0b0c0d-1111-4000-8000-000000000003",
    title: "Six times seven",
    document: vscode([request("request_1", "6 times 7?")]),
    entries: 2,
    counts: { messages: { user: 1, assistant: 1 }, calls: 1, results: 1, input: 10, output: 2 },
    grown: vscode([request("request_1", "6 times 7?"), request("request_2", "thanks")]),
  },
  {
    format: "amp",
    path: "threads/T-1.json",
    thread: "T-0a0b0c0d-1111-4000-8000-000000000004",
    title: "List",
    cwd: "/home/ana/app",
    document: amp(ampMessages),
    entries: 5,
    counts: { messages: { user: 2, assistant: 2 }, calls: 1, results: 1, input: 14, output: 4 },
    grown: amp([...ampMessages, { role: "user", messageId: 4, content: [{ type: "text", text: "thanks" }] }]),
  },
  {
    format: "continue",
    path: "sessions/c.json",
    thread: "0a0b0c0d-1111-4000-8000-000000000005",
    title: "List",
    cwd: "/home/ana/app",
    document: continueDev(continueHistory),
    entries: 4,
    counts: { messages: { user: 1, assistant: 2 }, calls: 1, results: 1, input: 8, output: 2 },
    grown: continueDev([...continueHistory, { message: { role: "user", content: "thanks" } }]),
  },
  {
    format: "kiro",
    path: "kiro.json",
    thread: "0a0b0c0d-1111-4000-8000-000000000006",
    cwd: "/home/ana/app",
    document: kiroDocument(kiroHistory),
    entries: 3,
    counts: { messages: { user: 1, assistant: 2, tool: 1 }, calls: 1, results: 1, input: 0, output: 0 },
    grown: kiroDocument([...kiroHistory, { user: { content: { Prompt: { prompt: "thanks" } } }, assistant: {} }]),
  },
  {
    format: "atif",
    path: "trajectory.json",
    thread: "0a0b0c0d-1111-4000-8000-000000000007",
    document: atif(steps),
    entries: 4,
    counts: { messages: { user: 1, assistant: 2, tool: 1 }, calls: 1, results: 1, input: 25, output: 5 },
    grown: atif([...steps, { step_id: 4, source: "user", message: "thanks" }]),
  },
  {
    format: "letta",
    path: "helper.af",
    thread: "agent-0a0b0c0d-1111-4000-8000-000000000008",
    title: "Ana's helper",
    document: letta(lettaMessages),
    exported: lettaAgent(lettaMessages),
    // And what the file says beside its agents.
    entries: 5,
    counts: { messages: { user: 1, assistant: 1, tool: 1 }, calls: 1, results: 1, input: 0, output: 0 },
    grown: letta([...lettaMessages, { id: "message-4", role: "user", content: "thanks", created_at: at(3) }]),
  },
  {
    format: "langfuse",
    path: "trace.json",
    thread: "0a0b0c0d1111400080000000000000009",
    title: "greeting",
    document: langfuse(observations),
    entries: 2,
    counts: { messages: { user: 1, assistant: 1 }, calls: 0, results: 0, input: 3, output: 1 },
    grown: langfuse([...observations, secondTurn]),
  },
  {
    format: "cline",
    path: "tasks/1772600761000/api_conversation_history.json",
    thread: "cline/1772600761000",
    cwd: "/home/ana/app",
    document: clineMessages,
    entries: 4,
    counts: { messages: { user: 2, assistant: 2 }, calls: 1, results: 1, input: 0, output: 0 },
    grown: [...clineMessages, { role: "user", content: "thanks" }],
  },
  {
    format: "cline-ui",
    path: "tasks/1772600761001/ui_messages.json",
    thread: "cline/1772600761001",
    title: "list the files",
    document: uiMessages,
    entries: 3,
    counts: { messages: {}, calls: 0, results: 0, input: 22, output: 4 },
    grown: [...uiMessages, { ts: time + 3, type: "say", say: "completion_result", text: "Two." }],
  },
];

/** A thread of Zed, as its database holds it. */
export const zedThread = (more: ReadonlyArray<JsonValue> = []): JsonValue => ({
  title: "List",
  updated_at: at(5),
  version: "0.3.0",
  model: { provider: "anthropic", model: "opus" },
  cumulative_token_usage: { input_tokens: 30, output_tokens: 5, cache_read_input_tokens: 7 },
  messages: [
    { User: { id: "u1", content: [{ Text: "list" }] } },
    {
      Agent: {
        content: [
          { Thinking: { text: "hm" } },
          { ToolUse: { id: "t1", name: "list_directory", input: { path: "." } } },
        ],
        tool_results: { t1: { tool_use_id: "t1", is_error: false, content: [{ Text: "a b" }] } },
      },
    },
    { Agent: { content: [{ Text: "Two." }], tool_results: {} } },
    ...more,
  ],
});
