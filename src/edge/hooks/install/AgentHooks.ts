/**
 * The hooks of each agent: file, events, and the form of our entry there.
 *
 * Room: edge.
 *
 * Read off Claude Code 2.1, Codex 0.163, Gemini CLI 0.30, Cursor 3.24, Copilot CLI 1 and OpenCode 1.17.
 *
 * Decision: of Claude Code's events WorktreeCreate is left out, because a hook there takes the place of `git worktree`;
 * MessageDisplay, because it is run for pieces of an answer that come whole at the end; FileChanged, because it is run for
 * files that it names. Events of Claude Code that take no HTTP hook, and all of Codex, Gemini CLI and Cursor, run a command.
 */
import type { HookAgent } from "../../../domain/interpret/hooks/hookEvent.ts";

export interface HookOptions {
  /** For example `http://127.0.0.1:4280`. */
  readonly url: string;
  readonly token: string;
  /** Path of the script that posts, and of the Node that runs it. */
  readonly script: string;
  readonly node: string;
  /** Sessions are told of earlier ones at their start. */
  readonly isBriefed: boolean;
  /** True when the agent refuses what cannot be recorded, where it can refuse. */
  readonly isClosed: boolean;
}

type Entry = Readonly<Record<string, unknown>>;

/** Hooks in a JSON file: `hooks.<event>` is a list of entries. */
interface InFile {
  readonly kind: "entries";
  /** Content that a new file begins with. */
  readonly empty: Entry;
  readonly entries: (options: HookOptions) => Readonly<Record<string, Entry>>;
}

/** Hooks in a file of our own. */
interface OwnFile {
  readonly kind: "file";
  readonly text: (options: HookOptions) => string;
}

export interface AgentHooks {
  readonly agent: HookAgent;
  readonly name: string;
  /** The variable that moves the agent's folder, and where it is in the home folder. */
  readonly variable?: string;
  readonly below?: string;
  readonly inHome: string;
  readonly file: string;
  readonly how: InFile | OwnFile;
  /** Said after an install. */
  readonly note?: string;
}

/** Quotes of the shell that runs the command: between single ones `sh` takes every sign as it is. */
const quotes = (word: string): string =>
  process.platform === "win32" ? `"${word.replaceAll('"', '\\"')}"` : `'${word.replaceAll("'", "'\\''")}'`;

const quoted = (word: string): string => (/^[\w@%+=:,./~-]+$/.test(word) ? word : quotes(word));

const commandOf = (
  agent: HookAgent,
  { isBriefed, isClosed, node, script }: HookOptions,
  event: { readonly name?: string; readonly isStart?: boolean; readonly isBefore?: boolean },
): string =>
  [
    quoted(node),
    quoted(script),
    agent,
    ...(event.name === undefined ? [] : [event.name]),
    ...(isBriefed && event.isStart === true ? ["--brief"] : []),
    ...(isClosed && event.isBefore === true ? ["--fail-closed"] : []),
  ].join(" ");

/** Seconds that an agent waits for us at most; the script itself gives up after one. */
const timeoutSeconds = 2;

const claudeHttp = [
  "UserPromptSubmit",
  "PreToolUse",
  "PermissionRequest",
  "PostToolUse",
  "PostToolUseFailure",
  "SubagentStop",
  "TaskCompleted",
  "Stop",
];
const claudeCommand = [
  "SessionStart",
  "Setup",
  "InstructionsLoaded",
  "UserPromptExpansion",
  "PreSkillShellCommand",
  "PermissionDenied",
  "PostToolBatch",
  "Notification",
  "SubagentStart",
  "TaskCreated",
  "TeammateIdle",
  "PreModelSwitch",
  "PostModelSwitch",
  "PreCompact",
  "PostCompact",
  "ConfigChange",
  "CwdChanged",
  "DirectoryAdded",
  "WorktreeRemove",
  "Elicitation",
  "ElicitationResult",
  "StopFailure",
  "SessionEnd",
];

