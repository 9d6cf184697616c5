/**
 * A program of the drill in a process of its own: started, heard, and killed.
 *
 * The process is the program itself, so its pid is the one to kill. It ends with the scope, and with the drill's own
 * process (`bin/lifeline.mjs`), so an interrupted drill leaves nothing running.
 */
import { Effect, type Scope } from "effect";
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

export const root = resolve(import.meta.dirname, "../..");
const lifeline = pathToFileURL(resolve(root, "bin/lifeline.mjs")).href;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Program {
  readonly pid: number;
  readonly isAlive: () => boolean;
  /** Its first line of output; undefined when it ended without one. */
  readonly firstLine: Effect.Effect<string | undefined>;
  readonly ended: Effect.Effect<Ended>;
  readonly tell: (line: string) => void;
  /** Nothing more will be told. */
  readonly finish: () => void;
  /** Sends a signal; true when there was a living process to send it to. */
  readonly signal: (name: NodeJS.Signals) => boolean;
  /** Whether it was us who killed it. */
  readonly wasKilled: () => boolean;
}

/** What would lead a program away from the drill's own folder and server. */
const environment = () => {
  const { RECOLLECT_DATA: _, RECOLLECT_NATS_URL: __, ...rest } = process.env;
  return { ...rest, NO_COLOR: "1" };
};

const begin = (options: Options): Program => {
  const log = openSync(options.log, "a");
  const child = spawn(process.execPath, ["--import", lifeline, resolve(root, options.file), ...options.args], {
    stdio: ["pipe", "pipe", log, "pipe"],
    env: environment(),
  });
  closeSync(log);
  let killed = false;
  const { stdin, stdout } = child;
  stdin?.on("error", () => {});
  const ended = new Promise<Ended>((done) => {
    child.once("close", (code, signal) => done({ code, signal }));
    child.once("error", () => done({ code: -1, signal: null }));
  });
  const firstLine = new Promise<string | undefined>((heard) => {
    if (stdout !== null) {
      createInterface({ input: stdout }).on("line", (line) => {
        heard(line);
        options.onLine?.(line);
      });
    }
    void ended.then(() => heard(undefined));
  });
  const isAlive = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid ?? 0,
    isAlive,
    firstLine: Effect.promise(() => firstLine),
    ended: Effect.promise(() => ended),
    tell: (line) => stdin?.write(`${line}\n`),
    finish: () => stdin?.end(),
    signal: (name) => {
      if (!isAlive()) return false;
      killed ||= name === "SIGKILL";
      return child.kill(name);
    },
    wasKilled: () => killed,
  };
};

export interface Options {
  /** From the top of the repository. */
  readonly file: string;
  readonly args: ReadonlyArray<string>;
  /** Where its stderr is appended. */
  readonly log: string;
  readonly onLine?: (line: string) => void;
}

export const start = (options: Options): Effect.Effect<Program, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => begin(options)),
    (program) => {
      program.signal("SIGKILL");
      return program.ended;
    },
  );
