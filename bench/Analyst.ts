/** An analyst who asks while others work, in a process of its own, as analysts are. */
import { Effect } from "effect";
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("./analystProcess.ts", import.meta.url));

/** Starts one on a database that is there. It is ended with the scope. */
export const analyst = (path: string) =>
  Effect.acquireRelease(
    // Without what this process loads first: it would look for the pipe of its own starter.
    Effect.sync(() => fork(program, [path], { execArgv: [] })),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null) return resume(Effect.void);
        child.once("exit", () => resume(Effect.void));
        child.kill();
      }),
  ).pipe(
    Effect.map((child) => ({
      /** The 99th percentile of its questions over so many milliseconds. */
      p99: (millis: number): Effect.Effect<number> =>
        Effect.callback((resume) => {
          child.once("message", (figure) => resume(Effect.succeed(Number(figure))));
          child.once("error", (error) => resume(Effect.die(error)));
          child.once("exit", (code) => resume(Effect.die(new Error(`the analyst ended with ${code}`))));
          child.send(millis);
        }),
    })),
  );
