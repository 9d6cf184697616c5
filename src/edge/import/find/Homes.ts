/**
 * The homes of agents' transcripts on this machine.
 *
 * Room: edge.
 *
 * Variables that move an agent's folder are looked at, and where it is by default as well: whoever moved one may have left
 * older sessions behind. Editors keep theirs below the system's folder for applications.
 */
import { Effect, Path } from "effect";
import { homeFolder, variable } from "../../../machine/UserFolders.ts";
import type { Format } from "../Entry.ts";

/** Place of an agent's transcripts, and the names of its files. */
export interface Home {
  readonly agent: string;
  readonly format: Format;
  /** The environment variable that moves the agent's folder, and the folder below the value where it is not that itself. */
  readonly variable?: string;
  readonly below?: string;
  /** Default place of the agent's folder, in the user's home. */
  readonly inHome?: ReadonlyArray<string>;
  /** The same in the system's folder for applications. */
  readonly inApplications?: ReadonlyArray<string>;
  /** Folders in it, or files. */
  readonly folders: ReadonlyArray<string>;
  /** Pattern of transcripts among the files below, for the path from there, with `/`. */
  readonly isTranscript: RegExp;
}

const lines = /\.jsonl(?:\.zst|\.gz)?$/;
const anything = /(?:)/;

const codes = ["Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf"].map((name) => `${name}/User`);
const data = (name: string) => ({ variable: "XDG_DATA_HOME", below: name, inHome: [`.local/share/${name}`] });

const tasks = (agent: string, extension: string): Home => ({
  agent,
  format: "cline",
  inApplications: codes.map((code) => `${code}/globalStorage/${extension}`),
  folders: ["tasks"],
  isTranscript: /(?:^|\/)(?:api_conversation_history|ui_messages)\.json$/,
});

