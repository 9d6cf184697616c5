/**
 * One server of a peer as a child process: its log in a file, ended with its scope, never outliving the bench.
 */
import { Effect } from "effect";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { hireWatchman } from "../../src/machine/nats/NatsChild.ts";
import { PeerMissing } from "./PeerProgram.ts";

export interface Command {
  readonly program: string;
  readonly args: ReadonlyArray<string>;
  readonly env?: Record<string, string>;
  /** Both user and group; default: our own. */
  readonly user?: number | undefined;
  /** Its working folder. */
  readonly folder: string;
}

/** A server that has not begun to answer after this is not going to. */
const startMillis = 15_000;
const pauseMillis = 20;
/** A clean end writes what is in memory; who needs longer does not end by itself. */
const endMillis = 10_000;

const optionsOf = ({ env = {}, folder, user }: Command) => ({
  cwd: folder,
  env: { ...process.env, LC_ALL: "C", ...env },
  ...(user === undefined ? {} : { uid: user, gid: user }),
});

/** Runs a program to its end and gives what it printed. */
export const output = (command: Command): Effect.Effect<string, PeerMissing> =>
  Effect.callback((resume) => {
    execFile(command.program, command.args, optionsOf(command), (error, stdout, stderr) => {
      const said = stderr.trim().split("\n").at(-1) ?? "";
      const failed = () => new PeerMissing({ message: `${command.program} failed: ${said || error?.message}` });
      resume(error === null ? Effect.succeed(stdout) : Effect.fail(failed()));
    });
  });

const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

const begin = (command: Command, logFile: string) => {
  const log = openSync(logFile, "a", 0o600);
  const options = { ...optionsOf(command), stdio: ["ignore", log, log] as Array<number | "ignore">, detached: true };
  const child = spawn(command.program, command.args, options);
  closeSync(log);
  const watchman = hireWatchman();
  child.on("error", () => {});
  if (child.pid !== undefined) watchman.watch(child.pid);
  return { child, watchman };
};

const end = ({ child, watchman }: ReturnType<typeof begin>): Promise<void> =>
  new Promise<void>((resolve) => {
    if (child.pid === undefined || ended(child)) return resolve();
    const insist = setTimeout(() => child.kill("SIGKILL"), endMillis);
    child.once("exit", () => {
      clearTimeout(insist);
      resolve();
    });
    child.kill("SIGTERM");
  }).finally(watchman.dismiss);

/** Starts it and returns with its first client. `connect` rejects for as long as the server does not answer. */
export const start = Effect.fnUntraced(function* <A>(options: {
  readonly command: Command;
  readonly logFile: string;
  readonly connect: () => Promise<A>;
}) {
  const { command, connect, logFile } = options;
  const { child } = yield* Effect.acquireRelease(
    Effect.sync(() => begin(command, logFile)),
    (running) => Effect.promise(() => end(running)),
  );
  const giveUp = performance.now() + startMillis;
  for (;;) {
    const client = yield* Effect.tryPromise(connect).pipe(Effect.option);
    if (client._tag === "Some") return client.value;
    if (child.pid === undefined || ended(child) || performance.now() > giveUp) {
      const said = readFileSync(logFile, "utf8").trim().split("\n").at(-1) ?? "";
      return yield* new PeerMissing({ message: `${command.program} does not start: ${said || "it cannot be run"}` });
    }
    yield* Effect.sleep(pauseMillis);
  }
});
