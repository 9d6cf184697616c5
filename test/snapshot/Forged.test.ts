/** What somebody else may write into a bucket or answer in place of the store is never given out as the conversation. */
import { assert, describe, it, layer } from "@effect/vitest";
import { Context, Effect, Layer, Option, Stream } from "effect";
import { TestClock } from "effect/testing";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { thread } from "../../src/domain/History.ts";
import * as Thread from "../../src/domain/thread/Thread.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import * as HistoryService from "../../src/snapshot/HistoryServiceNats.ts";
import * as HistorySource from "../../src/snapshot/HistorySource.ts";
import * as SnapshotCodec from "../../src/snapshot/SnapshotCodec.ts";
import * as SnapshotKey from "../../src/snapshot/SnapshotKey.ts";
import * as SnapshotKeyFile from "../../src/snapshot/SnapshotKeyFile.ts";
import { keyOf, SnapshotBucket, SnapshotStore } from "../../src/snapshot/SnapshotStore.ts";
import * as SnapshotStoreMemory from "../../src/snapshot/SnapshotStoreMemory.ts";
import * as WholeHistory from "../../src/snapshot/WholeHistory.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { append, say } from "./ThreadWorld.ts";

const key = (fill: number) => SnapshotKey.keyOf(Buffer.alloc(SnapshotKey.keyBytes, fill));
const state = { ...Thread.empty(thread("t")), lastSequence: 3, lastEventId: "x" };

describe("a snapshot", () => {
  it("is believed by a holder of the key that wrote it, and by nobody else", () => {
    const bytes = SnapshotCodec.encode(state, { key: key(1) });
    assert.isTrue(Option.isSome(SnapshotCodec.decode(bytes, key(1))));
    assert.isTrue(Option.isNone(SnapshotCodec.decode(bytes, key(2))));
    assert.isTrue(SnapshotCodec.isOfAnotherKey(bytes, key(2)));
  });

  it("whose text was changed by somebody who knows everything but the key is a miss", () => {
    const bytes = Buffer.from(SnapshotCodec.encode(state, { key: key(1) }));
    for (const at of [3, 10, 25, bytes.indexOf('"x"') + 1]) {
      const forged = Buffer.from(bytes);
      forged[at] = (forged[at] ?? 0) ^ 1;
      assert.isTrue(Option.isNone(SnapshotCodec.decode(forged, key(1))), `byte ${at}`);
    }
    const whole = Buffer.from(
      SnapshotCodec.encode({ ...state, metadata: { ...state.metadata, title: "forged" } }, { key: key(9) }),
    );
    whole.set(key(1).id, 5);
    assert.isTrue(Option.isNone(SnapshotCodec.decode(whole, key(1))));
  });

  it("is read alike plain and packed; packed it is smaller, and a changed byte of it is a miss", () => {
    const long = { ...state, metadata: { ...state.metadata, title: "word ".repeat(100) } };
    const plain = SnapshotCodec.encode(long, { key: key(1) });
    const packed = Buffer.from(SnapshotCodec.encode(long, { key: key(1), isPacked: true }));
    assert.isBelow(packed.byteLength, plain.byteLength / 3);
    for (const bytes of [plain, packed])
      assert.deepStrictEqual(SnapshotCodec.decode(bytes, key(1)), Option.some<Thread.ThreadState>(long));
    for (const at of [2, packed.byteLength - 1]) {
      const forged = Buffer.from(packed);
      forged[at] = (forged[at] ?? 0) ^ 7;
      assert.isTrue(Option.isNone(SnapshotCodec.decode(forged, key(1))), `byte ${at}`);
    }
  });

  it.effect("is packed when nothing happened in its thread for an hour, or it says no time, and plain else", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(SnapshotStoreMemory.layer());
      const store = Context.get(context, SnapshotStore);
      const bucket = Context.get(context, SnapshotBucket);
      const hour = 3_600_000;
      yield* TestClock.setTime(10 * hour);
      const sizes: Array<number> = [];
      for (const lastActivityAt of [10 * hour, 9 * hour, 9 * hour - 1, undefined]) {
        const title = "word ".repeat(100);
        const put = {
          ...state,
          metadata: { ...state.metadata, title, ...(lastActivityAt === undefined ? {} : { lastActivityAt }) },
        };
        yield* store.put(put);
        assert.deepStrictEqual((yield* store.get(thread("t"))).state, put);
        sizes.push((yield* bucket.get(keyOf(thread("t")))).bytes?.byteLength ?? 0);
      }
      const [active = 0, stillActive = 0, ...resting] = sizes;
      assert.closeTo(stillActive, active, 2);
      for (const size of resting) assert.isBelow(size, active / 3);
    }).pipe(Effect.scoped),
  );

  it.effect("is neither read nor written by a process without a key, nor replaced under another one", () =>
    Effect.gen(function* () {
      const withKey = (which: SnapshotKey.SnapshotKey | undefined) =>
        Layer.build(
          SnapshotStoreMemory.layer().pipe(Layer.provide(Layer.succeed(SnapshotKey.SnapshotKey, () => which))),
        ).pipe(Effect.map(Context.get(SnapshotStore)));
      const none = yield* withKey(undefined);
      yield* none.put(state);
      assert.deepInclude(yield* none.get(thread("t")), { state: undefined, isForeign: true });
      assert.isFalse(yield* none.replace(state, 0));
      const own = yield* withKey(key(1));
      yield* own.put(state);
      assert.strictEqual((yield* own.get(thread("t"))).state?.lastSequence, 3);
    }).pipe(Effect.scoped),
  );

  it.effect("has the key of its data folder, made once, in a file of this user alone", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "recollect-key-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true })),
      );
      const of = (made: Layer.Layer<never>) =>
        Layer.build(made).pipe(Effect.map((context) => Context.get(context, SnapshotKey.SnapshotKey)));
      const early = yield* of(SnapshotKeyFile.layerExisting(folder));
      assert.isUndefined(early());
      const first = (yield* of(SnapshotKeyFile.layer(folder)))();
      const second = (yield* of(SnapshotKeyFile.layer(folder)))();
      assert.isDefined(first);
      assert.deepStrictEqual(second, first);
      assert.deepStrictEqual(early(), first);
      const file = join(folder, "keys", "snapshots.key");
      assert.strictEqual(statSync(file).mode & 0o777, 0o600);
      // A process that was killed while it wrote has left half a key, or none.
      for (const left of ["", readFileSync(file, "utf8").slice(0, 20)]) {
        writeFileSync(file, left);
        const reader = yield* of(SnapshotKeyFile.layerExisting(folder));
        assert.isUndefined(reader());
        const mended = (yield* of(SnapshotKeyFile.layer(folder)))();
        assert.isDefined(mended);
        assert.deepStrictEqual(reader(), mended);
        assert.strictEqual(statSync(file).mode & 0o777, 0o600);
      }
      assert.deepStrictEqual(readdirSync(join(folder, "keys")), ["snapshots.key"]);
    }).pipe(Effect.scoped),
  );
});

