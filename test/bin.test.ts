import { assert, describe, it } from "@effect/vitest";
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { isAlive } from "../src/machine/Processes.ts";
import { root } from "./support/flow.ts";

/** A Node that says it is too old, so that the brought one must be used. */
const oldNode = ["--import", "data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.20.2'})"];

/** What the clone runs instead of Recollect: it does as told, and says what it was given. */
const main = `
import { fstatSync } from "node:fs";
import { Worker } from "node:worker_threads";
const [what, value]: ReadonlyArray<string> = process.argv.slice(2);
if (what === "exit") process.exitCode = Number(value);
if (what === "wait") setInterval(() => {}, 1000);
if (what === "drain") process.on("SIGTERM", () => process.exit(7)), setInterval(() => {}, 1000);
if (what === "echo") process.stdin.pipe(process.stdout);
if (what === "thread") {
  // A thread from a file: one from a text does not load what --import names.
  const thread = new Worker(new URL("thread.mjs", import.meta.url));
  thread.once("message", () => void thread.terminate().then(() => process.exit(fstatSync(3).isFile() ? 1 : 0)));
}
const { MALLOC_ARENA_MAX: arenas = "" } = process.env;
process.stdout.write(JSON.stringify({ args: process.argv.slice(2), flags: process.execArgv, arenas, pid: process.pid }) + "\\n");
`;

const thread = `
import { parentPort } from "node:worker_threads";
parentPort.postMessage("here");
parentPort.on("message", () => {});
`;

/** npm as far as a clone uses it: it notes that it was called, takes a while, and installs a Node. */
const npm = (clone: string) => `#!/bin/sh
echo "$@" >> ${clone}/npm-calls
echo "words of npm"
sleep 0.2
mkdir -p node_modules/.bin
ln -sf ${process.execPath} node_modules/.bin/node
`;

const lock = (version: string) => JSON.stringify({ packages: { "": {}, "node_modules/a": { version } } });

const clones: Array<string> = [];

/** A clone of this repository as git gives it: the real bin, a lock file, a small main, no node_modules. */
const makeClone = (): string => {
  const clone = realpathSync(mkdtempSync(join(tmpdir(), "recollect-bin-")));
  clones.push(clone);
  cpSync(join(root, "bin"), join(clone, "bin"), { recursive: true });
  mkdirSync(join(clone, "src"));
  mkdirSync(join(clone, "path"));
  writeFileSync(join(clone, "src/main.ts"), main);
  writeFileSync(join(clone, "src/thread.mjs"), thread);
  writeFileSync(join(clone, "package.json"), '{ "type": "module" }');
  writeFileSync(join(clone, "package-lock.json"), lock("1.0.0"));
  writeFileSync(join(clone, "path/npm"), npm(clone), { mode: 0o755 });
  return clone;
};

afterEach(() => {
  for (const clone of clones.splice(0)) rmSync(clone, { recursive: true, force: true });
});

const start = (
  clone: string,
  args: ReadonlyArray<string>,
  node: ReadonlyArray<string> = [],
  env: Readonly<Record<string, string>> = {},
) => {
  const child = spawn(process.execPath, [...node, join(clone, "bin/recollect.mjs"), ...args], {
    // What is compiled goes where Node puts it by itself.
    env: { ...process.env, NODE_COMPILE_CACHE: undefined, PATH: `${clone}/path:/usr/bin:/bin`, ...env },
  });
  let output = "";
  let errors = "";
  child.stdout.on("data", (bytes) => (output += bytes));
  child.stderr.on("data", (bytes) => (errors += bytes));
  const ended = new Promise<{ code: number | null; signal: string | null; output: string; errors: string }>((resolve) =>
    child.once("close", (code, signal) => resolve({ code, signal, output, errors })),
  );
  const said = new Promise<{ args: ReadonlyArray<string>; flags: ReadonlyArray<string>; arenas: string; pid: number }>(
    (resolve) => {
      child.stdout.on("data", () => output.includes("\n") && resolve(JSON.parse(output.split("\n")[0] ?? "")));
    },
  );
  return { child, ended, said };
};

