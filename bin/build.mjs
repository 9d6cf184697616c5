/**
 * Builds what a start runs: `dist`, one file per entry, and what entries share in pieces beside them.
 *
 * Decision: one bundle with Effect and the NATS client inside, because importing them as they are published costs 0.3 s
 * of processor at each start (`import "effect"` alone: ten times a bare Node), and the bundle a third of that.
 * `recollect/effect` and `recollect/mcp-effect` have them outside: its values meet those of a program that uses Effect itself.
 *
 * In a clone it is called when the sources have changed; with `--package`, before `npm pack`, it begins from nothing and
 * adds types and the licences of what is inside. Entries are written last and at once, and pieces have their content in
 * their name: a process that runs meanwhile finds what it began with.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import http from "node:http";
import * as path from "node:path";
import { rolldown } from "rolldown";
import { versionOf } from "./built.mjs";
import { root } from "./node.mjs";

const isForPackage = process.argv.includes("--package");
const dist = path.join(root, "dist");
const oldMillis = 24 * 3_600_000;

/** Programs and threads; beside them the doors that package.json opens. */
const programs = {
  main: "src/main.ts",
  Recorder: "src/edge/wrap/Recorder.ts",
  ReplayProcess: "src/edge/wrap/ReplayProcess.ts",
  WriterThreadSqlite: "src/projection/write/WriterThreadSqlite.ts",
  SandboxProcessSqlite: "src/query/sandbox/SandboxProcessSqlite.ts",
  AsideProcessSqlite: "src/query/aside/AsideProcessSqlite.ts",
  EarlierProcess: "src/query/earlier/EarlierProcess.ts",
  FileCheckThreadSqlite: "src/projection/verify/FileCheckThreadSqlite.ts",
};
/** No Effect in them, so both forms of the library have them from one file each. */
const common = {
  interpreters: "src/domain/interpret/interpreters.ts",
  readModels: "projections/all.ts",
  secrets: "src/domain/secret/RedactSecrets.ts",
};
const { exports: exported } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
/** The source of each door, by its name in `dist`: its types lie as it lies. */
const sourceOf = Object.fromEntries(
  Object.values(exported)
    .filter((ways) => typeof ways !== "string")
    .map(({ default: built, types }) => [
      path.basename(built, ".js"),
      types.replace("./dist/types/", "").replace(/\.d\.ts$/, ".ts"),
    ]),
);
const doors = Object.keys(sourceOf);
const inputOf = (names) => Object.fromEntries(names.map((name) => [`${name}-door`, sourceOf[name]]));

/** Native, found by Node's own means, or the SDK that a program brings. */
const isOutside = (id) => id === "better-sqlite3" || id.startsWith("#") || id.startsWith("@langchain/");
const isOutsideOfEffect = (id) => isOutside(id) || /^(?:effect|@nats-io)(?:\/|$)/.test(id);

/** In place of a module that has a file of its own in `dist`. */
const shared = {
  name: "shared",
  resolveId: (id, importer) => {
    if (importer === undefined || !id.startsWith(".")) return null;
    const source = path.relative(root, path.resolve(path.dirname(importer), id)).replaceAll("\\", "/");
    const [name] = Object.entries(common).find(([, file]) => file === source) ?? [];
    return name === undefined ? null : { id: `./${name}.js`, external: true };
  },
};

/**
 * In place of `node:http` and what else imports it: an `import` reads every export, three of which load Node's client of
 * WebSockets, which nothing here uses. Without it a process has 16 MB less resident, and starts with 50 ms less of processor.
 */
const lazyHttp = {
  name: "lazy-http",
  resolveId: (id) => (id === "node:http" || id === "http" ? "\0lazy-http" : null),
  load: (id) => {
    if (id !== "\0lazy-http") return null;
    const names = Object.keys(http).filter((name) => !["WebSocket", "CloseEvent", "MessageEvent"].includes(name));
    return `const http = process.getBuiltinModule("node:http");\nexport default http;\nexport const { ${names.join(", ")} } = http;`;
  },
};

/** In place of WebSockets: Effect's HTTP server makes them for a handler that asks for an upgrade, and none here does. 49 kB. */
const noWebSockets = {
  name: "no-web-sockets",
  resolveId: (id) => (id === "ws" ? "\0no-web-sockets" : null),
  load: (id) => (id === "\0no-web-sockets" ? "export class WebSocket {}\nexport class WebSocketServer {}" : null),
};

const bundle = async (input, external, plugins = []) => {
  const bundled = await rolldown({
    input,
    external,
    plugins: [lazyHttp, noWebSockets, ...plugins],
    cwd: root,
    platform: "node",
    logLevel: "silent",
    transform: { target: "node22" },
  });
  const { output } = await bundled.generate({
    format: "esm",
    minify: true,
    // Marks for tree shaking are 60 kB, and a program that bundles the library needs all of it.
    comments: false,
    chunkFileNames: "[name]-[hash].js",
  });
  await bundled.close();
  return output;
};