const claudeHandler = (event: string, options: HookOptions): Entry => {
  if (claudeHttp.includes(event))
    return {
      type: "http",
      url: `${options.url}/hooks/claude-code`,
      headers: { Authorization: `Bearer ${options.token}` },
      timeout: timeoutSeconds,
      ...(options.isClosed && event === "PreToolUse" ? { onFailure: "block" } : {}),
    };
  const isStart = event === "SessionStart";
  // The start waits for its brief, and the end for its last word; all others go on at once.
  const isAwaited = (isStart && options.isBriefed) || event === "SessionEnd";
  return {
    type: "command",
    command: commandOf("claude-code", options, { isStart }),
    timeout: timeoutSeconds,
    ...(isAwaited ? {} : { async: true }),
  };
};

const eachOf = (events: ReadonlyArray<string>, entry: (event: string) => Entry): Readonly<Record<string, Entry>> =>
  Object.fromEntries(events.map((event) => [event, entry(event)]));

const codexEvents = [
  "SessionStart",
  "UserPromptSubmit",
  "PreToolUse",
  "PermissionRequest",
  "PostToolUse",
  "PreCompact",
  "PostCompact",
  "SubagentStart",
  "SubagentStop",
  "Stop",
];

/** Without those that carry whole requests to the model and their answers. */
const geminiEvents = [
  "SessionStart",
  "SessionEnd",
  "BeforeAgent",
  "AfterAgent",
  "BeforeTool",
  "AfterTool",
  "PreCompress",
  "Notification",
];

/** Without those for single kinds of tools, which tell the same calls again. */
const cursorEvents = [
  "sessionStart",
  "sessionEnd",
  "beforeSubmitPrompt",
  "afterAgentResponse",
  "preToolUse",
  "postToolUse",
  "postToolUseFailure",
  "subagentStart",
  "subagentStop",
  "preCompact",
  "stop",
];

const copilotEvents = [
  "sessionStart",
  "sessionEnd",
  "userPromptSubmitted",
  "preToolUse",
  "postToolUse",
  "postToolUseFailure",
  "permissionRequest",
  "agentStop",
  "subagentStart",
  "subagentStop",
  "preCompact",
  "notification",
  "errorOccurred",
];

const copilotFile = (options: HookOptions): string => {
  const hooks = eachOf(copilotEvents, (event) => ({
    type: "http",
    url: `${options.url}/hooks/copilot?event=${event}${options.isBriefed && event === "sessionStart" ? "&brief=1" : ""}`,
    headers: { Authorization: `Bearer ${options.token}` },
    timeoutSec: timeoutSeconds,
  }));
  const listed = Object.fromEntries(Object.entries(hooks).map(([event, entry]) => [event, [entry]]));
  return `${JSON.stringify({ version: 1, hooks: listed }, null, 2)}\n`;
};

const openCodeFile = ({
  isClosed,
  token,
  url,
}: HookOptions): string => `// Written by \`recollect hooks install\`; \`recollect hooks remove opencode\` takes it away.
const post = async (event, payload) => {
  const answer = await fetch(${JSON.stringify(`${url}/hooks/opencode`)} + "?event=" + event, {
    method: "POST",
    headers: { authorization: ${JSON.stringify(`Bearer ${token}`)}, "content-type": "application/json" },
    body: JSON.stringify(payload),
    signal: AbortSignal.timeout(1000),
  });
  if (!answer.ok) throw new Error("Recollect cannot record this: status " + answer.status);
};
const told = (event, payload) => post(event, payload).catch(() => undefined);
const kept = new Set(["session.created", "session.idle", "session.compacted", "session.deleted", "session.error"]);

export const Recollect = async ({ directory }) => ({
  event: async ({ event }) => {
    const { info, sessionID } = event.properties ?? {};
    if (kept.has(event.type)) void told(event.type, { sessionID: sessionID ?? info?.id, directory, properties: event.properties });
  },
  "chat.message": async (input, output) => {
    const prompt = (output?.parts ?? []).flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\\n");
    void told("chat.message", { sessionID: input?.sessionID, directory, prompt });
  },
  "tool.execute.before": async (input, output) => {
    const payload = { ...input, args: output?.args, directory };
    ${isClosed ? 'await post("tool.execute.before", payload);' : 'void told("tool.execute.before", payload);'}
  },
  "tool.execute.after": async (input, output) => {
    void told("tool.execute.after", { ...input, output: output?.output, directory });
  },
});
`;

