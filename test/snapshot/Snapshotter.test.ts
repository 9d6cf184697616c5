import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, Exit, Layer, Schedule, Scope, Stream } from "effect";
import { TestClock } from "effect/testing";
import { type History, task, thread } from "../../src/domain/History.ts";
import { EventLog, LogDamaged, LogUnavailable } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import {
  layer as storeLayer,
  SnapshotBucket,
  SnapshotStore,
  SnapshotUnavailable,
} from "../../src/snapshot/SnapshotStore.ts";
import * as SnapshotStoreKv from "../../src/snapshot/SnapshotStoreKv.ts";
import * as SnapshotStoreMemory from "../../src/snapshot/SnapshotStoreMemory.ts";
import * as Snapshotter from "../../src/snapshot/Snapshotter.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { withWall } from "../support/wallClock.ts";
import { untilSnapshot } from "./ThreadReaderSuite.ts";
import { append, recorded, say, sayNew, wholeFold } from "./ThreadWorld.ts";

const base = Layer.mergeAll(EventLogMemory.layer, SnapshotStoreMemory.layer());

const start = (options: Snapshotter.Options = {}) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make();
    const context = yield* Layer.buildWithScope(Snapshotter.layer(options), scope);
    const snapshotter = yield* Effect.provide(Snapshotter.Snapshotter, context);
    return { ...snapshotter, stop: Scope.close(scope, Exit.void) };
  });

/** Under the test's clock: fibers run until they sleep. */
const settle = TestClock.adjust(0);

const follows = (snapshotter: Pick<Snapshotter.Snapshotter["Service"], "status">, sequence: number) =>
  snapshotter.status.pipe(
    Effect.flatMap(({ followed = -1 }) =>
      followed >= sequence ? Effect.void : Effect.andThen(settle, Effect.fail("not yet")),
    ),
    Effect.retry({ times: 1_000 }),
  );

const snapshotOf = (history: History) =>
  Effect.map(
    Effect.flatMap(SnapshotStore, (store) => store.get(history)),
    ({ state }) => state,
  );

