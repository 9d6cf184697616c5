import { assert, describe, it } from "@effect/vitest";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll } from "vitest";
import { root } from "../support/flow.ts";
import * as Packed from "./Packed.ts";

/** The oldest of each line that is supported; the newest line's own is the one that runs this. */
const oldest = ["22.19.0", "24.0.0"];

const folder = Packed.temporaryFolder();
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Kept between runs: 120 MB each. Undefined: there is none for this platform, or no registry. */
const nodeOf = (version: string): string | undefined => {
  const kept = path.join(root, "node_modules/.cache/recollect-nodes", version);
  const node = path.join(kept, "node");
  if (fs.existsSync(node)) return node;
  const at = path.join(folder, version);
  fs.mkdirSync(at, { recursive: true });
  const name = `node-${process.platform}-${process.arch}@${version}`;
  const packed = Packed.npm(["pack", name, "--pack-destination", at], { cwd: at });
  const [file] = fs.readdirSync(at).filter((one) => one.endsWith(".tgz"));
  if (packed.code !== 0 || file === undefined) {
    process.stderr.write(`\nNOT TESTED on Node ${version}: ${name} cannot be fetched.\n`);
    return undefined;
  }
  spawnSync("tar", ["xzf", path.join(at, file), "-C", at, "package/bin/node"]);
  fs.mkdirSync(kept, { recursive: true });
  fs.copyFileSync(path.join(at, "package/bin/node"), node);
  fs.chmodSync(node, 0o755);
  return node;
};

const bin = path.join(root, "bin/recollect.mjs");

describe.each(oldest)("a command on Node %s", (version) => {
  it("starts, and answers, as it was built and from its sources", { timeout: 120_000 }, ({ skip }) => {
    const node = nodeOf(version);
    if (node === undefined) return skip();
    for (const source of ["", "1"]) {
      const env = { RECOLLECT_DATA: path.join(folder, `data-${version}${source}`), RECOLLECT_SOURCE: source };
      const run = (...words: ReadonlyArray<string>) => Packed.run([node, bin, ...words], { cwd: folder, env });
      const help = run("threads", "--help");
      assert.deepStrictEqual([help.code, help.err], [0, ""]);
      const none = run("threads");
      assert.strictEqual(none.code, 4, none.err);
      assert.match(none.err, /^recollect: There is no store in /);
      const wrapped = run("wrap", "--", node, "-e", "process.exitCode = 7");
      assert.strictEqual(wrapped.code, 7, wrapped.err);
    }
  });
});
