#!/usr/bin/env node
/**
 * The door: sets up a fresh clone, then becomes `src/main.ts` under a Node that can run it.
 *
 * Plain JavaScript, because an old Node must be able to read it. The process that was started is the program itself
 * where its Node is new enough. Otherwise the right Node, brought along in node_modules, runs as a child that behaves
 * as if it had been exec'ed: same arguments, input, output and signals, same exit code, and it dies when we are killed.
 */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { pathToFileURL } from "node:url";
import { broughtNode, isInstalledPackage, root, setUp, SetupFailed } from "./setup.mjs";

/** better-sqlite3 13 and Effect 4.1 need this; the same version can run TypeScript as it is. */
const neededNode = [22, 19];

/** Node does not strip types below node_modules, so an installed package runs what `npm run build` made. */
const main = path.join(root, isInstalledPackage ? "dist/src/main.js" : "src/main.ts");

const isRightNode = () => {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const isNew = major > neededNode[0] || (major === neededNode[0] && minor >= neededNode[1]);
  return isNew && (isInstalledPackage || Boolean(process.features.typescript));
};

/**
 * What folds the whole stream makes many objects and gives each up at once. V8 is told only at its start how much space
 * new ones may have: 60 MB less with this, for 3 % more of the processor.
 */
const foldsAll = ["rebuild", "verify"].includes(process.argv[2]);
const flags = foldsAll ? ["--max-semi-space-size=4"] : [];

/**
 * So is glibc, in how many heaps the threads of a process keep what they allocate, and each keeps what it once needed:
 * with one, 25 MB less for a rebuild in the same time, 3 to 6 MB for a daemon at rest.
 */
const isLarge = foldsAll || process.argv[2] === "up";
const environment = isLarge ? { MALLOC_ARENA_MAX: "1", ...process.env } : process.env;

/** Starts this process anew with what it does not have of these, where Node can (23.11, not on Windows). */
const takeFlags = () => {
  if (typeof process.execve !== "function" || process.platform === "win32") return;
  const hasHeaps = environment.MALLOC_ARENA_MAX === process.env.MALLOC_ARENA_MAX;
  if (hasHeaps && flags.every((flag) => process.execArgv.includes(flag))) return;
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  const words = [process.execPath, ...process.execArgv, ...flags, ...process.argv.slice(1)];
  process.execve(process.execPath, words, environment);
  process.emitWarning = emitWarning;
};

/** Node 22 and 24 announce type stripping as experimental on stderr, which is not what a user asked about. */
const runHere = async () => {
  takeFlags();
  const { emitWarning } = process;
  process.emitWarning = (warning, ...rest) => {
    if (!String(warning).startsWith("Type Stripping")) emitWarning.call(process, warning, ...rest);
  };
  process.argv[1] = main;
  await import("./compiled.mjs");
  await import(pathToFileURL(main).href);
};

/**
 * Signals are passed on, except for Ctrl-C at a terminal, which the terminal has already sent to both of us.
 * The pipe on fd 3 ends when we do, however we do: the lifeline then ends the child.
 */
const runThere = () => {
  const before = ["lifeline.mjs", "compiled.mjs"].flatMap((name) => [
    "--import",
    pathToFileURL(path.join(root, "bin", name)).href,
  ]);
  const child = spawn(broughtNode, ["--strip-types", ...flags, ...before, main, ...process.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit", "pipe"],
    env: environment,
    shell: process.platform === "win32",
  });
  const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2", "SIGCONT", "SIGWINCH"];
  for (const signal of signals) {
    process.on(signal, () => {
      if (!(atTerminal && (signal === "SIGINT" || signal === "SIGQUIT"))) child.kill(signal);
    });
  }
  child.on("error", (error) => fail(`The Node at ${broughtNode} cannot be run here (${error.message}); ${wayOut}`));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    for (const name of signals) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
};

const wayOut = `install Node ${neededNode.join(".")} or newer and run this again with it.`;

const fail = (sentence) => {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
};

try {
  await setUp();
} catch (error) {
  if (!(error instanceof SetupFailed)) throw error;
  fail(error.message);
}
if (isRightNode()) await runHere();
else if (fs.existsSync(broughtNode)) runThere();
else fail(`Recollect needs Node ${neededNode.join(".")} or newer, this is ${process.versions.node}: ${wayOut}`);
