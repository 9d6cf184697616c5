/**
 * How long an import waits for a log that is away.
 *
 * Room: edge. In: log. Out: Batch, Threads.
 */
import { Schedule } from "effect";

/**
 * For `Effect.retry`: asked again for about 50 seconds, with pauses that double. A cluster needs up to ten seconds to
 * choose a leader, a daemon that was killed about one to be back. Other errors are not waited for.
 */
export const patience = {
  schedule: Schedule.exponential("100 millis"),
  times: 9,
  while: ({ _tag }: { readonly _tag: string }) => _tag === "LogUnavailable",
};
