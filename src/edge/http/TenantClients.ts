/**
 * One client of the store for each tenant, shared by all requests: their appends wait together and are one group commit.
 *
 * Room: edge.
 *
 * A client is made at the first request of its tenant. It is the client that every program has: what is accepted while the
 * log is unreachable waits in the spool of the data folder.
 *
 * Promises: a client that is in use (a request, a stream, a lease, a session) is never closed; beyond `mostKept` tenants the
 * least recently used client that is not in use is closed for the next; beyond `mostInUse` that are in use a further tenant
 * is answered 503 with `Retry-After`.
 *
 * Decision: none is closed for being idle alone, because to make one takes 60 ms, which the first hook after a pause would
 * wait for, and 64 of them hold 22 MB.
 */
import { Context, Effect, Exit, type FileSystem, Layer, type Path, Scope, Semaphore } from "effect";
import * as Layers from "../../client/Layers.ts";
import { refused, type Refused } from "./Problem.ts";

const client = (options: Layers.Options) => Layer.merge(Layers.layer(options), Layers.query(options));

/** The services of a client: Publisher, HistoryReading, ThreadViews, Watch, Tasks, Sessions, Inbox, Query … */
export type Client = Layer.Success<ReturnType<typeof client>>;

/** Place of the store; `url` only for a server that is not the folder's own. */
export type ClientOptions = Pick<Layers.Options, "data" | "url" | "access" | "admit">;

/** A client in use: not closed before `leave`, which is called once. */
export interface InUse {
  readonly client: Context.Context<Client>;
  readonly leave: () => void;
}

export class TenantClients extends Context.Service<
  TenantClients,
  {
    /** The services of a tenant's client, in use until the scope closes. Fails with 503 while they cannot be made. */
    readonly of: (tenant: string) => Effect.Effect<Context.Context<Client>, Refused, Scope.Scope>;
    /** The same where they are made already, for plain code. */
    readonly enter: (tenant: string) => InUse | undefined;
  }
>()("recollect/edge/http/TenantClients") {}

/** Clients that are kept while they are not in use: each has a connection and open files of its own. */
export const mostKept = 64;
/** Tenants in use at once. The holder of an operator's token can name any. */
export const mostInUse = 256;

const tooMany = refused({
  status: 503,
  code: "tenants",
  detail: `${mostInUse} tenants are in use over HTTP.`,
  hint: "Come again when answers, streams, leases or sessions of others are over.",
  retryAfter: 1,
});

const cannot = (cause: unknown) =>
  refused({
    status: 503,
    code: "store",
    detail: `The store cannot be opened: ${cause instanceof Error ? cause.message : String(cause)}`,
    retryAfter: 1,
  });

interface Kept {
  readonly client: Context.Context<Client>;
  readonly scope: Scope.Closeable;
  users: number;
  /** Number of its last use, over all tenants. */
  usedAt: number;
}

/** Builder of a tenant's client, in the given scope. */
export type Build = (tenant: string, scope: Scope.Scope) => Effect.Effect<Context.Context<Client>, unknown>;

export const makeWith = Effect.fnUntraced(function* (build: Build) {
  const outer = yield* Effect.scope;
  const one = yield* Semaphore.make(1);
  const kept = new Map<string, Kept>();
  let uses = 0;

  const enter = (tenant: string): InUse | undefined => {
    const there = kept.get(tenant);
    if (there === undefined) return undefined;
    there.users++;
    return {
      client: there.client,
      leave: () => {
        there.users--;
        there.usedAt = ++uses;
      },
    };
  };

  const leastUsed = (): readonly [string, Kept] | undefined => {
    let found: readonly [string, Kept] | undefined;
    for (const entry of kept) {
      if (entry[1].users === 0 && (found === undefined || entry[1].usedAt < found[1].usedAt)) found = entry;
    }
    return found;
  };

  const begin = Effect.fnUntraced(function* (tenant: string) {
    if (kept.has(tenant)) return;
    for (let idle = leastUsed(); idle !== undefined && kept.size >= mostKept; idle = leastUsed()) {
      const [name, { scope }] = idle;
      kept.delete(name);
      yield* Effect.uninterruptible(Scope.close(scope, Exit.void));
    }
    if (kept.size >= mostInUse) return yield* tooMany;
    const scope = yield* Scope.fork(outer);
    const made = yield* Effect.onError(Effect.mapError(build(tenant, scope), cannot), (cause) =>
      Scope.close(scope, Exit.failCause(cause)),
    );
    kept.set(tenant, { client: made, scope, users: 0, usedAt: ++uses });
  });

  const entered = Effect.fnUntraced(function* (
    tenant: string,
    restore: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>,
  ) {
    for (;;) {
      const there = enter(tenant);
      if (there !== undefined) return there;
      yield* restore(one.withPermits(1)(begin(tenant)));
    }
  });

  return TenantClients.of({
    enter,
    of: (tenant) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const { client: services, leave } = yield* entered(tenant, restore);
          yield* Effect.addFinalizer(() => Effect.sync(leave));
          return services;
        }),
      ),
  });
});

export const layer = (options: ClientOptions) =>
  Layer.effect(
    TenantClients,
    Effect.gen(function* () {
      const context = yield* Effect.context<FileSystem.FileSystem | Path.Path>();
      return yield* makeWith((tenant, scope) =>
        Layer.buildWithScope(client({ ...options, tenant, source: "http" }), scope).pipe(
          Effect.provideContext(context),
        ),
      );
    }),
  );
