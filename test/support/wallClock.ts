/** A wall clock that somebody sets. */
import { Clock, Effect } from "effect";

/** The clock that is there, but for its wall clock, which says what it was set to. */
export const withWall = (wall: () => number) =>
  Effect.updateService(Clock.Clock, (clock) =>
    Object.assign(Object.create(clock), {
      currentTimeMillisUnsafe: wall,
      currentTimeMillis: Effect.sync(wall),
    }),
  );
