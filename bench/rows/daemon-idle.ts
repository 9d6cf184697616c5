/** A daemon that has nothing to do: what it keeps in memory, and what it takes of a processor. */
import { Effect } from "effect";
import type { Row } from "../Harness.ts";
import { canBeSeen, program } from "../Program.ts";
import { temporaryFolder, world } from "../Servers.ts";

const settleMillis = 8_000;
const watchedMillis = 10_000;

const run = Effect.gen(function* () {
  if (!canBeSeen) return { skipped: "memory of another process is read from /proc, which is not here" };
  const { server } = yield* world();
  const folder = yield* temporaryFolder;
  const daemon = program(["up", "--json", "--nats-url", server.url, "--data", folder]);
  // The first start of a version compiles, and keeps what it needed for that.
  yield* Effect.scoped(daemon);
  const { cpuSeconds, memory } = yield* daemon;
  yield* Effect.sleep(settleMillis);
  const before = cpuSeconds();
  yield* Effect.sleep(watchedMillis);
  const share = ((cpuSeconds() - before) / (watchedMillis / 1000)) * 100;
  return {
    ours: memory().now,
    peer: 120,
    peerName: "the goal",
    note: `from its second start on; ${share.toFixed(1)} % of a core while idle; nats-server apart`,
  };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "daemon-idle",
  what: "resident memory of an idle daemon",
  unit: "MB",
  goal: { of: "ours", is: "at most", limit: 120 },
  run,
};
