import { assert, describe, it } from "@effect/vitest";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll } from "vitest";
import { root } from "../support/flow.ts";
import * as Packed from "./Packed.ts";

const folder = Packed.temporaryFolder();
const app = path.join(folder, "app");
const data = path.join(folder, "data");
const prefix = path.join(folder, "prefix");
const inApp = path.join(app, "node_modules/recollect");
const program = path.join(prefix, "bin/recollect");
/** The right Node, as a user has it: on the PATH. */
const onPath = { PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin` };
const how = { cwd: app, env: { ...onPath, RECOLLECT_DATA: data, XDG_CACHE_HOME: path.join(folder, "cache") } };

let isThere = false;
let daemon: ReturnType<typeof Packed.start> | undefined;

const daemonUp = async () => {
  const up = Packed.start([program, "up", "--json"], how);
  daemon = up;
  let said = "";
  up.stdout?.on("data", (bytes) => (said += bytes));
  up.stderr?.on("data", (bytes) => (said += bytes));
  while (!said.includes('"ready":true')) {
    if (up.exitCode !== null) throw new Error(`the daemon ended: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

beforeAll(async () => {
  const file = Packed.pack(Packed.copyOfCheckout(folder), folder);
  isThere = Packed.canFetch("what the package depends on", Packed.install(app, [file]));
  if (!isThere) return;
  const globally = Packed.npm(["install", "--global", "--prefix", prefix, file], how);
  assert.strictEqual(globally.code, 0, globally.err);
  await daemonUp();
}, 180_000);

afterAll(async () => {
  if (daemon !== undefined && daemon.exitCode === null) {
    daemon.kill("SIGINT");
    await once(daemon, "exit");
  }
  fs.rmSync(folder, { recursive: true, force: true });
});

const talk = (id: string) => `
const recollect = await Recollect.connect({ client: "installed" });
const thread = recollect.thread(${JSON.stringify(id)});
await thread.say({ role: "user", text: "Will it rain in Ghent?", durable: "log" });
await recollect.flush();
const view = await thread.read();
console.log(JSON.stringify(view.messages.map(({ text }) => text)));
await recollect.close();
`;

const write = (name: string, text: string) => {
  fs.writeFileSync(path.join(app, name), text);
  return name;
};

const saidIn = (ended: Packed.Ended): ReadonlyArray<unknown> => {
  assert.strictEqual(ended.code, 0, ended.err);
  return JSON.parse(ended.out);
};

describe("the package", () => {
  it("holds what was built and its types once, and nothing of its sources, tests and benches", ({ skip }) => {
    if (!isThere) return skip();
    const files = Packed.filesIn(inApp);
    const strange = files.filter((file) =>
      /^(?:src|test|bench|projections|examples|docs)\/|\.map$|(?<!\.d)\.ts$/.test(file),
    );
    assert.deepStrictEqual(strange, []);
    for (const file of ["CHANGELOG.md", "LICENSE", "README.md", "dist/LICENSES.txt"]) assert.include(files, file);
    // The goal is 2 MB, and our own code alone is that, minified. Effect is 810 kB beside it, the NATS client 260 kB, Markdown for
    // the page 110 kB; the Effect door repeats 330 kB of our own code, because it leaves Effect outside and the other does not (what
    // has no Effect in it, both have from one file: there is 15 kB more of it); types are 520 kB, a third of them what a hover says.
    assert.isAtMost(Packed.bytesIn(inApp), 4_160_000);
  });

  it("opens doors to files that are there, types first, and runs no script when it is installed", ({ skip }) => {
    if (!isThere) return skip();
    const manifest = JSON.parse(fs.readFileSync(path.join(inApp, "package.json"), "utf8"));
    for (const [name, door] of Object.entries<string | Record<string, string>>(manifest.exports)) {
      const ways = typeof door === "string" ? { default: door } : door;
      if (typeof door !== "string") assert.strictEqual(Object.keys(door)[0], "types", name);
      for (const file of Object.values(ways)) assert.isTrue(fs.existsSync(path.join(inApp, file)), file);
    }
    for (const script of ["preinstall", "install", "postinstall", "prepare"])
      assert.notProperty(manifest.scripts, script);
    assert.notProperty(manifest, "private");
  });

  it("brings at most 110 MB with it, no Node where there is a right one, and no other store's client", ({ skip }) => {
    if (!isThere) return skip();
    const modules = path.join(app, "node_modules");
    assert.isAtMost(Packed.bytesIn(modules), 110_000_000);
    assert.deepStrictEqual(
      fs.readdirSync(modules).filter((name) => /redis|undici|^node-(?!addon-api)/.test(name)),
      [],
    );
  });

  it("publishes and reads: from ESM, from CommonJS, and what one said the other reads", ({ skip }) => {
    if (!isThere) return skip();
    const esm = write("esm.mjs", `import { Recollect } from "recollect";\n${talk("installed")}`);
    assert.deepStrictEqual(saidIn(Packed.run(["node", esm], how)), ["Will it rain in Ghent?"]);
    const cjs = write(
      "cjs.cjs",
      `const { Recollect } = require("recollect");\n(async () => {${talk("installed")}})();`,
    );
    assert.deepStrictEqual(saidIn(Packed.run(["node", cjs], how)), [
      "Will it rain in Ghent?",
      "Will it rain in Ghent?",
    ]);
  });

  it("loads at its import neither the NATS client nor SQLite: those come with connect", ({ skip }) => {
    if (!isThere) return skip();
    const look = write(
      "look.mjs",
      `import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
const files = [];
const load = (url, context, next) => (url.startsWith("file:") && files.push(fileURLToPath(url)), next(url, context));
registerHooks({ load });
await import("recollect");
const bytes = files.reduce((sum, file) => sum + readFileSync(file).length, 0);
console.log(JSON.stringify([bytes < 400_000 ? "light" : String(bytes), files.filter((file) => file.includes("sqlite"))]));`,
    );
    assert.deepStrictEqual(saidIn(Packed.run(["node", look], how)), ["light", []]);
  });

  it("is a command when it is installed globally: it lists the thread, and answers in SQL", ({ skip }) => {
    if (!isThere) return skip();
    const threads = Packed.run([program, "threads", "--json"], how);
    assert.strictEqual(threads.code, 0, threads.err);
    const sql = Packed.run([program, "sql", "SELECT count(*) AS n FROM v_messages", "--json"], how);
    assert.strictEqual(sql.code, 0, sql.err);
    assert.isAbove(JSON.parse(sql.out)[0].n, 0);
    assert.strictEqual(
      Packed.run([program, "--version"], how).out,
      `${JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")).version}\n`,
    );
    assert.include(Packed.run([program, "--help"], how).out, "threads");
  });

  it("gives programs that use Effect its services, which run in their Effect", ({ skip }) => {
    if (!isThere) return skip();
    const file = write(
      "effect.mjs",
      `import { Effect } from "effect";
import { IllegalTransition } from "recollect/effect";
const tag = await Effect.runPromise(new IllegalTransition({ taskId: "t", from: "completed", move: "start", hint: "" }).pipe(Effect.catchTag("IllegalTransition", (e) => Effect.succeed(e._tag))));
console.log(JSON.stringify([tag]));`,
    );
    assert.deepStrictEqual(saidIn(Packed.run(["node", file], how)), ["IllegalTransition"]);
  });

  it("has types without an error, with TypeScript 5.9 and 7, also where libraries are checked", ({ skip }) => {
    if (!isThere) return skip();
    const types = path.join(folder, "types");
    const five = Packed.install(types, ["typescript@5.9", "@types/node@22"]);
    if (!Packed.canFetch("TypeScript 5.9", five)) return skip();
    fs.cpSync(path.join(types, "node_modules/@types"), path.join(app, "node_modules/@types"), { recursive: true });
    fs.cpSync(path.join(types, "node_modules/undici-types"), path.join(app, "node_modules/undici-types"), {
      recursive: true,
    });
    write(
      "typed.ts",
      `import { Recollect, type ConnectOptions, type EventData } from "recollect";
import { Publisher } from "recollect/effect";
const options: ConnectOptions = { client: { name: "typed", version: "1" } };
const recollect = await Recollect.connect(options);
const opened: EventData<"thread.opened"> = { title: "Rain" };
await recollect.thread().open({ title: opened.title ?? "" });
// @ts-expect-error -- a role is a word
await recollect.thread().say({ role: 1, text: "" });
export { Publisher };
`,
    );
    for (const compiler of [types, root]) {
      const tsc = path.join(compiler, "node_modules/typescript/bin/tsc");
      // What has no error here has none with `skipLibCheck` either.
      const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--types", "node"];
      const { code, out } = Packed.run(["node", tsc, ...flags, "--skipLibCheck", "false", "typed.ts"], how);
      assert.deepStrictEqual([code, out], [0, ""], compiler);
    }
  }, 120_000);

  it("can be bundled into a program by esbuild with the line that the page gives", ({ skip }) => {
    if (!isThere) return skip();
    const tool = path.join(folder, "esbuild");
    if (!Packed.canFetch("esbuild", Packed.install(tool, ["esbuild@0.28"]))) return skip();
    const line = /^npx (esbuild app\.js .*)$/m.exec(fs.readFileSync(path.join(root, "docs/install.md"), "utf8"))?.[1];
    assert.isDefined(line, "docs/install.md has the line");
    write("app.js", `import { Recollect } from "recollect";\n${talk("bundled")}`);
    const [, ...words] = (line ?? "").split(" ");
    const built = Packed.run([path.join(tool, "node_modules/.bin/esbuild"), ...words], how);
    assert.strictEqual(built.code, 0, built.err);
    assert.deepStrictEqual(saidIn(Packed.run(["node", "out.mjs"], how)), ["Will it rain in Ghent?"]);
  });

  it("says in one sentence, and with no signal, that a Node is too old", ({ skip }) => {
    if (!isThere) return skip();
    const old = ["--import", "data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.20.2'})"];
    const library = Packed.run(["node", ...old, "esm.mjs"], how);
    assert.strictEqual(library.code, 1);
    assert.match(library.err, /Error: Recollect needs Node 22\.19 or newer, this is 20\.20\.2\./);
    const npmless = { ...how, env: { ...how.env, PATH: path.join(folder, "nothing") } };
    const command = Packed.run([process.execPath, ...old, path.join(inApp, "bin/recollect.mjs"), "threads"], npmless);
    assert.strictEqual(command.code, 1);
    assert.match(command.err, /^Recollect needs Node 22\.19 or newer, this is 20\.20\.2: install Node .*\.$/m);
  });
});
