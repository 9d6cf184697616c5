/**
 * Effect's key-value store over a bucket: what one process sets, all of them get.
 *
 * Room: coordination.
 *
 * As every store of Effect's it gives a text back as that text, and bytes, asked for as a text, as base64: a first byte says
 * which of the two was set. `modify` is exact where several processes modify one key: whoever was slower does it again.
 */
import { Effect, Layer } from "effect";
import { KeyValueStore } from "effect/persistence";
import { decodeToken } from "../../log/Subject.ts";
import { type Bucket, type BucketError, Buckets, keyOf, type Settings } from "./Bucket.ts";

/** Attempts to modify a value while other processes write first; each time one of them got on. */
const maxRounds = 200;

const text = 0x74;
const bytes = 0x62;

const pack = (value: string | Uint8Array): Uint8Array =>
  typeof value === "string"
    ? Buffer.concat([Uint8Array.of(text), Buffer.from(value, "utf8")])
    : Buffer.concat([Uint8Array.of(bytes), value]);

const bytesOf = (value: Uint8Array): Uint8Array => new Uint8Array(value.subarray(1));

const textOf = (value: Uint8Array): string =>
  Buffer.from(value.subarray(1)).toString(value[0] === bytes ? "base64" : "utf8");

const make = (bucket: Bucket): KeyValueStore.KeyValueStore => {
  const during = <A>(method: string, work: Effect.Effect<A, BucketError>, key?: string) =>
    Effect.mapError(
      work,
      (cause) =>
        new KeyValueStore.KeyValueStoreError({
          message: cause.reason,
          method,
          ...(key === undefined ? {} : { key }),
          cause,
        }),
    );

  /** An empty key is a key, too. */
  const keyIn = (key: string): string => keyOf("key", `=${key}`);
  const keyOut = (key: string): string => decodeToken(key.slice("key.".length))?.slice(1) ?? "";

  const value = (key: string) => Effect.map(bucket.get(keyIn(key)), ({ value: found }) => found);
  const entries = bucket.entries("key.*");

  const modified = Effect.fnUntraced(function* <A extends string | Uint8Array>(options: {
    readonly key: string;
    readonly read: (value: Uint8Array) => A;
    readonly change: (value: A) => A;
  }) {
    const { change, key, read } = options;
    for (let round = 0; round < maxRounds; round++) {
      const { revision, value: found } = yield* bucket.get(keyIn(key));
      if (found === undefined) return undefined;
      const next = change(read(found));
      if ((yield* bucket.replace(keyIn(key), pack(next), revision)) !== undefined) return next;
    }
    return yield* Effect.die(`others wrote ${key} ${maxRounds} times meanwhile`);
  });

  return KeyValueStore.make({
    get: (key) =>
      during(
        "get",
        Effect.map(value(key), (found) => (found === undefined ? undefined : textOf(found))),
        key,
      ),
    getUint8Array: (key) =>
      during(
        "getUint8Array",
        Effect.map(value(key), (found) => (found === undefined ? undefined : bytesOf(found))),
        key,
      ),
    set: (key, given) => during("set", Effect.asVoid(bucket.put(keyIn(key), pack(given))), key),
    remove: (key) => during("remove", Effect.asVoid(bucket.remove(keyIn(key))), key),
    clear: during("clear", bucket.clear("key.>")),
    size: during(
      "size",
      Effect.map(entries, ({ length }) => length),
    ),
    keys: during(
      "keys",
      Effect.map(entries, (found) => found.map(({ key }) => keyOut(key))),
    ),
    modify: (key, change) => during("modify", modified({ key, read: textOf, change }), key),
    modifyUint8Array: (key, change) => during("modifyUint8Array", modified({ key, read: bytesOf, change }), key),
  });
};

/** Needs `Buckets`. */
export const layer = (settings: Settings) =>
  Layer.effect(
    KeyValueStore.KeyValueStore,
    Effect.map(
      Effect.flatMap(Buckets, (buckets) => buckets.open(settings)),
      make,
    ),
  );
