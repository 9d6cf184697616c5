/**
 * Buckets over a connection that may be away.
 *
 * Room: coordination.
 *
 * A bucket that is opened here is there at once, and fails with `BucketUnavailable` while the server is away; a watch
 * waits for it, and begins anew where it has moved to.
 */
import { Context, Deferred, Effect, Layer, Scope, Stream } from "effect";
import type { LogUnavailable } from "../../log/EventLog.ts";
import { backoff } from "../../log/connection/Backoff.ts";
import { type Open, SharedConnection } from "../../log/connection/SharedConnection.ts";
import { type Bucket, type BucketError, Buckets, BucketUnavailable, type Settings } from "./Bucket.ts";
import * as BucketKv from "./BucketKv.ts";

const unavailable =
  (bucket: string) =>
  ({ hint, reason }: LogUnavailable) =>
    new BucketUnavailable({ bucket, reason, ...(hint === undefined ? {} : { hint }) });

/** Services over a connection, with its buckets. */
interface Made<A> {
  readonly made: Context.Context<A>;
  readonly open: Open;
}

/** The buckets of whichever connection is there. */
export const over = <A>(there: Effect.Effect<Made<A | Buckets>, LogUnavailable>) => {
  /** By connection and name. */
  const opened = new WeakMap<object, Map<string, Bucket>>();

  const open = (settings: Settings): Bucket => {
    const { name } = settings;
    const opening = Effect.gen(function* () {
      const { made, open: connection } = yield* Effect.mapError(there, unavailable(name));
      const known = opened.get(connection) ?? new Map<string, Bucket>();
      opened.set(connection, known);
      const bucket =
        known.get(name) ?? (yield* Context.get(made, Buckets).open(settings).pipe(Scope.provide(connection.scope)));
      known.set(name, bucket);
      return { bucket, givenUp: connection.givenUp };
    });
    const use = <B, E extends BucketError>(run: (bucket: Bucket) => Effect.Effect<B, E>) =>
      Effect.flatMap(opening, ({ bucket }) => run(bucket));
    /** Looked for until it is there, and again when it has moved. */
    const following = <B, E>(follow: (bucket: Bucket) => Stream.Stream<B, E>): Stream.Stream<B, E> =>
      Stream.unwrap(
        opening.pipe(
          Effect.retry(backoff),
          Effect.orDie,
          Effect.map(({ bucket, givenUp }) =>
            follow(bucket).pipe(Stream.interruptWhen(Effect.ignore(Deferred.await(givenUp)))),
          ),
        ),
      ).pipe(Stream.forever);
    return {
      name,
      get: (key) => use((bucket) => bucket.get(key)),
      put: (key, value, lifetime) => use((bucket) => bucket.put(key, value, lifetime)),
      replace: (key, value, revision, lifetime) => use((bucket) => bucket.replace(key, value, revision, lifetime)),
      remove: (key, revision, mark) => use((bucket) => bucket.remove(key, revision, mark)),
      clear: (filter, upTo) => use((bucket) => bucket.clear(filter, upTo)),
      next: (filter, options) => use((bucket) => bucket.next(filter, options)),
      entries: (filter) => use((bucket) => bucket.entries(filter)),
      watch: (filter) => following((bucket) => bucket.watch(filter)),
      touched: (filter) => following((bucket) => bucket.touched(filter)),
      now: use((bucket) => bucket.now),
      info: use((bucket) => bucket.info),
    };
  };
  return Buckets.of({ open: (settings) => Effect.sync(() => open(settings)) });
};

export const layer = Layer.effect(
  Buckets,
  Effect.map(SharedConnection, (connections) => over(connections.over(BucketKv.layer))),
);
