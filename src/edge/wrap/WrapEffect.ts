/**
 * `recollect wrap` as an effect.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import * as Wrap from "./Wrap.ts";

/**
 * Runs the server between this process's standard input and output until it ends. Gives its exit code; for a server
 * that a signal ended this process ends by the same signal. Not to be interrupted: signals are the server's.
 */
export const wrap = (options: Wrap.Options): Effect.Effect<number> =>
  Effect.map(
    Effect.promise(() => Wrap.run(options)),
    (ended) => (ended.signal === null ? Wrap.exitCodeOf(ended) : Wrap.endLike(ended)),
  ).pipe(Effect.uninterruptible);
