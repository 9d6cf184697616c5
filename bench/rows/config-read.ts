/** Reading a value of the configuration, as often as a program likes, against asking a Redis for it. */
import { Effect } from "effect";
import * as NatsServer from "../../test/support/NatsServer.ts";
import { percentile, type Row, timed } from "../Harness.ts";
import { asSkipped } from "../peers/PeerProgram.ts";
import { peerDoes } from "../peers/PeerWork.ts";
import { redis } from "../peers/Redis.ts";
import { shared } from "../Shared.ts";

const reads = 200_000;
const asked = 1_000;
const rounds = 5;
const nanosPerMilli = 1e6;

const run = Effect.gen(function* () {
  const { client, version } = yield* redis;
  const server = yield* NatsServer.make();
  const { config } = yield* shared(server.url);
  const name = "snapshots.ttlMillis";
  yield* config.set({ [name]: 5_000 });
  yield* peerDoes(() => client.set(name, "5000"));
  const ours: Array<number> = [];
  const peer: Array<number> = [];
  const reading = Effect.gen(function* () {
    let sum = 0;
    for (let n = 0; n < reads; n++) sum += yield* config.get(name);
    if (sum !== 5_000 * reads) return yield* Effect.die("another value was read");
  });
  for (let round = 0; round <= rounds; round++) {
    ours.push(((yield* timed(reading)) / reads) * nanosPerMilli);
    const began = performance.now();
    yield* peerDoes(async () => {
      for (let n = 0; n < asked; n++) if ((await client.get(name)) !== "5000") throw new Error("another value");
    });
    peer.push(((performance.now() - began) / asked) * nanosPerMilli);
  }
  const ratios = ours.map((figure, round) => figure / (peer[round] ?? Number.NaN)).slice(1);
  return {
    ours: percentile(ours.slice(1)),
    peer: percentile(peer.slice(1)),
    spread: [Math.min(...ratios), Math.max(...ratios)] as const,
    peerName: `Redis ${version} GET, each awaited`,
    note: `means of ${reads} reads of ours and ${asked} of the peer; what holds is in memory, kept true by the log`,
  };
}).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie);

export const row: Row = {
  id: "config-read",
  what: "a value of the configuration, read from the process that holds it",
  unit: "ns",
  goal: { of: "ours", is: "at most", limit: 1_000 },
  run,
};
