/**
 * Memory of a process: limits, and what it gives back to the machine.
 *
 * Room: main.
 *
 * V8 takes what the machine has: with 93 MB in use its heap grew to 400 MB before it looked for garbage. And what a
 * busy moment made it take it keeps, 32 MB for new objects alone, because it gives back only while it is given work:
 * an idle daemon is asked for nothing for hours.
 */
import { Effect, Layer } from "effect";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const lookMillis = 5_000;
/** At rest: less of one processor than this since the last look. */
const restShare = 0.03;
/** Less than this is not worth the pause. */
const worthBytes = 16 * 1024 * 1024;

/**
 * From now on the heap grows by two fifths of what is in use before garbage is looked for. Decision: 40 %, because the
 * projector's process then took 500 MB instead of 750 for 100,000 small events, at the same cost in collection.
 */
export const growSlowly = (): void => setFlagsFromString("--heap-growing-percent=40");

type Collect = (how: { readonly type: "major"; readonly execution: "sync"; readonly flavor: "last-resort" }) => void;

/**
 * Decision: V8's own `gc`, made visible while the process runs, because it alone knows "last-resort", which makes V8
 * shrink the space for new objects: 140 MB of an idle daemon became 112 MB, in 100 ms. The inspector's "collect
 * garbage" leaves that space as large as it was.
 */
const makeCollect = (): Collect => {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as Collect;
};

const heapBytes = (): number => process.memoryUsage().heapTotal;

const forEver = Effect.gen(function* () {
  const collect = makeCollect();
  let kept = 0;
  for (;;) {
    const before = process.cpuUsage();
    yield* Effect.sleep(lookMillis);
    const { system, user } = process.cpuUsage(before);
    const isAtRest = (user + system) / 1000 < lookMillis * restShare;
    if (!isAtRest || heapBytes() - kept < worthBytes) continue;
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
    kept = heapBytes();
  }
});

/** Gives back what is not needed, whenever the process has come to rest. */
export const givenBack = Layer.effectDiscard(Effect.forkScoped(forEver));
