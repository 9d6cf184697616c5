/**
 * Packages of this system's Debian mirror, unpacked in a folder, without root and without changing the system.
 *
 * Room: machine.
 *
 * apt runs with lists, state and cache of its own in a folder that is removed afterwards. It asks the mirror that this
 * system already uses and trusts Debian's keyring as the system has it, so what arrives is signed. Packages are
 * unpacked, never installed.
 */
import { Console, Effect, FileSystem, Path, Schema, Stream } from "effect";
import { ChildProcess, ChildProcessSpawner } from "effect/process";
import { variable } from "../UserFolders.ts";

/** Debian's packages could not be had. `message` is one sentence that says which step failed. */
export class DebianFetchFailed extends Schema.TaggedError<DebianFetchFailed>()("DebianFetchFailed", {
  message: Schema.String,
}) {}

export interface Wanted {
  /** Name shown while it is fetched, for example `nats-server`. */
  readonly name: string;
  readonly packages: ReadonlyArray<string>;
  /** `missing`: also those packages they depend on that this system lacks. */
  readonly dependencies: "none" | "missing";
  /** Debian's name of a release, for example `forky`. With dependencies it must be the one this system runs. */
  readonly suite: string;
  /** About how much is downloaded: said to the person. */
  readonly megabytes: number;
  /** A folder of ours, made if it is not there; packages are unpacked in a folder in it that ends with the scope. */
  readonly parent: string;
}

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
/** A third-party repository has no such suite; the third mirror that fails will not be followed by one that works. */
const mirrorsTried = 3;
/** 15 MB take 3 s on a good line; at 50 kB/s they take 5 minutes. */
const timeoutMillis = 5 * 60_000;

/**
 * apt's settings for one private run. The hooks of the system's own settings expect root, so they are cleared. Only
 * who asks for dependencies lets apt read what this system has; it locks nothing, because it installs nothing.
 */
const aptSettings = (folder: string, { dependencies }: Wanted) => `
Dir::Etc::SourceList "${folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "${folder}/state";
Dir::State::Lists "${folder}/lists";
Dir::State::status "${dependencies === "none" ? "/dev/null" : "/var/lib/dpkg/status"}";
Dir::Cache "${folder}/cache";
Dir::Log "${folder}/log";
Debug::NoLocking "true";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`;

/** Runs a program and gives its output; its failure ends in `DebianFetchFailed` with its last line. */
const run = Effect.fnUntraced(function* (command: string, args: ReadonlyArray<string>, cwd?: string) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner;
  const failed = (why: string) => new DebianFetchFailed({ message: `\`${command} ${args.at(-1)}\` failed: ${why}.` });
  return yield* Effect.gen(function* () {
    const handle = yield* spawner.spawn(
      ChildProcess.make(command, args, {
        stdin: "ignore",
        env: { LC_ALL: "C.UTF-8", PATH: yield* variable("PATH") },
        extendEnv: true,
        ...(cwd === undefined ? {} : { cwd }),
      }),
    );
    const output = yield* handle.all.pipe(Stream.decodeText(), Stream.mkString);
    const exitCode = yield* handle.exitCode;
    if (exitCode === 0) return output;
    const lines = output.split("\n").filter((line) => line.trim() !== "");
    return yield* failed(lines.findLast((line) => line.startsWith("E:")) ?? lines.at(-1) ?? `exit code ${exitCode}`);
  }).pipe(
    Effect.scoped,
    Effect.catchTag("PlatformError", (error) => Effect.fail(failed(error.message))),
  );
});

/**
 * The mirrors that this system gets packages from, the likeliest first. `--no-release-info` reads its sources only:
 * without it apt names nothing on a system whose lists are empty, as they are in most container images.
 */
