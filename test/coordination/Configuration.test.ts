import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, describe, it, layer } from "@effect/vitest";
import { Deferred, Effect, Fiber, Latch, Layer, Logger, Schedule, Stream } from "effect";
import { TestClock } from "effect/testing";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as ConfigFile from "../../src/coordination/config/ConfigFile.ts";
import * as Configuration from "../../src/coordination/config/Configuration.ts";
import { fields, families, variableOf } from "../../src/coordination/config/ConfigFields.ts";
import { EventLog, LogDamaged, LogUnavailable } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { suite } from "../contract/ConfigurationContract.ts";
import { logOnServer } from "../log/natsLayers.ts";
import * as PublishWorld from "../publish/World.ts";
import * as NatsServer from "../support/NatsServer.ts";

describe("a configuration over a log in memory", () => {
  suite((name, test) => it.effect(name, () => Effect.provide(test(), EventLogMemory.layer)));

  it.effect("tells those who watch what holds when the log was made anew", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const tenant = "anew";
      const writer = yield* Configuration.make({ tenant });
      yield* writer.set({ "snapshots.ttlMillis": 4_000 });
      const lost = yield* Deferred.make<never, LogDamaged>();
      let isAnew = false;
      const passing = EventLog.of({
        ...log,
        read: (reading) => (isAnew ? Stream.empty : log.read(reading)),
        follow: () => (isAnew ? Stream.never : Stream.fromEffect(Deferred.await(lost))),
      });
      const { watch } = yield* Effect.provideService(Configuration.make({ tenant }), EventLog, passing);
      const begun = yield* Latch.make();
      const seen = yield* watch("snapshots.ttlMillis").pipe(
        Stream.tap(() => begun.open),
        Stream.take(2),
        Stream.runCollect,
        Effect.forkChild,
      );
      yield* begun.await;
      isAnew = true;
      yield* Deferred.fail(lost, new LogDamaged({ sequence: 1, reason: "another stream" }));
      assert.deepStrictEqual(yield* Fiber.join(seen), [4_000, 86_400_000]);
    }).pipe(Effect.provide(EventLogMemory.layer)),
  );

  it.effect("keeps what holds while the history cannot be read to its end, and tells of the damage once", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const tenant = "damaged";
      const writer = yield* Configuration.make({ tenant });
      yield* writer.set({ "snapshots.ttlMillis": 4_000 });
      let followed = 0;
      const damaged = EventLog.of({
        ...log,
        read: (reading) =>
          followed === 0 ? log.read(reading) : Stream.fail(new LogUnavailable({ reason: "a block is damaged" })),
        follow: () =>
          Stream.suspend(() => {
            followed++;
            return Stream.fail(new LogDamaged({ sequence: 1, reason: "a block is damaged" }));
          }),
      });
      const warnings: Array<string> = [];
      const heard = Logger.make(
        ({ logLevel, message }) => void (logLevel === "Warn" && warnings.push(String(message))),
      );
      const { get } = yield* Configuration.make({ tenant }).pipe(
        Effect.provideService(EventLog, damaged),
        Effect.provide(Logger.layer([heard])),
      );
      for (let seconds = 0; seconds < 30; seconds++) {
        yield* TestClock.adjust(1_000);
        assert.strictEqual(yield* get("snapshots.ttlMillis"), 4_000);
      }
      assert.isAtLeast(followed, 3);
      assert.deepStrictEqual(warnings, ["the configuration is read anew: a block is damaged"]);
    }).pipe(Effect.provide(EventLogMemory.layer)),
  );

  it.effect("follows on after a failure that was not foreseen, and says so", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const tenant = "odd";
      let isOdd = true;
      const odd = EventLog.of({
        ...log,
        follow: (followed) => (isOdd ? Stream.die("planted") : log.follow(followed)),
      });
      const errors: Array<string> = [];
      const heard = Logger.make(({ logLevel, message }) => void (logLevel === "Error" && errors.push(String(message))));
      const reader = yield* Configuration.make({ tenant }).pipe(
        Effect.provideService(EventLog, odd),
        Effect.provide(Logger.layer([heard])),
      );
      yield* TestClock.adjust(1);
      assert.deepStrictEqual(errors, ["the configuration cannot be followed: planted"]);
      isOdd = false;
      const writer = yield* Configuration.make({ tenant });
      yield* writer.set({ "snapshots.ttlMillis": 5_000 });
      yield* TestClock.adjust(1_000);
      assert.strictEqual(yield* reader.get("snapshots.ttlMillis"), 5_000);
    }).pipe(Effect.provide(EventLogMemory.layer)),
  );

  it("has a sentence for every field, and a variable of its own", () => {
    for (const [name, { doc }] of Object.entries({ ...fields, ...families })) assert.match(doc, /^\S.+\.$/, name);
    const variables = Object.keys(fields).map(variableOf);
    assert.lengthOf(new Set(variables), variables.length);
    assert.include(variables, "RECOLLECT_CACHE_FILES_MAX_BYTES");
  });
});

layer(logOnServer(), { excludeTestServices: true })("a configuration over a log on a server", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("goes on with what it knew while the server is away, refuses changes, and sees them when it is back", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const { link } = yield* NatsConnection.NatsConnection;
      const tenant = "away";
      const [one, two] = yield* Effect.all([Configuration.make({ tenant }), Configuration.make({ tenant })]);
      yield* one.set({ "snapshots.ttlMillis": 4_000 });
      yield* server.stop;
      yield* Effect.suspend(() => (link.connected ? Effect.fail("still connected") : Effect.void)).pipe(
        Effect.retry(Schedule.spaced(20)),
      );
      assert.strictEqual(yield* one.get("snapshots.ttlMillis"), 4_000);
      const refused = yield* Effect.flip(one.set({ "snapshots.ttlMillis": 5_000 }));
      assert.strictEqual(refused._tag, "LogUnavailable");
      yield* server.start;
      yield* one.set({ "snapshots.ttlMillis": 6_000 }).pipe(Effect.retry(Schedule.spaced(20)));
      yield* Stream.runDrain(Stream.takeUntil(two.watch("snapshots.ttlMillis"), (millis) => millis === 6_000));
    }),
  );
});

describe("the file of a configuration", () => {
  const limit = { per: [], limit: 1, windowMillis: 1_000 };
  const refusedBy = (text: string) =>
    Effect.gen(function* () {
      const folder = yield* PublishWorld.temporaryFolder;
      writeFileSync(join(folder, "config.json"), text);
      return yield* Effect.flip(Layer.build(ConfigFile.layer({ folder })));
    }).pipe(Effect.provide(Layer.merge(EventLogMemory.layer, NodeServices.layer)));

  it.live("is refused when it has too many fields, or is too large to be one, and the refusal names which", () =>
    Effect.gen(function* () {
      const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`limits.l${n}`, limit]));
      assert.deepInclude(yield* refusedBy(JSON.stringify(many)), { _tag: "ConfigRefused", field: "limits.l1000" });
      const large = yield* refusedBy(`{"x":"${"x".repeat(1024 * 1024)}"}`);
      assert.match(large.message, /config\.json cannot be read as a configuration: it has 1048584 bytes/);
    }),
  );
});
