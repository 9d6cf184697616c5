/** A thread read for the first time by a process, against a bare KV get of as many bytes as it must be told. */
import { Effect } from "effect";
import { inPairs, percentile, timed } from "./Harness.ts";
import { scatteredThread } from "./ScatteredThread.ts";

const reads = 60;
const rounds = 5;

export const coldRead = (tail: "none" | "ten events") =>
  Effect.gen(function* () {
    const { get, reader, readBy, size } = yield* scatteredThread({ tail });
    const read = readBy(yield* reader("none"));
    const taken = yield* inPairs({
      rounds,
      ours: () => Array.from({ length: reads }, () => read),
      peer: () => Array.from({ length: reads }, () => get),
    });
    // Between reads, as the peer's one get is.
    const getTwice = Effect.andThen(read, timed(Effect.promise(() => get().then(get))));
    const twice = percentile(yield* Effect.replicateEffect(getTwice, reads));
    const note = `p50; ${size}; two such gets, one after the other, take ${twice.toFixed(3)} ms`;
    return { ...taken, peerName: "bare KV get of the same bytes", note };
  }).pipe(Effect.orDie);
