/**
 * The spool in a small SQLite file of its own, beside the data it will become.
 *
 * Room: spool.
 */
import { Clock, Effect, Layer, Schedule } from "effect";
import { Spool, type SpoolUnavailable } from "./Spool.ts";
import { type Options, SpoolFile } from "./SpoolFileSqlite.ts";
import { trouble } from "./SpoolTroubleSqlite.ts";

/**
 * Processes that share the file wait for their turn. Under four processes that put as fast as they can it comes
 * within milliseconds, under two hundred publishers on a busy machine within seconds; a process that was stopped in the
 * middle of a transaction must not hold up the others for ever.
 */
const turnWithin = (duration: number) =>
  Schedule.min([Schedule.exponential(1), Schedule.spaced(5)]).pipe(Schedule.jittered, Schedule.upTo({ duration }));
const turn = turnWithin(1_000);
/** Patience of a put, longer than that of a look: a refused command is lost unless its caller says it again. */
const putTurn = turnWithin(5_000);

export const make = Effect.fnUntraced(function* (options: Options) {
  const spool = yield* Effect.acquireRelease(
    Effect.sync(() => new SpoolFile(options)),
    (file) => Effect.sync(() => file.close()),
  );
  const attempt = <A>(use: () => A, schedule: typeof turn = turn): Effect.Effect<A, SpoolUnavailable> =>
    Effect.try({
      try: use,
      catch: (cause) => {
        const problem = trouble(options.file, cause);
        // A file that was damaged under us is opened anew at the next need.
        if (problem.reason !== "busy" && problem.reason !== "full") spool.close();
        return problem;
      },
    }).pipe(Effect.retry({ schedule, while: ({ reason }) => reason === "busy" }));
  const atNow = <A>(use: (now: number) => A, schedule: typeof turn = turn) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => attempt(() => use(now), schedule));
  return Spool.of({
    mark: () => spool.list.mark,
    put: (commands) => atNow((now) => spool.put(commands, now), putTurn),
    oldest: ({ after = 0, end, limit, maxBytes }) =>
      attempt(() => {
        const commands = spool.oldest(limit, maxBytes, after);
        return end === undefined ? commands : spool.begun(commands, end);
      }),
    isWaiting: ({ after, upTo }) => attempt(() => spool.isWaiting(after, upTo)),
    range: Effect.suspend(() => attempt(() => spool.range())),
    newestEnd: Effect.suspend(() => attempt(() => spool.newestEnd())),
    waitingFor: (history) => attempt(() => spool.waitingFor(history)),
    blob: (sha256) => attempt(() => spool.blob(sha256)),
    forget: (positions) => attempt(() => spool.forget(positions)),
    setAside: ({ position, reason }) => attempt(() => spool.setAside(position, reason)),
    forked: ({ into, position, reason }) => atNow((now) => spool.forked(position, into, reason, now)),
    lead: ({ owner, millis }) => atNow((now) => spool.lead(owner, now, millis)),
    resign: (owner) => attempt(() => spool.resign(owner)),
    state: Effect.suspend(() => attempt(() => spool.state())),
  });
});

export const layer = (options: Options) => Layer.effect(Spool, make(options));
