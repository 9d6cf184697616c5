/**
 * The promises of `SnapshotStore`, as one suite for every layer.
 *
 * Each test has threads of its own, so that one server serves them all. What expires is tested with the layer, because
 * a server's clock is not ours.
 */
import { assert } from "@effect/vitest";
import { Arbitrary, Effect } from "effect";
import { crc32 } from "node:zlib";
import { type History, History as HistorySchema, thread } from "../../src/domain/History.ts";
import * as Thread from "../../src/domain/thread/Thread.ts";
import * as SnapshotCodec from "../../src/snapshot/SnapshotCodec.ts";
import { keyOf, SnapshotBucket, SnapshotStore } from "../../src/snapshot/SnapshotStore.ts";
import { recorded, say, sayNew, type Step } from "../snapshot/ThreadWorld.ts";

type Tester = (name: string, test: () => Effect.Effect<void, unknown, SnapshotStore | SnapshotBucket>) => void;

const stateOf = (history: History, steps: ReadonlyArray<Step> = [say("a"), sayNew(900)]) =>
  Thread.fold(Thread.empty(history), recorded(steps, history));

export const suite = (test: Tester) => {
  test("gives back the state that was put, and nothing for a thread without one", () =>
    Effect.gen(function* () {
      const store = yield* SnapshotStore;
      const history = thread("put");
      assert.deepStrictEqual(yield* store.get(history), { state: undefined, revision: 0, isAgeing: false });
      const state = stateOf(history);
      yield* store.put(state);
      const found = yield* store.get(history);
      assert.deepStrictEqual(found.state, state);
      assert.isAbove(found.revision, 0);
      assert.isFalse(found.isAgeing);
    }));

  test("has nothing after a removal, and takes a new state then", () =>
    Effect.gen(function* () {
      const store = yield* SnapshotStore;
      const history = thread("remove");
      const state = stateOf(history);
      yield* store.put(state);
      yield* store.remove(history);
      const removed = yield* store.get(history);
      assert.isUndefined(removed.state);
      assert.isUndefined((yield* (yield* SnapshotBucket).get(keyOf(history))).bytes);
      assert.isTrue(yield* store.replace(state, removed.revision));
      assert.deepStrictEqual((yield* store.get(history)).state, state);
    }));

  test("replaces only what nobody else has written since", () =>
    Effect.gen(function* () {
      const store = yield* SnapshotStore;
      const history = thread("replace");
      const [older, newer] = [stateOf(history, [say("a")]), stateOf(history, [say("a"), say("b")])];
      assert.isTrue(yield* store.replace(older, 0));
      assert.isFalse(yield* store.replace(older, 0));
      const { revision } = yield* store.get(history);
      yield* store.put(newer);
      assert.isFalse(yield* store.replace(older, revision));
      assert.deepStrictEqual((yield* store.get(history)).state, newer);
    }));

  test("has no state for bytes that are damaged, cut, foreign, or of another layout or fold version", () =>
    Effect.gen(function* () {
      const store = yield* SnapshotStore;
      const bucket = yield* SnapshotBucket;
      const history = thread("damage");
      const state = stateOf(history);
      const good = SnapshotCodec.encode(state);
      const bad: Array<Uint8Array> = [new Uint8Array(0), Buffer.from("{}"), good.subarray(0, good.length - 1)];
      for (const version of [0, Thread.foldVersion - 1, Thread.foldVersion + 1, 65_535]) {
        if (version !== Thread.foldVersion && version >= 0) bad.push(SnapshotCodec.encode(state, { version }));
      }
      const older = Buffer.from(good);
      older[2] = 1;
      older.writeUInt32BE(crc32(older.subarray(9), crc32(older.subarray(0, 5))), 5);
      bad.push(older);
      for (let index = 0; index < good.length; index += 7) {
        const flipped = Uint8Array.from(good);
        flipped[index] = (flipped[index] ?? 0) ^ 0x10;
        bad.push(flipped);
      }
      for (const bytes of bad) {
        yield* bucket.put(keyOf(history), bytes);
        assert.isUndefined((yield* store.get(history)).state);
      }
      yield* bucket.put(keyOf(history), good);
      assert.deepStrictEqual((yield* store.get(history)).state, state);
    }));

  test("has no state for bytes that belong to another thread", () =>
    Effect.gen(function* () {
      const bucket = yield* SnapshotBucket;
      yield* bucket.put(keyOf(thread("mine")), SnapshotCodec.encode(stateOf(thread("theirs"))));
      assert.isUndefined((yield* (yield* SnapshotStore).get(thread("mine"))).state);
    }));

  test("has a key of its own for every name of tenant and thread", () =>
    Effect.gen(function* () {
      const store = yield* SnapshotStore;
      const names = [
        thread("a.b"),
        thread("a/b"),
        thread("a b", "x.y"),
        thread("b", "a"),
        thread("=2E"),
        thread("checkpoint"),
        thread("*"),
        thread(">"),
        thread("😀é\u0000"),
      ];
      const random = yield* Arbitrary.sampleEffect(Arbitrary.schema(HistorySchema), { count: 20, seed: 7 });
      const histories = [...names, ...random.map((history) => ({ ...history, kind: "thread" as const }))];
      for (const history of histories) yield* store.put(stateOf(history, [say("a")]));
      for (const history of histories) assert.deepStrictEqual((yield* store.get(history)).state?.history, history);
    }));

  test("takes the largest state there is", () =>
    Effect.gen(function* () {
      const store = yield* SnapshotStore;
      const history = thread("large");
      const text = (nth: number) =>
        Array.from({ length: 15_000 }, (_, at) =>
          String.fromCodePoint(33 + ((at * at * 31 + nth * 977 + at * nth) % 90)),
        ).join("");
      const events = recorded(
        Array.from({ length: 8 }, () => sayNew()),
        history,
      ).map((event, nth) => ({
        ...event,
        body: Buffer.from(
          JSON.stringify({ messageId: `${nth}`, role: "user", parts: [{ type: "text", text: text(nth) }] }),
        ),
      }));
      const state = Thread.fold(Thread.empty(history), events);
      yield* store.put(state);
      assert.deepStrictEqual((yield* store.get(history)).state, state);
    }));

  test("keeps the checkpoint beside the snapshots and does not count it as one", () =>
    Effect.gen(function* () {
      const store = yield* SnapshotStore;
      const bucket = yield* SnapshotBucket;
      yield* store.put(stateOf(thread("counted")));
      const before = yield* store.info;
      assert.isUndefined(yield* store.checkpoint);
      yield* store.putCheckpoint({ sequence: 12, created: 1_700_000_000_123 });
      assert.deepStrictEqual(yield* store.checkpoint, { sequence: 12, created: 1_700_000_000_123 });
      assert.strictEqual((yield* store.info).keys, before.keys);
      assert.isAbove(before.bytes, 0);
      yield* bucket.put("checkpoint", Buffer.from("{"));
      assert.isUndefined(yield* store.checkpoint);
    }));
};
