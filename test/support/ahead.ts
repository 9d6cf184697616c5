/** A clock so far ahead: what was written just now is an old file to it. */
import { Clock, Context, Effect } from "effect";

export const hour = 3_600_000;

export const ahead = (by: { readonly millis: number }): Clock.Clock => {
  const real = Context.get(Context.empty(), Clock.Clock);
  const millis = () => real.currentTimeMillisUnsafe() + by.millis;
  // The wall clock alone is set back: time goes on.
  let passed = by.millis;
  const nanos = () => {
    passed = Math.max(passed, by.millis);
    return real.monotonicTimeNanosUnsafe() + BigInt(passed) * 1_000_000n;
  };
  return Object.assign(Object.create(real) as Clock.Clock, {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
  });
};
