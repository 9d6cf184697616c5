/** Durable appends of 1,024 writers at once, a thread each, against Redis streams with `appendfsync always`. */
import { Context, Effect } from "effect";
import { EventLog } from "../../src/log/EventLog.ts";
import { inTurns, type Row } from "../Harness.ts";
import { appendInto, madeThreads, textsOf, together } from "../ManyWriters.ts";
import { asSkipped } from "../peers/PeerProgram.ts";
import { peerDoes } from "../peers/PeerWork.ts";
import { redis } from "../peers/Redis.ts";
import { world } from "../Servers.ts";

const writers = 1_024;
const turns = 4;
const rounds = 5;

const run = Effect.gen(function* () {
  const { client, version } = yield* redis;
  const { rooms } = yield* world();
  const append = appendInto(Context.get(rooms, EventLog));

  const ours = Effect.fnUntraced(function* (round: number) {
    return yield* together(yield* madeThreads({ name: `many-${round}`, writers, turns }), append);
  });

  const peer = Effect.fnUntraced(function* (round: number) {
    const threads = yield* madeThreads({ name: `many-${round}`, writers, turns });
    const texts = new Map(threads.map((thread) => [thread.history.id, textsOf(thread)]));
    return yield* together(threads, ({ events, history }) =>
      peerDoes(async () => {
        const bodies = texts.get(history.id) ?? [];
        for (const [index, { id }] of events.entries()) {
          await client.xAdd(history.id, "*", { id, body: bodies[index] ?? "" });
        }
      }),
    );
  });

  const taken = yield* inTurns({ rounds, ours, peer });
  const note =
    "Redis checks no expected position and no id; one connection, its client gathers commands into one write";
  return { ...taken, peerName: `Redis ${version} XADD, appendfsync always`, note };
}).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie);

export const row: Row = {
  id: "append-1024-redis",
  what: "durable appends, 1,024 writers, a thread each",
  unit: "events/s",
  goal: { of: "ratio", is: "at least", limit: 1 },
  run,
};