const run = (clone: string, args: ReadonlyArray<string>, node?: ReadonlyArray<string>) =>
  start(clone, args, node).ended;

const npmCalls = (clone: string): ReadonlyArray<string> =>
  existsSync(join(clone, "npm-calls")) ? readFileSync(join(clone, "npm-calls"), "utf8").trim().split("\n") : [];

describe("recollect in a fresh clone", () => {
  it("installs what the lock file says, once, and keeps stdout for the command", async () => {
    const clone = makeClone();
    const first = await run(clone, ["a", "b c"]);
    assert.strictEqual(first.code, 0);
    assert.deepStrictEqual(JSON.parse(first.output).args, ["a", "b c"]);
    assert.match(first.errors, /^Recollect: installing its packages, once .*\n.*words of npm/);
    const second = await run(clone, []);
    assert.strictEqual(second.errors, "");
    assert.lengthOf(npmCalls(clone), 1);
    assert.match(npmCalls(clone).join(), /^ci .*--ignore-scripts/);
  });

  it("makes `npx recollect` work", async () => {
    const clone = makeClone();
    await run(clone, []);
    const output = execFileSync(join(clone, "node_modules/.bin/recollect"), ["x"], {
      encoding: "utf8",
      env: { ...process.env, PATH: `${join(clone, "node_modules/.bin")}:/usr/bin:/bin` },
    });
    assert.deepStrictEqual(JSON.parse(output).args, ["x"]);
  });

  it("compiles what it runs once, with the clone's Node and with the one that it brings", async () => {
    for (const node of [[], oldNode]) {
      const clone = makeClone();
      assert.strictEqual((await start(clone, ["exit", "0"], node, { TMPDIR: clone }).ended).code, 0);
      const kept = readdirSync(join(clone, "node-compile-cache"), { recursive: true, withFileTypes: true });
      assert.isAbove(kept.filter((entry) => entry.isFile()).length, 0);
    }
  });

  it("waits for another that is setting up at the same moment", async () => {
    const clone = makeClone();
    const all = await Promise.all([run(clone, []), run(clone, []), run(clone, [])]);
    assert.deepStrictEqual(
      all.map(({ code }) => code),
      [0, 0, 0],
    );
    assert.lengthOf(npmCalls(clone), 1);
  });

  it("is not held up by one that was killed while setting up", async () => {
    const clone = makeClone();
    writeFileSync(join(clone, ".setup.pid"), "999999999");
    assert.strictEqual((await run(clone, [])).code, 0);
  });

  it("says for whom it waits, and goes on when that one has ended", async () => {
    const clone = makeClone();
    writeFileSync(join(clone, ".setup.pid"), String(process.pid));
    const { child, ended } = start(clone, []);
    const said = await new Promise<string>((resolve) =>
      child.stderr.once("data", (bytes: Buffer) => resolve(bytes.toString())),
    );
    assert.include(said, `waiting for another command (process ${process.pid})`);
    rmSync(join(clone, ".setup.pid"));
    assert.strictEqual((await ended).code, 0);
    assert.lengthOf(npmCalls(clone), 1);
  });

  it("leaves packages alone that someone has installed already", async () => {
    const clone = makeClone();
    mkdirSync(join(clone, "node_modules"));
    writeFileSync(join(clone, "node_modules/.package-lock.json"), lock("1.0.0"));
    assert.strictEqual((await run(clone, [])).code, 0);
    assert.lengthOf(npmCalls(clone), 0);
  });

  it("installs again when the lock file has changed", async () => {
    const clone = makeClone();
    await run(clone, []);
    writeFileSync(join(clone, "package-lock.json"), lock("2.0.0"));
    await run(clone, []);
    assert.lengthOf(npmCalls(clone), 2);
  });

  it("ends with one sentence when npm fails, and when there is no npm", async () => {
    const clone = makeClone();
    writeFileSync(join(clone, "path/npm"), "#!/bin/sh\necho broken >&2\nexit 3\n");
    const failed = await run(clone, []);
    assert.strictEqual(failed.code, 1);
    assert.match(failed.errors, /broken\nnpm could not install the packages .*; then run `npm ci` in .*\.\n$/);
    chmodSync(join(clone, "path/npm"), 0o644);
    if (existsSync("/usr/bin/npm")) return;
    assert.match((await run(clone, [])).errors, /npm could not be run/);
  });
});

