/** A thread read for the first time by a process, against a bare KV get of its snapshot's bytes. */
import { Effect } from "effect";
import { inPairs } from "./Harness.ts";
import { scatteredThread } from "./ScatteredThread.ts";

const reads = 60;
const rounds = 5;

export const coldRead = (tail: "none" | "ten events") =>
  Effect.gen(function* () {
    const { get, reader, readBy, size } = yield* scatteredThread({ tail });
    const readers = yield* Effect.forEach(Array.from({ length: (rounds + 1) * reads }), () => reader);
    const taken = yield* inPairs({
      rounds,
      ours: (round) => readers.slice(round * reads, (round + 1) * reads).map(readBy),
      peer: () => Array.from({ length: reads }, () => get),
    });
    return { ...taken, peerName: "bare KV get of the snapshot's bytes", note: `p50; ${size}` };
  }).pipe(Effect.orDie);
