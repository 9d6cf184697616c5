/**
 * Undelivered commands at the end of a process: onto the disk, in one synchronous transaction.
 *
 * Room: publish.
 *
 * Promises, each a test in `test/publish/AtExit.test.ts`, and the drill `npm run drill -- exit`:
 * - `process.exit`, an uncaught error and the end of the event loop lose nothing that was called;
 * - SIGTERM, SIGINT and SIGHUP lose nothing either, and end the process as they would without us.
 *
 * Decision: a signal that the program handles is the program's; its handler calls `close`, or `process.exit`, which is
 * looked after. An unhandled one ends the process: so while a call has not returned we listen, keep what is in
 * our hands, stop listening, and send ourselves the same signal again. Listeners of the package `signal-exit` do not
 * count, because they do the same; they count listeners too, and each would wait for the other.
 */
import { Effect, Exit } from "effect";
import { isMainThread } from "node:worker_threads";
import type { Command, Spool } from "../../spool/Spool.ts";

const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
/** After the last call has returned: a process that publishes now and then need not change its listeners each time. */
const lingerMillis = 1_000;
/** Another process has the spool for a moment; the process that ends is kept from it for no longer than this. */
const busyMillis = 3_000;
const lookMillis = 5;

const rescues = new Set<() => void>();
let outstanding = 0;
let isListening = false;
let isHooked = false;
let lingering: NodeJS.Timeout | undefined;

const rescueAll = (): void => {
  for (const rescue of rescues) {
    try {
      rescue();
    } catch {
      // One publisher without a disk must not keep the others from theirs.
    }
  }
};

/** Listeners that end the process themselves if no other listener handles the signal (npm `signal-exit`, versions 3 and 4). */
const signalExits = (): number => {
  const found = process as unknown as Record<PropertyKey, { readonly count?: unknown } | undefined>;
  const counts = [found["__signal_exit_emitter__"]?.count, found[Symbol.for("signal-exit emitter")]?.count];
  return counts.reduce<number>((sum, count) => sum + (typeof count === "number" ? count : 0), 0);
};

const onSignal = (signal: NodeJS.Signals): void => {
  rescueAll();
  if (process.listenerCount(signal) - 1 > signalExits()) return;
  stopListening();
  process.kill(process.pid, signal);
};

const stopListening = (): void => {
  isListening = false;
  for (const signal of signals) process.off(signal, onSignal);
};

const listen = (): void => {
  if (isListening || !isMainThread) return;
  isListening = true;
  for (const signal of signals) process.on(signal, onSignal);
};

/** A call was made. */
export const begun = (): void => {
  if (++outstanding === 1) listen();
};

/** A call has returned. */
export const ended = (): void => {
  if (--outstanding > 0 || lingering !== undefined || !isListening) return;
  lingering = setTimeout(() => {
    lingering = undefined;
    if (outstanding === 0) stopListening();
  }, lingerMillis);
  lingering.unref();
};

/** Called once more before the process ends, whatever ends it; returns how to take that back. */
export const register = (rescue: () => void): (() => void) => {
  if (!isHooked) process.on("exit", rescueAll);
  isHooked = true;
  rescues.add(rescue);
  return () => void rescues.delete(rescue);
};

const pause = (millis: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis);

/** Puts without waiting for anything but the disk: nothing that is asynchronous happens any more. */
export const putNow = (spool: Spool["Service"], commands: ReadonlyArray<Command>): void => {
  for (const until = performance.now() + busyMillis; performance.now() < until; pause(lookMillis)) {
    // A spool that another process holds would wait for its turn, which here is no success and no failure.
    const put = Effect.runSyncExit(Effect.result(spool.put(commands)));
    if (Exit.isSuccess(put)) return;
  }
};
