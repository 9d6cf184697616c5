/**
 * Finds the program of a peer, and fetches it where this machine has none, as `nats-server` is fetched.
 *
 * The order: the PATH and the folders where Debian puts it, our own cache, Debian's packages for the release that this
 * system runs, with the libraries it lacks. Nothing on the system is changed.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Data, Effect } from "effect";
import { existsSync, globSync, readFileSync, renameSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { unpack } from "../../src/machine/nats/DebianPackages.ts";
import { cacheHome } from "../../src/machine/UserFolders.ts";
import type { Skipped } from "../Harness.ts";

/** A peer cannot be had or does not start here; the rows that need it are skipped with this sentence. */
export class PeerMissing extends Data.TaggedError("PeerMissing")<{ readonly message: string }> {}

/** For `Effect.catchTag("PeerMissing", asSkipped)`: a row without its peer says so; it has not failed. */
export const asSkipped = ({ message }: PeerMissing): Effect.Effect<Skipped> => Effect.succeed({ skipped: message });

export interface PeerProgram {
  /** Absolute path. */
  readonly path: string;
  /** Where packages were unpacked; undefined for a program of the system. */
  readonly root: string | undefined;
}

interface Wanted {
  /** For example `redis-server`. */
  readonly program: string;
  /** Where Debian puts it, as a pattern below `/`. The last in order of names is the newest. */
  readonly pattern: string;
  readonly packages: ReadonlyArray<string>;
  readonly megabytes: number;
}

const newest = (pattern: string, root: string): string | undefined =>
  globSync(pattern, { cwd: root })
    .map((name) => join(root, name))
    .toSorted((left, right) => left.localeCompare(right, "en", { numeric: true }))
    .at(-1);

const onSystem = ({ pattern, program }: Wanted): string | undefined => {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter(isAbsolute);
  return folders.map((folder) => join(folder, program)).find((file) => existsSync(file)) ?? newest(pattern, "/");
};

/** Debian's name of the release that this system runs; undefined on another system. */
const codename = (): string | undefined => {
  if (!existsSync("/etc/os-release")) return undefined;
  const text = readFileSync("/etc/os-release", "utf8");
  return /^ID=debian$/m.test(text) ? /^VERSION_CODENAME=(\w+)$/m.exec(text)?.[1] : undefined;
};

/** The folder appears whole or not at all; who comes second finds the first one's. */
const putInPlace = (from: string, to: string): void => {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
  }
};

export const find = Effect.fnUntraced(
  function* (wanted: Wanted) {
    const ofSystem = onSystem(wanted);
    if (ofSystem !== undefined) return { path: ofSystem, root: undefined } satisfies PeerProgram;
    const suite = codename();
    if (suite === undefined) {
      const why = "and this is no Debian system to fetch it for";
      return yield* new PeerMissing({ message: `there is no ${wanted.program} on the PATH, ${why}` });
    }
    const root = join(yield* cacheHome, "peers", `${suite}-${process.arch}`, wanted.program);
    if (newest(wanted.pattern, root) === undefined) {
      const { megabytes, packages, program: name } = wanted;
      const options = { name, packages, dependencies: "missing", suite, megabytes, parent: dirname(root) } as const;
      const unpacked = yield* unpack(options);
      yield* Effect.sync(() => putInPlace(unpacked, root));
    }
    const path = newest(wanted.pattern, root);
    if (path === undefined) return yield* new PeerMissing({ message: `Debian's package holds no ${wanted.program}` });
    return { path, root } satisfies PeerProgram;
  },
  Effect.catchTag("DebianFetchFailed", ({ message }) => Effect.fail(new PeerMissing({ message }))),
  Effect.scoped,
  Effect.provide(NodeServices.layer),
);

/** Where the program finds the libraries that were unpacked beside it. */
export const environmentOf = ({ root }: PeerProgram): Record<string, string> => {
  if (root === undefined) return {};
  const folders = globSync(["{usr/,}lib/*-linux-gnu*", "{usr/,}lib"], { cwd: root }).map((name) => join(root, name));
  return { LD_LIBRARY_PATH: folders.join(":") };
};
