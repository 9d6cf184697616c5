/** A point query by an analyst while the projector catches up, against the same on a database at rest. */
import { Context, Effect, Layer } from "effect";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Projector from "../../src/projection/Projector.ts";
import { analyst } from "../Analyst.ts";
import { percentile, type Row } from "../Harness.ts";
import { temporaryFolder, type World, world } from "../Servers.ts";
import { appendSmall } from "../SmallEvents.ts";

const events = 100_000;
const threads = 10_000;
/** Caught up before the analyst begins, so that there is something to ask. */
const before = 10_000;
const measuredMillis = 1_500;
const rounds = 5;

/** One way from the stream's beginning to its end: the analyst's figure meanwhile and after it, and what was left to do. */
const round = Effect.fnUntraced(function* (here: World) {
  const path = join(yield* temporaryFolder, "recollect.db");
  const followers = yield* Layer.build(Projector.layer({ path, projections: readModels })).pipe(
    Effect.provide(here.rooms),
  );
  const { awaitSequence, status } = Context.get(followers, Projector.Projector);
  yield* awaitSequence(before);
  const { p99 } = yield* analyst(path);
  const busy = yield* p99(measuredMillis);
  const { projections } = yield* status;
  const left = Math.max(...projections.map(({ gap }) => gap));
  yield* awaitSequence(events);
  const rest = yield* p99(measuredMillis);
  return { busy, rest, left };
}, Effect.scoped);

const run = Effect.gen(function* () {
  const here = yield* world();
  yield* appendSmall(Context.get(here.rooms, EventLog), { count: events, threads });
  const all = yield* Effect.forEach(Array.from({ length: rounds }), () => round(here));
  const ratios = all.map(({ busy, rest }) => busy / rest);
  const left = Math.min(...all.map((one) => one.left));
  return {
    ours: percentile(all.map(({ busy }) => busy)),
    peer: percentile(all.map(({ rest }) => rest)),
    peerName: "the same query on a database at rest",
    spread: [Math.min(...ratios), Math.max(...ratios)] as const,
    note: `p99 over ${measuredMillis} ms, by a process of its own; at least ${left} of ${events} events were still to come at its end`,
  };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "analyst",
  what: "one event by its sequence through v_events, while the projector catches up",
  unit: "ms",
  goal: { of: "ratio", is: "at most", limit: 2 },
  run,
};