const write = (name, text) => {
  const half = path.join(dist, `.${name}.${process.pid}`);
  fs.writeFileSync(half, text);
  fs.renameSync(half, path.join(dist, name));
};

/** Parts inside, with their licences: each text once, below the names it is for. */
const licences = (output) => {
  const folders = output
    .flatMap(({ modules }) => Object.keys(modules))
    .map((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id.replaceAll("\\", "/"))?.[0])
    .filter((folder) => folder !== undefined);
  const texts = new Map();
  for (const folder of [...new Set(folders)].toSorted()) {
    const { name, version, license } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
    const file = fs.readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
    // The text of Recollect's own licence lies beside this file's folder.
    const isOwn = license === "Apache-2.0";
    const text = file === undefined || isOwn ? "" : fs.readFileSync(path.join(folder, file), "utf8").trim();
    texts.set(text, [...(texts.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  return [...texts].map(([text, names]) => `${names.join("\n")}\n\n${text}\n`).join(`\n${"-".repeat(80)}\n\n`);
};

/** Heads speak to those who work on the file, and a fifth of all types is their room and how far they stand in. */
const withoutHead = (text) =>
  text.replace(/^\/\*\*(?:(?!\*\/)[^])*\n \* Room: (?:(?!\*\/)[^])*\*\/\n/, "").replaceAll(/^ +/gm, " ");

/** The types of the doors, and of what they lead to. */
const writeTypes = () => {
  const types = path.join(dist, "types");
  const tsc = path.join(root, "node_modules/typescript/bin/tsc");
  const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
  if (status !== 0) throw new Error("the types cannot be built; what is wrong is above");
  const wanted = new Set();
  const follow = (file) => {
    if (wanted.has(file)) return;
    wanted.add(file);
    for (const [, name] of fs.readFileSync(file, "utf8").matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g))
      follow(path.resolve(path.dirname(file), name.replace(/\.[jt]s$/, ".d.ts")));
  };
  for (const source of Object.values(sourceOf)) follow(path.join(types, source.replace(/\.ts$/, ".d.ts")));
  for (const name of fs.readdirSync(types, { recursive: true })) {
    const file = path.join(types, name);
    if (!fs.statSync(file).isFile()) continue;
    if (!wanted.has(file)) fs.rmSync(file);
    else fs.writeFileSync(file, withoutHead(fs.readFileSync(file, "utf8")));
  }
};

/** Pieces of the build before this one: a process that began before may still load them. */
const removeOld = (written) => {
  for (const entry of fs.readdirSync(dist, { withFileTypes: true })) {
    if (!entry.isFile() || written.has(entry.name)) continue;
    const file = path.join(dist, entry.name);
    if (Date.now() - fs.statSync(file).mtimeMs > oldMillis) fs.rmSync(file, { force: true });
  }
};

if (isForPackage) fs.rmSync(dist, { recursive: true, force: true });
fs.mkdirSync(dist, { recursive: true });
/** Doors for programs that use Effect themselves. */
const ofEffect = ["effect", "mcp-effect"];
const inside = await bundle(
  { ...programs, ...common, ...inputOf(doors.filter((name) => !ofEffect.includes(name))) },
  isOutside,
);
const output = [...inside, ...(await bundle(inputOf(ofEffect), isOutsideOfEffect, [shared]))];
const sources = [...new Set(output.flatMap(({ modules }) => Object.keys(modules)))]
  .map((id) => path.relative(root, id).replaceAll("\\", "/"))
  .filter((file) => !file.includes("node_modules/") && fs.existsSync(path.join(root, file)));
// Seen before the entries are written: what is changed meanwhile makes this build stale.
const built = Object.fromEntries(sources.map((file) => [file, versionOf(file)]));
for (const { code, fileName } of output.toSorted((a, b) => Number(a.isEntry) - Number(b.isEntry)))
  write(fileName, code);
for (const name of doors) write(`${name}.js`, `import "../bin/guard.mjs";\nexport * from "./${name}-door.js";\n`);
const help = spawnSync(process.execPath, [path.join(dist, "main.js"), "--help"], { encoding: "utf8" });
if (help.status !== 0) throw new Error(`what was built does not run: ${help.stderr}`);
write("help.txt", help.stdout);
if (isForPackage) {
  write("LICENSES.txt", licences(output));
  writeTypes();
} else {
  const own = ["package.json", "package-lock.json", "bin/build.mjs"].map((file) => [file, versionOf(file)]);
  write("built.json", JSON.stringify({ ...Object.fromEntries(own), ...built }));
  removeOld(
    new Set([
      ...output.map(({ fileName }) => fileName),
      ...doors.map((name) => `${name}.js`),
      "help.txt",
      "built.json",
    ]),
  );
}
