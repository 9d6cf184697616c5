/**
 * The wire of caches within one process: for tests, for a cache that shares nothing, and as the example for the other.
 *
 * Room: coordination.
 */
import { Effect, Layer } from "effect";
import { createHash } from "node:crypto";
import { Buckets } from "../bucket/Bucket.ts";
import * as BucketMemory from "../bucket/BucketMemory.ts";
import { CacheSharing, type Listener, type Objects } from "./CacheSharing.ts";

const objects = (): Objects => {
  const held = new Map<string, Uint8Array>();
  return {
    put: (bytes) => Effect.sync(() => held.set(createHash("sha256").update(bytes).digest("hex"), bytes)),
    get: (sha256) => Effect.sync(() => held.get(sha256)),
    clear: Effect.sync(() => held.clear()),
    bytes: Effect.sync(() => [...held.values()].reduce((sum, { length }) => sum + length, 0)),
  };
};

export const layer = Layer.effect(
  CacheSharing,
  Effect.map(Buckets, (buckets) => {
    const listeners = new Set<Listener>();
    const stores = new Map<string, Objects>();
    const shared = {
      buckets,
      objects: ({ name }: { readonly name: string }) => {
        const store = stores.get(name) ?? objects();
        stores.set(name, store);
        return store;
      },
    };
    return CacheSharing.of({
      shared: () => shared,
      listen: (listener) =>
        Effect.acquireRelease(
          Effect.sync(() => void listeners.add(listener)),
          () => Effect.sync(() => listeners.delete(listener)),
        ),
      tell: (tenant, news) =>
        Effect.sync(() => {
          for (const listener of listeners) if (listener.tenant === tenant) listener.heard(news);
          return true;
        }),
      gather: (tenant) =>
        Effect.sync(() => [...listeners].filter((one) => one.tenant === tenant).map(({ report }) => report())),
    });
  }),
).pipe(Layer.provide(BucketMemory.layer));
