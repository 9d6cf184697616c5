/** A made-up history of the world: the same events for the same number, with every kind of event and of trouble in it. */
import type { LogEntry } from "../../src/domain/Event.ts";
import { session, task, thread } from "../../src/domain/History.ts";
import { event, misfit, said } from "./StubLog.ts";

/** Codex names its model once a turn: what its messages mean depends on what came before in their thread. */
const codex = (n: number, id: string, type: string, payload: object) =>
  event(
    n,
    "thread.entry_recorded",
    { format: "codex", entry: { timestamp: "2026-01-01T00:00:00Z", type, payload } },
    { in: thread(`codex ${id}`) },
  );

const kinds: ReadonlyArray<(sequence: number, id: string) => LogEntry> = [
  (n, id) => said(n, `the word number ${n} of ${id}`, { in: thread(id), role: n % 2 === 0 ? "user" : "assistant" }),
  (n, id) =>
    event(n, "thread.opened", { title: `Thread ${n}`, tool: "claude-code", tags: [`tag${n % 3}`] }, { in: thread(id) }),
  (n, id) =>
    event(
      n,
      "thread.tool_called",
      { callId: `c${n % 11}`, name: `Tool${n % 4}`, arguments: { n } },
      { in: thread(id) },
    ),
  (n, id) =>
    event(
      n,
      "thread.tool_returned",
      { callId: `c${n % 11}`, outcome: "ok", result: "r".repeat(n % 50), durationMillis: n / 8 },
      { in: thread(id) },
    ),
  (n, id) =>
    event(
      n,
      "thread.message_appended",
      {
        messageId: `m${n % 5}`,
        role: "assistant",
        model: `model${n % 2}`,
        parts: Array.from({ length: n % 4 }, (_, part) => ({
          type: part === 1 ? "thinking" : "text",
          text: `part ${part} of ${n}`,
        })),
        usage: { input: n, output: n % 7 },
        requestId: `r${n % 5}`,
      },
      { in: thread(id) },
    ),
  (n, id) => event(n, "task.submitted", { request: { agentType: "coder" }, threadId: id }, { in: task(`k${n % 9}`) }),
  (n) => event(n, "task.progressed", { message: `at ${n}`, progress: n }, { in: task(`k${n % 9}`) }),
  (n, id) => event(n, "session.started", { client: { name: "cli" }, threadId: id }, { in: session(`s${n}`) }),
  (n) => misfit(n, "no event at all"),
  (n, id) => event(n, "thread.message_appended", { neither: "fish nor fowl" }, { in: thread(id) }),
  (n, id) => event(n, "thread.unheard_of", { n }, { in: thread(id), actor: "ann", correlationId: `chain ${n % 4}` }),
  (n, id) => codex(n, id, "turn_context", { model: `gpt-${n % 3}`, cwd: "/home/ann/project" }),
  (n, id) =>
    codex(n, id, "response_item", {
      type: "message",
      role: "assistant",
      content: [{ type: "output_text", text: `codex says ${n}` }],
    }),
  (n, id) => event(n, "thread.renamed", "{not json", { in: thread(id) }),
  (n, id) => event(n, "thread.tagged", { remove: [`tag${n % 3}`], add: ["done"] }, { in: thread(id) }),
];

/** Events 1 to `count`. `seed` chooses which. */
export const conversation = (count: number, seed = 1): ReadonlyArray<LogEntry> => {
  let state = seed;
  const next = (below: number) => (state = (state * 48_271) % 2_147_483_647) % below;
  return Array.from({ length: count }, (_, index) => {
    const make = kinds[next(kinds.length)] ?? ((n: number) => misfit(n, "none"));
    return make(index + 1, `t${next(6)}`);
  });
};
