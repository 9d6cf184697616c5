/**
 * Tells whoever waits to ask a log again that it has come: for the first time, or back.
 *
 * Room: log.
 *
 * A pause grows with the time without an answer; the connection knows sooner than its end that the server answers.
 */
import { Context, Deferred, Effect } from "effect";

export interface Arrivals {
  /** Returns at the first arrival after this call. Taken before asking, so that none falls between answer and pause. */
  readonly next: () => Effect.Effect<void>;
}

/** No knowledge of arrivals: each pause is waited out. */
const unknown: Arrivals = { next: () => Effect.never };

export const LogArrivals = Context.Reference<Arrivals>("recollect/log/LogArrivals", {
  defaultValue: () => unknown,
});

export const make = (): Arrivals & { readonly tell: () => void } => {
  let coming = Deferred.makeUnsafe<void>();
  return {
    next: () => Deferred.await(coming),
    tell: () => {
      const come = coming;
      coming = Deferred.makeUnsafe();
      Deferred.doneUnsafe(come, Effect.void);
    },
  };
};
