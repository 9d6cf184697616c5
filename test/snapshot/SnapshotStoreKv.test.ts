import { assert, describe, it, layer } from "@effect/vitest";
import { Clock, Effect, Layer, Schedule } from "effect";
import { thread } from "../../src/domain/History.ts";
import * as Thread from "../../src/domain/thread/Thread.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { SnapshotStore } from "../../src/snapshot/SnapshotStore.ts";
import * as SnapshotStoreKv from "../../src/snapshot/SnapshotStoreKv.ts";
import { suite } from "../contract/SnapshotStoreContract.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { recorded, say } from "./ThreadWorld.ts";

const stateOf = (id: string) => Thread.fold(Thread.empty(thread(id)), recorded([say("a")], thread(id)));

const connected = (options: SnapshotStoreKv.Options = {}) =>
  SnapshotStoreKv.layer(options).pipe(
    Layer.provideMerge(
      Layer.unwrap(Effect.map(NatsServer.NatsServer, ({ url }) => NatsConnection.layer({ servers: url }))),
    ),
    Layer.provideMerge(NatsServer.layer()),
  );

const streamName = `KV_${SnapshotStoreKv.bucketName}`;

layer(connected(), { excludeTestServices: true })("snapshots in a KV bucket", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("lie in a bucket that pays no fsync, keeps one value a key for a day, and lets the oldest go", () =>
    Effect.gen(function* () {
      const { jsm } = yield* NatsConnection.NatsConnection;
      yield* (yield* SnapshotStore).put(stateOf("config"));
      const { config } = yield* Effect.promise(() => jsm.streams.info(streamName));
      const { max_age, max_msgs_per_subject, storage, persist_mode, discard, allow_direct } = config;
      assert.deepStrictEqual(
        { max_age, max_msgs_per_subject, storage, persist_mode, discard, allow_direct },
        {
          max_age: 86_400e9,
          max_msgs_per_subject: 1,
          storage: "file",
          persist_mode: "async",
          discard: "old",
          allow_direct: true,
        },
      );
    }),
  );

  it.effect("are asked for by the first read of a process before it is told of the bucket", () =>
    Effect.gen(function* () {
      const state = stateOf("first");
      yield* (yield* SnapshotStore).put(state);
      const there = yield* NatsConnection.NatsConnection;
      const { promise: isAsked, resolve: asked } = Promise.withResolvers<void>();
      const streams = Object.assign(Object.create(there.jsm.streams), {
        info: (name: string) => isAsked.then(() => there.jsm.streams.info(name)),
      });
      const open: NatsConnection.Link["replies"]["open"] = (waiting) => {
        if (waiting.subject.startsWith(`$JS.API.DIRECT.GET.${streamName}.`)) asked();
        return there.link.replies.open(waiting);
      };
      const link = { ...there.link, replies: { open } };
      const jsm = Object.assign(Object.create(there.jsm), { streams });
      const process = SnapshotStoreKv.layer().pipe(
        Layer.provide(Layer.succeed(NatsConnection.NatsConnection, { ...there, link, jsm })),
      );
      const get = SnapshotStore.use((store) => store.get(thread("first")));
      assert.deepStrictEqual((yield* get.pipe(Effect.provide(process, { local: true }))).state, state);
    }),
  );

  it.effect("are there after a restart of the server", () =>
    Effect.gen(function* () {
      const store = yield* SnapshotStore;
      const state = stateOf("restarted");
      yield* store.put(state);
      yield* (yield* NatsServer.NatsServer).restart;
      const found = yield* store.get(thread("restarted")).pipe(Effect.retry(Schedule.spaced(50)));
      assert.deepStrictEqual(found.state, state);
    }),
  );

  it.effect("are whole or missing after the server was killed, and can be put again", () =>
    Effect.gen(function* () {
      const store = yield* SnapshotStore;
      const threads = Array.from({ length: 100 }, (_, index) => `killed-${index}`);
      yield* Effect.forEach(threads, (id) => store.put(stateOf(id)), { concurrency: 20 });
      yield* (yield* NatsServer.NatsServer).kill9;
      for (const id of threads) {
        const { state } = yield* store.get(thread(id)).pipe(Effect.retry(Schedule.spaced(50)));
        if (state !== undefined) assert.deepStrictEqual(state, stateOf(id));
        else yield* store.put(stateOf(id));
        assert.isDefined((yield* store.get(thread(id))).state);
      }
    }),
  );

  it.effect("are in a new bucket when the old one was deleted under us", () =>
    Effect.gen(function* () {
      const store = yield* SnapshotStore;
      const { jsm } = yield* NatsConnection.NatsConnection;
      yield* store.put(stateOf("deleted"));
      yield* Effect.promise(() => jsm.streams.delete(streamName));
      const again = Effect.retry(Schedule.recurs(1));
      assert.isUndefined((yield* again(store.get(thread("deleted")))).state);
      yield* again(store.put(stateOf("deleted")));
      assert.isDefined((yield* store.get(thread("deleted"))).state);
    }),
  );

  it.effect("are unavailable at once, not after a timeout, while the server is away", () =>
    Effect.gen(function* () {
      const store = yield* SnapshotStore;
      const server = yield* NatsServer.NatsServer;
      const { link } = yield* NatsConnection.NatsConnection;
      yield* server.stop;
      yield* Effect.suspend(() => (link.connected ? Effect.fail("still connected") : Effect.void)).pipe(
        Effect.retry(Schedule.spaced(20)),
      );
      const error = yield* store.get(thread("away")).pipe(Effect.timeout(200), Effect.flip);
      assert.strictEqual(error._tag, "SnapshotUnavailable");
      yield* server.start;
      yield* store.put(stateOf("away")).pipe(Effect.retry(Schedule.spaced(50)));
    }),
  );
});

