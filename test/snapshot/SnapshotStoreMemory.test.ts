import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { thread } from "../../src/domain/History.ts";
import * as Thread from "../../src/domain/thread/Thread.ts";
import { SnapshotStore } from "../../src/snapshot/SnapshotStore.ts";
import * as SnapshotStoreMemory from "../../src/snapshot/SnapshotStoreMemory.ts";
import { suite } from "../contract/SnapshotStoreContract.ts";
import { recorded, say } from "./ThreadWorld.ts";

describe("snapshots in memory", () => {
  suite((name, test) => it.effect(name, () => Effect.provide(test(), SnapshotStoreMemory.layer())));

  it.effect("are ageing after half a day, gone after a day, and live anew when they are put again", () =>
    Effect.gen(function* () {
      const store = yield* SnapshotStore;
      const state = Thread.fold(Thread.empty(thread("t")), recorded([say("a")]));
      yield* store.put(state);
      yield* TestClock.adjust("13 hours");
      assert.isTrue((yield* store.get(thread("t"))).isAgeing);
      yield* store.put(state);
      yield* TestClock.adjust("23 hours");
      assert.isDefined((yield* store.get(thread("t"))).state);
      yield* TestClock.adjust("1 hours");
      assert.deepStrictEqual(yield* store.get(thread("t")), { state: undefined, revision: 0, isAgeing: false });
    }).pipe(Effect.provide(SnapshotStoreMemory.layer())),
  );
});
