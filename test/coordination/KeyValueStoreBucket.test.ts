import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, Layer, Metric } from "effect";
import { KeyValueStore } from "effect/persistence";
import type { Buckets } from "../../src/coordination/bucket/Bucket.ts";
import * as BucketKv from "../../src/coordination/bucket/BucketKv.ts";
import * as BucketMemory from "../../src/coordination/bucket/BucketMemory.ts";
import * as CacheMetrics from "../../src/coordination/cache/CacheMetrics.ts";
import * as KeyValueStoreBucket from "../../src/coordination/bucket/KeyValueStoreBucket.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { settings } from "../contract/BucketContract.ts";
import * as NatsServer from "../support/NatsServer.ts";

/** What Effect's own store in memory does, any other does. */
const behaves = Effect.gen(function* () {
  const store = yield* KeyValueStore.KeyValueStore;
  assert.isTrue(yield* store.isEmpty);
  for (const key of ["", "a.b/c 😀", "a*"]) yield* store.set(key, `of ${key}`);
  assert.strictEqual(yield* store.get("a.b/c 😀"), "of a.b/c 😀");
  assert.strictEqual(yield* store.get(""), "of ");
  assert.isUndefined(yield* store.get("none"));
  assert.sameMembers([...(yield* store.keys)], ["", "a.b/c 😀", "a*"]);
  yield* store.set("bytes", Uint8Array.of(0, 255));
  assert.strictEqual(yield* store.get("bytes"), "AP8=");
  assert.deepStrictEqual(yield* store.getUint8Array("bytes"), Uint8Array.of(0, 255));
  assert.deepStrictEqual(yield* store.getUint8Array("a*"), new TextEncoder().encode("of a*"));
  assert.isUndefined(yield* store.modify("none", (text) => `${text}!`));
  yield* store.set("count", "0");
  const add = store.modify("count", (text) => String(Number(text) + 1));
  yield* Effect.all(
    Array.from({ length: 20 }, () => add),
    { concurrency: "unbounded" },
  );
  assert.isAbove(Number(yield* store.get("count")), 0);
  yield* store.remove("count");
  assert.isFalse(yield* store.has("count"));
  yield* store.clearPrefix("a");
  assert.strictEqual(yield* store.size, 2);
  yield* store.clear;
  assert.isTrue(yield* store.isEmpty);
});

const over = <E, R>(buckets: Layer.Layer<Buckets, E, R>) =>
  KeyValueStoreBucket.layer({ ...settings, name: "STORE" }).pipe(Layer.provide(buckets));

describe("a key-value store", () => {
  it.effect("of Effect itself behaves so", () => Effect.provide(behaves, KeyValueStore.layerMemory));
  it.effect("over a bucket in memory behaves so, too", () => Effect.provide(behaves, over(BucketMemory.layer)));
});

layer(NatsServer.layer(), { excludeTestServices: true })("a key-value store over a bucket on a server", (it) => {
  it.effect("behaves so, too, and loses no change that others make at the same moment", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const stores = over(BucketKv.layer.pipe(Layer.provide(NatsConnection.layer({ servers: url }))));
      yield* Effect.gen(function* () {
        yield* behaves;
        const store = yield* KeyValueStore.KeyValueStore;
        yield* store.set("count", "0");
        const add = store.modify("count", (text) => String(Number(text) + 1));
        yield* Effect.all(
          Array.from({ length: 20 }, () => add),
          { concurrency: "unbounded" },
        );
        assert.strictEqual(yield* store.get("count"), "20");
      }).pipe(Effect.provide(stores));
    }),
  );
});

describe("what a cache counts", () => {
  it.effect("is in Effect's metrics, with its hit rate", () =>
    Effect.gen(function* () {
      const counts = { requests: 4, fromProcess: 1, fromShared: 1, joined: 1 };
      yield* CacheMetrics.tell({ process: "p", cache: "responses", counts });
      const found = (yield* Metric.snapshot).filter(({ id }) => id === "recollect_cache");
      const values = found.map(({ attributes, state }) => [attributes?.["what"], (state as { value: number }).value]);
      assert.deepInclude(values, ["hitRate", 0.75]);
      assert.deepInclude(values, ["requests", 4]);
    }),
  );
});
