/** A durable append of 500 events of several threads at once. */
import { Context, Effect } from "effect";
import { EventLog } from "../../src/log/EventLog.ts";
import { publishBatch } from "../BareBatch.ts";
import { inTurns, perSecond, type Row } from "../Harness.ts";
import { streamLikeOurs, world } from "../Servers.ts";
import { conversations, eventOf } from "../Workload.ts";

const threads = 5;
const turns = 100;
const batches = 12;
const rounds = 5;

const run = Effect.gen(function* () {
  const here = yield* world();
  yield* streamLikeOurs(here, "BARE");
  const log = Context.get(here.rooms, EventLog);
  const { nc } = here.bare;

  const made = (round: number) =>
    Effect.forEach(Array.from({ length: batches }), (_, batch) =>
      Effect.forEach(
        conversations({ name: `batch-${round}-${batch}`, count: threads, turns, seed: batch + 1 }),
        ({ history, spoken }) =>
          Effect.map(
            Effect.forEach(spoken, (said) => eventOf(history, said)),
            (events) => ({ history, events, expected: 0 }),
          ),
      ),
    );

  const ours = Effect.fnUntraced(function* (round: number) {
    const all = yield* made(round);
    return yield* perSecond(
      batches * threads * turns,
      Effect.forEach(all, (appends) => log.appendAll(appends), { discard: true }),
    );
  });

  const peer = Effect.fnUntraced(function* (round: number) {
    const all = (yield* made(round)).map((appends) =>
      appends.flatMap(({ history, events }) => events.map((event) => ({ subject: `BARE.${history.id}`, event }))),
    );
    return yield* perSecond(
      batches * threads * turns,
      Effect.forEach(all, (batch) => Effect.promise(() => publishBatch(nc, batch)), { discard: true }),
    );
  });

  const taken = yield* inTurns({ rounds, ours, peer });
  return { ...taken, peerName: "bare atomic batch of 500 of the same bodies" };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "append-batch",
  what: "durable appendAll of 500 events, 5 threads",
  unit: "events/s",
  goal: { of: "ratio", is: "at least", limit: 0.8 },
  run,
};
