/** Reading a long thread again with the reader that has just read it, against a bare KV get of its snapshot's bytes. */
import { Effect } from "effect";
import { inPairs, type Row } from "../Harness.ts";
import { scatteredThread } from "../ScatteredThread.ts";

const reads = 60;
const rounds = 5;

const run = Effect.gen(function* () {
  const { get, reader, readBy, size } = yield* scatteredThread;
  const by = yield* reader;
  yield* readBy(by);
  const taken = yield* inPairs({
    rounds,
    ours: () => Array.from({ length: reads }, () => readBy(by)),
    peer: () => Array.from({ length: reads }, () => get),
  });
  const note = `p50; ${size}; no cache in the process yet, so warm is cold. Later goal: 0.02 ms`;
  return { ...taken, peerName: "bare KV get of the same bytes", note };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "read-warm",
  what: "the same thread again, by the same reader",
  unit: "ms",
  goal: undefined,
  run,
};
