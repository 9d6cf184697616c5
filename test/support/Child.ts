/**
 * A program of a test in a process of its own, to be killed: its first line of output says that it is ready.
 */
import { Effect, type Scope } from "effect";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { programOf } from "./programs.ts";

export interface Child {
  readonly pid: number;
  /** What it said first. */
  readonly line: string;
  /** Sends a signal, by default `SIGKILL`, and returns when the process has ended. */
  readonly kill: (signal?: NodeJS.Signals) => Effect.Effect<void>;
}

/** Starts a file, named from the top of the repository, as it was built if it is one of `programs.ts`. It is killed with the scope. */
export const start = (options: {
  readonly file: string;
  readonly args: ReadonlyArray<string>;
}): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => begin(options)),
    (child) => child.kill(),
  );

const begin = async (options: { readonly file: string; readonly args: ReadonlyArray<string> }): Promise<Child> => {
  const file = programOf(options.file);
  const child = spawn(process.execPath, [file, ...options.args], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  const line = await new Promise<string>((done, fail) => {
    createInterface({ input: child.stdout }).once("line", done);
    child.once("error", fail);
    child.once("exit", (code) => fail(new Error(`${options.file} ended with exit code ${code}`)));
  });
  const kill = (signal: NodeJS.Signals = "SIGKILL") =>
    Effect.promise(() => {
      child.kill(signal);
      return ended;
    });
  return { pid: child.pid ?? 0, line, kill };
};
