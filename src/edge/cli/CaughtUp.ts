/**
 * Waiting until the read models have caught up, so that the next question sees what was just written.
 *
 * Room: edge.
 */
import { Effect, Schedule } from "effect";
import { readModels } from "../../../projections/all.ts";
import { EventLog } from "../../log/EventLog.ts";
import { Query, type ReadModelStatus } from "../../query/Query.ts";
import * as Output from "./Output.ts";
import type { Bar } from "./Progress.ts";

/** A projector makes some 20,000 events a second: standing still for this long, it is not going to. */
const patienceMillis = 10_000;
const lookMillis = 20;

export type Outcome =
  /** Everything that was in the log is in the read models. */
  | "done"
  /** The projector says that it cannot go on. */
  | "stopped"
  /** Nothing has moved for a while. */
  | "still";

/** The lowest checkpoint; -1 while the tables are those of another version, which are about to be replaced. */
const reached = ({ projections }: ReadModelStatus): number => {
  const found = new Map(projections.map((projection) => [projection.name, projection]));
  const checkpoints = readModels.map(({ name, version }) => {
    const projection = found.get(name);
    return projection?.version === version ? projection.checkpoint : -1;
  });
  return Math.min(...checkpoints);
};

/** Waits for what is in the log now. */
export const awaitReadModels = Effect.fn("cli.awaitReadModels")(function* (bar: Bar) {
  const log = yield* EventLog;
  const query = yield* Query;
  const { lastSequence } = yield* log.info;
  const now = Effect.clockWith((clock) => clock.currentTimeMillis);
  let seen = "";
  let movedAt = yield* now;
  const look = Effect.gen(function* () {
    const status = yield* query.status;
    const { condition } = status;
    const sequence = reached(status);
    // A rebuild moves in its own file and tells how far in the condition.
    const moved = `${sequence} ${condition?.message ?? ""}`;
    if (moved !== seen) {
      seen = moved;
      movedAt = yield* now;
    }
    bar.show({ done: Math.max(0, sequence), total: lastSequence, what: "into SQL" });
    if (sequence >= lastSequence) return "done";
    if (condition?.stopped === true) return "stopped";
    return undefined;
  }).pipe(Effect.orElseSucceed(() => undefined));
  const lookOrGiveUp = Effect.gen(function* () {
    const outcome: Outcome | undefined = yield* look;
    if (outcome !== undefined) return outcome;
    return (yield* now) - movedAt > patienceMillis ? "still" : undefined;
  });
  const outcome = yield* Effect.repeat(lookOrGiveUp, {
    until: (state) => state !== undefined,
    schedule: Schedule.spaced(lookMillis),
  });
  return outcome ?? "still";
});

/** The same, and a note when it was in vain. */
export const caughtUp = Effect.fnUntraced(function* (bar: Bar) {
  const outcome = yield* awaitReadModels(bar);
  bar.clear();
  if (outcome === "done") return;
  const { condition } = yield* (yield* Query).status;
  const why = condition === undefined ? "" : `\n  ${condition.message}\n  ${condition.hint}`;
  yield* Output.note(`The read models are behind; everything is in the log. See: recollect status${why}`);
});
