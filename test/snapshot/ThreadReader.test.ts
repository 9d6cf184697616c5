import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, Fiber, Layer, Stream } from "effect";
import { TestClock } from "effect/testing";
import { thread } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { SnapshotStore, SnapshotUnavailable } from "../../src/snapshot/SnapshotStore.ts";
import * as SnapshotStoreKv from "../../src/snapshot/SnapshotStoreKv.ts";
import * as SnapshotStoreMemory from "../../src/snapshot/SnapshotStoreMemory.ts";
import * as ThreadReader from "../../src/snapshot/ThreadReader.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { answersTheTruth, DamagedWorld, suite, untilSnapshot } from "./ThreadReaderSuite.ts";
import { append, say, sayNew } from "./ThreadWorld.ts";

const memory = ThreadReader.layer().pipe(
  Layer.provideMerge(Layer.mergeAll(EventLogMemory.layer, SnapshotStoreMemory.layer())),
);

const nats = ThreadReader.layer().pipe(
  Layer.provideMerge(Layer.mergeAll(EventLogNats.layer(), SnapshotStoreKv.layer())),
  Layer.provideMerge(
    Layer.unwrap(Effect.map(NatsServer.NatsServer, ({ url }) => NatsConnection.layer({ servers: url }))),
  ),
  Layer.provideMerge(NatsServer.layer({ sync: "2m" })),
);

