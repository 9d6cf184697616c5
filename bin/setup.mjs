/**
 * Makes a fresh clone ready to run: packages of the lock file, a right Node among them, and `npx recollect`.
 *
 * Plain JavaScript without dependencies, because it runs before there are any, and on any Node from 18 on.
 * A clone that is ready costs two small files; npm is not started. As a program it sets up and says nothing, and with
 * the name of a program behind it runs that under the right Node: `node bin/setup.mjs examples/demo.ts`. A shell
 * remembers where `node` was when it first ran one, so a second `node` in the same line may still be the system's.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { broughtNode, fail, isClone, isNewEnough, root, runHere, runThere, tooOld } from "./node.mjs";

const modules = path.join(root, "node_modules");
const lockFile = path.join(root, "package-lock.json");
const isWindows = process.platform === "win32";

/** A sentence for the person at the terminal instead of a stack trace. */
export class SetupFailed extends Error {}

/** Written after a complete set-up: another lock file or platform makes it stale. */
const stampFile = path.join(modules, ".recollect-setup");
const stamp = () =>
  `${createHash("sha256").update(fs.readFileSync(lockFile)).digest("hex")} ${process.platform}-${process.arch}\n`;

const textOf = (file) => {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return "";
  }
};

/** True when npm, called by someone else, has already installed every package that the lock file wants here. */
const isInstalled = () => {
  const installed = textOf(path.join(modules, ".package-lock.json"));
  if (installed === "") return false;
  const there = JSON.parse(installed).packages;
  const suits = (list, value) => list === undefined || list.includes(value);
  return Object.entries(JSON.parse(textOf(lockFile)).packages).every(([where, wanted]) => {
    if (where === "" || wanted.link === true || !where.startsWith("node_modules/")) return true;
    if (there[where]?.version === wanted.version) return true;
    const isForHere = suits(wanted.os, process.platform) && suits(wanted.cpu, process.arch);
    const isNamedForHere = wanted.os !== undefined && wanted.libc === undefined && isForHere;
    return (wanted.optional === true && !isNamedForHere) || wanted.peer === true;
  });
};

/** npm as it was called for us, or as it lies on the PATH. Its output goes to stderr: stdout belongs to the command. */
const install = () => {
  process.stderr.write("Recollect: installing its packages, once (about half a minute).\n");
  const flags = ["ci", "--include=dev", "--include=optional", "--ignore-scripts", "--no-audit", "--no-fund"];
  const result = spawnSync("npm", [...flags, "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: isWindows,
  });
  if (result.error !== undefined) {
    throw new SetupFailed(`npm could not be run (${result.error.message}); install npm, or run \`npm ci\` in ${root}.`);
  }
  if (result.status !== 0) {
    throw new SetupFailed(`npm could not install the packages (its reason is above); then run \`npm ci\` in ${root}.`);
  }
};

/** npm links the programs of dependencies, not those of the package itself. */
const link = () => {
  const program = path.join(modules, ".bin", "recollect");
  fs.mkdirSync(path.dirname(program), { recursive: true });
  fs.rmSync(program, { force: true });
  if (isWindows) fs.writeFileSync(`${program}.cmd`, `@node "%~dp0\\..\\..\\bin\\recollect.mjs" %*\r\n`);
  else fs.symlinkSync("../../bin/recollect.mjs", program);
};

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
};

/** Longest wait for another command that installs: npm with a slow network needs minutes. */
const mostWaitMillis = 600_000;
/** From then on the wait is said. */
const saidAfterMillis = 3_000;

/** Two commands at once in a fresh clone: the second waits for the first. A holder that died does not count. */
const alone = async (work) => {
  const mutex = path.join(root, ".setup.pid");
  const began = performance.now();
  let isSaid = false;
  for (;;) {
    try {
      fs.writeFileSync(mutex, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") {
        throw new SetupFailed(`${root} cannot be written to (${error.code}), so its packages cannot be installed.`);
      }
      const holder = Number(textOf(mutex));
      if (holder > 0 && !isAlive(holder)) {
        fs.rmSync(mutex, { force: true });
        continue;
      }
      const waited = performance.now() - began;
      const who = `process ${holder > 0 ? holder : "unknown"}`;
      if (waited > mostWaitMillis) {
        throw new SetupFailed(
          `Another command (${who}) has been installing for ten minutes; if none does, remove ${mutex}.`,
        );
      }
      if (waited > saidAfterMillis && !isSaid) {
        process.stderr.write(`Recollect: waiting for another command (${who}) that installs the packages.\n`);
        isSaid = true;
      }
      await sleep(200);
    }
  }
  try {
    work();
  } finally {
    fs.rmSync(mutex, { force: true });
  }
};

/** Does what is missing; nothing, quickly, when nothing is. */
export const setUp = async () => {
  if (!isClone || textOf(stampFile) === stamp()) return;
  await alone(() => {
    if (textOf(stampFile) === stamp()) return;
    if (!isInstalled()) install();
    link();
    fs.writeFileSync(stampFile, stamp());
  });
};

/** The program that was named, under the right Node, with what stands behind its name. */
const run = async (name, args) => {
  const program = path.resolve(root, name);
  const { build } = await import("./built.mjs");
  // Programs of the clone that use the library import what was built.
  build();
  const node = broughtNode();
  if (node !== undefined) return runThere(node, program, args);
  if (!isNewEnough()) return fail(tooOld());
  process.argv.splice(1, 2, program);
  return runHere(program);
};

if (process.argv[1] !== undefined && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await setUp();
    const [name, ...args] = process.argv.slice(2);
    if (name !== undefined) await run(name, args);
  } catch (error) {
    if (!(error instanceof SetupFailed)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
