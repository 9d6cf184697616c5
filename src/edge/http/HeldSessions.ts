/**
 * Sessions of clients that speak HTTP: present in the daemon's name for as long as they are heard.
 *
 * Room: edge.
 *
 * One that is silent for `leaseMillis` is ended with the reason `silent`. After a restart of the daemon a client registers its
 * session again under its id, and goes on with its history.
 */
import { Context, Effect, Exit, Latch, Layer, Schedule, Scope } from "effect";
import { type Ending, type Held, type Registering, Sessions } from "../../coordination/sessions/Sessions.ts";
import { type SessionRefused } from "../../coordination/sessions/SessionRefused.ts";
import { elapsed } from "../../log/connection/Elapsed.ts";
import type { PublishError } from "../../publish/Publisher.ts";
import { refused, type Refused } from "./Problem.ts";
import { TenantClients } from "./TenantClients.ts";

/** As long as a lease of a task: three heartbeats fit in. */
export const leaseMillis = 30_000;
const lookMillis = 1_000;
/** Sessions at once: each keeps a presence that is written every ten seconds. */
const mostSessions = 2_000;
/** Of one tenant, so that one tenant cannot have them all. */
export const mostOfOne = 1_000;

const tooMany = (tenant: string, most: number) =>
  refused({
    status: 429,
    code: "sessions",
    detail:
      most === mostOfOne
        ? `${mostOfOne} sessions of the tenant ${tenant} are held over HTTP already.`
        : `${mostSessions} sessions are held over HTTP already.`,
    hint: "End those that are over.",
    retryAfter: leaseMillis / 1_000,
  });
const notHeld = (id: string) =>
  refused({
    status: 404,
    code: "sessionNotHeld",
    detail: `This daemon does not hold the session ${id}.`,
    hint: "Register it again under its id; its history goes on.",
  });

interface Kept {
  readonly tenant: string;
  readonly held: Held;
  readonly scope: Scope.Closeable;
  /** Time by a monotonic clock: a wall clock set forward would end all of them. */
  heardAt: number;
}

export class HeldSessions extends Context.Service<
  HeldSessions,
  {
    readonly register: (
      tenant: string,
      options: Registering,
      source: string,
    ) => Effect.Effect<Held, SessionRefused | PublishError | Refused, Sessions>;
    /** Finds a session; a renewal of its lease. */
    readonly of: (tenant: string, id: string) => Effect.Effect<Held, Refused>;
    readonly end: (tenant: string, id: string, ending: Ending) => Effect.Effect<void, PublishError>;
  }
>()("recollect/edge/http/HeldSessions") {}

const keyOf = (tenant: string, id: string) => JSON.stringify([tenant, id]);

const make = Effect.gen(function* () {
  const clients = yield* TenantClients;
  const kept = new Map<string, Kept>();
  /** Open while there is anything to look after. */
  const some = yield* Latch.make(false);

  const countOf = (tenant: string): number => {
    let count = 0;
    for (const one of kept.values()) if (one.tenant === tenant) count++;
    return count;
  };

  const ended = Effect.fnUntraced(function* (key: string, ending: Ending) {
    const there = kept.get(key);
    if (there === undefined) return;
    kept.delete(key);
    yield* Effect.ensuring(there.held.end(ending), Scope.close(there.scope, Exit.void));
  });
  const silent = Effect.gen(function* () {
    const now = yield* elapsed;
    for (const [key, { heardAt }] of kept) {
      if (now - heardAt > leaseMillis) yield* Effect.ignore(ended(key, { reason: "silent" }));
    }
    if (kept.size === 0) some.closeUnsafe();
  });
  yield* Effect.forkScoped(Effect.repeat(some.whenOpen(silent), Schedule.spaced(lookMillis)));
  yield* Effect.addFinalizer(() =>
    Effect.forEach([...kept.values()], ({ scope }) => Scope.close(scope, Exit.void), { discard: true }),
  );

  return HeldSessions.of({
    register: Effect.fnUntraced(function* (tenant, options, source) {
      if (countOf(tenant) >= mostOfOne) return yield* tooMany(tenant, mostOfOne);
      if (kept.size >= mostSessions) return yield* tooMany(tenant, mostSessions);
      const scope = yield* Scope.make();
      // The client is acquired before what the session leaves to the scope, so that it is let go last.
      const inUse = Scope.provide(clients.of(tenant), scope);
      const registered = Sessions.use((sessions) => sessions.register(options, { source }));
      const held = yield* Effect.andThen(inUse, registered).pipe(
        Scope.provide(scope),
        Effect.onError(() => Scope.close(scope, Exit.void)),
      );
      kept.set(keyOf(tenant, held.id), { tenant, held, scope, heardAt: yield* elapsed });
      yield* some.open;
      return held;
    }),
    of: Effect.fnUntraced(function* (tenant, id) {
      const there = kept.get(keyOf(tenant, id));
      if (there === undefined) return yield* notHeld(id);
      there.heardAt = yield* elapsed;
      return there.held;
    }),
    end: (tenant, id, ending) => ended(keyOf(tenant, id), ending),
  });
});

export const layer = Layer.effect(HeldSessions, make);
