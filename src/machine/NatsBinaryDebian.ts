/**
 * Fetches nats-server as Debian's package, without root and without changing anything on the system.
 *
 * Room: machine. In: NatsBinary. Out: apt-get, dpkg-deb, cache folder.
 *
 * apt runs with lists, state and cache of its own in a folder that is removed afterwards. It asks the mirror that this
 * system already uses for suite `forky` (bookworm has 2.9, far too old) and trusts Debian's keyring as the system has
 * it, so what arrives is signed. The package is unpacked, never installed; the program has no dependencies.
 */
import { Console, Effect, FileSystem, Path, Schema, Stream } from "effect";
import { ChildProcess, ChildProcessSpawner } from "effect/process";
import { variable } from "./UserFolders.ts";

/** Debian's package could not be had. `message` is one sentence that says which step failed. */
export class DebianFetchFailed extends Schema.TaggedError<DebianFetchFailed>()("DebianFetchFailed", {
  message: Schema.String,
}) {}

const suite = "forky";
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
/** A third-party repository has no such suite; the third mirror that fails will not be followed by one that works. */
const mirrorsTried = 3;
/** 15 MB take 3 s on a good line; at 50 kB/s they take 5 minutes. */
const timeoutMillis = 5 * 60_000;

/** apt's settings for one private run. The hooks of the system's own settings expect root, so they are cleared. */
const aptSettings = (folder: string) => `
Dir::Etc::SourceList "${folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "${folder}/state";
Dir::State::Lists "${folder}/lists";
Dir::State::status "/dev/null";
Dir::Cache "${folder}/cache";
Dir::Log "${folder}/log";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
APT::Sandbox::User "root";
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

/** Downloads the package from one mirror into `folder` and unpacks it there. Gives the path of the program. */
const fetchFrom = Effect.fnUntraced(function* (options: { readonly mirror: string; readonly folder: string }) {
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  const { folder, mirror } = options;
  const architecture = (yield* run("dpkg", ["--print-architecture"])).trim();
  const source = `deb [arch=${architecture} signed-by=${keyring} target=Packages] ${mirror} ${suite} main\n`;
  yield* fs.writeFileString(path.join(folder, "sources.list"), source);
  yield* fs.writeFileString(path.join(folder, "apt.conf"), aptSettings(folder));
  for (const name of ["state", "lists/partial", "cache/archives/partial", "log", "unpacked"]) {
    yield* fs.makeDirectory(path.join(folder, name), { recursive: true });
  }
  const settings = ["-c", path.join(folder, "apt.conf"), "-q"];
  yield* run("apt-get", [...settings, "--error-on=any", "update"], folder);
  yield* run("apt-get", [...settings, "download", "nats-server"], folder);
  const archive = (yield* fs.readDirectory(folder)).find((name) => name.endsWith(".deb"));
  if (archive === undefined) return yield* new DebianFetchFailed({ message: "apt-get downloaded nothing." });
  yield* run("dpkg-deb", ["-x", archive, "unpacked"], folder);
  return path.join(folder, "unpacked/usr/sbin/nats-server");
});

const fetchAny = Effect.fnUntraced(function* (folder: string) {
  const uris = yield* mirrors;
  let problem = new DebianFetchFailed({ message: "apt knows no mirror (its sources are empty)." });
  for (const mirror of uris) {
    const attempt = yield* fetchFrom({ mirror, folder }).pipe(
      Effect.map((program) => ({ program })),
      Effect.catchTag("DebianFetchFailed", (error) => Effect.succeed({ error })),
    );
    if ("program" in attempt) return attempt.program;
    problem = attempt.error;
  }
  return yield* problem;
});

/**
 * Puts nats-server at `target`, whole or not at all: it is unpacked beside it and renamed, so a process that does the
 * same at the same moment only replaces it by its equal.
 */
export const fetch = Effect.fn("machine.fetchNatsBinary")(
  function* (options: { readonly target: string }) {
    const fs = yield* FileSystem.FileSystem;
    const path = yield* Path.Path;
    if (process.platform !== "linux") return yield* new DebianFetchFailed({ message: "This is not a Debian system." });
    if (!(yield* fs.exists(keyring))) {
      return yield* new DebianFetchFailed({
        message: "Debian's keyring is not on this system, so it was not fetched.",
      });
    }
    const parent = path.dirname(options.target);
    yield* fs.makeDirectory(parent, { recursive: true, mode: 0o700 });
    yield* Console.error("Fetching nats-server from this system's Debian mirror (once, about 15 MB, into the cache).");
    const folder = yield* fs.makeTempDirectoryScoped({ directory: parent, prefix: "fetch-" });
    const program = yield* fetchAny(folder);
    yield* fs.chmod(program, 0o755);
    yield* fs.rename(program, options.target);
  },
  Effect.scoped,
  Effect.timeoutOrElse({
    duration: timeoutMillis,
    orElse: () =>
      Effect.fail(new DebianFetchFailed({ message: "Fetching it from Debian took longer than 5 minutes." })),
  }),
  Effect.catchTag("PlatformError", (error) => Effect.fail(new DebianFetchFailed({ message: `${error.message}.` }))),
);
