/** What tests of sessions need: machines that can be cut off or die, one log, one bucket, a read model and sweepers. */
import { Context, Effect, Layer, type Scope } from "effect";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import { PresenceBucket, PresenceUnavailable } from "../../src/coordination/sessions/Presence.ts";
import * as SessionSweep from "../../src/coordination/sessions/SessionSweep.ts";
import * as Sessions from "../../src/coordination/sessions/Sessions.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Projector from "../../src/projection/Projector.ts";
import { Query } from "../../src/query/Query.ts";
import * as QuerySqlite from "../../src/query/QuerySqlite.ts";
import * as PublishWorld from "../publish/World.ts";
import { LogSwitch } from "../publish/SwitchableLog.ts";

/** Long enough for a beat to be late on a busy machine, short enough to wait for. */
export const leaseMillis = 1_500;

export interface Machine {
  readonly sessions: Sessions.Sessions["Service"];
  /** Its connection for presence: off, and nobody hears that it is there. */
  readonly link: { connected: boolean; hanging?: boolean };
  /** Its way to the log. */
  readonly log: LogSwitch;
  /** Returns when its spool is empty. */
  readonly drained: Effect.Effect<void>;
}

export class World extends Context.Service<
  World,
  {
    /** Another machine on the same server. */
    readonly machine: Effect.Effect<Machine, never, Scope.Scope>;
    /** A sweep that knows everything that is in the log. */
    readonly sweeper: Effect.Effect<SessionSweep.SessionSweep["Service"], never, Scope.Scope>;
    readonly query: Query["Service"];
    /** Returns when the read model has everything that is in the log. */
    readonly caughtUp: Effect.Effect<void>;
  }
>()("recollect/test/SessionsWorld") {}

const switchable = (bucket: PresenceBucket["Service"], link: Machine["link"]) => {
  const through = <A>(effect: Effect.Effect<A, PresenceUnavailable>) =>
    Effect.suspend(() => {
      if (link.hanging === true) return Effect.never;
      return link.connected ? effect : Effect.fail(new PresenceUnavailable({ reason: "cut off" }));
    });
  return PresenceBucket.of({
    leaseMillis: bucket.leaseMillis,
    get: (of) => through(bucket.get(of)),
    put: (presence, revision) => through(bucket.put(presence, revision)),
    remove: (of) => through(bucket.remove(of)),
    list: through(bucket.list),
  });
};

/** `bucket` makes one for each machine: with a connection of its own where there are connections. */
export const layer = <E>(bucket: Layer.Layer<PresenceBucket, E, never>) =>
  Layer.effect(
    World,
    Effect.gen(function* () {
      const log = yield* EventLog;
      const path = join(yield* PublishWorld.temporaryFolder, "recollect.db");
      const projector = yield* Projector.make({ path, projections: readModels });
      const query = yield* QuerySqlite.make({ path });
      const caughtUp = Effect.flatMap(log.info, ({ lastSequence }) => projector.awaitSequence(lastSequence)).pipe(
        Effect.orDie,
      );
      const provideLog = Effect.provideService(EventLog, log);

      const machine = Effect.gen(function* () {
        const link = { connected: true };
        const to = new LogSwitch();
        const folder = yield* PublishWorld.temporaryFolder;
        const context = yield* Layer.build(
          Layer.fresh(
            Sessions.layer.pipe(
              Layer.provideMerge(PublishWorld.publisher({ folder, to })),
              Layer.provide(
                Layer.effect(
                  PresenceBucket,
                  Effect.map(PresenceBucket, (there) => switchable(there, link)),
                ).pipe(Layer.provide(bucket)),
              ),
            ),
          ),
        ).pipe(provideLog, Effect.orDie);
        const sessions = Context.get(context, Sessions.Sessions);
        return { sessions, link, log: to, drained: Effect.provideContext(PublishWorld.drained, context) };
      });

      const sweeper = Effect.gen(function* () {
        const context = yield* Layer.build(Layer.fresh(SessionSweep.layer.pipe(Layer.provide(bucket)))).pipe(
          provideLog,
          Effect.provideService(Query, query),
          Effect.orDie,
        );
        const { sweep } = Context.get(context, SessionSweep.SessionSweep);
        return { sweep: Effect.andThen(caughtUp, sweep) };
      });

      return World.of({ machine, sweeper, query, caughtUp });
    }),
  );