describe("recollect under a Node that is too old", () => {
  /** A clone that is set up and has the right Node. */
  const ready = () => {
    const clone = makeClone();
    mkdirSync(join(clone, "node_modules/.bin"), { recursive: true });
    symlinkSync(process.execPath, join(clone, "node_modules/.bin/node"));
    writeFileSync(join(clone, "node_modules/.package-lock.json"), lock("1.0.0"));
    return clone;
  };

  it("runs the one that was brought along: arguments, input, output and exit code pass through", async () => {
    const clone = ready();
    const ended = await run(clone, ["exit", "42"], oldNode);
    assert.deepStrictEqual([ended.code, ended.errors], [42, ""]);
    assert.deepStrictEqual(JSON.parse(ended.output).args, ["exit", "42"]);
    const echo = start(clone, ["echo"], oldNode);
    echo.child.stdin.end("through\n");
    assert.match((await echo.ended).output, /through\n$/);
  });

  it("passes signals on, and ends as the program ended", async () => {
    const clone = ready();
    const drains = start(clone, ["drain"], oldNode);
    await drains.said;
    drains.child.kill("SIGTERM");
    assert.strictEqual((await drains.ended).code, 7);

    const dies = start(clone, ["wait"], oldNode);
    process.kill((await dies.said).pid, "SIGKILL");
    assert.strictEqual((await dies.ended).signal, "SIGKILL");
  });

  // The next file or socket would take the number of the pipe, and its end would be taken for the starter's.
  it("keeps the pipe to its starter when a thread of its own ends", async () => {
    const { code, errors } = await run(makeClone(), ["thread"], oldNode);
    assert.deepStrictEqual([code, errors.includes("EBADF")], [0, false], errors);
  });

  it("takes the program along when it is killed with kill -9", async () => {
    const clone = ready();
    const waits = start(clone, ["wait"], oldNode);
    const { pid } = await waits.said;
    assert.notStrictEqual(pid, waits.child.pid);
    waits.child.kill("SIGKILL");
    await waits.ended;
    while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
  });

  it("says in one sentence what to do when none was brought along", async () => {
    const clone = ready();
    rmSync(join(clone, "node_modules/.bin/node"));
    const ended = await run(clone, [], oldNode);
    assert.strictEqual(ended.code, 1);
    assert.match(ended.errors, /^Recollect needs Node 22\.19 or newer, this is 20\.20\.2: install Node .*\.\n$/);
  });

  it("is the program itself under a right Node: no second process", async () => {
    const waits = start(ready(), ["exit", "0"]);
    assert.strictEqual((await waits.said).pid, waits.child.pid);
    await waits.ended;
  });

  it("starts what is large with one heap, with little space for new objects where all is folded, and is still that process", async () => {
    const frugal = "--max-semi-space-size=4";
    const here = start(ready(), ["rebuild", "--json"]);
    const { args, arenas, flags, pid } = await here.said;
    assert.deepStrictEqual([args, arenas, pid], [["rebuild", "--json"], "1", here.child.pid]);
    assert.include(flags, frugal);
    assert.deepStrictEqual(await here.ended.then(({ code, errors }) => [code, errors]), [0, ""]);
    const there = await start(ready(), ["verify"], oldNode).said;
    assert.include(there.flags, frugal);
    assert.strictEqual(there.arenas, "1");
    const daemon = await start(ready(), ["up"]).said;
    assert.notInclude(daemon.flags, frugal);
    assert.deepStrictEqual([daemon.args, daemon.arenas], [["up"], "1"]);
    const other = await start(ready(), ["exit", "0"]).said;
    assert.notInclude(other.flags, frugal);
    assert.strictEqual(other.arenas, process.env["MALLOC_ARENA_MAX"] ?? "");
  });
});
