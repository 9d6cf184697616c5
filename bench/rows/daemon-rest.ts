/** Share of a core that a daemon takes while nothing happens, over more than a minute. */
import { Effect } from "effect";
import { daemonOfItsOwn } from "../AtRest.ts";
import type { Row } from "../Harness.ts";
import { canBeSeen, cpuSecondsOf } from "../Program.ts";

/** By then V8 has collected and compiled for the last time what the start left to it. */
const settleMillis = 20_000;
const watchedMillis = 80_000;

const run = Effect.gen(function* () {
  if (!canBeSeen) return { skipped: "the processor time of another process is read from /proc, which is not here" };
  const { daemon, server } = yield* daemonOfItsOwn;
  yield* Effect.sleep(settleMillis);
  const taken = () => [daemon.pid, server].map(cpuSecondsOf);
  const before = taken();
  yield* Effect.sleep(watchedMillis);
  const [ours = 0, servers = 0] = taken().map(
    (seconds, at) => ((seconds - (before[at] ?? 0)) / (watchedMillis / 1000)) * 100,
  );
  return { ours, peer: 0.5, peerName: "the goal", note: `nats-server beside it ${servers.toFixed(2)} %` };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "daemon-rest",
  what: "processor of a daemon at rest, over 80 s",
  unit: "% of a core",
  goal: { of: "ours", is: "at most", limit: 0.5 },
  run,
};
