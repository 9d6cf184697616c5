import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, Layer, Schedule, Schema } from "effect";
import { Persistable, PersistedCache, Persistence } from "effect/persistence";
import type { Buckets } from "../../src/coordination/bucket/Bucket.ts";
import * as BucketKv from "../../src/coordination/bucket/BucketKv.ts";
import * as BucketMemory from "../../src/coordination/bucket/BucketMemory.ts";
import * as CacheSharingMemory from "../../src/coordination/cache/CacheSharingMemory.ts";
import * as CacheWireNats from "../../src/coordination/cache/CacheSharingNats.ts";
import * as PersistenceBucket from "../../src/coordination/bucket/PersistenceBucket.ts";
import { keyOf } from "../../src/coordination/cache/RequestKey.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import { settings } from "../contract/BucketContract.ts";
import { process, suite } from "../contract/ResponseCacheContract.ts";
import { logOnServer } from "../log/natsLayers.ts";
import { temporaryFolder } from "../publish/World.ts";
import * as NatsServer from "../support/NatsServer.ts";

const spool = Layer.unwrap(
  Effect.map(temporaryFolder, (folder) => SpoolSqlite.layer({ file: `${folder}/spool.db`, target: "test" })),
);

class Double extends Persistable.Class<{ readonly payload: { readonly of: number } }>()("Double", {
  primaryKey: ({ of }) => String(of),
  success: Schema.Finite,
  error: Schema.String,
}) {}

/** Effect's own persisted cache, twice over one bucket, as two processes have it. */
const persisted = Effect.fnUntraced(function* (storeId: string) {
  let asked = 0;
  const made = PersistedCache.make(
    ({ of }: Double) => Effect.suspend(() => (++asked, of < 0 ? Effect.fail("negative") : Effect.succeed(of * 2))),
    { storeId, timeToLive: () => "1 hour" },
  );
  const [first, second] = [yield* made, yield* made];
  assert.strictEqual(yield* first.get(new Double({ of: 21 })), 42);
  assert.strictEqual(yield* second.get(new Double({ of: 21 })), 42);
  assert.strictEqual(yield* Effect.flip(first.get(new Double({ of: -1 }))), "negative");
  assert.strictEqual(yield* Effect.flip(second.get(new Double({ of: -1 }))), "negative");
  assert.strictEqual(asked, 2);
  const store = yield* (yield* Persistence.Persistence).make({ storeId });
  assert.lengthOf(yield* store.getMany([21, 22].map((of) => new Double({ of }))), 2);
  yield* store.clear;
  assert.isUndefined(yield* store.get(new Double({ of: 21 })));
  yield* second.invalidate(new Double({ of: 21 }));
  yield* second.get(new Double({ of: 21 }));
  assert.strictEqual(asked, 3);
});

const overBucket = <E, R>(buckets: Layer.Layer<Buckets, E, R>) =>
  Persistence.layer.pipe(
    Layer.provide(PersistenceBucket.layer({ ...settings, name: "PERSISTED", whenFull: "forget" })),
    Layer.provide(buckets),
  );

describe("a cache of answers in one process", () => {
  const world = Layer.mergeAll(CacheSharingMemory.layer, EventLogMemory.layer, spool);
  suite((name, test) => it.live(name, () => Effect.scoped(Effect.provide(test(), world))));

  it.live("is what Effect's own persisted cache can stand on", () =>
    Effect.scoped(Effect.provide(persisted("memory"), overBucket(BucketMemory.layer))),
  );

  it("tells requests apart by their canonical form", () => {
    const key = (request: unknown) => keyOf({ kind: "tool", name: "t", request });
    assert.deepStrictEqual(key({ a: 1, b: [2] }), key({ b: [2], a: 1 }));
    assert.deepStrictEqual(key({ at: new Date(0) }), key({ at: "1970-01-01T00:00:00.000Z" }));
    for (const other of [{ a: 1, b: [2, 1] }, { a: 1 }, { a: "1", b: [2] }]) {
      assert.notDeepEqual(key({ a: 1, b: [2] }), key(other));
    }
  });
});

const onServer = Layer.mergeAll(CacheWireNats.layer, spool).pipe(Layer.provideMerge(logOnServer()));

layer(onServer, { excludeTestServices: true })("a cache of answers on a server", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("is what Effect's own persisted cache can stand on", () =>
    Effect.flatMap(NatsServer.NatsServer, ({ url }) =>
      Effect.scoped(
        Effect.provide(
          persisted("server"),
          overBucket(BucketKv.layer.pipe(Layer.provide(NatsConnection.layer({ servers: url })))),
        ),
      ),
    ),
  );

  it.effect("goes on with what this process holds while the server is away", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const { link } = yield* NatsConnection.NatsConnection;
      const cache = yield* process("away");
      const asked = { kind: "model", name: "m", request: 1 } as const;
      yield* cache.reuse(asked, Effect.succeed("one"));
      yield* server.stop;
      yield* Effect.suspend(() => (link.connected ? Effect.fail("still connected") : Effect.void)).pipe(
        Effect.retry(Schedule.spaced(20)),
      );
      assert.strictEqual((yield* cache.reuse(asked, Effect.succeed("two"))).value, "one");
      assert.strictEqual((yield* cache.reuse({ ...asked, request: 2 }, Effect.succeed("two"))).value, "two");
      assert.isFalse(yield* cache.forget("all"));
      assert.strictEqual((yield* cache.reuse(asked, Effect.succeed("three"))).value, "three");
      yield* server.start;
    }),
  );
});