describe("the snapshotter", () => {
  it.effect("writes a thread also when the wall clock is set back meanwhile", () =>
    Effect.gen(function* () {
      let wall = 1e12;
      const snapshotter = yield* start().pipe(withWall(() => (wall -= 3_600_000)));
      yield* follows(snapshotter, 0);
      const [sequence = 0] = yield* append(thread("t"), [sayNew()]);
      yield* follows(snapshotter, sequence);
      yield* TestClock.adjust("2 seconds");
      assert.deepStrictEqual(yield* snapshotOf(thread("t")), yield* wholeFold(thread("t")));
      yield* snapshotter.stop;
    }).pipe(Effect.provide(base)),
  );

  it.effect("writes a thread once it was quiet, and no more often than each five seconds while it is not", () =>
    Effect.gen(function* () {
      const snapshotter = yield* start();
      yield* follows(snapshotter, 0);
      for (let round = 0; round < 100; round++) {
        const sequences = yield* append(thread("t"), [sayNew()], `round ${round}`);
        yield* follows(snapshotter, sequences[0] ?? 0);
        yield* TestClock.adjust(500);
      }
      // Fifty busy seconds; each round has also written to a thread of its own, once, and the last four are not yet due.
      const ofThread = (yield* snapshotter.status).written - 96;
      assert.isAtLeast(ofThread, 6);
      assert.isAtMost(ofThread, 11);
      yield* TestClock.adjust(2_100);
      assert.deepStrictEqual(yield* snapshotOf(thread("t")), yield* wholeFold(thread("t")));
      const after = (yield* snapshotter.status).written;
      yield* TestClock.adjust("1 minutes");
      assert.strictEqual((yield* snapshotter.status).written, after);
      yield* snapshotter.stop;
    }).pipe(Effect.provide(base)),
  );

  it.effect("writes each thread of an import once", () =>
    Effect.gen(function* () {
      const snapshotter = yield* start();
      yield* follows(snapshotter, 0);
      const log = yield* EventLog;
      for (let index = 0; index < 300; index++) {
        const history = thread(`imported ${index}`);
        const events = recorded(
          Array.from({ length: 20 }, () => sayNew()),
          history,
        );
        yield* log.append({
          history,
          events: events.map((event) => ({ ...event, id: `${index} ${event.id}` })),
          expected: 0,
        });
        yield* TestClock.adjust(5);
      }
      yield* TestClock.adjust("3 seconds");
      const { written, dirty } = yield* snapshotter.status;
      assert.deepStrictEqual({ written, dirty }, { written: 300, dirty: 0 });
      for (const index of [0, 150, 299]) {
        const history = thread(`imported ${index}`);
        assert.deepStrictEqual(yield* snapshotOf(history), yield* wholeFold(history));
      }
      yield* snapshotter.stop;
    }).pipe(Effect.provide(base)),
  );

  it.effect(
    "folds onto the snapshot that is there, also one that missed events, and leaves one that is up to date alone",
    () =>
      Effect.gen(function* () {
        const history = thread("t");
        const store = yield* SnapshotStore;
        const sequences = yield* append(history, [say("a"), say("b"), say("c")]);
        // What a snapshotter would have written that never saw the second and third event.
        yield* store.put(yield* wholeFold(history, sequences[0] ?? 0));
        const snapshotter = yield* start();
        yield* follows(snapshotter, 0);
        yield* append(history, [sayNew()], "later");
        yield* TestClock.adjust("2 seconds");
        assert.deepStrictEqual(yield* snapshotOf(history), yield* wholeFold(history));
        yield* snapshotter.stop;
        yield* store.putCheckpoint({ sequence: 0, created: (yield* (yield* EventLog).info).created });
        const { revision } = yield* store.get(history);
        const again = yield* start();
        yield* TestClock.adjust("2 seconds");
        assert.strictEqual((yield* store.get(history)).revision, revision);
        assert.strictEqual((yield* again.status).dirty, 0);
        yield* again.stop;
      }).pipe(Effect.provide(base)),
  );

  it.effect("goes on from its checkpoint, and from the end of the log without one or with one of another stream", () =>
    Effect.gen(function* () {
      const store = yield* SnapshotStore;
      const log = yield* EventLog;
      const first = yield* start();
      yield* follows(first, 0);
      const [sequence = 0] = yield* append(thread("seen"), [say("a")]);
      yield* follows(first, sequence);
      yield* first.stop;
      assert.isDefined(yield* snapshotOf(thread("seen")));
      yield* append(thread("missed"), [say("a")]);
      const second = yield* start();
      yield* TestClock.adjust("2 seconds");
      assert.isDefined(yield* snapshotOf(thread("missed")));
      yield* second.stop;

      yield* append(thread("unseen"), [say("a")]);
      const { created, lastSequence } = yield* log.info;
      for (const checkpoint of [
        { sequence: 1, created: created + 1 },
        { sequence: lastSequence + 5, created },
      ]) {
        yield* store.putCheckpoint(checkpoint);
        const third = yield* start();
        yield* TestClock.adjust("2 seconds");
        assert.strictEqual((yield* third.status).followed, lastSequence);
        assert.isUndefined(yield* snapshotOf(thread("unseen")));
        yield* third.stop;
      }
    }).pipe(Effect.provide(base)),
  );

  it.effect("writes what is dirty when it stops, and says so in its checkpoint", () =>
    Effect.gen(function* () {
      const snapshotter = yield* start();
      yield* follows(snapshotter, 0);
      const sequences = yield* append(thread("t"), [say("a"), sayNew()]);
      const { lastSequence } = yield* (yield* EventLog).info;
      yield* follows(snapshotter, lastSequence);
      yield* snapshotter.stop;
      assert.strictEqual((yield* snapshotOf(thread("t")))?.lastSequence, sequences.at(-1));
      assert.strictEqual((yield* (yield* SnapshotStore).checkpoint)?.sequence, lastSequence);
    }).pipe(Effect.provide(base)),
  );

  it.effect("holds a bounded number of threads and states, however many are dirty", () =>
    Effect.gen(function* () {
      const snapshotter = yield* start({
        limits: { threads: 10, stateBytes: 40_000, idleMillis: 60_000, busyMillis: 60_000 },
      });
      yield* follows(snapshotter, 0);
      for (let round = 0; round < 3; round++) {
        for (let index = 0; index < 25; index++)
          yield* append(thread(`t${index}`), [sayNew(9_000)], `${round} ${index}`);
        yield* snapshotter.flush;
      }
      const { threads, stateBytes, dropped } = yield* snapshotter.status;
      assert.isAtMost(threads, 10);
      assert.isAtMost(stateBytes, 40_000);
      assert.isAbove(dropped, 0);
      for (const id of ["t24", "t20"])
        assert.deepStrictEqual(yield* snapshotOf(thread(id)), yield* wholeFold(thread(id)));
      yield* snapshotter.stop;
    }).pipe(Effect.provide(base)),
  );

  it.effect("passes over misfits, tasks and refused events", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const snapshotter = yield* start();
      yield* follows(snapshotter, 0);
      yield* (yield* EventLogMemory.MemoryStream).publish({
        subject: "recollect.default.thread.t",
        headers: {},
        body: Buffer.from("?"),
      });
      const submitted = {
        ...recorded([say("a")])[0],
        type: "task.started",
        id: "a task",
        body: "{}",
        source: "test",
        schemaVersion: 1,
        occurredAt: 0,
      };
      yield* log.append({ history: task("t"), events: [submitted], expected: "any" });
      yield* append(thread("t"), [{ step: "broken" }, { step: "nested" }, say("a")]);
      yield* TestClock.adjust("2 seconds");
      const state = yield* snapshotOf(thread("t"));
      assert.deepStrictEqual(state, yield* wholeFold(thread("t")));
      assert.isAtLeast(state?.counters.refused ?? 0, 1);
      yield* snapshotter.stop;
    }).pipe(Effect.provide(base)),
  );

  const brokenBucket = (broken: { how: "fails" | "hangs" | undefined }) =>
    Layer.effect(
      SnapshotBucket,
      Effect.map(SnapshotBucket, (bucket) => {
        const or = <A>(run: Effect.Effect<A, SnapshotUnavailable>) =>
          Effect.suspend(() =>
            broken.how === "hangs"
              ? Effect.never
              : broken.how === "fails"
                ? Effect.fail(new SnapshotUnavailable({ reason: "away" }))
                : run,
          );
        return SnapshotBucket.of({
          ...bucket,
          get: (key) => or(bucket.get(key)),
          put: (key, bytes) => or(bucket.put(key, bytes)),
        });
      }),
    );
  const withBroken = (broken: { how: "fails" | "hangs" | undefined }) =>
    Layer.mergeAll(
      EventLogMemory.layer,
      // Fresh, or it would be the store that the memory layer has already built over its own bucket.
      Layer.fresh(storeLayer).pipe(
        Layer.provideMerge(brokenBucket(broken)),
        Layer.provide(SnapshotStoreMemory.layer()),
      ),
    );

  for (const how of ["fails", "hangs"] as const) {
    it.effect(`goes on following while the store ${how}, and stops in time`, () => {
      const broken: { how: "fails" | "hangs" | undefined } = { how: undefined };
      return Effect.gen(function* () {
        const snapshotter = yield* start();
        yield* follows(snapshotter, 0);
        broken.how = how;
        for (let index = 0; index < 50; index++) {
          yield* append(thread(`t${index}`), [say("a")]);
          yield* TestClock.adjust(100);
        }
        const { lastSequence } = yield* (yield* EventLog).info;
        yield* follows(snapshotter, lastSequence);
        assert.isAtLeast((yield* snapshotter.status).dirty, 50);
        const stopping = yield* Effect.forkChild(snapshotter.stop);
        yield* TestClock.adjust("6 seconds");
        assert.isDefined(stopping.pollUnsafe());
      }).pipe(Effect.provide(withBroken(broken)));
    });
  }

  it.effect("writes the others while one thread of a damaged log cannot be read", () => {
    const damaged = new LogUnavailable({ condition: "streamDamaged", reason: "an event cannot be read" });
    const lossy = Layer.effect(
      EventLog,
      Effect.map(EventLog, (log) =>
        EventLog.of({
          ...log,
          read: (reading) => (reading.history.id.startsWith("bad") ? Stream.fail(damaged) : log.read(reading)),
        }),
      ),
    ).pipe(Layer.provide(EventLogMemory.layer));
    return Effect.gen(function* () {
      const snapshotter = yield* start();
      yield* follows(snapshotter, 0);
      for (let index = 0; index < 8; index++) yield* append(thread(`bad${index}`), [say("a")]);
      for (let index = 0; index < 20; index++) yield* append(thread(`good${index}`), [say("a")]);
      yield* TestClock.adjust("10 seconds");
      for (let index = 0; index < 20; index++) assert.isDefined(yield* snapshotOf(thread(`good${index}`)));
      assert.strictEqual((yield* snapshotter.status).dirty, 0);
      yield* snapshotter.stop;
    }).pipe(Effect.provide(Layer.mergeAll(lossy, SnapshotStoreMemory.layer())));
  });

  it.effect("writes all that is dirty when the store is back", () => {
    const broken: { how: "fails" | "hangs" | undefined } = { how: "fails" };
    return Effect.gen(function* () {
      const snapshotter = yield* start();
      yield* follows(snapshotter, 0);
      for (let index = 0; index < 20; index++) yield* append(thread(`t${index}`), [say("a")]);
      yield* TestClock.adjust("1 minutes");
      broken.how = undefined;
      yield* TestClock.adjust("20 seconds");
      const { dirty, failed } = yield* snapshotter.status;
      assert.strictEqual(dirty, 0);
      assert.isAbove(failed, 0);
      assert.isAtMost(failed, 60);
      yield* snapshotter.stop;
    }).pipe(Effect.provide(withBroken(broken)));
  });

  it.effect("begins anew at the end of a log that is not the one it knew, and forgets what it held", () => {
    const damage = { open: false };
    const damaged = Layer.effect(
      EventLog,
      Effect.map(
        EventLog,
        (log) =>
          ({
            ...log,
            follow: (options) =>
              Stream.mapEffect(log.follow(options), (entry) => {
                if (!damage.open) return Effect.succeed(entry);
                damage.open = false;
                return Effect.fail(new LogDamaged({ sequence: entry.sequence, reason: "rolled back" }));
              }),
          }) satisfies EventLog["Service"],
      ),
    ).pipe(Layer.provide(EventLogMemory.layer));
    return Effect.gen(function* () {
      const snapshotter = yield* start();
      yield* follows(snapshotter, 0);
      yield* append(thread("t"), [say("a")]);
      yield* TestClock.adjust(200);
      yield* snapshotter.flush;
      damage.open = true;
      yield* append(thread("t"), [say("b")], "seen last");
      yield* settle;
      // Between the damage and the new beginning: nobody follows this one.
      yield* append(thread("t"), [sayNew()], "missed");
      yield* TestClock.adjust("5 seconds");
      const { lastSequence } = yield* (yield* EventLog).info;
      assert.deepInclude(yield* snapshotter.status, { followed: lastSequence, threads: 0 });
      yield* append(thread("t"), [say("b")], "later");
      yield* TestClock.adjust("5 seconds");
      assert.deepStrictEqual(yield* snapshotOf(thread("t")), yield* wholeFold(thread("t")));
      yield* snapshotter.stop;
    }).pipe(Effect.provide(Layer.mergeAll(damaged, SnapshotStoreMemory.layer())));
  });
});

