/**
 * Finds a nats-server program that is new enough, and fetches one where this machine has none.
 *
 * Room: machine.
 *
 * Promises: the program found has been run once and said its version; the order is `RECOLLECT_NATS_SERVER`, then
 * `nats-server` on the PATH, then our own cached copy, then Debian's package (see NatsBinaryDebian); two processes at
 * once never see half a program; nothing on the system is changed.
 */
import { Context, Effect, FileSystem, Layer, Option, Path, Schema } from "effect";
import { ChildProcess, ChildProcessSpawner } from "effect/process";
import * as NatsBinaryDebian from "./NatsBinaryDebian.ts";
import { cacheHome, variable } from "../UserFolders.ts";

/** Atomic batches with deduplication inside need 2.12.1 (ADR-50); the engine was measured with 2.15. */
export const minimumVersion = "2.12.1";

/** No nats-server that can be used. `hint` says how to get one on this platform. */
export class NatsBinaryUnusable extends Schema.TaggedError<NatsBinaryUnusable>()("NatsBinaryUnusable", {
  reason: Schema.Literals(["missing", "tooOld", "notRunnable"]),
  message: Schema.String,
  hint: Schema.String,
}) {}

export class NatsBinary extends Context.Service<
  NatsBinary,
  {
    /** Absolute path of the program. */
    readonly path: string;
    /** For example `2.15.1`. */
    readonly version: string;
  }
>()("recollect/machine/NatsBinary") {}

/** True when dotted version `version` is at least `minimum`. A suffix such as `-RC.1` is not looked at. */
export const isAtLeast = (version: string, minimum: string): boolean => {
  const parts = version.split(/[.-]/).map(Number);
  for (const [index, wanted] of minimum.split(".").map(Number).entries()) {
    const part = parts[index] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
};

/** The version that the program at `path` reports of itself; none when it cannot be run. */
const versionOf = Effect.fnUntraced(function* (path: string) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner;
  const said = yield* spawner
    .string(ChildProcess.make(path, ["-v"], { stdin: "ignore", stderr: "ignore" }))
    .pipe(Effect.option);
  return Option.flatMap(said, (text) => Option.fromUndefinedOr(/v(\d+\.\d+\.\d+\S*)/.exec(text)?.[1]));
});

const programName = process.platform === "win32" ? "nats-server.exe" : "nats-server";

/** Every `nats-server` on the PATH, in its order. */
const onPath = Effect.gen(function* () {
  const path = yield* Path.Path;
  const fs = yield* FileSystem.FileSystem;
  const separator = process.platform === "win32" ? ";" : ":";
  const folders = (yield* variable("PATH")).split(separator).filter(path.isAbsolute);
  return yield* Effect.filter(
    folders.map((folder) => path.join(folder, programName)),
    (file) => fs.exists(file).pipe(Effect.orElseSucceed(() => false)),
  );
});

/** Our own copy. One folder per platform, because a home folder may be shared between machines. */
const cachedProgram = Effect.gen(function* () {
  const path = yield* Path.Path;
  return path.join(yield* cacheHome, "bin", `${process.platform}-${process.arch}`, programName);
});

const howToInstall: Partial<Record<NodeJS.Platform, string>> = {
  darwin: "Run `brew install nats-server`",
  win32: "Run `winget install NATSAuthors.NATSServer`",
  freebsd: "Run `pkg install nats-server`",
};

const waysOut = `${howToInstall[process.platform] ?? `Install nats-server ${minimumVersion} or newer from your distribution or from the NATS project's releases`}, or name a program with RECOLLECT_NATS_SERVER, or use a running server with RECOLLECT_NATS_URL.`;

/** The program that the user named: taken as it is, or refused; never silently replaced by another. */
const named = Effect.fnUntraced(function* (path: string) {
  const version = yield* versionOf(path);
  if (Option.isNone(version)) {
    return yield* new NatsBinaryUnusable({
      reason: "notRunnable",
      message: `RECOLLECT_NATS_SERVER names ${path}, which is not a nats-server that runs here.`,
      hint: "Correct the path or unset RECOLLECT_NATS_SERVER, so that one is looked for.",
    });
  }
  if (!isAtLeast(version.value, minimumVersion)) {
    return yield* new NatsBinaryUnusable({
      reason: "tooOld",
      message: `RECOLLECT_NATS_SERVER names ${path}, version ${version.value}; ${minimumVersion} or newer is needed.`,
      hint: waysOut,
    });
  }
  return NatsBinary.of({ path, version: version.value });
});

/** Finds the program, fetching it once if need be. Says on stderr, in one sentence, when it fetches. */
export const make = Effect.gen(function* () {
  const chosen = yield* variable("RECOLLECT_NATS_SERVER");
  if (chosen !== "") return yield* named(chosen);

  const cached = yield* cachedProgram;
  const tooOld: Array<string> = [];
  for (const path of [...(yield* onPath), cached]) {
    const version = yield* versionOf(path);
    if (Option.isNone(version)) continue;
    if (isAtLeast(version.value, minimumVersion)) return NatsBinary.of({ path, version: version.value });
    tooOld.push(`${path} is ${version.value}`);
  }

  const fetched = yield* NatsBinaryDebian.fetch({ target: cached }).pipe(Effect.result);
  if (fetched._tag === "Success") {
    const version = yield* versionOf(cached);
    if (Option.isSome(version)) return NatsBinary.of({ path: cached, version: version.value });
  }
  const why = fetched._tag === "Failure" ? ` ${fetched.failure.message}` : "";
  return yield* new NatsBinaryUnusable({
    reason: tooOld.length > 0 ? "tooOld" : "missing",
    message:
      tooOld.length > 0
        ? `nats-server ${minimumVersion} or newer is needed, but ${tooOld.join(" and ")}.${why}`
        : `No nats-server was found on this machine.${why}`,
    hint: waysOut,
  });
}).pipe(Effect.withSpan("machine.findNatsBinary"));

export const layer = Layer.effect(NatsBinary, make);
