/**
 * The package as npm makes it from these files, in a folder of its own.
 *
 * A copy is packed, because packing builds anew where other tests run what was built.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { root } from "../support/flow.ts";

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface How {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly node?: string;
}

/** What a program of the user's would have: nothing of this checkout's on its PATH, and no word of npm's. */
export const plain = (env: How["env"] = {}): NodeJS.ProcessEnv => {
  const ours = Object.entries(process.env).filter(([name]) => !/^(?:npm_|NODE_|INIT_CWD$|VITEST)/i.test(name));
  const places = (process.env["PATH"] ?? "").split(path.delimiter).filter((place) => !place.includes("node_modules"));
  return { ...Object.fromEntries(ours), PATH: places.join(path.delimiter), ...env };
};

/** Runs a program to its end, five minutes at most: packing takes a quarter of one alone, and two beside others. */
export const run = (words: ReadonlyArray<string>, { cwd, env, node }: How): Ended => {
  const [program = "", ...args] = words;
  const withNode = node === undefined ? {} : { PATH: `${path.dirname(node)}${path.delimiter}${plain().PATH}` };
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    env: plain({ ...withNode, ...env }),
    encoding: "utf8",
    timeout: 300_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  return { code: status, out: stdout, err: stderr };
};

const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];

export const npm = (words: ReadonlyArray<string>, how: How): Ended => run(["npm", ...words, ...quiet], how);

/** The files of this checkout as they are now, and its packages by a link. */
export const copyOfCheckout = (folder: string): string => {
  const clone = path.join(folder, "clone");
  const listed = spawnSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], { cwd: root, encoding: "utf8" });
  for (const file of listed.stdout.split("\0").filter((name) => name !== "")) {
    const from = path.join(root, file);
    if (!fs.existsSync(from)) continue;
    fs.mkdirSync(path.dirname(path.join(clone, file)), { recursive: true });
    fs.copyFileSync(from, path.join(clone, file));
  }
  fs.symlinkSync(path.join(root, "node_modules"), path.join(clone, "node_modules"));
  return clone;
};

export const temporaryFolder = (): string => fs.realpathSync(fs.mkdtempSync(path.join(tmpdir(), "recollect-package-")));

/** `npm pack` in the copy. Returns the file that a user would install. */
export const pack = (clone: string, folder: string): string => {
  const { code, err, out } = npm(["pack", "--pack-destination", folder, "--json"], {
    cwd: clone,
    node: process.execPath,
  });
  if (code !== 0) throw new Error(`npm pack failed: ${err}${out}`);
  const name = fs.readdirSync(folder).find((file) => file.endsWith(".tgz"));
  if (name === undefined) throw new Error(`npm pack made no file: ${out}`);
  return path.join(folder, name);
};

/** An empty project, with a package or a file installed in it. */
export const install = (folder: string, packages: ReadonlyArray<string>): Ended => {
  fs.mkdirSync(folder, { recursive: true });
  const manifest = path.join(folder, "package.json");
  if (!fs.existsSync(manifest)) fs.writeFileSync(manifest, '{ "name": "app", "type": "module", "private": true }\n');
  return npm(["install", ...packages], { cwd: folder });
};

/** Whether packages can be had here: from the registry, or from what npm has kept. Says so loudly where not. */
export const canFetch = (what: string, ended: Ended): boolean => {
  if (ended.code === 0) return true;
  if (!/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENOTCACHED|network/.test(ended.err))
    throw new Error(`npm ended with ${ended.code}: ${ended.err}`);
  process.stderr.write(`\nNOT TESTED: no registry can be reached for ${what}.\n`);
  return false;
};

/** A program that goes on until it is ended, and what it has said. */
export const start = (words: ReadonlyArray<string>, { cwd, env }: How): ChildProcess => {
  const [program = "", ...args] = words;
  return spawn(program, args, { cwd, env: plain(env), stdio: ["ignore", "pipe", "pipe"] });
};

export const filesIn = (folder: string): ReadonlyArray<string> =>
  fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));

export const bytesIn = (folder: string): number =>
  filesIn(folder).reduce((sum, file) => sum + fs.statSync(path.join(folder, file)).size, 0);
