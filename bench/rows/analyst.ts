/** A point query by an analyst while the projector catches up, against the same on a database at rest. */
import { Context, Effect, Fiber, Layer } from "effect";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Projector from "../../src/projection/Projector.ts";
import { analyst } from "../Analyst.ts";
import type { Row } from "../Harness.ts";
import { temporaryFolder, world } from "../Servers.ts";
import { appendSmall } from "../SmallEvents.ts";

const events = 100_000;
const threads = 10_000;
/** Caught up before the analyst begins, so that there is something to ask. */
const before = 10_000;
const measuredMillis = 1_500;

const run = Effect.gen(function* () {
  const here = yield* world();
  const log = Context.get(here.rooms, EventLog);
  yield* appendSmall(log, { count: events, threads });
  const path = join(yield* temporaryFolder, "recollect.db");
  const followers = yield* Layer.build(Projector.layer({ path, projections: readModels })).pipe(
    Effect.provide(here.rooms),
  );
  const { awaitSequence, status } = Context.get(followers, Projector.Projector);
  yield* awaitSequence(before);
  const { p99 } = yield* analyst(path);
  const busy = yield* Effect.forkChild(p99(measuredMillis));
  const ours = yield* Fiber.join(busy);
  const { projections } = yield* status;
  const left = Math.max(...projections.map(({ gap }) => gap));
  yield* awaitSequence(events);
  const peer = yield* p99(measuredMillis);
  return {
    ours,
    peer,
    peerName: "the same query on a database at rest",
    note: `p99 over ${measuredMillis} ms; ${left} of ${events} events were still to come at its end`,
  };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "analyst",
  what: "one event by its sequence through v_events, while the projector catches up",
  unit: "ms",
  goal: { of: "ratio", is: "at most", limit: 2 },
  run,
};
