/** Durable appends of 1,024 writers at once, a thread each, against Redis streams with `appendfsync always`. */
import { Context, Effect } from "effect";
import { EventLog } from "../../src/log/EventLog.ts";
import { inTurns, type Row } from "../Harness.ts";
import { asSkipped } from "../peers/PeerProgram.ts";
import { redis } from "../peers/Redis.ts";
import { world } from "../Servers.ts";
import { appendAtOnce, publishAtOnce, textOf, type Turn, writers } from "../Writers.ts";

const count = 1_024;
const turns = 4;
const rounds = 5;

const run = Effect.gen(function* () {
  const { client, version } = yield* redis;
  const { rooms } = yield* world();
  const log = Context.get(rooms, EventLog);
  const made = writers(count, turns);
  const add = ({ event, history }: Turn) => client.xAdd(history.id, "*", { id: event.id, body: textOf(event) });

  const taken = yield* inTurns({
    rounds,
    ours: (round) => Effect.flatMap(made(`many-${round}`), (threads) => appendAtOnce(log, threads)),
    peer: (round) => Effect.flatMap(made(`many-${round}`), (threads) => publishAtOnce(add, threads)),
  });
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
