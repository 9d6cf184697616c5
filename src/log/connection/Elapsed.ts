/**
 * Time that only goes forward, for patience, for pauses and for how long something is believed.
 *
 * Room: log.
 *
 * A wall clock that is set back by an hour would make a pause of a second last for an hour.
 */
import { Clock, Effect } from "effect";

/** Milliseconds since some moment, the same for all of this process. */
export const elapsedUnsafe = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6;

export const elapsed: Effect.Effect<number> = Effect.map(Clock.Clock, elapsedUnsafe);
