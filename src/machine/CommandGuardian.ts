/**
 * Commands that die with this process, however it dies.
 *
 * Room: machine.
 *
 * Each command leads a process group of its own. A small shell beside this process, in a session of its own, reads from a
 * pipe which groups there are; the pipe ends when this process does, also by SIGKILL, and then the shell ends the groups:
 * SIGTERM, the grace, SIGKILL. A command begins only after the shell was told of it: it waits for a word on a pipe of its
 * own, and without one it never was. A process that leaves its group (`setsid`) is not reached.
 *
 * Plain functions, because this file wraps `node:child_process`. POSIX only.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex, Readable, Writable } from "node:stream";

/** Reads `+ GROUP` and `- GROUP`; at the end of its input it ends the groups that are left. `$1`: grace, seconds. */
const guardian = `
trap '' INT TERM HUP
groups=' '
while read -r deed group; do
  case $deed in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="\${groups%%" $group "*} \${groups#*" $group "}" ;; esac ;;
  esac
done
signal() { for group in $groups; do kill -s "$1" -- "-$group" 2>/dev/null; done; }
alive() { for group in $groups; do kill -s 0 -- "-$group" 2>/dev/null && return 0; done; return 1; }
signal TERM
left=$(($1 * 5))
while [ "$left" -gt 0 ] && alive; do sleep 0.2; left=$((left - 1)); done
signal KILL
`;

/** Waits for the word on descriptor 3; says there when there is no such program. */
const begin = `
IFS= read -r _ <&3 || exit 125
command -v "$1" >/dev/null 2>&1 || { echo missing >&3; exit 127; }
exec 3<&- 3>&-
exec "$@"
`;

export interface Command {
  readonly child: ChildProcess & { readonly stdin: Writable; readonly stdout: Readable; readonly stderr: Readable };
  /** Resolves before the command begins; true: there is no such program, and it will not. */
  readonly isMissing: Promise<boolean>;
  /** Ends the whole group: SIGTERM, after the grace SIGKILL. Resolves when its leader has ended. */
  readonly stop: () => Promise<void>;
}

export interface Guardian {
  readonly start: (command: ReadonlyArray<string>, env: NodeJS.ProcessEnv) => Command;
}

const signal = (group: number, name: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(-group, name);
  } catch {
    // The group is gone.
    return false;
  }
};

/** `graceMillis` between SIGTERM and SIGKILL. */
export const make = (graceMillis: number): Guardian => {
  const seconds = String(Math.max(1, Math.ceil(graceMillis / 1_000)));
  const groups = new Set<number>();
  let shell: ChildProcess | undefined;

  /** A shell that is gone is followed by another, which is told of all groups. */
  const shellNow = (): ChildProcess => {
    if (shell !== undefined && shell.exitCode === null && shell.signalCode === null) return shell;
    const made = spawn("sh", ["-c", guardian, "sh", seconds], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
    // A failed write needs no report: the guardian learns from its input's end.
    made.stdin?.on("error", () => undefined);
    made.on("error", () => undefined);
    made.unref();
    for (const group of groups) made.stdin?.write(`+ ${group}\n`);
    shell = made;
    return made;
  };

  const tell = (line: string) =>
    new Promise<void>((resolve, reject) => {
      const { stdin } = shellNow();
      // No stdin where no process could be started.
      if (stdin == null) reject(new Error("no guardian could be started"));
      else stdin.write(line, (error) => (error == null ? resolve() : reject(error)));
    });

  const start: Guardian["start"] = (command, env) => {
    const child = spawn("sh", ["-c", begin, "sh", ...command], {
      env,
      detached: true,
      stdio: ["pipe", "pipe", "pipe", "pipe"],
    }) as unknown as Command["child"];
    const word = child.stdio[3] as Duplex;
    const ended = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    const group = child.pid;
    word.on("error", () => undefined);
    const isMissing = new Promise<boolean>((resolve) => {
      word.once("data", () => resolve(true));
      word.once("close", () => resolve(false));
    });
    if (group === undefined) return { child, isMissing: Promise.resolve(true), stop: () => ended };
    const told = tell(`+ ${group}\n`);
    groups.add(group);
    void told.then(
      () => word.write("go\n"),
      // Without a guardian it must not run.
      () => word.destroy(),
    );
    child.once("close", () => {
      groups.delete(group);
      void tell(`- ${group}\n`).catch(() => undefined);
    });
    const stop = async () => {
      signal(group, "SIGTERM");
      const kill = setTimeout(() => signal(group, "SIGKILL"), graceMillis);
      await ended;
      clearTimeout(kill);
      // The rest of the group may have outlived its leader.
      signal(group, "SIGKILL");
    };
    return { child, isMissing, stop };
  };
  return { start };
};
