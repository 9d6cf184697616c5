/**
 * Presence on a NATS server: over a connection that is there, or over one that is made when it is needed.
 *
 * Room: coordination. In: log (the connection), BucketKv, Presence. Out: RecollectSessions, edge, main.
 */
import { Context, Effect, Exit, Layer, Option, Scope, Semaphore } from "effect";
import * as NatsConnection from "../log/NatsConnectionNats.ts";
import * as BucketKv from "./BucketKv.ts";
import * as Presence from "./Presence.ts";
import { PresenceBucket, PresenceUnavailable } from "./Presence.ts";

export const layer = (options: Presence.Options = {}) => Presence.layer(options).pipe(Layer.provide(BucketKv.layer));

interface Open {
  readonly url: string;
  readonly link: NatsConnection.Link;
  readonly bucket: PresenceBucket["Service"];
  readonly scope: Scope.Closeable;
}

const unavailable = (reason: string) => new PresenceUnavailable({ reason });

/** Connects once, in a scope of its own. */
const dial = Effect.fnUntraced(function* (url: string, name: string | undefined, options: Presence.Options) {
  const scope = yield* Scope.fork(yield* Effect.scope);
  const connected = Effect.gen(function* () {
    const connection = yield* NatsConnection.make({ servers: url, name });
    const there = layer(options).pipe(Layer.provide(Layer.succeed(NatsConnection.NatsConnection, connection)));
    const bucket = Context.get(yield* Layer.build(there), PresenceBucket);
    return { url, link: connection.link, bucket, scope };
  });
  return yield* connected.pipe(
    Scope.provide(scope),
    Effect.mapError((problem) => unavailable(problem.message)),
    Effect.catchDefect((defect) => Effect.fail(unavailable(`the server at ${url}: ${String(defect)}`))),
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))),
  );
});

/**
 * For a program that may begin before its server: dialled at the first use, and at each later one for as long as it
 * cannot be reached; dialled anew when the server is away and its address has changed.
 */
export const layerWhenNeeded = (
  options: Presence.Options & {
    /** Where the server is at this moment; none when nobody runs one. */
    readonly address: Effect.Effect<Option.Option<string>>;
    readonly name?: string | undefined;
  },
) =>
  Layer.effect(
    PresenceBucket,
    Effect.gen(function* () {
      const scope = yield* Effect.scope;
      const one = yield* Semaphore.make(1);
      let current: Open | undefined;

      const bucket = one.withPermit(
        Effect.gen(function* () {
          if (current?.link.connected === true) return current.bucket;
          const address = yield* options.address;
          if (Option.isNone(address)) return yield* unavailable("no instance is running");
          if (current !== undefined && current.url === address.value) return current.bucket;
          if (current !== undefined) yield* Scope.close(current.scope, Exit.void);
          current = undefined;
          current = yield* Scope.provide(dial(address.value, options.name, options), scope);
          return current.bucket;
        }),
      );
      const use = <A>(
        run: (there: PresenceBucket["Service"]) => Effect.Effect<A, PresenceUnavailable>,
      ): Effect.Effect<A, PresenceUnavailable> => Effect.flatMap(bucket, run);

      return PresenceBucket.of({
        leaseMillis: options.leaseMillis ?? Presence.defaultLeaseMillis,
        get: (of) => use((there) => there.get(of)),
        put: (presence, revision) => use((there) => there.put(presence, revision)),
        remove: (of) => use((there) => there.remove(of)),
        list: use((there) => there.list),
      });
    }),
  );