const nats = Layer.mergeAll(EventLogNats.layer(), SnapshotStoreKv.layer()).pipe(
  Layer.provideMerge(
    Layer.unwrap(Effect.map(NatsServer.NatsServer, ({ url }) => NatsConnection.layer({ servers: url }))),
  ),
  Layer.provideMerge(NatsServer.layer({ sync: "2m" })),
);

layer(nats, { excludeTestServices: true, timeout: 60_000 })("the snapshotter on NATS", (it) => {
  const soon = Effect.retry({ schedule: Schedule.spaced(50), times: 400 });
  const following = (snapshotter: Pick<Snapshotter.Snapshotter["Service"], "status">) =>
    snapshotter.status.pipe(
      Effect.flatMap(({ followed }) => (followed === undefined ? Effect.fail("not yet") : Effect.void)),
      soon,
    );

  it.effect("keeps the snapshots of living threads, through a kill of the server and the loss of the bucket", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const { jsm } = yield* NatsConnection.NatsConnection;
      const snapshotter = yield* start();
      yield* following(snapshotter);
      const history = thread("living / é");
      const appended = (salt: string) =>
        Effect.map(append(history, [say("a"), sayNew(900)], salt).pipe(soon), (sequences) => sequences.at(-1) ?? 0);
      const agrees = (sequence: number) =>
        Effect.gen(function* () {
          const found = yield* soon(untilSnapshot(history, sequence));
          assert.deepStrictEqual(found, yield* soon(wholeFold(history)));
        });
      yield* agrees(yield* appended("before"));
      yield* server.kill9;
      yield* agrees(yield* appended("after the kill"));
      yield* Effect.promise(() => jsm.streams.delete(`KV_${SnapshotStoreKv.bucketName}`));
      yield* agrees(yield* appended("after the loss"));
      yield* snapshotter.stop;
      assert.isDefined(yield* (yield* SnapshotStore).checkpoint);
    }),
  );

  it.effect("resumes after it was stopped, and writes what it missed", () =>
    Effect.gen(function* () {
      const first = yield* start();
      yield* following(first);
      yield* append(thread("resumed"), [say("a")], "one");
      yield* first.stop;
      const sequences = yield* append(thread("resumed"), [say("b"), sayNew()], "two");
      const second = yield* start();
      const found = yield* soon(untilSnapshot(thread("resumed"), sequences.at(-1) ?? 0));
      assert.deepStrictEqual(found, yield* wholeFold(thread("resumed")));
      yield* second.stop;
    }),
  );
});
