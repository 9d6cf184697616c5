/** An analyst who asks while others work, in a thread beside them. */
import { Effect } from "effect";
import { Worker } from "node:worker_threads";

/** Starts one on a database that is there. It is ended with the scope. */
export const analyst = (path: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new Worker(new URL("./AnalystThread.ts", import.meta.url), { workerData: { path } })),
    (worker) => Effect.promise(() => worker.terminate()),
  ).pipe(
    Effect.map((worker) => ({
      /** The 99th percentile of its questions over so many milliseconds. */
      p99: (millis: number): Effect.Effect<number> =>
        Effect.callback((resume) => {
          worker.once("message", (figure: number) => resume(Effect.succeed(figure)));
          worker.once("error", (error) => resume(Effect.die(error)));
          // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
          worker.postMessage(millis);
        }),
    })),
  );
