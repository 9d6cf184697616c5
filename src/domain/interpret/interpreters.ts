/**
 * The interpreters, one per foreign format, by the format's name.
 *
 * Room: domain.
 */
import { anthropicMessages } from "./anthropic-messages.ts";
import { antigravity } from "./antigravity.ts";
import { claudeCode } from "./claude-code.ts";
import { codexExec } from "./codex-exec.ts";
import { codexTui } from "./codex-tui.ts";
import { codex } from "./codex.ts";
import { copilot } from "./copilot.ts";
import { cursor } from "./cursor.ts";
import { droid } from "./droid.ts";
import { geminiCli } from "./gemini-cli.ts";
import { grok } from "./grok.ts";
import { inspect } from "./inspect.ts";
import type { Interpreter } from "./Interpreter.ts";
import { openaiChat } from "./openai-chat.ts";
import { opencode } from "./opencode.ts";
import { pi } from "./pi.ts";
import { sweAgent } from "./swe-agent.ts";
import { tau2 } from "./tau2.ts";
import { whoAndWhen } from "./who-and-when.ts";
import { zen } from "./zen.ts";
import { aider, specstory } from "./markdown.ts";
import { amp } from "./amp.ts";
import { atif } from "./atif.ts";
import { chatgpt } from "./chatgpt.ts";
import { claudeAi } from "./claude-ai.ts";
import { cline } from "./cline.ts";
import { clineUi } from "./cline-ui.ts";
import { continueDev } from "./continue.ts";
import { kiro } from "./kiro.ts";
import { letta } from "./letta.ts";
import { zed } from "./zed.ts";
import { crush } from "./crush.ts";
import { cursorDb } from "./cursor-db.ts";
import { gooseDb } from "./goose-db.ts";
import { hermes } from "./hermes.ts";
import { opencodeDb } from "./opencode-db.ts";
import { claudeHistory } from "./claude-history.ts";
import { claudeStream } from "./claude-stream.ts";
import { codexIndex } from "./codex-index.ts";
import { goose } from "./goose.ts";
import { kimi } from "./kimi.ts";
import { langfuse } from "./langfuse.ts";
import { otel } from "./otel.ts";
import { qwen } from "./qwen.ts";
import { vscodeChat } from "./vscode-chat.ts";

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
  langfuse,
  otel,
  qwen,
  vscodeChat,
];

export const interpreters: ReadonlyMap<string, Interpreter> = new Map(
  all.map((interpreter) => [interpreter.format, interpreter]),
);
