/**
 * How long after its acknowledgement an event is seen by SQL, under a steady 1,000 events a second, against one
 * durable commit of as many rows by bare better-sqlite3: nothing that is durable twice can be seen sooner.
 */
import { Context, Effect, Layer, Semaphore } from "effect";
import Database from "better-sqlite3";
import { join } from "node:path";
import { readModels } from "../projections/all.ts";
import { thread } from "../src/domain/History.ts";
import { EventLog } from "../src/log/EventLog.ts";
import * as Projector from "../src/projection/Projector.ts";
import { percentile } from "./Harness.ts";
import { temporaryFolder, world } from "./Servers.ts";
import { smallEvent } from "./SmallEvents.ts";

/** Every 10 ms 10 events, for 4 s; the first second warms up. */
const everyMillis = 10;
const together = 10;
const rounds = 400;
const warmUp = 100;
const lookMillis = 1;
/** Appends under way at once: nats-server takes 50 unfinished batches for a stream and refuses the next one. */
const atOnce = 16;

const commitMillis = (folder: string): ReadonlyArray<number> => {
  const db = new Database(join(folder, "bare.db"));
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.exec("CREATE TABLE rows (n INTEGER PRIMARY KEY, body TEXT)");
  const insert = db.prepare("INSERT INTO rows (body) VALUES (?)");
  const commit = db.transaction(() => {
    for (let n = 0; n < together; n++) insert.run(String(smallEvent(n).body));
  });
  const samples = Array.from({ length: 200 }, () => {
    const began = performance.now();
    commit();
    return performance.now() - began;
  });
  db.close();
  return samples;
};

export const visible = Effect.fnUntraced(function* (share: number) {
  const here = yield* world();
  const folder = yield* temporaryFolder;
  const path = join(folder, "recollect.db");
  const log = Context.get(here.rooms, EventLog);
  const followers = yield* Layer.build(Projector.layer({ path, projections: readModels })).pipe(
    Effect.provide(here.rooms),
  );
  const projector = Context.get(followers, Projector.Projector);
  const first = yield* log.append({ history: thread("first"), events: [smallEvent(1e9)], expected: 0 });
  const waiting: Array<{ readonly sequence: number; readonly at: number }> = [];
  const samples: Array<number> = [];
  const turn = yield* Semaphore.make(atOnce);
  const publish = Effect.fnUntraced(function* (round: number) {
    const numbers = Array.from({ length: together }, (_, index) => round * together + index);
    const appends = numbers.map((n) => ({
      history: thread(`visible-${n % 100}`),
      events: [smallEvent(n)],
      expected: "any" as const,
    }));
    const appended = yield* turn.withPermit(log.appendAll(appends));
    const at = performance.now();
    if (round >= warmUp) for (const { sequence } of appended) waiting.push({ sequence, at });
  });
  const publishing = Effect.forEach(
    Array.from({ length: rounds }, (_, round) => round),
    (round) => Effect.andThen(Effect.sleep(round * everyMillis), publish(round)),
    { concurrency: "unbounded", discard: true },
  );
  const watching = Effect.gen(function* () {
    const db = yield* Effect.acquireRelease(
      Effect.sync(() => new Database(path, { readonly: true })),
      (open) => Effect.sync(() => open.close()),
    );
    const reach = db.prepare<[], number>("SELECT max(sequence) FROM v_events").pluck();
    while (samples.length < (rounds - warmUp) * together) {
      const reached = reach.get() ?? 0;
      const now = performance.now();
      for (const { at } of waiting.filter(({ sequence }) => sequence <= reached)) samples.push(now - at);
      waiting.splice(0, waiting.length, ...waiting.filter(({ sequence }) => sequence > reached));
      yield* Effect.sleep(lookMillis);
    }
  });
  yield* projector.awaitSequence(first.sequence);
  yield* Effect.all([publishing, watching], { concurrency: 2, discard: true });
  const at = (part: number) => percentile(samples, part).toFixed(1);
  return {
    ours: percentile(samples, share),
    peer: percentile(commitMillis(folder), share),
    peerName: `one durable commit of ${together} rows by bare better-sqlite3`,
    note: `${samples.length} events from acknowledgement on, ms: p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, all ${at(1)}`,
  };
});
