/**
 * Programs of the damage drill: each has a limit, and one that does not end by itself within it is ended and named.
 *
 * Each is the head of a process group of its own, so that its nats-server ends with it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { isAlive, pidIn } from "../../../src/machine/Processes.ts";
import { root } from "../Program.ts";

export interface Ended {
  /** Null: it did not end within its limit, or was killed. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly millis: number;
  readonly isLate: boolean;
}

export interface Running {
  readonly ended: Promise<Ended>;
  /** True when it has said this within the limit, false when it ended or was silent. */
  readonly says: (text: string, limitMillis: number) => Promise<boolean>;
  readonly out: () => string;
  readonly err: () => string;
  readonly kill: (signal: NodeJS.Signals) => void;
}

/** `recollect` as it was built of these sources, else the sources. */
export const product = existsSync(join(root, "dist/built.json"))
  ? join(root, "bin/recollect.mjs")
  : join(root, "src/main.ts");

const environment = (): NodeJS.ProcessEnv => {
  const kept = Object.entries(process.env).filter(([name]) => !/^(?:RECOLLECT_|XDG_)/.test(name));
  return { ...Object.fromEntries(kept), NO_COLOR: "1" };
};

const signalGroup = (child: ChildProcess, signal: NodeJS.Signals): void => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It ended in the moment between.
  }
};

/** On a machine that has more to do than processors to do it with, a limit is as many times longer. */
export const underLoad = (millis: number): number =>
  Math.ceil(millis * Math.max(1, (loadavg()[0] ?? 0) / availableParallelism()));

/** Ended with the drill, however that ends. */
const running = new Set<ChildProcess>();
process.once("exit", () => running.forEach((child) => signalGroup(child, "SIGKILL")));

export const begin = (options: {
  readonly words: ReadonlyArray<string>;
  /** Where what belongs to the user lies, such as the streams a publisher knows. */
  readonly home: string;
  readonly limitMillis: number;
}): Running => {
  const began = performance.now();
  const child = spawn(process.execPath, options.words, {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    env: { ...environment(), HOME: options.home },
  });
  running.add(child);
  let [out, err, isLate] = ["", "", false];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const limit = setTimeout(() => {
    isLate = true;
    signalGroup(child, "SIGKILL");
  }, underLoad(options.limitMillis));
  const ended = new Promise<Ended>((resolve) => {
    child.once("close", (code) => {
      clearTimeout(limit);
      running.delete(child);
      resolve({ code, out, err, millis: performance.now() - began, isLate });
    });
  });
  const says = async (text: string, limitMillis: number): Promise<boolean> => {
    const until = performance.now() + underLoad(limitMillis);
    let isOver = false;
    void ended.then(() => (isOver = true));
    while (!out.includes(text) && !isOver && performance.now() < until) await pause(20);
    return out.includes(text);
  };
  return { ended, says, out: () => out, err: () => err, kill: (signal) => signalGroup(child, signal) };
};

export const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

/** Ends the nats-server of a folder, whoever left it; only one that names this folder's own file. */
export const endServer = async (data: string): Promise<void> => {
  const pid = pidIn(join(data, "nats", "nats-server.pid"));
  if (pid === undefined || !isAlive(pid)) return;
  const until = performance.now() + 5_000;
  while (isAlive(pid) && performance.now() < until) await pause(20);
};
