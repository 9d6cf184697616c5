/**
 * An analyst in a process of its own, for `Analyst.ts`: `node analystProcess.ts DATABASE` asks for one message after the
 * other, a millisecond apart.
 *
 * Begins when it is told for how long, and answers with the 99th percentile of its questions, milliseconds.
 */
import Database from "better-sqlite3";
import { percentile } from "./Harness.ts";

const pauseMillis = 1;
const path = process.argv[2] ?? "";
const clock = new Int32Array(new SharedArrayBuffer(4));

const p99 = (millis: number): number => {
  const db = new Database(path, { readonly: true });
  const last = db.prepare<[], number>("SELECT coalesce(max(sequence), 1) FROM events").pluck();
  const ask = db.prepare<[number]>("SELECT sequence, type, data FROM v_events WHERE sequence = ?");
  const samples: Array<number> = [];
  const until = performance.now() + millis;
  for (let count = 1; performance.now() < until; count++) {
    const sequence = 1 + ((count * 7_919) % (last.get() ?? 1));
    const began = performance.now();
    ask.all(sequence);
    samples.push(performance.now() - began);
    Atomics.wait(clock, 0, 0, pauseMillis);
  }
  db.close();
  return percentile(samples, 0.99);
};

process.on("message", (millis) => process.send?.(p99(Number(millis))));
