/** An agent of the Agent Client Protocol that does what its prompt says: it reads, asks for permission, fails, or waits to be cancelled. */
import { createInterface } from "node:readline";

type Json = Record<string, unknown>;
const write = (message: Json) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
const sessionId = "s-1";
const update = (what: Json) => write({ method: "session/update", params: { sessionId, update: what } });
const chunk = (sessionUpdate: string, text: string) => update({ sessionUpdate, content: { type: "text", text } });
let prompt: unknown;

const answers: Readonly<Record<string, (id: unknown, params: Json) => void>> = {
  initialize: (id) =>
    write({
      id,
      result: {
        protocolVersion: 1,
        agentInfo: { name: "scripted", version: "2" },
        agentCapabilities: { loadSession: true },
      },
    }),
  "session/new": (id) => write({ id, result: { sessionId } }),
  "session/load": (id) => {
    chunk("user_message_chunk", "Told again.");
    chunk("agent_message_chunk", "This too.");
    write({ id, result: null });
  },
  "session/prompt": (id, params) => {
    const [{ text }] = params["prompt"] as [{ text: string }];
    if (text === "wait") return void (prompt = id);
    if (text === "fail") return void write({ id, error: { code: -32_000, message: "out of tokens" } });
    for (const piece of ["I ", "think."]) chunk("agent_thought_chunk", piece);
    for (const piece of ["Let me ", "look."]) chunk("agent_message_chunk", piece);
    update({ sessionUpdate: "tool_call", toolCallId: "t1", title: "Read a.txt", kind: "read", status: "pending" });
    update({ sessionUpdate: "tool_call_update", toolCallId: "t1", status: "in_progress", rawInput: { path: "a.txt" } });
    prompt = id;
    const options = [{ optionId: "yes", name: "Yes", kind: "allow_once" }];
    write({
      id: 900,
      method: "session/request_permission",
      params: { sessionId, toolCall: { toolCallId: "t1" }, options },
    });
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params = {} } = JSON.parse(line) as { id?: unknown; method?: string; params?: Json };
  if (method !== undefined) answers[method]?.(id, params);
  if (method === "session/cancel") write({ id: prompt, result: { stopReason: "cancelled" } });
  if (method !== undefined || id !== 900) return;
  const content = [{ type: "content", content: { type: "text", text: "hello" } }];
  update({ sessionUpdate: "tool_call_update", toolCallId: "t1", status: "completed", content });
  update({ sessionUpdate: "plan", entries: [{ content: "read", priority: "high", status: "completed" }] });
  chunk("agent_message_chunk", "It says hello.");
  update({ sessionUpdate: "session_info_update", title: "Reading a.txt" });
  write({ id: prompt, result: { stopReason: "end_turn" } });
});
