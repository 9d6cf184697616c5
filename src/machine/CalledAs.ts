/**
 * The name that this program was called by, for the commands that it shows to a person.
 *
 * Room: machine.
 *
 * `npx recollect` is named only where npm would run this very program: anywhere else it would fetch whatever a stranger
 * has published under that name.
 */
import * as fs from "node:fs";
import { createRequire } from "node:module";
import * as path from "node:path";

const real = (file: string): string | undefined => {
  try {
    return fs.realpathSync(file);
  } catch {
    return undefined;
  }
};

const isWindows = process.platform === "win32";

/** The words that call this program from the working folder: `recollect`, `npx recollect`, or Node and its path. */
export const calledAs = (
  program: string = path.join(
    path.dirname(createRequire(import.meta.url).resolve("recollect/package.json")),
    "bin/recollect.mjs",
  ),
  environment: Readonly<Record<string, string | undefined>> = process.env,
  folder: string = process.cwd(),
): string => {
  const isOurs = (place: string) =>
    real(path.join(place, isWindows ? "recollect.cmd" : "recollect")) === real(program) ||
    (isWindows && fs.existsSync(path.join(place, "recollect.cmd")));
  // Folders that npm puts before a script's PATH are not in the person's own shell.
  const places = (environment["PATH"] ?? "").split(path.delimiter).filter((place) => place !== "");
  if (
    places.some(
      (place) => !/[\\/]node_modules[\\/]\.bin$/.test(place) && !/[\\/]_npx[\\/]/.test(place) && isOurs(place),
    )
  )
    return "recollect";
  for (let at = folder; ; at = path.dirname(at)) {
    if (isOurs(path.join(at, "node_modules", ".bin"))) return "npx recollect";
    if (path.dirname(at) === at) break;
  }
  const way = path.relative(folder, program);
  return `node ${way.startsWith("..") ? program : way}`;
};

/** Every command, in the order in which help lists them. */
export const commandNames = [
  "up",
  "open",
  "import",
  "sources",
  "export",
  "wrap",
  "acp",
  "mcp",
  "hooks",
  "search",
  "threads",
  "thread",
  "stats",
  "resume",
  "hand-over",
  "files",
  "tail",
  "sql",
  "dictionary",
  "report",
  "cost",
  "query",
  "tasks",
  "task",
  "sessions",
  "inbox",
  "config",
  "limits",
  "cache",
  "status",
  "check",
  "scan",
  "service",
  "spool",
  "rebuild",
  "verify",
  "heal",
  "backup",
  "restore",
  "access",
] as const;

const named = new RegExp(
  // A following command names its own folder where it has `--data` before its end.
  `(?<=^|[\\s\`(])recollect (?=--help|(?:${commandNames.join("|")})\\b)(?:(?!--help)([a-z-]+)(?![^\\n\`;:.,()]*--data\\b))?`,
  "gm",
);

/** A word as a shell takes it: quoted where it has more in it than letters, digits and marks that mean nothing there. */
export const shellWord = (word: string): string => {
  if (/^[\w@%+=:,./-]+$/.test(word) || (isWindows && /^[\w@%+=:,./\\-]+$/.test(word))) return word;
  return isWindows ? `"${word.replaceAll('"', '\\"')}"` : `'${word.replaceAll("'", `'\\''`)}'`;
};

/** The folder that a command line names with `--data`; what stands behind `--` is another program's. */
export const dataIn = (words: ReadonlyArray<string>): string | undefined => {
  const end = words.indexOf("--");
  const own = end === -1 ? words : words.slice(0, end);
  const at = own.findLastIndex((word) => word === "--data" || word.startsWith("--data="));
  if (at === -1) return undefined;
  const word = own[at] ?? "";
  return word === "--data" ? own[at + 1] : word.slice("--data=".length);
};

/** Name of this process as it was called; found once. A program that has the library in it was called as something else. */
interface Called {
  readonly words: string;
  readonly data: string | undefined;
}

let called: Called | undefined;

/** Says that this process is the command line, called with these words. */
export const callWith = (words: ReadonlyArray<string>): void => {
  called = { words: calledAs(), data: dataIn(words) };
};

/** A text for a person, with every command of ours in it as this program was called, and for the store it was called for. */
export const asCalled = (text: string, by?: Called): string => {
  if (!text.includes("recollect ")) return text;
  const { data, words } = by ?? (called ??= { words: calledAs(), data: undefined });
  const store = data === undefined ? "" : ` --data ${shellWord(data)}`;
  return text.replaceAll(named, (_, command: string | undefined) =>
    command === undefined ? `${words} ` : `${words} ${command}${store}`,
  );
};

/** The same for a reader who may be another user, or on another machine: no path of this machine stands in it. */
export const asCalledFromAfar = (text: string): string => {
  if (!text.includes("recollect ")) return text;
  const { words } = (called ??= { words: calledAs(), data: undefined });
  return asCalled(text, { words: words.startsWith("node ") ? "recollect" : words, data: undefined });
};
