import { assert, layer } from "@effect/vitest";
import { Effect, Layer, Schedule } from "effect";
import * as Watch from "../../src/coordination/watch/Watch.ts";
import { thread } from "../../src/domain/History.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { allSaw, isCaughtUp, sequences, suite, watching, write } from "../contract/WatchContract.ts";
import * as PublishWorld from "../publish/World.ts";
import * as NatsServer from "../support/NatsServer.ts";

const connection = Layer.unwrap(Effect.map(NatsServer.NatsServer, ({ url }) => NatsConnection.layer({ servers: url })));

const world = Watch.layer.pipe(
  Layer.provideMerge(PublishWorld.natsLog),
  Layer.provideMerge(connection),
  Layer.provideMerge(NatsServer.layer()),
);

const consumers = Effect.gen(function* () {
  const { jsm } = yield* NatsConnection.NatsConnection;
  const { state } = yield* Effect.promise(() => jsm.streams.info("RECOLLECT"));
  return state.consumer_count;
});

layer(world, { excludeTestServices: true })("watching a log on NATS", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("costs the server one consumer for fifty watchers, and none when they have gone", () =>
    Effect.gen(function* () {
      yield* write([thread("shared 0")]);
      yield* PublishWorld.until(Effect.map(consumers, (count) => count === 0));
      yield* Effect.scoped(
        Effect.gen(function* () {
          const histories = Array.from({ length: 50 }, (_, n) => thread(`shared ${n}`));
          const watchers = yield* Effect.forEach(histories, (history) => watching({ history }));
          yield* PublishWorld.until(Effect.sync(() => watchers.every(isCaughtUp)));
          // Written when everybody has read the past, so that it comes live, and by nothing but the one consumer.
          const ends = yield* Effect.forEach(histories, (history) => write([history]));
          for (const [n, watcher] of watchers.entries()) yield* allSaw([watcher], ends[n] ?? 0);
          assert.strictEqual(yield* consumers, 1);
        }),
      );
      yield* PublishWorld.until(Effect.map(consumers, (count) => count === 0));
    }),
  );

  it.effect("goes on without a gap and without a duplicate after the server was killed", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const one = thread("killed");
      const patiently = Effect.retry(Schedule.spaced(20));
      const watchers = yield* Effect.forEach(Array.from({ length: 5 }), () => watching({ history: one }));
      const written = [yield* write([one])];
      for (const blow of [server.kill9, server.restart]) {
        yield* allSaw(watchers, written.at(-1) ?? 0);
        yield* blow;
        written.push(yield* write([one]).pipe(patiently));
        watchers.push(yield* watching({ history: one }));
      }
      yield* allSaw(watchers, written.at(-1) ?? 0);
      for (const watcher of watchers) assert.deepStrictEqual(sequences(watcher), written);
    }),
  );
});