describe("a thread read from memory", () => {
  suite((name, test) => it.effect(name, () => Effect.provide(test(), memory)), 3);

  it.effect.prop("is the fold of its history for any history and any damage", DamagedWorld, ({ steps, damage }) =>
    answersTheTruth(steps, damage).pipe(Effect.provide(memory)),
  );

  /** A log whose reads see nothing after `limit`, as a replica that is behind. */
  const behind = (limit: { sequence: number }) =>
    Layer.effect(
      EventLog,
      Effect.map(
        EventLog,
        (log) =>
          ({
            ...log,
            read: (options) => Stream.filter(log.read(options), ({ sequence }) => sequence <= limit.sequence),
          }) satisfies EventLog["Service"],
      ),
    ).pipe(Layer.provide(EventLogMemory.layer));

  const readingBehind = (limit: { sequence: number }) =>
    ThreadReader.layer().pipe(Layer.provideMerge(Layer.mergeAll(behind(limit), SnapshotStoreMemory.layer())));

  it.effect("waits for a replica that is behind its caller's own append", () => {
    const limit = { sequence: 0 };
    return Effect.gen(function* () {
      const sequences = yield* append(thread("t"), [say("a"), say("b")]);
      const last = sequences.at(-1) ?? 0;
      limit.sequence = sequences[0] ?? 0;
      const reading = yield* Effect.forkChild((yield* ThreadReader.ThreadReader).get("t", { atLeast: last }));
      yield* TestClock.adjust(500);
      assert.isUndefined(reading.pollUnsafe());
      limit.sequence = last;
      yield* TestClock.adjust(1_000);
      assert.strictEqual((yield* Fiber.join(reading))?.lastSequence, last);
    }).pipe(Effect.provide(readingBehind(limit)));
  });

  it.effect("says after two seconds that the thread never reached a sequence", () =>
    Effect.gen(function* () {
      const [sequence = 0] = yield* append(thread("t"), [say("a")]);
      const reading = yield* Effect.forkChild(
        Effect.flip((yield* ThreadReader.ThreadReader).get("t", { atLeast: 99 })),
      );
      yield* TestClock.adjust("5 seconds");
      const error = yield* Fiber.join(reading);
      assert.deepInclude(error, { _tag: "ThreadBehind", atLeast: 99, actual: sequence });
    }).pipe(Effect.provide(memory)),
  );

  it.effect("is read from its snapshot's last event on, and its snapshot renewed when much came after that", () => {
    const asked: Array<number | undefined> = [];
    const listening = Layer.effect(
      EventLog,
      Effect.map(EventLog, (log) =>
        EventLog.of({
          ...log,
          read: (options) => {
            asked.push(options.after);
            return log.read(options);
          },
        }),
      ),
    ).pipe(Layer.provide(EventLogMemory.layer));
    const reading = ThreadReader.layer({ cache: { stateBytes: 0 } }).pipe(
      Layer.provideMerge(Layer.mergeAll(listening, SnapshotStoreMemory.layer())),
    );
    return Effect.gen(function* () {
      const { get } = yield* ThreadReader.ThreadReader;
      const store = yield* SnapshotStore;
      const [first = 0] = yield* append(thread("t"), [say("a")]);
      yield* get("t");
      yield* Effect.retry(untilSnapshot(thread("t"), first), { times: 100 });
      const { revision } = yield* store.get(thread("t"));
      const grown = (salt: string, events: number) =>
        append(
          thread("t"),
          Array.from({ length: events }, () => sayNew()),
          salt,
        );
      yield* grown("few", 32);
      asked.length = 0;
      assert.strictEqual((yield* get("t"))?.counters.events, 33);
      assert.deepStrictEqual(asked, [first - 1]);
      assert.strictEqual((yield* store.get(thread("t"))).revision, revision);
      const last = (yield* grown("one more", 1)).at(-1) ?? 0;
      yield* get("t");
      yield* Effect.retry(untilSnapshot(thread("t"), last), { times: 100 });
    }).pipe(Effect.provide(reading));
  });

  it.effect("is there without a store, at once, and nothing is written to it", () => {
    const away = Effect.fail(new SnapshotUnavailable({ reason: "away" }));
    let written = 0;
    const store = Layer.succeed(SnapshotStore, {
      get: () => away,
      put: () => away,
      replace: () => {
        written++;
        return away;
      },
      remove: () => away,
      checkpoint: away,
      putCheckpoint: () => away,
      info: away,
    });
    return Effect.gen(function* () {
      yield* append(thread("t"), [say("a")]);
      assert.strictEqual((yield* (yield* ThreadReader.ThreadReader).get("t"))?.counters.events, 1);
      yield* Effect.yieldNow;
      assert.strictEqual(written, 0);
    }).pipe(Effect.provide(ThreadReader.layer().pipe(Layer.provideMerge(Layer.mergeAll(EventLogMemory.layer, store)))));
  });

  it.effect("is unavailable while the log is away, snapshot or not", () =>
    Effect.gen(function* () {
      const reader = yield* ThreadReader.ThreadReader;
      yield* append(thread("t"), [say("a")]);
      yield* reader.get("t");
      yield* (yield* EventLogMemory.MemoryStream).goAway;
      assert.strictEqual((yield* Effect.flip(reader.get("t")))._tag, "LogUnavailable");
    }).pipe(Effect.provide(memory)),
  );

  it.effect("streams a conversation that is too large to be held, as it streams a small one", () =>
    Effect.gen(function* () {
      const reader = yield* ThreadReader.ThreadReader;
      // Some 10 MB, where 8 MiB are held: told again at a distance, and across the point where it becomes too much.
      const large = Array.from({ length: 140 }, () => sayNew(70_000));
      const sequences = yield* append(thread("t"), [say("a", 70_000), say("b"), ...large, say("a", 900), say("c")]);
      const whole = yield* Stream.runCollect(reader.messages("t"));
      const begun = yield* Stream.runCollect(reader.messages("t", { at: sequences[70] ?? 0 }));
      assert.deepStrictEqual(
        whole.map(({ messageId }) => messageId),
        ["m-a", "m-b", ...large.map((_, index) => `new-${index + 2}`), "m-c"],
      );
      assert.isBelow(whole[0]?.segments[0]?.bytes ?? Infinity, 1_000);
      assert.deepStrictEqual(whole.slice(1, 71), begun.slice(1));
    }).pipe(Effect.provide(memory)),
  );

  it.effect("leaves no snapshot of the past behind", () =>
    Effect.gen(function* () {
      const [first = 0] = yield* append(thread("t"), [say("a"), say("b"), sayNew()]);
      yield* (yield* ThreadReader.ThreadReader).get("t", { at: first });
      yield* TestClock.adjust("1 seconds");
      assert.isUndefined((yield* (yield* SnapshotStore).get(thread("t"))).state);
    }).pipe(Effect.provide(memory)),
  );

  it.effect("keeps its snapshot alive by being read, and leaves one that is quick enough alone", () =>
    Effect.gen(function* () {
      const reader = yield* ThreadReader.ThreadReader;
      const store = yield* SnapshotStore;
      yield* append(thread("t"), [say("a")]);
      yield* reader.get("t");
      yield* Effect.retry(untilSnapshot(thread("t"), 1), { times: 100 });
      const { revision } = yield* store.get(thread("t"));
      yield* append(thread("t"), [sayNew()], "more");
      yield* reader.get("t");
      yield* TestClock.adjust("13 hours");
      assert.strictEqual((yield* store.get(thread("t"))).revision, revision);
      yield* reader.get("t");
      yield* TestClock.adjust("1 seconds");
      const kept = yield* store.get(thread("t"));
      assert.isAbove(kept.revision, revision);
      assert.isFalse(kept.isAgeing);
    }).pipe(Effect.provide(memory)),
  );
});

layer(nats, { excludeTestServices: true, timeout: 60_000 })("a thread read from NATS", (it) => {
  suite((name, test) => it.effect(name, test), 1);
});
