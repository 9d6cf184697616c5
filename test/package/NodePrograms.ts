/** Nodes of other versions, fetched from where npm has them. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { root } from "../support/flow.ts";
import * as Packed from "./Packed.ts";

/** The oldest of each line that is supported. */
export const oldest = ["22.19.0", "24.0.0", "26.0.0"] as const;
/** The lines; npm takes one for its newest. */
export const lines = ["22", "24", "26"] as const;

/** Unpacked into a folder. Undefined: there is none for this platform, or no registry; that is said. */
const fetched = (version: string, at: string): string | undefined => {
  fs.mkdirSync(at, { recursive: true });
  const name = `node-${process.platform}-${process.arch}@${version}`;
  const packed = Packed.npm(["pack", name, "--pack-destination", at], { cwd: at });
  const [file] = fs.readdirSync(at).filter((one) => one.endsWith(".tgz"));
  if (packed.code !== 0 || file === undefined) {
    process.stderr.write(`\nNOT TESTED on Node ${version}: ${name} cannot be fetched.\n`);
    return undefined;
  }
  spawnSync("tar", ["xzf", path.join(at, file), "-C", at, "package/bin/node"]);
  return path.join(at, "package/bin/node");
};

/** The newest of a line, fetched into a folder anew, because the newest changes. */
export const newestOf = (line: string, folder: string): string | undefined =>
  fetched(line, path.join(folder, `newest-${line}`));

/** One version, kept between runs: 120 MB each. */
export const nodeOf = (version: string, folder: string): string | undefined => {
  const kept = path.join(root, "node_modules/.cache/recollect-nodes", version);
  const node = path.join(kept, "node");
  if (fs.existsSync(node)) return node;
  const found = fetched(version, path.join(folder, version));
  if (found === undefined) return undefined;
  fs.mkdirSync(kept, { recursive: true });
  fs.copyFileSync(found, node);
  fs.chmodSync(node, 0o755);
  return node;
};