const nats = EventLogNats.layer().pipe(
  Layer.provideMerge(
    Layer.unwrap(Effect.map(NatsServer.NatsServer, ({ url }) => NatsConnection.layer({ servers: url }))),
  ),
  Layer.provideMerge(NatsServer.layer({ sync: "2m" })),
);

layer(nats, { excludeTestServices: true, timeout: 60_000 })("a false answer about a history", (it) => {
  it.effect("never changes what is read, whatever places it names and whatever text it brings along", () =>
    Effect.gen(function* () {
      const { nc } = yield* NatsConnection.NatsConnection;
      const log = yield* EventLog;
      const history = thread("true");
      yield* append(thread("other"), [say("b")]);
      yield* append(history, [say("a"), say("b"), say("c")]);
      yield* append(thread("other"), [say("c")]);
      const all = yield* Stream.runCollect(log.read({ history }));
      const last = all.at(-1);
      const reach = { reach: { sequence: last?.sequence, eventId: last?.id, recordedAt: last?.recordedAt } };
      const source = yield* Effect.map(Layer.build(HistoryService.layer), Context.get(HistorySource.HistorySource));
      const places = all.map(({ sequence }) => sequence);
      const [one = 0, two = 0, three = 0] = places;
      const lies = [
        [one, three],
        [one, one, three],
        [1, two, three],
        [three, two, one],
        [one, two, three, three + 1],
        [],
      ].map((named) => JSON.stringify({ places: named, isLast: true }));
      const events = JSON.stringify({ events: 1, isLast: true, text: "FORGED" });
      for (const answer of [...lies, events, JSON.stringify({ places, isLast: false })]) {
        const subscription = nc.subscribe("recollect-history.*.*.*", {
          callback: (_, message) =>
            void message.respond(message.string().includes("reach") ? JSON.stringify(reach) : answer),
        });
        yield* Effect.promise(() => nc.flush());
        const read = yield* Stream.runCollect(WholeHistory.read({ log, source, history }));
        assert.deepStrictEqual(read, all, answer);
        subscription.unsubscribe();
      }
    }).pipe(Effect.scoped),
  );
});
