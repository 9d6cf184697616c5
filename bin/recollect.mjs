#!/usr/bin/env node
/**
 * The door: sets up a fresh clone, then becomes the program under a Node that can run it.
 *
 * Plain JavaScript, because an old Node must be able to read it. A package runs what was built when it was packed. A
 * clone runs what was built of its sources, built anew when they have changed, or the sources themselves.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { broughtNode, fail, isClone, isNewEnough, root, runHere, runThere, tooOld } from "./node.mjs";

const args = process.argv.slice(2);

/**
 * Folding the whole stream makes many objects and gives each up at once. V8 is told only at its start how much space
 * new ones may have: 60 MB less with this, for 3 % more of the processor.
 */
const foldsAll = ["rebuild", "verify"].includes(args[0]);
const flags = foldsAll ? ["--max-semi-space-size=4"] : [];

/**
 * So is glibc, in how many heaps the threads of a process keep what they allocate, and each keeps what it once needed:
 * with one, 25 MB less for a rebuild in the same time, 3 to 6 MB for a daemon at rest.
 */
const isLarge = foldsAll || args[0] === "up";
const env = isLarge ? { MALLOC_ARENA_MAX: "1", ...process.env } : process.env;

/** Starts this process anew with what it does not have of these, where Node can (23.11, not on Windows). */
const takeFlags = () => {
  if (!isLarge || typeof process.execve !== "function" || process.platform === "win32") return;
  const hasHeaps = env.MALLOC_ARENA_MAX === process.env.MALLOC_ARENA_MAX;
  if (hasHeaps && flags.every((flag) => process.execArgv.includes(flag))) return;
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  const words = [process.execPath, ...process.execArgv, ...flags, ...process.argv.slice(1)];
  process.execve(process.execPath, words, env);
  process.emitWarning = emitWarning;
};

/** In a clone: what was built of these very sources, else the sources. */
const programOfClone = async () => {
  const { setUp, SetupFailed } = await import("./setup.mjs");
  try {
    await setUp();
  } catch (error) {
    if (!(error instanceof SetupFailed)) throw error;
    fail(error.message);
  }
  const { builtProgram } = await import("./built.mjs");
  return builtProgram("main") ?? path.join(root, "src/main.ts");
};

const main = async () => {
  const program = isClone ? await programOfClone() : path.join(root, "dist/main.js");
  const help = path.join(root, "dist/help.txt");
  // It was printed once, when the program was built.
  if (args.length === 1 && args[0] === "--help" && program.endsWith(".js") && fs.existsSync(help)) {
    process.stdout.write(fs.readFileSync(help));
    return;
  }
  const canRunIt = isNewEnough() && (program.endsWith(".js") || Boolean(process.features.typescript));
  if (canRunIt) {
    takeFlags();
    await runHere(program);
    return;
  }
  const node = broughtNode();
  if (node === undefined) fail(tooOld());
  else runThere(node, program, args, { flags, env });
};

/** Answers that need only this file's neighbour come before anything is loaded. */
if (args.length === 1 && args[0] === "--version") {
  const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
  process.stdout.write(`${version}\n`);
} else await main();
