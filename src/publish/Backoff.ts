/**
 * How often what is away is asked again: quickly at first, ever more slowly, never in step with others, for ever.
 *
 * Room: publish. In: none. Out: Mode, LogConnection.
 */
import { Schedule } from "effect";

const firstPauseMillis = 50;
/** A log that is away for hours costs a look every 4 to 6 s, and is found again that soon. */
const longestPauseMillis = 5_000;

/** Each use begins with the shortest pause. */
export const backoff = Schedule.min([Schedule.exponential(firstPauseMillis), Schedule.spaced(longestPauseMillis)]).pipe(
  Schedule.jittered,
);
