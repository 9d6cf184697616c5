/** Reading a long thread again in a process that has just read it, against a bare KV get of the same bytes. */
import { Effect } from "effect";
import { inPairs, type Row } from "../Harness.ts";
import { scatteredThread } from "../ScatteredThread.ts";

const reads = 200;
const rounds = 5;
const microsPerMilli = 1_000;

const run = Effect.gen(function* () {
  const { get, reader, readBy, size } = yield* scatteredThread({ tail: "none" });
  const by = yield* reader("as always");
  // The first round, which is not counted, is long enough for the follower to begin.
  const taken = yield* inPairs({
    rounds,
    ours: () => Array.from({ length: reads }, () => readBy(by)),
    peer: () => Array.from({ length: reads }, () => get),
  });
  const { ours, peer, spread } = taken;
  return {
    ours: ours * microsPerMilli,
    peer: peer * microsPerMilli,
    spread,
    peerName: "bare KV get of the same bytes",
    note: `p50; ${size}; compared with the log once a second`,
  };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "read-warm",
  what: "the same thread again, by the same reader",
  unit: "µs",
  goal: { of: "ours", is: "at most", limit: 20 },
  run,
};
