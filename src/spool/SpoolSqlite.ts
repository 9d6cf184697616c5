/**
 * The spool in a small SQLite file of its own, beside the data it will become.
 *
 * Room: spool. In: Spool, SpoolFileSqlite. Out: publish.
 */
import { Clock, Effect, Layer } from "effect";
import { Spool, type SpoolUnavailable } from "./Spool.ts";
import { type Options, SpoolFile, trouble } from "./SpoolFileSqlite.ts";

export const make = Effect.fnUntraced(function* (options: Options) {
  const spool = yield* Effect.acquireRelease(
    Effect.sync(() => new SpoolFile(options)),
    (file) => Effect.sync(() => file.close()),
  );
  const attempt = <A>(use: () => A): Effect.Effect<A, SpoolUnavailable> =>
    Effect.try({
      try: use,
      catch: (cause) => {
        const problem = trouble(options.file, cause);
        // A file that was damaged under us is opened anew at the next need.
        if (problem.reason !== "busy" && problem.reason !== "full") spool.close();
        return problem;
      },
    });
  const atNow = <A>(use: (now: number) => A) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => attempt(() => use(now)));
  return Spool.of({
    put: (commands) => atNow((now) => spool.put(commands, now)),
    oldest: ({ after = 0, limit, maxBytes }) => attempt(() => spool.oldest(limit, maxBytes, after)),
    waitingFor: (history) => attempt(() => spool.waitingFor(history)),
    forget: (positions) => attempt(() => spool.forget(positions)),
    setAside: ({ position, reason }) => attempt(() => spool.setAside(position, reason)),
    forked: ({ into, position, reason }) => atNow((now) => spool.forked(position, into, reason, now)),
    lead: ({ owner, millis }) => atNow((now) => spool.lead(owner, now, millis)),
    resign: (owner) => attempt(() => spool.resign(owner)),
    state: Effect.suspend(() => attempt(() => spool.state())),
  });
});

export const layer = (options: Options) => Layer.effect(Spool, make(options));
