/**
 * Work that nothing in JavaScript can interrupt, such as a statement that SQLite counts for hours: ended by the first
 * signal, and by the clock.
 *
 * Room: edge.
 *
 * While SQLite is at it no handler of ours runs, so there is none: the system's own ends the process, at once. That is safe
 * for a reader: its lock goes with it, and the write-ahead log is free again. The clock is a thread of its own.
 */
import { Effect } from "effect";
import { Worker } from "node:worker_threads";

const clock = `
const { workerData } = require("node:worker_threads");
const { writeSync } = require("node:fs");
setTimeout(() => {
  try { writeSync(2, workerData.text); } catch {}
  process.kill(workerData.pid, "SIGTERM");
}, workerData.millis);
`;

/** From here on until the scope closes, SIGINT and SIGTERM end the process at once, and so does the time. */
export const endable = (options: { readonly millis: number; readonly text: string }) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const listeners = (["SIGINT", "SIGTERM"] as const).map((signal) => ({ signal, all: process.listeners(signal) }));
      for (const { signal } of listeners) process.removeAllListeners(signal);
      const worker = new Worker(clock, { eval: true, workerData: { ...options, pid: process.pid } });
      worker.unref();
      return { listeners, worker };
    }),
    ({ listeners, worker }) =>
      Effect.promise(async () => {
        for (const { all, signal } of listeners) for (const one of all) process.on(signal, one);
        await worker.terminate();
      }),
  );