const mirrors = Effect.gen(function* () {
  const answer = yield* run("apt-get", ["indextargets", "--no-release-info", "--format", "$(REPO_URI)"]);
  const found = [...new Set(answer.split("\n").filter((line) => /^(https?|file|mirror)/.test(line)))];
  const isDebian = (uri: string) => /\/debian\/?$/.test(uri);
  return found
    .filter((uri) => !uri.includes("security"))
    .toSorted((a, b) => Number(isDebian(b)) - Number(isDebian(a)))
    .slice(0, mirrorsTried);
});

/** Downloads the packages from one mirror into `folder` and unpacks them there, into `unpacked`. */
const fetchFrom = Effect.fnUntraced(function* (wanted: Wanted, mirror: string, folder: string) {
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  const architecture = (yield* run("dpkg", ["--print-architecture"])).trim();
  const source = `deb [arch=${architecture} signed-by=${keyring} target=Packages] ${mirror} ${wanted.suite} main\n`;
  yield* fs.writeFileString(path.join(folder, "sources.list"), source);
  yield* fs.writeFileString(path.join(folder, "apt.conf"), aptSettings(folder, wanted));
  for (const name of ["state", "lists/partial", "cache/archives/partial", "log", "unpacked"]) {
    yield* fs.makeDirectory(path.join(folder, name), { recursive: true });
  }
  const settings = ["-c", path.join(folder, "apt.conf"), "-q"];
  yield* run("apt-get", [...settings, "--error-on=any", "update"], folder);
  const archives = wanted.dependencies === "none" ? folder : path.join(folder, "cache/archives");
  const command = wanted.dependencies === "none" ? ["download"] : ["--yes", "--download-only", "install"];
  yield* run("apt-get", [...settings, ...command, ...wanted.packages], folder);
  const found = (yield* fs.readDirectory(archives)).filter((name) => name.endsWith(".deb"));
  if (found.length === 0) return yield* new DebianFetchFailed({ message: "apt-get downloaded nothing." });
  for (const name of found) yield* run("dpkg-deb", ["-x", path.join(archives, name), "unpacked"], folder);
  return path.join(folder, "unpacked");
});

const fetchAny = Effect.fnUntraced(function* (wanted: Wanted, folder: string) {
  const uris = yield* mirrors;
  let problem = new DebianFetchFailed({ message: "apt knows no mirror (its sources are empty)." });
  for (const mirror of uris) {
    const attempt = yield* fetchFrom(wanted, mirror, folder).pipe(
      Effect.map((unpacked) => ({ unpacked })),
      Effect.catchTag("DebianFetchFailed", (error) => Effect.succeed({ error })),
    );
    if ("unpacked" in attempt) return attempt.unpacked;
    problem = attempt.error;
  }
  return yield* problem;
});

/** Answers with the folder in which the packages are unpacked: `usr/bin` and so on. Says on stderr that it fetches. */
export const unpack = Effect.fn("machine.unpackDebianPackages")(
  function* (wanted: Wanted) {
    const fs = yield* FileSystem.FileSystem;
    if (process.platform !== "linux") return yield* new DebianFetchFailed({ message: "This is not a Debian system." });
    if (!(yield* fs.exists(keyring))) {
      return yield* new DebianFetchFailed({
        message: "Debian's keyring is not on this system, so it was not fetched.",
      });
    }
    const { megabytes, name } = wanted;
    yield* Console.error(
      `Fetching ${name} from this system's Debian mirror (once, about ${megabytes} MB, into the cache).`,
    );
    yield* fs.makeDirectory(wanted.parent, { recursive: true, mode: 0o700 });
    const folder = yield* fs.makeTempDirectoryScoped({ directory: wanted.parent, prefix: "fetch-" });
    return yield* fetchAny(wanted, folder);
  },
  Effect.timeoutOrElse({
    duration: timeoutMillis,
    orElse: () =>
      Effect.fail(new DebianFetchFailed({ message: "Fetching it from Debian took longer than 5 minutes." })),
  }),
  Effect.catchTag("PlatformError", (error) => Effect.fail(new DebianFetchFailed({ message: `${error.message}.` }))),
);
