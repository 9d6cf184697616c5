import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, Layer, Schedule } from "effect";
import { TestClock } from "effect/testing";
import { Buckets, matches, type Settings, telling } from "../../src/coordination/bucket/Bucket.ts";
import * as BucketKv from "../../src/coordination/bucket/BucketKv.ts";
import * as BucketMemory from "../../src/coordination/bucket/BucketMemory.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { bytes, settings, suite, textOf, watching } from "../contract/BucketContract.ts";
import { quiet } from "../log/natsLayers.ts";
import * as NatsServer from "../support/NatsServer.ts";

const onServer = BucketKv.layer.pipe(
  Layer.provideMerge(
    Layer.unwrap(Effect.map(NatsServer.NatsServer, ({ url }) => NatsConnection.layer({ servers: url }))),
  ),
  Layer.provideMerge(NatsServer.layer()),
  Layer.provide(quiet),
);

const open = (given: Partial<Settings> = {}) =>
  Effect.flatMap(Buckets, (buckets) => buckets.open({ ...settings, ...given }));

describe("a bucket in memory", () => {
  suite((name, test) => it.effect(name, () => Effect.provide(test(), BucketMemory.layer)));

  it.effect("ends a value when its time has come, and tells those who watch", () =>
    Effect.gen(function* () {
      const bucket = yield* open();
      const next = yield* watching(bucket, "ends");
      assert.strictEqual(yield* next, "caughtUp");
      yield* bucket.put("ends", bytes("soon"), { ttlMillis: 2_000 });
      assert.strictEqual(yield* next, "ends=soon");
      yield* TestClock.adjust(1_999);
      assert.isDefined((yield* bucket.get("ends")).value);
      yield* TestClock.adjust(1);
      assert.strictEqual(yield* next, "ends=gone");
    }).pipe(Effect.provide(BucketMemory.layer)),
  );

  it("tells what a bucket that was made anew holds, though its revisions are lower", () => {
    const told = telling();
    const entry = (revision: number, value?: string) => ({
      key: "k",
      value: value === undefined ? undefined : bytes(value),
      revision,
      writtenAt: 0,
    });
    assert.lengthOf(told.listed(entry(9, "old")), 1);
    assert.lengthOf(told.listed(entry(9, "old")), 0);
    assert.lengthOf(told.news(entry(8, "late")), 0);
    assert.lengthOf(told.listed(entry(1, "new")), 1);
    assert.lengthOf(told.news(entry(2)), 1);
    assert.lengthOf(told.news(entry(3)), 0);
  });

  it("knows which keys a filter means", () => {
    assert.isTrue(matches("a.*.c", "a.b.c"));
    assert.isTrue(matches("a.>", "a.b.c"));
    for (const key of ["a", "b.c"]) assert.isFalse(matches("a.>", key));
    assert.isFalse(matches("a.*", "a.b.c"));
  });
});

layer(onServer, { excludeTestServices: true })("a bucket on a server", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("ends a value when its time has come, and tells those who watch", () =>
    Effect.gen(function* () {
      const bucket = yield* open();
      const next = yield* watching(bucket, "ends");
      assert.strictEqual(yield* next, "caughtUp");
      yield* bucket.put("ends", bytes("soon"), { ttlMillis: 1_000 });
      assert.strictEqual(yield* next, "ends=soon");
      assert.strictEqual(yield* next, "ends=gone");
      assert.isUndefined((yield* bucket.get("ends")).value);
    }),
  );

  it.effect("is brought in line with new settings, and keeps what is in it", () =>
    Effect.gen(function* () {
      const name = "ALIGNED";
      yield* (yield* open({ name })).put("kept", bytes("1"));
      const again = yield* open({ name, ttlMillis: 3_600_000, maxBytes: 1024 * 1024 });
      assert.strictEqual(textOf(yield* again.get("kept")), "1");
      const { jsm } = yield* NatsConnection.NatsConnection;
      const { config } = yield* Effect.promise(() => jsm.streams.info(`KV_${name}`));
      assert.deepStrictEqual([config.max_age, config.max_bytes], [3_600_000e6, 1024 * 1024]);
    }),
  );

  it.effect("is made anew when it was deleted under us", () =>
    Effect.gen(function* () {
      const bucket = yield* open({ name: "DELETED" });
      yield* bucket.put("key", bytes("1"));
      const { jsm } = yield* NatsConnection.NatsConnection;
      yield* Effect.promise(() => jsm.streams.delete("KV_DELETED"));
      assert.isUndefined((yield* bucket.get("key")).value);
      yield* bucket.put("key", bytes("2"));
      assert.strictEqual(textOf(yield* bucket.get("key")), "2");
    }),
  );

  it.effect("lets the oldest go, or refuses the newest, when it is full", () =>
    Effect.gen(function* () {
      const full = { maxBytes: 8 * 1024, maxValueBytes: 1024 };
      const forgets = yield* open({ ...full, name: "FORGETS", whenFull: "forget" });
      const refuses = yield* open({ ...full, name: "REFUSES", whenFull: "refuse" });
      for (let at = 0; at < 20; at++) yield* forgets.put(`k${at}`, new Uint8Array(1024));
      assert.isUndefined((yield* forgets.get("k0")).value);
      assert.isDefined((yield* forgets.get("k19")).value);
      const error = yield* Effect.flip(
        Effect.forEach(Array.from({ length: 20 }), (_, at) => refuses.put(`k${at}`, new Uint8Array(1024))),
      );
      assert.strictEqual(error._tag, "BucketUnavailable");
    }),
  );

  it.effect("tells a watcher what changed and what ended while the server was away", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const bucket = yield* open({ name: "AWAY", storage: "durable" });
      yield* bucket.put("ends", bytes("1"), { ttlMillis: 1_000 });
      yield* bucket.put("stays", bytes("1"));
      const next = yield* watching(bucket, ">");
      assert.deepStrictEqual([yield* next, yield* next, yield* next], ["ends=1", "stays=1", "caughtUp"]);
      yield* server.restart;
      yield* bucket.put("stays", bytes("2")).pipe(Effect.retry(Schedule.spaced(20)));
      assert.sameMembers([yield* next, yield* next], ["ends=gone", "stays=2"]);
    }),
  );

  it.effect("tells a watcher that all is gone when the server lost its memory, and goes on", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const bucket = yield* open({ name: "LOST" });
      for (let at = 0; at < 9; at++) yield* bucket.put("a", bytes("1"));
      const next = yield* watching(bucket, ">");
      assert.deepStrictEqual([yield* next, yield* next], ["a=1", "caughtUp"]);
      yield* server.restart;
      assert.strictEqual(yield* next, "a=gone");
      yield* bucket.put("a", bytes("2"));
      assert.strictEqual(yield* next, "a=2");
    }),
  );

  it.effect("is unavailable at once, not after a timeout, while the server is away", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const { link } = yield* NatsConnection.NatsConnection;
      const bucket = yield* open();
      yield* bucket.put("away", bytes("1"));
      yield* server.stop;
      yield* Effect.suspend(() => (link.connected ? Effect.fail("still connected") : Effect.void)).pipe(
        Effect.retry(Schedule.spaced(20)),
      );
      const error = yield* bucket.get("away").pipe(Effect.timeout(200), Effect.flip);
      assert.strictEqual(error._tag, "BucketUnavailable");
      yield* server.start;
      yield* bucket.put("away", bytes("2")).pipe(Effect.retry(Schedule.spaced(20)));
    }),
  );
});
