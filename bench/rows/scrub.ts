/**
 * The scrubber at its own pace: what it takes of a core, and how long a million events take it. By the processor's time of
 * this process, in which nothing else runs but a log that is connected; that alone is measured before, and not taken off.
 * nats-server apart.
 */
import { Context, Effect, Layer } from "effect";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Projector from "../../src/projection/Projector.ts";
import * as ScrubState from "../../src/projection/verify/ScrubState.ts";
import * as Scrubber from "../../src/projection/verify/Scrubber.ts";
import type { Row } from "../Harness.ts";
import { temporaryFolder, world } from "../Servers.ts";
import { appendSmall } from "../SmallEvents.ts";

const events = Number(process.env["RECOLLECT_BENCH_EVENTS"] ?? 20_000);
const threads = 100;
/** So much is compared before anything is measured: V8 compiles it then. */
const warmUp = 3_000;
/** The last are not measured: behind them the file is looked at, which is rested for by itself. */
const tail = 1_000;
const restMillis = 30_000;

/** Share of a core since then, percent. */
const sharing = () => {
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  return () => {
    const seconds = (performance.now() - began) / 1000;
    const { system, user } = process.cpuUsage(cpu);
    return { seconds, percent: ((user + system) / 1e6 / seconds) * 100 };
  };
};

const run = Effect.gen(function* () {
  const { rooms } = yield* world({ sync: "2m" });
  const path = join(yield* temporaryFolder, "recollect.db");
  return yield* Effect.gen(function* () {
    yield* Effect.scoped(
      Effect.gen(function* () {
        const projector = yield* Layer.build(Projector.layer({ path, projections: readModels }));
        yield* appendSmall(Context.get(rooms, EventLog), { from: 0, count: events, threads });
        yield* Context.get(projector, Projector.Projector).awaitSequence(events);
      }),
    );
    const reached = (sequence: number) =>
      Effect.repeat(
        Effect.delay(
          Effect.sync(() => ScrubState.readSync(path).sequence),
          1_000,
        ),
        { until: (at: number) => at >= sequence },
      );
    // V8 collects and compiles what the projector left to it.
    yield* Effect.sleep(restMillis);
    const resting = sharing();
    yield* Effect.sleep(restMillis);
    const without = resting().percent;
    return yield* Effect.scoped(
      Effect.gen(function* () {
        yield* Scrubber.make({ path, projections: readModels });
        const first = yield* reached(Math.min(warmUp, events / 3));
        const scrubbing = sharing();
        const last = yield* reached(events - tail);
        const { percent, seconds } = scrubbing();
        const rate = (last - first) / seconds;
        return {
          ours: percent,
          peer: 2,
          peerName: "the promise",
          note: `${rate.toFixed(0)} events a second; a million in ${(1e6 / rate / 3600).toFixed(1)} h; the same process without it ${without.toFixed(2)} %, not taken off`,
        };
      }),
    );
  }).pipe(Effect.provide(rooms));
}).pipe(Effect.orDie);

export const row: Row = {
  id: "scrub",
  what: "the scrubber's share of a core while it compares stream and ledger",
  unit: "%",
  goal: { of: "ours", is: "at most", limit: 2 },
  run,
};
