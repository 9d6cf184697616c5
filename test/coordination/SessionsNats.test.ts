import { assert, layer } from "@effect/vitest";
import { Effect, Layer, Option } from "effect";
import * as BucketsAway from "../../src/coordination/bucket/BucketsAway.ts";
import * as SharedConnection from "../../src/log/connection/SharedConnection.ts";
import * as Presence from "../../src/coordination/sessions/Presence.ts";
import { bucketName, PresenceBucket } from "../../src/coordination/sessions/Presence.ts";
import * as PresenceKv from "../../src/coordination/sessions/PresenceKv.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { listsAll, suite } from "../contract/SessionsContract.ts";
import * as PublishWorld from "../publish/World.ts";
import * as NatsServer from "../support/NatsServer.ts";
import * as SessionsWorld from "./SessionsWorld.ts";

const { leaseMillis } = SessionsWorld;

/** Each machine finds the server by itself, and has a connection of its own. */
const world = Layer.unwrap(
  Effect.map(NatsServer.NatsServer, ({ url }) => {
    const connection = SharedConnection.layer({ address: Effect.succeed(Option.some(url)) });
    const buckets = Layer.fresh(BucketsAway.layer).pipe(Layer.provide(connection));
    const own = Presence.layer({ leaseMillis }).pipe(Layer.provide(buckets));
    return SessionsWorld.layer(own).pipe(
      Layer.provideMerge(PresenceKv.layer({ leaseMillis })),
      Layer.provideMerge(NatsConnection.layer({ servers: url })),
    );
  }),
).pipe(Layer.provideMerge(PublishWorld.natsLog), Layer.provideMerge(NatsServer.layer()));

layer(world, { excludeTestServices: true })("sessions on NATS", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("are there again when the bucket was deleted under them", () =>
    Effect.gen(function* () {
      const { jsm } = yield* NatsConnection.NatsConnection;
      const bucket = yield* PresenceBucket;
      const { sessions } = yield* (yield* SessionsWorld.World).machine;
      yield* sessions.register({ id: "again there" });
      yield* Effect.promise(() => jsm.streams.delete(`KV_${bucketName}`));
      yield* PublishWorld.until(
        bucket.list.pipe(
          Effect.map((all) => all.some(({ sessionId }) => sessionId === "again there")),
          Effect.orElseSucceed(() => false),
        ),
      );
    }),
  );

  it.effect("leave no consumer behind when they are listed", () =>
    Effect.gen(function* () {
      const { jsm } = yield* NatsConnection.NatsConnection;
      const bucket = yield* PresenceBucket;
      for (let n = 0; n < 20; n++) yield* bucket.list;
      const { state } = yield* Effect.promise(() => jsm.streams.info(`KV_${bucketName}`));
      assert.strictEqual(state.consumer_count, 0);
    }),
  );
});

const longLived = PresenceKv.layer().pipe(
  Layer.provideMerge(
    Layer.unwrap(Effect.map(NatsServer.NatsServer, ({ url }) => NatsConnection.layer({ servers: url }))),
  ),
  Layer.provideMerge(NatsServer.layer()),
);

layer(longLived, { excludeTestServices: true })("presence", (it) => {
  it.effect(listsAll.name, listsAll.test);

  it.effect("outlives a restart of the server, so that no session is taken for dead because of it", () =>
    Effect.gen(function* () {
      const bucket = yield* PresenceBucket;
      const one = { tenant: "t", client: null, machine: "m", processId: 1, since: 0, threads: [], tasks: [] };
      const revision = yield* bucket.put({ ...one, sessionId: "stays", holder: "h" }, 0);
      yield* (yield* NatsServer.NatsServer).restart;
      yield* PublishWorld.until(
        bucket.list.pipe(
          Effect.map((all) => all.some(({ sessionId }) => sessionId === "stays")),
          Effect.orElseSucceed(() => false),
        ),
      );
      assert.isDefined(yield* bucket.put({ ...one, sessionId: "stays", holder: "h" }, revision ?? 0));
    }),
  );

  it.effect("is unavailable at once, not after a timeout, while the server is away", () =>
    Effect.gen(function* () {
      const bucket = yield* PresenceBucket;
      const server = yield* NatsServer.NatsServer;
      const { link } = yield* NatsConnection.NatsConnection;
      yield* server.stop;
      yield* PublishWorld.until(Effect.sync(() => !link.connected));
      assert.strictEqual((yield* Effect.flip(bucket.list))._tag, "PresenceUnavailable");
      yield* server.start;
    }),
  );
});
