/**
 * One client of the store for each tenant, shared by all requests: their appends wait together and are one group commit.
 *
 * Room: edge.
 *
 * A client is made at the first request of its tenant and lives as long as the door. It is the client that every program
 * has: what is accepted while the log is unreachable waits in the spool of the data folder.
 */
import { Context, Effect, type FileSystem, Layer, type Path, Semaphore } from "effect";
import * as Layers from "../../client/Layers.ts";
import { refused, type Refused } from "./Problem.ts";

const client = (options: Layers.Options) => Layer.merge(Layers.layer(options), Layers.query(options));

/** The services of a client: Publisher, HistoryReading, ThreadViews, Watch, Tasks, Sessions, Inbox, Query … */
export type Client = Layer.Success<ReturnType<typeof client>>;

/** Place of the store; `url` only for a server that is not the folder's own. */
export type ClientOptions = Pick<Layers.Options, "data" | "url" | "access" | "admit">;

export class TenantClients extends Context.Service<
  TenantClients,
  {
    /** The services of a tenant's client. Fails with 503 while they cannot be made. */
    readonly of: (tenant: string) => Effect.Effect<Context.Context<Client>, Refused>;
    /** The same where they are made already. */
    readonly there: (tenant: string) => Context.Context<Client> | undefined;
  }
>()("recollect/edge/http/TenantClients") {}

/** Tenants at once: each has a connection of its own. The holder of an operator's token can name any. */
const mostTenants = 64;

const tooMany = refused({
  status: 503,
  code: "tenants",
  detail: `More than ${mostTenants} tenants are in use over HTTP.`,
  hint: "Start `recollect up` again, or ask for fewer.",
});

const cannot = (cause: unknown) =>
  refused({
    status: 503,
    code: "store",
    detail: `The store cannot be opened: ${cause instanceof Error ? cause.message : String(cause)}`,
    retryAfter: 1,
  });

export const make = Effect.fnUntraced(function* (options: ClientOptions) {
  const scope = yield* Effect.scope;
  const context = yield* Effect.context<FileSystem.FileSystem | Path.Path>();
  const one = yield* Semaphore.make(1);
  const made = new Map<string, Context.Context<Client>>();
  const begin = Effect.fnUntraced(function* (tenant: string) {
    const there = made.get(tenant);
    if (there !== undefined) return there;
    if (made.size >= mostTenants) return yield* tooMany;
    const layer = client({ ...options, tenant, source: "http" });
    const built = yield* Layer.buildWithScope(layer, scope).pipe(
      Effect.provideContext(context),
      Effect.mapError(cannot),
    );
    made.set(tenant, built);
    return built;
  });
  return TenantClients.of({
    there: (tenant) => made.get(tenant),
    of: (tenant) => {
      const there = made.get(tenant);
      return there === undefined ? one.withPermits(1)(begin(tenant)) : Effect.succeed(there);
    },
  });
});

export const layer = (options: ClientOptions) => Layer.effect(TenantClients, make(options));