const nested = (handler: Entry): Entry => ({ hooks: [handler] });

export const agentHooks: ReadonlyArray<AgentHooks> = [
  {
    agent: "claude-code",
    name: "Claude Code",
    variable: "CLAUDE_CONFIG_DIR",
    inHome: ".claude",
    file: "settings.json",
    how: {
      kind: "entries",
      empty: {},
      entries: (options) => eachOf([...claudeHttp, ...claudeCommand], (event) => nested(claudeHandler(event, options))),
    },
  },
  {
    agent: "codex",
    name: "Codex",
    variable: "CODEX_HOME",
    inHome: ".codex",
    file: "hooks.json",
    how: {
      kind: "entries",
      empty: {},
      entries: (options) =>
        eachOf(codexEvents, (event) =>
          nested({
            type: "command",
            command: commandOf("codex", options, {
              isStart: event === "SessionStart",
              isBefore: event === "PreToolUse",
            }),
            timeout: timeoutSeconds,
          }),
        ),
    },
    note: "Codex runs a new hook once you have trusted it: it asks at its next start, or /hooks.",
  },
  {
    agent: "gemini-cli",
    name: "Gemini CLI",
    inHome: ".gemini",
    file: "settings.json",
    how: {
      kind: "entries",
      empty: {},
      entries: (options) =>
        eachOf(geminiEvents, (event) =>
          nested({
            type: "command",
            name: "recollect",
            command: commandOf("gemini-cli", options, {
              isStart: event === "SessionStart",
              isBefore: event === "BeforeTool",
            }),
            timeout: timeoutSeconds * 1000,
          }),
        ),
    },
  },
  {
    agent: "cursor",
    name: "Cursor",
    inHome: ".cursor",
    file: "hooks.json",
    how: {
      kind: "entries",
      empty: { version: 1 },
      entries: (options) =>
        eachOf(cursorEvents, (event) => ({
          command: commandOf("cursor", options, {
            isStart: event === "sessionStart",
            isBefore: event === "preToolUse",
          }),
          timeout: timeoutSeconds,
          ...(options.isClosed && event === "preToolUse" ? { failClosed: true } : {}),
        })),
    },
    note: "Cursor reads its hooks when it starts.",
  },
  {
    agent: "copilot",
    name: "GitHub Copilot CLI",
    variable: "COPILOT_HOME",
    inHome: ".copilot",
    file: "hooks/recollect.json",
    how: { kind: "file", text: copilotFile },
  },
  {
    agent: "opencode",
    name: "OpenCode",
    variable: "XDG_CONFIG_HOME",
    below: "opencode",
    inHome: ".config/opencode",
    file: "plugins/recollect.js",
    how: { kind: "file", text: openCodeFile },
  },
];

/** True when a handler is one of ours, of whatever port, token and folder. */
export const isOurs = (agent: HookAgent, handler: unknown): boolean => {
  if (typeof handler !== "object" || handler === null) return false;
  const { command, url } = handler as Entry;
  if (typeof url === "string")
    return new RegExp(`^https?://(?:127\\.0\\.0\\.1|localhost):\\d+/hooks/${agent}(?:\\?|$)`).test(url);
  return typeof command === "string" && command.includes("recollect-hook.mjs");
};
