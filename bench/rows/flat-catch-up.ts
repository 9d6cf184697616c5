/**
 * How long the projector takes from an empty file to the head of a stream of 10,000, 30,000 and 100,000 events: what
 * ten times the events cost, beside ten times.
 */
import { Context, Effect, Layer } from "effect";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Projector from "../../src/projection/Projector.ts";
import { percentile, perSecond, type Row } from "../Harness.ts";
import { temporaryFolder, type World, world } from "../Servers.ts";
import { conversations, eventOf, eventsPerThread } from "../Workload.ts";

/** The small ones are measured several times: what disturbs a second disturbs much of a short run. */
const sizes = [
  { events: 10_000, times: 3 },
  { events: 30_000, times: 2 },
  { events: 100_000, times: 1 },
] as const;
const [smallest, , largest] = sizes;
const threadsAtOnce = 10;

/** Appends conversations until the log holds at least so many events; answers with how many it holds. */
const fill = Effect.fnUntraced(function* ({ rooms }: World, from: number, to: number) {
  const log = Context.get(rooms, EventLog);
  let reached = from;
  while (reached < to) {
    const options = { name: `at-${reached}`, count: threadsAtOnce, turns: eventsPerThread, seed: reached };
    const appends = yield* Effect.forEach(conversations(options), ({ history, spoken }) =>
      Effect.map(
        Effect.forEach(spoken, (said) => eventOf(history, said)),
        (events) => ({ history, events, expected: 0 }),
      ),
    );
    reached = (yield* log.appendAll(appends)).at(-1)?.sequence ?? reached;
  }
  return reached;
});

const seconds = Effect.fnUntraced(function* ({ rooms }: World, events: number) {
  const path = join(yield* temporaryFolder, "catch-up.db");
  const caughtUp = Effect.gen(function* () {
    const followers = yield* Layer.build(Projector.layer({ path, projections: readModels }));
    yield* Context.get(followers, Projector.Projector).awaitSequence(events);
  }).pipe(Effect.provide(rooms));
  return events / (yield* perSecond(events, caughtUp));
}, Effect.scoped);

const run = Effect.gen(function* () {
  const here = yield* world();
  const points: Array<readonly [number, number]> = [];
  let held = 0;
  for (const { events, times } of sizes) {
    held = yield* fill(here, held, events);
    const taken = yield* Effect.forEach(Array.from({ length: times }), () => seconds(here, held));
    points.push([held, percentile(taken)]);
  }
  const [first = [1, 1], last = [1, 1]] = [points[0], points.at(-1)];
  const proportional = points.map(([events]) => [events, (first[1] * events) / first[0]] as const);
  const said = points.map(([events, taken]) => `${events.toLocaleString("en-US")} in ${taken.toFixed(1)} s`);
  return {
    ours: last[1] / first[1],
    peer: last[0] / first[0],
    peerName: "times the events",
    note: said.join(", "),
    growth: {
      title: "What catching up costs",
      x: "events in the stream, sizes as OpenHands has them",
      y: "seconds from an empty file to the head",
      curves: [
        { name: "Recollect: all projections, full-text index on", points },
        { name: "in proportion to the events", points: proportional },
      ],
    },
  };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "flat-catch-up",
  what: `projector: ${largest.events.toLocaleString("en-US")} events over ${smallest.events.toLocaleString("en-US")}`,
  unit: "times",
  goal: undefined,
  run,
};
