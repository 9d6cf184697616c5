/** Durable appends of 256 writers at once, each to a thread of its own. */
import { Context, Effect } from "effect";
import { EventLog } from "../../src/log/EventLog.ts";
import { inTurns, perSecond, type Row } from "../Harness.ts";
import { streamLikeOurs, world } from "../Servers.ts";
import { conversations, eventOf } from "../Workload.ts";

const writers = 256;
const turns = 12;
const rounds = 5;

const run = Effect.gen(function* () {
  const here = yield* world();
  yield* streamLikeOurs(here, "BARE");
  const log = Context.get(here.rooms, EventLog);
  const { js } = here.bare;

  /** Events are made beforehand on both sides: the row is about waiting for the disk. */
  const made = (name: string) =>
    Effect.forEach(conversations({ name, count: writers, turns }), ({ history, spoken }) =>
      Effect.map(
        Effect.forEach(spoken, (said) => eventOf(history, said)),
        (events) => ({ history, events }),
      ),
    );

  const together = (writing: ReadonlyArray<Effect.Effect<unknown, unknown>>) =>
    perSecond(writers * turns, Effect.all(writing, { concurrency: "unbounded", discard: true }));

  const ours = Effect.fnUntraced(function* (round: number) {
    const threads = yield* made(`many-${round}`);
    return yield* together(
      threads.map(({ history, events }) =>
        Effect.gen(function* () {
          let expected = 0;
          for (const event of events) expected = (yield* log.append({ history, events: [event], expected })).sequence;
        }),
      ),
    );
  });

  const peer = Effect.fnUntraced(function* (round: number) {
    const threads = yield* made(`many-${round}`);
    return yield* together(
      threads.map(({ history, events }) =>
        Effect.promise(async () => {
          for (const { body, id } of events) await js.publish(`BARE.${history.id}`, body, { msgID: id });
        }),
      ),
    );
  });

  const taken = yield* inTurns({ rounds, ours, peer });
  const note = "no group commit yet: each append pays its own fsync";
  return { ...taken, peerName: "256 js.publish in flight", note };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "append-256",
  what: "durable appends, 256 writers, a thread each",
  unit: "events/s",
  goal: { of: "ratio", is: "at least", limit: 8 },
  run,
};
