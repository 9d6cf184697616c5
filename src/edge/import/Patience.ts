/**
 * Patience of an import for an unreachable log.
 *
 * Room: edge.
 */
import { Schedule } from "effect";

/**
 * For `Effect.retry`: asked again for five minutes, ever less often, at last every two seconds. A cluster needs up to
 * ten seconds to choose a leader, a daemon that was killed about one to be back, and a machine under load that is
 * killed again and again was seen to need a minute. That NATS is away is said on stderr meanwhile; whoever does not
 * want to wait ends the import, which loses nothing. Other errors are not waited for, nor is a stream that is gone.
 */
export const patience = {
  schedule: Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(
    Schedule.upTo({ duration: "5 minutes" }),
  ),
  while: (error: { readonly _tag: string; readonly condition?: unknown }) =>
    error._tag === "LogUnavailable" && error.condition === undefined,
};
