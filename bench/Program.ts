/** Our program in a process of its own, and what it takes: for figures of memory and of idle processors. Linux only. */
import { Effect } from "effect";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** The door that users take: what was compiled once is not compiled again. */
const main = join(import.meta.dirname, "../bin/recollect.mjs");
/** Of /proc/PID/stat on every Linux. */
const ticksPerSecond = 100;

export const canBeSeen = existsSync("/proc/self/status");

const kilobytes = (pid: number, field: string): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);

/** Seconds of processor time that a process has taken so far. */
export const cpuSecondsOf = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
};

/** Bytes that a process has had written to disk so far: pages that it made dirty, as the kernel counts them. */
export const writtenBytesOf = (pid: number): number =>
  Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);

/** Megabytes of a process now: resident, and of those what no other process shares, as Node's own program is shared. */
export const memoryOf = (pid: number): { readonly resident: number; readonly own: number } => {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const of = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) / 1000;
  return { resident: of("Rss"), own: of("Private_Clean") + of("Private_Dirty") };
};

export interface Program {
  readonly pid: number;
  /** Its first line of output. */
  readonly line: string;
  /** Megabytes resident now, and at most so far. */
  readonly memory: () => { readonly now: number; readonly most: number };
  /** Seconds of processor time so far. */
  readonly cpuSeconds: () => number;
  /** Returns when it has ended by itself. */
  readonly ended: Effect.Effect<void>;
}

/** Starts `recollect` with these arguments and waits for its first line. It is ended with the scope. */
export const program = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "ignore"] })),
    (running) =>
      Effect.promise(async () => {
        if (running.exitCode !== null || running.signalCode !== null) return;
        const gone = new Promise((done) => running.once("exit", done));
        running.kill("SIGTERM");
        await gone;
      }),
  );
  const pid = child.pid ?? 0;
  const gone = new Promise<void>((done) => child.once("exit", () => done()));
  const said = new Promise<string>((done) => createInterface({ input: child.stdout }).once("line", done));
  // The most that was resident is gone with the process, so it is looked at until then.
  let most = 0;
  const look = () => {
    try {
      most = Math.max(most, kilobytes(pid, "VmHWM"));
    } catch {
      // It has ended.
    }
  };
  const timer = setInterval(look, 50);
  yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(timer)));
  const line = yield* Effect.promise(() => said);
  look();
  return {
    pid,
    line,
    memory: () => {
      look();
      return { now: child.exitCode === null ? kilobytes(pid, "VmRSS") / 1000 : 0, most: most / 1000 };
    },
    cpuSeconds: () => cpuSecondsOf(pid),
    ended: Effect.promise(() => gone),
  } satisfies Program;
});
