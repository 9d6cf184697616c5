/** Durable appends of many writers at once, beside as many bare publishes in flight. */
import { Context, Effect } from "effect";
import { EventLog } from "../../src/log/EventLog.ts";
import { inTurns, type Row } from "../Harness.ts";
import { streamLikeOurs, world } from "../Servers.ts";
import { appendAtOnce, publishAtOnce, writers } from "../Writers.ts";

const rounds = 5;
/** Each writer's turns in a round. A bare publish waits for an fsync of its own: a few turns say how long. */
const ourTurns = 12;
const peersTurns = 3;

const run = (count: number) =>
  Effect.gen(function* () {
    const here = yield* world();
    yield* streamLikeOurs(here, "BARE");
    const log = Context.get(here.rooms, EventLog);
    const { js } = here.bare;
    const made = writers(count, ourTurns);
    const taken = yield* inTurns({
      rounds,
      ours: (round) => Effect.flatMap(made(`ours-${round}`), (threads) => appendAtOnce(log, threads)),
      peer: (round) =>
        Effect.flatMap(made(`peers-${round}`, peersTurns), (threads) =>
          publishAtOnce(
            ({ event, history }) => js.publish(`BARE.${history.id}`, event.body, { msgID: event.id }),
            threads,
          ),
        ),
    });
    return { ...taken, peerName: `${count} js.publish in flight` };
  }).pipe(Effect.orDie);

const row = (count: number, limit: number): Row => ({
  id: `append-${count}`,
  what: `durable appends, ${count.toLocaleString("en-US")} writers, a thread each`,
  unit: "events/s",
  goal: { of: "ratio", is: "at least", limit },
  run: run(count),
});

export const rows: ReadonlyArray<Row> = [row(64, 3), row(256, 8), row(1024, 10)];
