import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import * as BucketKv from "../../src/coordination/bucket/BucketKv.ts";
import * as BucketMemory from "../../src/coordination/bucket/BucketMemory.ts";
import { reserved, settled } from "../../src/coordination/limits/LimitSlices.ts";
import { maxMoments, takeSliding } from "../../src/coordination/limits/LimitMath.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { suite } from "../contract/LimiterStoreContract.ts";
import { quiet } from "../log/natsLayers.ts";
import * as NatsServer from "../support/NatsServer.ts";

const onServer = BucketKv.layer.pipe(
  Layer.provideMerge(
    Layer.unwrap(Effect.map(NatsServer.NatsServer, ({ url }) => NatsConnection.layer({ servers: url }))),
  ),
  Layer.provideMerge(NatsServer.layer()),
  Layer.provide(quiet),
);

describe("limits over a bucket in memory", () => {
  suite((name, test) => it.effect(name, () => Effect.provide(test(), BucketMemory.layer)));

  it("remember few moments, and join those that are nearest at the later time", () => {
    let state: Parameters<typeof takeSliding>[0];
    for (let now = 0; now < 1_000; now += 5) {
      state = takeSliding(state, now, { tokens: 1, windowMillis: 1_000, limit: 1_000 }).next ?? state;
    }
    const taken = state?.taken ?? [];
    assert.isAtMost(taken.length, maxMoments);
    assert.strictEqual(
      taken.reduce((sum, [, tokens]) => sum + tokens, 0),
      200,
    );
    const times = taken.map(([at]) => at);
    assert.deepStrictEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
  });
});

describe("slices", () => {
  const state = { taken: [[10, 1]] as const, slices: [["mine", 30, 5] as const, ["other", 25, 7] as const] };

  it("are settled as what was used, when it was used last", () => {
    const { slices, taken } = settled(state, "mine", { until: 30, used: 2, usedAt: 20 });
    assert.deepStrictEqual(
      [taken, slices],
      [
        [
          [10, 1],
          [20, 2],
        ],
        [["other", 25, 7]],
      ],
    );
    assert.deepStrictEqual(settled(state, "mine", { until: 30, used: 0, usedAt: 0 }).taken, [[10, 1]]);
  });

  it("count as used up when nobody knows what became of them, and of one that is not there nothing is said", () => {
    for (const use of [undefined, { until: 29, used: 1, usedAt: 20 }]) {
      assert.deepStrictEqual(settled(state, "mine", use).taken, [
        [10, 1],
        [30, 5],
      ]);
    }
    assert.strictEqual(settled(state, "nobody", undefined), state);
  });

  it("are as large as is wanted for a moment, and never so large that others go short", () => {
    const demand = { who: "me", now: 1_000, limit: 1_000, windowMillis: 1_000, granted: 100, tookMillis: 1_000 };
    const empty = { taken: [] };
    // A tenth of a token a millisecond: one or two in the 15 ms that a slice lives.
    assert.isUndefined(reserved(empty, demand).slice);
    assert.deepStrictEqual(reserved(empty, { ...demand, granted: 1_000 }).slice, ["me", 1_015, 15]);
    assert.deepStrictEqual(reserved(empty, { ...demand, granted: 20_000 }).slice, ["me", 1_015, 62]);
    assert.deepStrictEqual(reserved({ taken: [[900, 900]] }, { ...demand, granted: 20_000 }).slice, ["me", 1_015, 40]);
    assert.deepStrictEqual(reserved({ taken: [[900, 996]] }, { ...demand, granted: 20_000 }).slice, ["me", 1_015, 2]);
    assert.isUndefined(reserved({ taken: [[900, 997]] }, { ...demand, granted: 20_000 }).slice);
    assert.isUndefined(reserved(empty, { ...demand, granted: 20_000, windowMillis: 100 }).slice);
    assert.isUndefined(reserved(empty, { ...demand, granted: 20_000, limit: 499 }).slice);
    const crowd = Array.from({ length: 32 }, (_, n) => [`${n}`, 1_010, 2] as const);
    assert.isUndefined(reserved({ taken: [], slices: crowd }, { ...demand, granted: 20_000 }).slice);
    // Of those that fell silent the slices are used up, and their places are free.
    const silent = crowd.map(([who]) => [who, -10, 2] as const);
    const after = reserved({ taken: [], slices: silent }, { ...demand, granted: 20_000 });
    assert.strictEqual(after.count, 64);
    assert.deepStrictEqual(
      after.state.slices?.map(([who]) => who),
      ["me"],
    );
  });
});

layer(onServer)("limits over a bucket on a server", (it) => {
  suite((name, test) => it.effect(name, test));
});
