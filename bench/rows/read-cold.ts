/** Reading a long thread for the first time, against a bare KV get of its snapshot's bytes. */
import { Effect } from "effect";
import { inPairs, type Row } from "../Harness.ts";
import { scatteredThread } from "../ScatteredThread.ts";

const reads = 60;
const rounds = 5;

const run = Effect.gen(function* () {
  const { get, reader, readBy, size } = yield* scatteredThread;
  const readers = yield* Effect.forEach(Array.from({ length: (rounds + 1) * reads }), () => reader);
  const taken = yield* inPairs({
    rounds,
    ours: (round) => readers.slice(round * reads, (round + 1) * reads).map(readBy),
    peer: () => Array.from({ length: reads }, () => get),
  });
  return { ...taken, peerName: "bare KV get of the same bytes", note: `p50; ${size}` };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "read-cold",
  what: "a thread of 1,000 messages: snapshot and tail",
  unit: "ms",
  goal: { of: "ratio", is: "at most", limit: 2 },
  run,
};
