/**
 * Waiting until the read models have caught up, so that the next question sees what was just written.
 *
 * Room: edge. In: log, query. Out: Import, Care.
 */
import { Effect, Schedule } from "effect";
import { EventLog } from "../../log/EventLog.ts";
import { Query } from "../../query/Query.ts";
import * as Output from "./Output.ts";
import type { Bar } from "./Progress.ts";

/** A projector makes some 20,000 events a second: standing still for this long, it is not going to. */
const patienceMillis = 10_000;
const lookMillis = 20;

/** True when everything that is in the log now is in the read models; false, with a note, when they stand still. */
export const caughtUp = Effect.fn("cli.caughtUp")(function* (bar: Bar) {
  const log = yield* EventLog;
  const query = yield* Query;
  const { lastSequence } = yield* log.info;
  const now = Effect.clockWith((clock) => clock.currentTimeMillis);
  let best = -1;
  let movedAt = yield* now;
  const look = Effect.gen(function* () {
    const { condition, projections } = yield* query.status;
    const checkpoint = Math.min(...projections.map((projection) => projection.checkpoint));
    if (checkpoint > best) {
      best = checkpoint;
      movedAt = yield* now;
    }
    bar.show({ done: best, total: lastSequence, what: "into SQL" });
    if (best >= lastSequence) return "done";
    if (condition?.stopped === true) return "stopped";
    return (yield* now) - movedAt > patienceMillis ? "still" : "moving";
  }).pipe(Effect.orElseSucceed(() => "moving" as const));
  const outcome = yield* Effect.repeat(look, {
    until: (state) => state !== "moving",
    schedule: Schedule.spaced(lookMillis),
  });
  if (outcome === "done") return true;
  yield* Output.note(
    `The read models are behind (${Math.max(0, best)} of ${lastSequence} events). Everything is in the log; see: recollect status`,
  );
  return false;
});