describe("snapshots that live a second", () => {
  it.live(
    "are gone after it, and the bucket takes a new life when it is opened with one, and keeps it when it is not",
    () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.make();
        const within = <A, E>(
          ttlMillis: number | undefined,
          run: Effect.Effect<A, E, SnapshotStore | NatsConnection.NatsConnection>,
        ) =>
          run.pipe(
            Effect.provide(
              SnapshotStoreKv.layer({ ttlMillis }).pipe(
                Layer.provideMerge(NatsConnection.layer({ servers: server.url })),
              ),
            ),
          );
        const store = yield* within(
          1_000,
          Effect.gen(function* () {
            const short = yield* SnapshotStore;
            yield* short.put(stateOf("short"));
            assert.isDefined((yield* short.get(thread("short"))).state);
            const gone = short.get(thread("short")).pipe(
              Effect.flatMap(({ state }) => (state === undefined ? Effect.void : Effect.fail("still there"))),
              Effect.retry(Schedule.spaced(100)),
            );
            yield* gone;
            return "expired";
          }),
        );
        assert.strictEqual(store, "expired");
        const livesWhenUsed = Effect.gen(function* () {
          yield* (yield* SnapshotStore).put(stateOf("long"));
          const { jsm } = yield* NatsConnection.NatsConnection;
          return (yield* Effect.promise(() => jsm.streams.info(streamName))).config.max_age / 1e6;
        });
        assert.strictEqual(yield* within(172_800_000, livesWhenUsed), 172_800_000);
        // Whoever does not ask for a life leaves it as it is.
        assert.strictEqual(yield* within(undefined, livesWhenUsed), 172_800_000);
      }),
  );
});

describe("a full bucket", () => {
  it.live("keeps the snapshots of others where one tenant writes junk, and goes on taking theirs", () =>
    Effect.gen(function* () {
      const store = yield* SnapshotStore;
      // In use, so that they are not packed.
      const lastActivityAt = yield* Clock.currentTimeMillis;
      const large = (id: string, tenant: string) => {
        const history = { ...thread(id), tenant };
        const said = recorded([say("a", 900), say("b", 900), say("c", 900)], history);
        const state = Thread.fold(Thread.empty(history), said);
        return { ...state, metadata: { ...state.metadata, lastActivityAt } };
      };
      const mine = Array.from({ length: 10 }, (_, index) => large(`mine ${index}`, "acme"));
      for (const state of mine) yield* store.put(state);
      for (let index = 0; index < 300; index++) yield* store.put(large(`junk ${index}`, "beta"));
      for (const state of mine) assert.isDefined((yield* store.get(state.history)).state, state.history.id);
      const later = large("mine later", "acme");
      yield* store.put(later);
      assert.isDefined((yield* store.get(later.history)).state);
      assert.isUndefined((yield* store.get({ ...thread("junk 299"), tenant: "beta" })).state);
      // What is there is renewed.
      yield* store.put(large("junk 0", "beta"));
      assert.isDefined((yield* store.get({ ...thread("junk 0"), tenant: "beta" })).state);
    }).pipe(Effect.provide(connected({ maxBytes: 400_000 }))),
  );
});
