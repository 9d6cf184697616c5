/**
 * Says in the daemon's log when the disk of the data folder runs low, and when there is room again.
 *
 * Room: main.
 */
import { Effect } from "effect";
import { diskSpace, lowPercent, veryLowPercent } from "../machine/DiskSpace.ts";

/** A disk fills in minutes at the fastest; a look is one system call. */
const everyMillis = 30_000;

const stateOf = (percent: number): "low" | "nearlyFull" | "ok" =>
  percent < veryLowPercent ? "nearlyFull" : percent < lowPercent ? "low" : "ok";

export const watch = Effect.fnUntraced(
  function* (folder: string, look: typeof diskSpace = diskSpace) {
    let before: ReturnType<typeof stateOf> = "ok";
    for (;;) {
      const disk = look(folder);
      const now: ReturnType<typeof stateOf> = disk === undefined ? before : stateOf(disk.freePercent);
      if (now !== before && disk !== undefined) {
        const words = `${disk.freePercent} % of the disk that holds ${folder} is free`;
        if (now === "ok") yield* Effect.logInfo(`${words} again`);
        else if (now === "low") yield* Effect.logWarning(`${words}: make room`);
        else yield* Effect.logError(`${words}: make room now; on a full disk nothing is appended`);
      }
      before = now;
      yield* Effect.sleep(everyMillis);
    }
  },
  Effect.annotateLogs("component", "disk"),
);
