/**
 * Following in a tenant's account, where no consumer is to be had: the daemon is asked again and again for what came since.
 *
 * Room: log.
 *
 * Numbers of other tenants' events are missing between a tenant's own, so holes cannot be seen here; the daemon's scrubber
 * sees them.
 */
import { Array as Arr, Cause, Effect, Stream } from "effect";
import type { LogEntry } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import { provenEntryOf } from "../Envelope.ts";
import type { LogUnavailable } from "../EventLog.ts";
import type { Link } from "../connection/NatsConnectionNats.ts";
import type { DirectGet } from "./DirectGetNats.ts";

/** Pause before it is asked again: short after an event, longer while nothing comes. */
const shortestPauseMillis = 50;
const longestPauseMillis = 1_000;

/** True when the daemon answers for nats-server. */
export const isTenants = (link: Link): boolean => {
  const subject = "$JS.API.DIRECT.GET.RECOLLECT";
  return link.route(subject) !== subject;
};

/** `subject` undefined: everything that the tenant has, which is what `>` means to the daemon. */
export const followAsTenant = (options: {
  readonly get: DirectGet;
  readonly stream: string;
  readonly after: Sequence;
  readonly subject: string | undefined;
  /** Ends when it was asked for everything up to there. */
  readonly until: number;
}): Stream.Stream<LogEntry, LogUnavailable> =>
  Stream.fromPull(
    Effect.sync(() => {
      const { get, stream, subject = ">", until } = options;
      let { after } = options;
      let pause = shortestPauseMillis;
      return Effect.gen(function* () {
        for (;;) {
          if (after >= until) return yield* Cause.done();
          const got = yield* get.batch(stream, { seq: after + 1, next_by_subj: subject });
          const entries = got.map(provenEntryOf);
          if (Arr.isReadonlyArrayNonEmpty(entries)) {
            after = Arr.lastNonEmpty(entries).sequence;
            pause = shortestPauseMillis;
            return entries;
          }
          if (until !== Infinity) return yield* Cause.done();
          yield* Effect.sleep(pause);
          pause = Math.min(pause * 2, longestPauseMillis);
        }
      });
    }),
  );
