/** The projector catching up on events of our own publishers. */
import { Context, Effect } from "effect";
import { EventLog } from "../../src/log/EventLog.ts";
import { compare } from "../CatchUp.ts";
import type { Row } from "../Harness.ts";
import { world } from "../Servers.ts";
import { conversations, eventOf, eventsPerThread } from "../Workload.ts";

/** About 40 MB. */
const threads = 100;

const run = Effect.gen(function* () {
  const here = yield* world();
  const log = Context.get(here.rooms, EventLog);
  for (const { history, spoken } of conversations({ name: "catch-up", count: threads, turns: eventsPerThread })) {
    const events = yield* Effect.forEach(spoken, (said) => eventOf(history, said));
    yield* log.append({ history, events, expected: 0 });
  }
  return yield* compare(here, "messages in OpenHands' sizes");
}).pipe(Effect.orDie);

export const row: Row = {
  id: "catch-up",
  what: "projector from the stream, all projections, full text on",
  unit: "events/s",
  goal: { of: "ratio", is: "at least", limit: 0.8 },
  run,
};
