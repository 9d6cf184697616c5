/**
 * Exponential backoff with jitter towards an unreachable server, for ever.
 *
 * Room: log.
 */
import { Clock, Effect, Result, Schedule } from "effect";
import type { Arrivals } from "./LogArrivals.ts";

const firstPauseMillis = 50;
/** A log that is away for hours costs a look every 4 to 6 s, and is found again that soon. */
const longestPauseMillis = 5_000;

/** Each use begins with the shortest pause. */
export const backoff = Schedule.min([Schedule.exponential(firstPauseMillis), Schedule.spaced(longestPauseMillis)]).pipe(
  Schedule.jittered,
);

/**
 * Asks until it comes to something. A pause ends before its time when the log has come: else who was away for a minute
 * would be kept waiting for seconds more by a log that is there.
 */
export const untilAnswered = Effect.fnUntraced(function* <A, E, R>(ask: Effect.Effect<A, E, R>, arrivals: Arrivals) {
  const pauseAfter = yield* Schedule.toStep(backoff);
  for (;;) {
    const arrival = arrivals.next();
    const answer = yield* Effect.result(ask);
    if (Result.isSuccess(answer)) return answer.success;
    const [, pause] = yield* Effect.orDie(pauseAfter(yield* Clock.currentTimeMillis, answer.failure));
    yield* Effect.raceFirst(Effect.sleep(pause), arrival);
  }
});
