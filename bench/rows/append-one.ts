/** A durable append, one writer that waits for each. */
import { Context, Effect } from "effect";
import { EventLog } from "../../src/log/EventLog.ts";
import { inPairs, type Row } from "../Harness.ts";
import { streamLikeOurs, world } from "../Servers.ts";
import { conversations, eventOf, eventsPerThread } from "../Workload.ts";

const threads = 16;
const rounds = 14;

const run = Effect.gen(function* () {
  const here = yield* world();
  yield* streamLikeOurs(here, "BARE");
  const log = Context.get(here.rooms, EventLog);
  const { js } = here.bare;

  const messagesOf = (round: number) =>
    conversations({ name: `one-${round}`, count: threads, turns: eventsPerThread }).flatMap(({ history, spoken }) =>
      spoken.map((said) => ({ history, said })),
    );

  /** From a message to its acknowledgement: Schema, id, envelope, expected sequence. */
  const ours = (round: number) => {
    const reached = new Map<string, number>();
    return messagesOf(round).map(({ history, said }) =>
      Effect.gen(function* () {
        const event = yield* eventOf(history, said);
        const { sequence } = yield* log.append({ history, events: [event], expected: reached.get(history.id) ?? 0 });
        reached.set(history.id, sequence);
      }),
    );
  };

  const peer = (round: number) =>
    messagesOf(round).map(({ history, said }, index) => {
      const body = JSON.stringify(said);
      return () => js.publish(`BARE.${history.id}`, body, { msgID: `${round}-${index}` });
    });

  const taken = yield* inPairs({ rounds, ours, peer });
  const note = "p50; ours begins with the message: Schema, id, envelope, expected sequence";
  return { ...taken, peerName: "js.publish with msgID of the same body", note };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "append-one",
  what: "durable append, one writer, each awaited",
  unit: "ms",
  goal: { of: "ratio", is: "at most", limit: 1.15 },
  run,
};
