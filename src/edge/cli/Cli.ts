/**
 * The command line: every command, under one root, each loaded when it is called.
 *
 * Room: edge.
 */
import { Command } from "effect/cli";
import type { commandNames } from "../../machine/CalledAs.ts";
import { recollect } from "./Flags.ts";

const commands = {
  up: () => import("./Up.ts").then(({ up }) => up),
  open: () => import("./http/Open.ts").then(({ open }) => open),
  import: () => import("./Import.ts").then(({ importCommand }) => importCommand),
  sources: () => import("./Sources.ts").then(({ sources }) => sources),
  export: () => import("./Export.ts").then(({ exportCommand }) => exportCommand),
  wrap: () => import("./Wrap.ts").then(({ wrap }) => wrap),
  acp: () => import("./Acp.ts").then(({ acp }) => acp),
  mcp: () => import("./Mcp.ts").then(({ mcp }) => mcp),
  hooks: () => import("./live/Hooks.ts").then(({ hooksCommand }) => hooksCommand),
  search: () => import("./threads/Search.ts").then(({ searchCommand }) => searchCommand),
  threads: () => import("./threads/Threads.ts").then(({ threads }) => threads),
  thread: () => import("./threads/Thread.ts").then(({ threadCommand }) => threadCommand),
  resume: () => import("./threads/Resume.ts").then(({ resume }) => resume),
  "hand-over": () => import("./threads/HandOver.ts").then(({ handOver }) => handOver),
  files: () => import("./coordination/Files.ts").then(({ files }) => files),
  tail: () => import("./threads/Tail.ts").then(({ tail }) => tail),
  sql: () => import("./ask/Sql.ts").then(({ sql }) => sql),
  dictionary: () => import("./ask/Dictionary.ts").then(({ dictionaryCommand }) => dictionaryCommand),
  cost: () => import("./ask/Cost.ts").then(({ cost }) => cost),
  query: () => import("./ask/Queries.ts").then(({ queryCommand }) => queryCommand),
  report: () => import("./ask/Report.ts").then(({ report }) => report),
  stats: () => import("./ask/Stats.ts").then(({ stats }) => stats),
  tasks: () => import("./tasks/Tasks.ts").then(({ tasks }) => tasks),
  task: () => import("./tasks/Tasks.ts").then(({ task }) => task),
  sessions: () => import("./coordination/Sessions.ts").then(({ sessions }) => sessions),
  inbox: () => import("./coordination/Inbox.ts").then(({ inbox }) => inbox),
  config: () => import("./coordination/Config.ts").then(({ config }) => config),
  limits: () => import("./coordination/Limits.ts").then(({ limits }) => limits),
  cache: () => import("./coordination/Cache.ts").then(({ cache }) => cache),
  status: () => import("./record/Status.ts").then(({ status }) => status),
  check: () => import("./record/Check.ts").then(({ check }) => check),
  scan: () => import("./record/Scan.ts").then(({ scan }) => scan),
  service: () => import("./Service.ts").then(({ service }) => service),
  spool: () => import("./spool/Spool.ts").then(({ spool }) => spool),
  rebuild: () => import("./record/RebuildVerify.ts").then(({ rebuild }) => rebuild),
  verify: () => import("./record/RebuildVerify.ts").then(({ verify }) => verify),
  heal: () => import("./record/Heal.ts").then(({ heal }) => heal),
  access: () => import("./Access.ts").then(({ access }) => access),
  backup: () => import("./record/Backup.ts").then(({ backup }) => backup),
  restore: () => import("./record/Restore.ts").then(({ restore }) => restore),
} as const satisfies Readonly<Record<(typeof commandNames)[number], unknown>>;

type Name = keyof typeof commands;

const isName = (word: string): word is Name => Object.hasOwn(commands, word);

/** Flags of the root, before a command's name, that take the word behind them. */
const takesNext = new Set(
  [
    "data",
    "nats-url",
    "as-of",
    "log-level",
    "log-format",
    "creds",
    "nkey",
    "inbox-prefix",
    "tls-ca",
    "tls-cert",
    "tls-key",
  ].map((flag) => `--${flag}`),
);

/** The command that is called. Undefined: none, or the words must be read with all of them at hand. */
export const commandIn = (words: ReadonlyArray<string>): Name | undefined => {
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (takesNext.has(word)) at++;
    else if (!takesNext.has(word.split("=", 1)[0] ?? "")) return isName(word) ? word : undefined;
  }
  return undefined;
};

/** The root with the command that these words call, else with all: help, completions and advice want every one. */
export const cliFor = async (words: ReadonlyArray<string>) => {
  const called = commandIn(words);
  const wanted = called === undefined ? Object.values(commands) : [commands[called]];
  return recollect.pipe(
    Command.withDescription("The memory of record for AI agents"),
    Command.withSubcommands(await Promise.all(wanted.map((load) => load()))),
  );
};
