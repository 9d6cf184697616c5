/**
 * Keeps package-lock.json complete for every platform, so that `npm ci` works in a fresh clone.
 *
 * npm leaves out optional packages of other platforms when the registry it was asked through does not hold them
 * (npm/cli #9342), and `npm ci` then refuses the whole lock file. What is missing follows from what is there: the
 * parent pins the version, and the name says the platform. `node test/support/lock.ts`
 * adds it; run it, and `npm i` once more, whenever a dependency changes.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

interface Entry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly cpu?: ReadonlyArray<string>;
  readonly os?: ReadonlyArray<string>;
  readonly libc?: ReadonlyArray<string>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
interface Lock {
  packages: Record<string, Entry>;
}

const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const processors = ["arm", "arm64", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "wasm32", "x64"];

/** What a name such as `@oxfmt/binding-linux-x64-musl` says about where it can run. */
const platformOf = (name: string) => {
  const words = name.replace(/^@[^/]*\//, "").split("-");
  const one = (field: string, values: ReadonlyArray<string>) => {
    const found = words.filter((word) => values.includes(word));
    return found.length > 0 ? { [field]: found } : {};
  };
  const libc = words.some((word) => word.startsWith("musl")) ? "musl" : "glibc";
  return {
    ...one("cpu", processors),
    ...one("os", systems),
    ...(words.includes("linux") && words.at(-1) !== "linux" && /-(gnu|musl)/.test(name) ? { libc: [libc] } : {}),
  };
};

/** Entries that the lock file's own packages ask for and that it does not hold. */
export const missingFrom = (lock: Lock): Record<string, Entry> => {
  const missing: Record<string, Entry> = {};
  for (const [where, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const nested = lock.packages[`${where}/node_modules/${name}`];
      if (nested !== undefined || lock.packages[`node_modules/${name}`] !== undefined) continue;
      const dev = entry.dev === true ? { dev: true } : {};
      missing[`node_modules/${name}`] = { version, ...dev, optional: true, ...platformOf(name) };
    }
  }
  return missing;
};

if (import.meta.main) {
  const file = resolve(import.meta.dirname, "../../package-lock.json");
  const lock: Lock = JSON.parse(readFileSync(file, "utf8"));
  const missing = missingFrom(lock);
  const [root, ...rest] = Object.entries({ ...lock.packages, ...missing }).toSorted(([a], [b]) => (a < b ? -1 : 1));
  lock.packages = Object.fromEntries(root === undefined ? rest : [root, ...rest]);
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  process.stdout.write(`${Object.keys(missing).length} entries added.\n`);
}
