/**
 * The interpreters, one per foreign format, by the format's name.
 *
 * Room: domain.
 */
import { anthropicMessages } from "./claude/anthropic-messages.ts";
import { antigravity } from "./editors/antigravity.ts";
import { claudeCode } from "./claude/claude-code.ts";
import { codexExec } from "./codex/codex-exec.ts";
import { codexTui } from "./codex/codex-tui.ts";
import { codex } from "./codex/codex.ts";
import { copilot } from "./editors/copilot.ts";
import { cursor } from "./editors/cursor.ts";
import { droid } from "./terminals/droid.ts";
import { geminiCli } from "./terminals/gemini-cli.ts";
import { grok } from "./terminals/grok.ts";
import { inspect } from "./traces/inspect.ts";
import type { Interpreter } from "./Interpreter.ts";
import { openaiChat } from "./chats/openai-chat.ts";
import { opencode } from "./terminals/opencode.ts";
import { pi } from "./terminals/pi.ts";
import { sweAgent } from "./traces/swe-agent.ts";
import { tau2 } from "./traces/tau2.ts";
import { whoAndWhen } from "./who-and-when.ts";
import { zen } from "./chats/zen.ts";
import { aider, specstory } from "./chats/markdown.ts";
import { amp } from "./terminals/amp.ts";
import { atif } from "./traces/atif.ts";
import { chatgpt } from "./chats/chatgpt.ts";
import { claudeAi } from "./claude/claude-ai.ts";
import { cline } from "./editors/cline.ts";
import { clineUi } from "./editors/cline-ui.ts";
import { continueDev } from "./editors/continue.ts";
import { kiro } from "./editors/kiro.ts";
import { kiroLines } from "./editors/kiro-lines.ts";
import { letta } from "./chats/letta.ts";
import { zed } from "./editors/zed.ts";
import { crush } from "./terminals/crush.ts";
import { cursorDb } from "./editors/cursor-db.ts";
import { gooseDb } from "./terminals/goose-db.ts";
import { hermes } from "./terminals/hermes.ts";
import { opencodeDb } from "./terminals/opencode-db.ts";
import { claudeHistory } from "./claude/claude-history.ts";
import { claudeStream } from "./claude/claude-stream.ts";
import { codexIndex } from "./codex/codex-index.ts";
import { goose } from "./terminals/goose.ts";
import { kimi } from "./terminals/kimi.ts";
import { kimiCode } from "./terminals/kimi-code.ts";
import { langfuse } from "./traces/langfuse.ts";
import { otel } from "./traces/otel.ts";
import { qwen } from "./terminals/qwen.ts";
import { vscodeChat } from "./editors/vscode-chat.ts";
import { a2a } from "./sdk/a2a.ts";
import { hookInterpreters } from "./hooks/hooks.ts";
import { aiSdk } from "./sdk/ai-sdk.ts";
import { langgraph } from "./sdk/langgraph.ts";
import { openaiAgents } from "./sdk/openai-agents.ts";

const all: ReadonlyArray<Interpreter> = [
  anthropicMessages,
  antigravity,
  claudeCode,
  codex,
  codexExec,
  codexTui,
  copilot,
  cursor,
  droid,
  geminiCli,
  grok,
  inspect,
  openaiChat,
  opencode,
  pi,
  sweAgent,
  tau2,
  whoAndWhen,
  zen,
  aider,
  specstory,
  amp,
  atif,
  chatgpt,
  claudeAi,
  cline,
  clineUi,
  continueDev,
  kiro,
  kiroLines,
  letta,
  zed,
  crush,
  cursorDb,
  gooseDb,
  hermes,
  opencodeDb,
  claudeHistory,
  claudeStream,
  codexIndex,
  goose,
  kimi,
  kimiCode,
  langfuse,
  otel,
  qwen,
  vscodeChat,
  ...hookInterpreters,
  openaiAgents,
  aiSdk,
  langgraph,
  a2a,
];

export const interpreters: ReadonlyMap<string, Interpreter> = new Map(
  all.map((interpreter) => [interpreter.format, interpreter]),
);
