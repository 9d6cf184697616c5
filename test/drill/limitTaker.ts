/**
 * A process of the limit drill: asks the limit `drill` again and again, as soon as it can be of use, from the moment at
 * which the configuration has it until stdin ends.
 *
 * `node limitTaker.ts URL each|sum`. Its first line of output says that it is ready. With `each` every decision that
 * allows is a message of the stream `DRILL_LIMITS`, which the server gives its time; at the end one says what it all cost.
 */
import { Clock, Effect, Layer, References, Schedule } from "effect";
import { writeSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Buckets } from "../../src/coordination/bucket/Bucket.ts";
import * as BucketKv from "../../src/coordination/bucket/BucketKv.ts";
import * as Configuration from "../../src/coordination/config/Configuration.ts";
import * as Limits from "../../src/coordination/limits/Limits.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";

const [servers = "", mode = "each"] = process.argv.slice(2);

const said = { allowed: 0, refused: 0, reads: 0, writes: 0, seconds: 0, stallMillis: 0 };

/** Every question to the bucket is counted. */
const counted = Layer.effect(
  Buckets,
  Effect.map(Buckets, ({ open }) =>
    Buckets.of({
      open: (settings) =>
        Effect.map(open(settings), (bucket) => ({
          ...bucket,
          get: (key) => Effect.suspend(() => (said.reads++, bucket.get(key))),
          replace: (...all) => Effect.suspend(() => (said.writes++, bucket.replace(...all))),
        })),
    }),
  ),
).pipe(Layer.provide(BucketKv.layer));

const layer = Limits.layer.pipe(
  Layer.provide(counted),
  Layer.provideMerge(Configuration.layer()),
  Layer.provideMerge(EventLogNats.layer()),
  Layer.provideMerge(NatsConnection.layer({ servers })),
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Error")),
);

const finished = Effect.callback<void>((resume) => {
  process.stdin.on("end", () => resume(Effect.void));
  process.stdin.resume();
});

const taking = Effect.gen(function* () {
  const { nc } = yield* NatsConnection.NatsConnection;
  const limits = yield* Limits.Limits;
  for (;;) {
    const answer = yield* limits.take({});
    if (answer.allowed) {
      said.allowed++;
      if (mode === "each") nc.publish("drill.limits.allowed", new Uint8Array());
    } else {
      said.refused++;
      yield* Effect.sleep(Math.min(answer.retryAfterMillis, 20));
    }
    // Nobody is kept from hearing that it is over.
    if (said.allowed % 50 === 0) yield* Effect.sleep(0);
  }
});

const program = Effect.gen(function* () {
  const { js } = yield* NatsConnection.NatsConnection;
  const config = yield* Configuration.Configuration;
  // Has made the bucket, and knows the server's clock.
  yield* (yield* Limits.Limits).uses;
  writeSync(1, "ready\n");
  const hasLimit = Effect.map(config.family("limits"), (limits) => limits.has("drill"));
  yield* Effect.repeat(hasLimit, { until: (has) => has, schedule: Schedule.spaced(1) });
  const began = yield* Clock.currentTimeMillis;
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  yield* Effect.raceFirst(taking, finished);
  said.stallMillis = delay.max / 1e6;
  said.seconds = ((yield* Clock.currentTimeMillis) - began) / 1_000;
  yield* Effect.promise(() => js.publish("drill.limits.said", JSON.stringify(said)));
});

Effect.runPromise(Effect.provide(program, layer)).then(
  () => process.exit(0),
  (error: unknown) => {
    writeSync(2, `${String(error)}\n`);
    process.exit(1);
  },
);