export const homes: ReadonlyArray<Home> = [
  {
    agent: "Claude Code",
    format: "claude-code",
    variable: "CLAUDE_CONFIG_DIR",
    inHome: [".claude", ".config/claude"],
    folders: ["projects"],
    isTranscript: lines,
  },
  {
    agent: "Claude Code's prompts",
    format: "claude-history",
    variable: "CLAUDE_CONFIG_DIR",
    inHome: [".claude", ".config/claude"],
    folders: ["history.jsonl"],
    isTranscript: anything,
  },
  {
    agent: "Codex",
    format: "codex",
    variable: "CODEX_HOME",
    inHome: [".codex"],
    folders: ["sessions", "archived_sessions"],
    isTranscript: lines,
  },
  {
    agent: "Codex' names of sessions",
    format: "codex-index",
    variable: "CODEX_HOME",
    inHome: [".codex"],
    folders: ["session_index.jsonl"],
    isTranscript: anything,
  },
  {
    agent: "Gemini CLI",
    format: "gemini-cli",
    inHome: [".gemini"],
    folders: ["tmp"],
    isTranscript: /(?:^|\/)chats\/(?:[^/]+\/)?[^/]+\.jsonl?$/,
  },
  {
    agent: "Qwen Code",
    format: "qwen",
    inHome: [".qwen"],
    folders: ["projects", "tmp"],
    isTranscript: /(?:^|\/)chats\/[^/]+\.jsonl?$/,
  },
  {
    agent: "GitHub Copilot CLI",
    format: "copilot",
    inHome: [".copilot"],
    folders: ["session-state"],
    // Below a session's `files/` lie the files of its work.
    isTranscript: /^(?:[^/]+\/events|[^/]+)\.jsonl$/,
  },
  {
    agent: "VS Code chat",
    format: "vscode-chat",
    inApplications: codes,
    folders: ["workspaceStorage", "globalStorage/emptyWindowChatSessions", "globalStorage/transferredChatSessions"],
    isTranscript: /(?:^|\/)chatSessions\/[^/]+\.jsonl?$|^[^/]+\.jsonl?$/,
  },
  {
    agent: "Cursor's agent",
    format: "cursor",
    inHome: [".cursor"],
    folders: ["projects"],
    isTranscript: /(?:^|\/)agent-transcripts\/.*\.jsonl$/,
  },
  {
    agent: "Cursor",
    format: "cursor-db",
    inApplications: ["Cursor/User/globalStorage"],
    folders: ["state.vscdb"],
    isTranscript: anything,
  },
  tasks("Cline", "saoudrizwan.claude-dev"),
  tasks("Roo Code", "rooveterinaryinc.roo-cline"),
  tasks("Kilo Code", "kilocode.kilo-code"),
  {
    agent: "Cline",
    format: "cline",
    inHome: [".cline/data"],
    folders: ["sessions", "tasks"],
    isTranscript: /\.messages\.json$|(?:^|\/)(?:api_conversation_history|ui_messages)\.json$/,
  },
  {
    agent: "Continue",
    format: "continue",
    inHome: [".continue"],
    folders: ["sessions"],
    isTranscript: /^(?!sessions\.json$)[^/]+\.json$/,
  },
  { agent: "Droid", format: "droid", inHome: [".factory"], folders: ["sessions"], isTranscript: lines },
  { agent: "pi", format: "pi", inHome: [".pi/agent"], folders: ["sessions"], isTranscript: lines },
  { agent: "Grok", format: "grok", inHome: [".grok"], folders: ["sessions"], isTranscript: /chat_history\.jsonl$/ },
  {
    agent: "Kimi",
    format: "kimi",
    variable: "KIMI_SHARE_DIR",
    inHome: [".kimi"],
    folders: ["sessions"],
    isTranscript: /(?:wire|context)\.jsonl$/,
  },
  {
    agent: "Kimi Code",
    format: "kimi-code",
    variable: "KIMI_CODE_HOME",
    inHome: [".kimi-code"],
    folders: ["sessions"],
    isTranscript: /(?:^|\/)wire\.jsonl$/,
  },
  {
    agent: "Hermes",
    format: "hermes",
    variable: "HERMES_HOME",
    inHome: [".hermes"],
    folders: ["state.db"],
    isTranscript: anything,
  },
  { agent: "Amp", format: "amp", ...data("amp"), folders: ["threads"], isTranscript: /\.json$/ },
  { agent: "Goose", format: "goose", ...data("goose"), folders: ["sessions"], isTranscript: /\.jsonl$|^sessions\.db$/ },
  { agent: "Zed", format: "zed", ...data("zed"), folders: ["threads/threads.db"], isTranscript: anything },
  { agent: "Zed", format: "zed", inApplications: ["Zed"], folders: ["threads/threads.db"], isTranscript: anything },
  { agent: "Kiro CLI", format: "kiro", ...data("kiro-cli"), folders: ["data.sqlite3"], isTranscript: anything },
  {
    agent: "Kiro CLI",
    format: "kiro-lines",
    variable: "KIRO_HOME",
    inHome: [".kiro"],
    folders: ["sessions/cli"],
    isTranscript: lines,
  },
  { agent: "Crush", format: "crush", ...data("crush"), folders: ["crush.db"], isTranscript: anything },
  {
    agent: "OpenCode",
    format: "opencode",
    ...data("opencode"),
    folders: ["storage"],
    isTranscript: /^(?:session|message|part)\/.*\.json$/,
  },
  { agent: "OpenCode", format: "opencode-db", ...data("opencode"), folders: ["opencode.db"], isTranscript: anything },
];

/** Folder of applications' data: one on each system. */
const applications = Effect.gen(function* () {
  const path = yield* Path.Path;
  const home = yield* homeFolder;
  if (process.platform === "darwin") return path.join(home, "Library", "Application Support");
  const named = yield* variable(process.platform === "win32" ? "APPDATA" : "XDG_CONFIG_HOME");
  return path.isAbsolute(named) ? named : path.join(home, ".config");
});

/** The folders an agent may write to. */
export const rootsOf = Effect.fnUntraced(function* (home: Home) {
  const { below = "", inApplications = [], inHome = [], variable: name } = home;
  const path = yield* Path.Path;
  const user = yield* homeFolder;
  const system = yield* applications;
  const moved = name === undefined ? "" : yield* variable(name);
  const usual = [
    ...inHome.map((folder) => path.join(user, folder)),
    ...inApplications.map((folder) => path.join(system, folder)),
  ];
  return new Set(moved === "" ? usual : [path.resolve(moved, below), ...usual]);
});
