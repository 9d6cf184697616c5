/**
 * The agent that wrote a transcript, for formats that do not name it: the format is its name.
 *
 * Room: domain.
 */
import type { ThreadDescribed } from "../Fact.ts";
import { hookAgents, hookFormat } from "./hooks/hookEvent.ts";
import type { Carry, Interpretation } from "./Interpreter.ts";

/** Shapes that any program may write: they say nothing of who did. */
const nobodys: ReadonlySet<string> = new Set([
  "openai-chat",
  "anthropic-messages",
  "who-and-when",
  "otel",
  "langfuse",
  "atif",
]);

/** Several formats of one agent. */
const agents: Readonly<Record<string, string>> = {
  "codex-exec": "codex",
  "codex-tui": "codex",
  "codex-index": "codex",
  "claude-stream": "claude-code",
  "claude-history": "claude-code",
  qwen: "qwen-code",
  "opencode-db": "opencode",
  "cursor-db": "cursor",
  "goose-db": "goose",
  "cline-ui": "cline",
  "kiro-lines": "kiro",
  "vscode-chat": "vscode-copilot",
  ...Object.fromEntries(hookAgents.map((agent) => [hookFormat(agent), agent])),
};

/** Tells once in a thread which agent it was held with; before the entry's own facts, so that those know better. */
export const withAgent = (format: string, carry: Carry, told: Interpretation): Interpretation => {
  if (carry["agent"] !== undefined || nobodys.has(format)) return told;
  const agent = Object.hasOwn(agents, format) ? (agents[format] ?? format) : format;
  const described: ThreadDescribed = { _tag: "ThreadDescribed", tool: agent, client: { name: agent } };
  return { facts: [described, ...told.facts], carry: { ...(told.carry ?? carry), agent } };
};
