/** Durable appends of 1,024 writers at once, beside the most that the server takes: bare atomic batches. */
import { Context, Effect } from "effect";
import { EventLog } from "../../src/log/EventLog.ts";
import { publishBatch } from "../BareBatch.ts";
import { inTurns, perSecond, type Row } from "../Harness.ts";
import { streamLikeOurs, world } from "../Servers.ts";
import { appendAtOnce, writers } from "../Writers.ts";

const count = 1024;
const turns = 8;
const batchSize = 500;
const rounds = 5;

const run = Effect.gen(function* () {
  const here = yield* world();
  yield* streamLikeOurs(here, "BARE");
  const log = Context.get(here.rooms, EventLog);
  const { nc } = here.bare;
  const made = writers(count, turns);

  /** The same bodies in the same order: every writer's first, then every writer's second. */
  const peer = Effect.fnUntraced(function* (round: number) {
    const threads = yield* made(`peers-${round}`);
    const all = Array.from({ length: turns }, (_, turn) =>
      threads.flatMap(({ events, history }) =>
        events.slice(turn, turn + 1).map((event) => ({ subject: `BARE.${history.id}`, event })),
      ),
    ).flat();
    return yield* perSecond(
      all.length,
      Effect.promise(async () => {
        for (let start = 0; start < all.length; start += batchSize) {
          await publishBatch(nc, all.slice(start, start + batchSize));
        }
      }),
    );
  });

  const taken = yield* inTurns({
    rounds,
    ours: (round) => Effect.flatMap(made(`ours-${round}`), (threads) => appendAtOnce(log, threads)),
    peer,
  });
  return { ...taken, peerName: "bare atomic batches of 500 of the same bodies" };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "append-ceiling",
  what: "durable appends, 1,024 writers, a thread each",
  unit: "events/s",
  goal: { of: "ratio", is: "at least", limit: 0.8 },
  run,
};
