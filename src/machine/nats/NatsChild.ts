/**
 * One nats-server as a child process: begun, watched, ended, and never outliving us.
 *
 * Room: machine.
 *
 * Plain functions, because this file wraps `node:child_process`: NatsProcess turns them into effects.
 *
 * The child leads a process group of its own, so Ctrl-C in a terminal reaches us and not it, and we end it in order.
 * Against our own `kill -9` stands the watchman: a small `sh` that reads from a pipe which only we hold open. When the
 * pipe ends it ends the server that it was last told of. Against the watchman's death too there is the server's pid
 * file, which the next start looks at (`endOrphan`).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readSync, rmSync, statSync } from "node:fs";
import { commandLineOf, isAlive, pidIn } from "../Processes.ts";

/** A clean stop writes and syncs what is in memory; a server that needs longer than this does not stop by itself. */
const patienceMillis = 10_000;
const orphanPollMillis = 20;

const watchmanScript = `
pid=
while read -r line; do pid=$line; done
[ -n "$pid" ] || exit 0
kill -TERM "$pid" 2>/dev/null || exit 0
for _ in 1 2 3 4 5 6 7 8 9 10; do
  sleep 1
  kill -0 "$pid" 2>/dev/null || exit 0
done
kill -KILL "$pid" 2>/dev/null
`;

export interface Watchman {
  /** From now on, this is the process to end when we are gone; none is `undefined`. */
  readonly watch: (pid: number | undefined) => void;
  /** Sends the watchman home without ending anything. */
  readonly dismiss: () => void;
}

/** Starts a watchman; where there is no `sh` (Windows) only the pid file protects the store. */
export const hireWatchman = (): Watchman => {
  if (process.platform === "win32") return { watch: () => {}, dismiss: () => {} };
  const shell = spawn("/bin/sh", ["-c", watchmanScript], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  shell.unref();
  shell.on("error", () => {});
  shell.stdin.on("error", () => {});
  return {
    watch: (pid) => shell.stdin.write(`${pid ?? ""}\n`),
    dismiss: () => shell.stdin.end("\n"),
  };
};

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface NatsChild {
  readonly pid: number;
  /** Resolves when the process has ended, however. */
  readonly ended: Promise<Ended>;
  /** Asks it to stop, insists after 10 s, resolves when it has ended. */
  readonly stop: () => Promise<Ended>;
}

/** Starts the program with its output appended to `logFile`. Throws the system's error when it cannot be started. */
export const begin = (options: {
  readonly program: string;
  readonly args: ReadonlyArray<string>;
  readonly logFile: string;
}): Promise<NatsChild> => {
  const log = openSync(options.logFile, "a", 0o600);
  const child: ChildProcess = spawn(options.program, options.args, { stdio: ["ignore", log, log], detached: true });
  closeSync(log);
  const ended = new Promise<Ended>((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
  const stop = () => {
    child.kill("SIGTERM");
    const insist = setTimeout(() => child.kill("SIGKILL"), patienceMillis);
    insist.unref();
    return ended.finally(() => clearTimeout(insist));
  };
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("spawn", () => resolve({ pid: child.pid ?? 0, ended, stop }));
  });
};

const signal = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name);
  } catch {
    // It has just ended, or belongs to another user: whether it lives is asked next.
  }
};

/**
 * Ends a nats-server that an earlier life of ours left running on this store. It is recognised by its pid file and by
 * that file's path in its own arguments, so a process that was given the same id since is not touched.
 * Gives its pid if it could not be ended. The caller holds the data folder's lock.
 */
export const endOrphan = async (pidFile: string): Promise<number | undefined> => {
  const pid = pidIn(pidFile);
  if (pid === undefined || !isAlive(pid) || !commandLineOf(pid).includes(pidFile)) return undefined;
  signal(pid, "SIGTERM");
  for (let waited = 0; isAlive(pid) && waited < 2 * patienceMillis; waited += orphanPollMillis) {
    if (waited === patienceMillis) signal(pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, orphanPollMillis));
  }
  if (isAlive(pid)) return pid;
  rmSync(pidFile, { force: true });
  return undefined;
};

/** Length of the log now: what comes after is this start's own. */
export const logLength = (logFile: string): number => {
  try {
    return statSync(logFile).size;
  } catch {
    return 0;
  }
};

/** The last lines that say something about a failure: errors and fatal ones first, otherwise the newest. */
export const logTail = (options: { readonly logFile: string; readonly from: number }): ReadonlyArray<string> => {
  const bytes = Buffer.alloc(8192);
  try {
    const start = Math.max(options.from, logLength(options.logFile) - bytes.length);
    const file = openSync(options.logFile, "r");
    const length = readSync(file, bytes, 0, bytes.length, start);
    closeSync(file);
    const lines = bytes
      .toString("utf8", 0, length)
      .split("\n")
      .filter((line) => line.trim() !== "");
    const grave = lines.filter((line) => /\[(ERR|FTL)\]|^nats-server: /.test(line));
    return (grave.length > 0 ? grave : lines).slice(-5);
  } catch {
    return [];
  }
};
