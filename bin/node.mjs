/**
 * Which Node this is, which one is brought along, and how a program runs under it.
 *
 * Plain JavaScript that an old Node can read. A clone brings its Node with its packages. A package brings none: 211 MB
 * would be wasted wherever the Node is right, so one is fetched into the user's cache the first time it is missed.
 */
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { homedir } from "node:os";
import * as path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const root = path.dirname(path.dirname(fs.realpathSync(fileURLToPath(import.meta.url))));

/** A clone has the sources, a package what was built of them. */
export const isClone = fs.existsSync(path.join(root, "src/main.ts"));

/** better-sqlite3 13 and Effect 4.1 need this. */
const neededNode = [22, 19];

export const isNewEnough = () => {
  const [major, minor] = process.versions.node.split(".").map(Number);
  return major > neededNode[0] || (major === neededNode[0] && minor >= neededNode[1]);
};

const wayOut = `install Node ${neededNode.join(".")} or newer and run this again with it.`;

export const tooOld = () =>
  `Recollect needs Node ${neededNode.join(".")} or newer, this is ${process.versions.node}: ${wayOut}`;

export const fail = (sentence) => {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
};

const isWindows = process.platform === "win32";
const nodeIn = (modules) => path.join(modules, ".bin", isWindows ? "node.cmd" : "node");

const wanted = () => {
  const { optionalDependencies } = JSON.parse(fs.readFileSync(path.join(root, "bin/node/package.json"), "utf8"));
  const suffix = `${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  return Object.entries(optionalDependencies).find(([name]) => name.endsWith(`-${suffix}`));
};

const cacheHome = () => {
  const { HOME, LOCALAPPDATA, XDG_CACHE_HOME } = process.env;
  if (path.isAbsolute(XDG_CACHE_HOME ?? "")) return path.join(XDG_CACHE_HOME, "recollect");
  if (isWindows && path.isAbsolute(LOCALAPPDATA ?? "")) return path.join(LOCALAPPDATA, "recollect", "cache");
  return path.join(HOME || homedir(), ".cache", "recollect");
};

/** Of several that fetch at once each fills a folder of its own, and one of them stays. */
const fetchNode = ([name, version], folder) => {
  const half = `${folder}.${process.pid}`;
  process.stderr.write(
    `Recollect: fetching Node ${version} into ${folder}, once; this one is ${process.versions.node}.\n`,
  );
  fs.mkdirSync(half, { recursive: true, mode: 0o700 });
  try {
    const flags = ["--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    const npm = ["install", "--prefix", half, ...flags, `${name}@${version}`];
    const { status } = spawnSync("npm", npm, { cwd: half, stdio: ["ignore", 2, 2], shell: isWindows });
    if (status === 0 && !fs.existsSync(folder)) fs.renameSync(half, folder);
  } catch {
    // Another was quicker, or there is no npm: what counts is whether the Node is there.
  } finally {
    fs.rmSync(half, { recursive: true, force: true });
  }
};

/** The right Node's program. Undefined: there is none for this platform, or it could not be fetched. */
export const broughtNode = () => {
  if (isClone) {
    const program = nodeIn(path.join(root, "node_modules"));
    return fs.existsSync(program) ? program : undefined;
  }
  const found = wanted();
  if (found === undefined) return undefined;
  const folder = path.join(cacheHome(), `node-${found[1]}`);
  const program = nodeIn(path.join(folder, "node_modules"));
  if (!fs.existsSync(program)) fetchNode(found, folder);
  return fs.existsSync(program) ? program : undefined;
};

/** Node 22 and 24 announce type stripping as experimental on stderr, which is not what a user asked about. */
const withoutNotice = () => {
  const { emitWarning } = process;
  process.emitWarning = (warning, ...rest) => {
    if (!String(warning).startsWith("Type Stripping")) emitWarning.call(process, warning, ...rest);
  };
};

/** This process becomes the program. */
export const runHere = async (program) => {
  withoutNotice();
  process.argv[1] = program;
  await import("./compiled.mjs");
  await import(pathToFileURL(program).href);
};

/**
 * The right Node runs the program as a child that behaves as if it had been exec'ed: same input, output and signals,
 * same exit code. Signals are passed on, except for Ctrl-C at a terminal, which the terminal has already sent to both.
 * The pipe on fd 3 ends when we do, however we do: the lifeline then ends the child.
 */
export const runThere = (node, program, args, { flags = [], env = process.env } = {}) => {
  const before = ["lifeline.mjs", "compiled.mjs"].flatMap((name) => [
    "--import",
    pathToFileURL(path.join(root, "bin", name)).href,
  ]);
  const strip = program.endsWith(".ts") ? ["--strip-types"] : [];
  const child = spawn(node, [...strip, ...flags, ...before, program, ...args], {
    stdio: ["inherit", "inherit", "inherit", "pipe"],
    env,
    shell: isWindows,
  });
  const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2", "SIGCONT", "SIGWINCH"];
  for (const signal of signals) {
    process.on(signal, () => {
      if (!(atTerminal && (signal === "SIGINT" || signal === "SIGQUIT"))) child.kill(signal);
    });
  }
  child.on("error", (error) => fail(`The Node at ${node} cannot be run here (${error.message}); ${wayOut}`));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    for (const name of signals) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
};
