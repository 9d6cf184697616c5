/**
 * The end of sessions that cannot say it themselves: one that was silent for two leases is ended, `lease expired`.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/SessionsContract.ts`:
 * - a session that died is ended, also when no daemon was there to notice until much later;
 * - any number of sweepers end it once: its end has one event id, and is expected to follow its beginning;
 * - a session that is there, or says so again in time, is not ended.
 *
 * Decision: a sweep of what the read model has as begun and not ended, and not a watch of the bucket, because a bucket
 * tells no watcher of values that expired while it was disconnected, and its TTL without a marker tells none at all.
 * Decision: a session is ended when it was absent in as many sweeps in a row as make a lease, because on a machine that
 * wakes up, and after a server was unreachable, every lease has run out, and the sessions are back within a beat.
 */
import { Clock, Context, Effect, Layer, Stream } from "effect";
import * as History from "../../domain/History.ts";
import { EventLog, isDamage } from "../../log/EventLog.ts";
import { Query } from "../../query/Query.ts";
import { beatMillis, keyOf, PresenceBucket } from "./Presence.ts";
import { endIdOf } from "./Sessions.ts";

export class SessionSweep extends Context.Service<
  SessionSweep,
  {
    /** Looks once; gives the sessions that it has ended. A look that fails forgets what the ones before it saw. */
    readonly sweep: Effect.Effect<ReadonlyArray<History.History>>;
  }
>()("recollect/coordination/SessionSweep") {}

/** Absent in this many looks in a row, a beat apart: one lease. */
const looks = 3;

/** Events after which a session is there or not. */
const turns: ReadonlySet<string> = new Set(["session.started", "session.resumed", "session.ended"]);

const utf8 = new TextEncoder();

/** Every session with a lease that has begun and not ended, as far as the read model knows. */
const openSessions = Effect.fnUntraced(function* (query: Query["Service"]) {
  const open: Array<History.History> = [];
  for (let after = 0; ;) {
    const page = yield* query.leasedSessions(after);
    const last = page.at(-1);
    if (last === undefined) return open;
    open.push(...page.map(({ sessionId, tenant }) => History.session(sessionId, tenant)));
    after = last.firstSequence;
  }
});

export const make = Effect.gen(function* () {
  const log = yield* EventLog;
  const query = yield* Query;
  const bucket = yield* PresenceBucket;
  /** Absences in a row of each, by `keyOf`. */
  let absences = new Map<string, number>();

  /** Ends it unless it has ended, or is there after all. True when this call ended it. */
  const endOne = Effect.fnUntraced(function* (history: History.History) {
    const events = yield* Stream.runCollect(log.read({ history }));
    const last = events.at(-1);
    const turn = events.findLast(({ type }) => turns.has(type));
    if (last === undefined || turn === undefined || turn.type === "session.ended") return false;
    // After the log: a session that is back says so in the bucket first and in the log then.
    const { present } = yield* bucket.get({ tenant: history.tenant, sessionId: history.id });
    if (present !== undefined) return false;
    const event = {
      id: endIdOf(history, turn.id),
      type: "session.ended",
      schemaVersion: 1,
      source: "recollect",
      session: history.id,
      causationId: turn.id,
      occurredAt: yield* Clock.currentTimeMillis,
      body: utf8.encode(JSON.stringify({ reason: "lease expired" })),
    };
    const appended = yield* log.append({ history, events: [event], expected: last.sequence });
    return !appended.duplicate;
  });

  const look = Effect.gen(function* () {
    const open = yield* openSessions(query);
    const present = new Set((yield* bucket.list).map(keyOf));
    const seen = new Map<string, number>();
    const ended: Array<History.History> = [];
    for (const history of open) {
      const key = keyOf({ tenant: history.tenant, sessionId: history.id });
      if (present.has(key)) continue;
      const times = (absences.get(key) ?? 0) + 1;
      seen.set(key, times);
      if (times < looks) continue;
      // Another was faster, or it has moved: the next look sees what became of it.
      const isEnded = yield* Effect.catchIf(
        endOne(history),
        // One whose history is damaged is left to a heal: it must not keep the others from their ends.
        (error) => error._tag === "SequenceConflict" || isDamage(error),
        ({ message }) => Effect.as(Effect.logDebug(`session ${history.id} is not ended: ${message}`), false),
      );
      if (isEnded) ended.push(history);
    }
    absences = seen;
    return ended;
  });

  return SessionSweep.of({
    sweep: look.pipe(
      Effect.catch((error) =>
        Effect.as(
          Effect.sync(() => (absences = new Map())).pipe(
            Effect.andThen(Effect.logDebug("sessions cannot be looked after", error)),
          ),
          [],
        ),
      ),
      Effect.withSpan("sessions.sweep"),
    ),
  });
});

export const layer = Layer.effect(SessionSweep, make);

/** Sweeps every beat for as long as the layer lives. */
export const running = Layer.effectDiscard(
  Effect.gen(function* () {
    const { sweep } = yield* SessionSweep;
    const { leaseMillis } = yield* PresenceBucket;
    yield* sweep.pipe(Effect.andThen(Effect.sleep(beatMillis(leaseMillis))), Effect.forever, Effect.forkScoped);
  }),
).pipe(Layer.provide(layer));
