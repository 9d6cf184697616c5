/**
 * A worker of the task drill: runs whatever task it gets, until it is told to stop or is killed.
 *
 * `node taskWorker.ts URL NAME LEASE`. Its first line of output says that it works; the end of stdin lets it give back
 * what it has and end. Its clock is up to ten minutes off, and each line of stdin sets it anew.
 */
import { Effect, Layer, References, Schedule } from "effect";
import { writeSync } from "node:fs";
import * as TaskQueueNats from "../../src/coordination/tasks/queue/TaskQueueNats.ts";
import * as Tasks from "../../src/coordination/tasks/Tasks.ts";
import { work } from "../../src/coordination/tasks/Worker.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";

const [servers = "", name = "", lease = "1000"] = process.argv.slice(2);

const mostOffMillis = 600_000;
const realNow = Date.now;
let offMillis = 0;
const setClock = () => {
  offMillis = Math.round((Math.random() * 2 - 1) * mostOffMillis);
};
setClock();
Date.now = () => realNow() + offMillis;

/** The longest run: some are longer than a lease, so that heartbeats matter. */
const longestMillis = Number(lease) * 1.3;
const failOneIn = 20;

const chance = (oneIn: number) => Math.random() * oneIn < 1;

const layer = Tasks.layer({ source: name }).pipe(
  Layer.provideMerge(TaskQueueNats.layer({ leaseMillis: Number(lease) })),
  Layer.provideMerge(EventLogNats.layer()),
  Layer.provideMerge(NatsConnection.layer({ servers })),
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Error")),
);

const working = work({
  agentTypes: ["drill"],
  concurrency: 4,
  worker: name,
  run: Effect.fnUntraced(function* ({ lease: { token }, progress }) {
    // Most runs are short; the fourth power makes the few long ones.
    yield* Effect.sleep(longestMillis * Math.random() ** 4);
    if (chance(4)) yield* progress({ progress: 1, total: 2 }).pipe(Effect.mapError(() => ({ type: "NoProgress" })));
    if (chance(failOneIn)) return yield* Effect.fail({ type: "Unlucky" });
    return { token, worker: name };
  }),
});

const told = Effect.callback<void>((resume) => {
  process.stdin.on("end", () => resume(Effect.void));
  process.stdin.on("data", setClock);
  process.stdin.resume();
});

const ready = Effect.sync(() => writeSync(1, "working\n"));
Effect.runPromise(
  Effect.andThen(ready, Effect.raceFirst(working, told)).pipe(
    Effect.provide(layer),
    // A server that was killed a moment ago: the next life of this worker finds it.
    Effect.retry({
      schedule: Schedule.spaced(100),
      times: 600,
      while: ({ _tag }) => _tag === "NatsUnusable" || _tag === "LogUnavailable",
    }),
  ),
).then(
  () => process.exit(0),
  (error: unknown) => {
    writeSync(2, `${name}: ${String(error)}\n`);
    process.exit(1);
  },
);
