/**
 * Effect's persistence over a bucket: what its `PersistedCache` and its `Persistence` keep, all processes share.
 *
 * Room: coordination.
 *
 * A store is a beginning of keys, so that clearing it is one request. A bucket ends values by whole seconds and a little
 * late; so the moment of the end stands in the value too, and what is over is not given.
 */
import { Duration, Effect, Layer } from "effect";
import { Persistence } from "effect/persistence";
import { type Bucket, type BucketError, Buckets, keyOf, type Settings } from "./Bucket.ts";

/** A value with its end, epoch milliseconds by the bucket's clock; null for none. */
type Kept = readonly [endsAt: number | null, value: object];

const storeError = (error: BucketError) => new Persistence.PersistenceError({ message: error.reason, cause: error });

const notOurs = (key: string) =>
  new Persistence.PersistenceError({ message: `what lies under ${key} was written by somebody else` });

const read = (key: string, bytes: Uint8Array): Effect.Effect<Kept, Persistence.PersistenceError> =>
  Effect.try({
    try: () => {
      const kept: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
      if (!Array.isArray(kept) || typeof kept[1] !== "object") throw notOurs(key);
      return kept as unknown as Kept;
    },
    catch: () => notOurs(key),
  });

/** `bucket` is asked for at every use. Keys begin with the names of `under`. */
export const make = (
  bucket: Effect.Effect<Bucket, BucketError>,
  under: ReadonlyArray<string> = [],
): Persistence.BackingPersistence["Service"] => {
  const use = <A, E>(work: (bucket: Bucket) => Effect.Effect<A, E | BucketError>) =>
    Effect.flatMap(bucket, work).pipe(
      Effect.mapError((error) =>
        error instanceof Persistence.PersistenceError ? error : storeError(error as BucketError),
      ),
    );
  const store = (storeId: string): Persistence.BackingPersistenceStore => {
    const get = (key: string) =>
      use(
        Effect.fnUntraced(function* (there) {
          const { value } = yield* there.get(keyOf(...under, storeId, key));
          if (value === undefined) return undefined;
          const [endsAt, kept] = yield* read(key, value);
          return endsAt !== null && endsAt <= (yield* there.now) ? undefined : kept;
        }),
      );
    const set = (key: string, value: object, ttl: Duration.Duration | undefined) =>
      use(
        Effect.fnUntraced(function* (there) {
          const ttlMillis = ttl === undefined ? undefined : Duration.toMillis(ttl);
          const endsAt = ttlMillis === undefined ? null : (yield* there.now) + ttlMillis;
          const kept: Kept = [endsAt, value];
          yield* there.put(keyOf(...under, storeId, key), Buffer.from(JSON.stringify(kept), "utf8"), { ttlMillis });
        }),
      );
    return {
      get,
      getMany: (keys) => Effect.forEach(keys, get, { concurrency: "unbounded" }),
      set,
      setMany: (entries) =>
        Effect.forEach(entries, ([key, value, ttl]) => set(key, value, ttl), {
          concurrency: "unbounded",
          discard: true,
        }),
      remove: (key) => use((there) => Effect.asVoid(there.remove(keyOf(...under, storeId, key)))),
      clear: use((there) => there.clear(`${keyOf(...under, storeId)}.>`)),
    };
  };
  return Persistence.BackingPersistence.of({ make: (storeId) => Effect.succeed(store(storeId)) });
};

/** For `Persistence.layer`, and with it for Effect's `PersistedCache`. Needs `Buckets`. */
export const layer = (settings: Settings) =>
  Layer.effect(
    Persistence.BackingPersistence,
    Effect.map(
      Effect.flatMap(Buckets, (buckets) => buckets.open(settings)),
      (bucket) => make(Effect.succeed(bucket)),
    ),
  );
