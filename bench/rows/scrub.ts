/**
 * The scrubber at its own pace: what it takes of a core, and how long a million events take it. By the processor's time of
 * this process, in which nothing else runs; nats-server apart.
 */
import { Context, Effect, Layer } from "effect";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Projector from "../../src/projection/Projector.ts";
import { integrityOf } from "../../src/projection/verify/Integrity.ts";
import * as Scrubber from "../../src/projection/verify/Scrubber.ts";
import type { Row } from "../Harness.ts";
import { temporaryFolder, world } from "../Servers.ts";
import { appendSmall } from "../SmallEvents.ts";

const events = Number(process.env["RECOLLECT_BENCH_EVENTS"] ?? 10_000);
const threads = 100;
/** So much is compared before anything is measured: statements and connections are made then. */
const warmUp = 1_000;

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
          Effect.sync(() => integrityOf(path).scrub.sequence),
          10_000,
        ),
        { until: (at: number) => at >= sequence },
      );
    return yield* Effect.scoped(
      Effect.gen(function* () {
        yield* Scrubber.make({ path, projections: readModels });
        const first = yield* reached(Math.min(warmUp, events / 10));
        const [cpu, began] = [process.cpuUsage(), performance.now()];
        const last = yield* reached(events);
        const seconds = (performance.now() - began) / 1000;
        const { system, user } = process.cpuUsage(cpu);
        const rate = (last - first) / seconds;
        return {
          ours: ((user + system) / 1e6 / seconds) * 100,
          peer: 2,
          peerName: "the promise",
          note: `${rate.toFixed(0)} events a second; a million in ${(1e6 / rate / 3600).toFixed(1)} h; looking at its state every ten seconds included`,
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
