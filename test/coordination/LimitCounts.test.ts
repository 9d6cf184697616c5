import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import * as BucketKv from "../../src/coordination/bucket/BucketKv.ts";
import * as BucketMemory from "../../src/coordination/bucket/BucketMemory.ts";
import type { Limit } from "../../src/coordination/config/Limit.ts";
import { maxMoments, type Sliding, taking } from "../../src/coordination/limits/LimitMath.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { suite } from "../contract/LimitCountsContract.ts";
import { quiet } from "../log/natsLayers.ts";
import * as NatsServer from "../support/NatsServer.ts";

const onServer = BucketKv.layer.pipe(
  Layer.provideMerge(
    Layer.unwrap(Effect.map(NatsServer.NatsServer, ({ url }) => NatsConnection.layer({ servers: url }))),
  ),
  Layer.provideMerge(NatsServer.layer()),
  Layer.provide(quiet),
);

const refilling = (limit: number, windowMillis: number) =>
  ({ per: [], limit, windowMillis, algorithm: "token-bucket" }) as const;

describe("counts over a bucket in memory", () => {
  suite((name, test) => it.effect(name, () => Effect.provide(test(), BucketMemory.layer)));
});

describe("states", () => {
  it("of a sliding window remember few moments, and join those that are nearest at the later time", () => {
    let state: Sliding = [];
    for (let now = 0; now < 1_000; now += 5) {
      const { next } = taking({ per: [], limit: 1_000, windowMillis: 10_000 }, 1)(state, now);
      state = (next ?? state) as Sliding;
    }
    assert.lengthOf(state, maxMoments);
    assert.strictEqual(
      state.reduce((sum, [, tokens]) => sum + tokens, 0),
      200,
    );
    const times = state.map(([at]) => at);
    assert.deepStrictEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
  });

  it("of a token bucket refill evenly, whatever the rate, and say when the next token is there", () => {
    const now = 1_796_000_000_000;
    for (const limit of [refilling(1_000_000, 10), refilling(3, 1_000), refilling(1, 31 * 86_400_000)]) {
      const { limit: most, windowMillis } = limit;
      const emptied = taking(limit, most)(undefined, now);
      assert.deepInclude(emptied, { isAllowed: true, remaining: 0, waitMillis: windowMillis });
      const refused = taking(limit, 1)(emptied.next, now);
      assert.isFalse(refused.isAllowed);
      assert.closeTo(refused.waitMillis, windowMillis / most, 1e-9);
      assert.isTrue(taking(limit, 1)(emptied.next, now + Math.ceil(refused.waitMillis)).isAllowed);
      assert.isTrue(taking(limit, most)(emptied.next, now + windowMillis).isAllowed);
      // A clock that is behind refills nothing, and takes nothing away.
      assert.isFalse(taking(limit, 1)(emptied.next, now - 5_000).isAllowed);
    }
  });
});

/** Decisions one after another, each on the state that the one before has left. */
const deciding = (limit: Limit) => {
  let state: unknown;
  return (now: number, tokens = 1) => {
    const decision = taking(limit, tokens)(state, now);
    state = decision.next ?? state;
    return decision;
  };
};

describe("a clock that is set back", () => {
  const then = 1_796_000_000_000;
  const hour = 3_600_000;
  const sliding = { per: [], limit: 3, windowMillis: 60_000 } as const;

  for (const [title, limit] of [
    ["a sliding window", sliding],
    ["a token bucket", refilling(3, 60_000)],
  ] as const) {
    it(`leaves ${title} full for one window, and gives no token too many`, () => {
      const take = deciding(limit);
      for (let taken = 0; taken < 3; taken++) assert.isTrue(take(then + hour).isAllowed);
      const refused = take(then);
      assert.isFalse(refused.isAllowed);
      assert.isAtMost(refused.waitMillis, 60_000);
      assert.isFalse(take(then + refused.waitMillis - 1).isAllowed);
      assert.isTrue(take(then + refused.waitMillis).isAllowed);
      assert.isTrue(take(then + 3 * 60_000, 3).isAllowed);
    });
  }

  it("by less than clocks of two processes differ moves no moment", () => {
    const take = deciding(sliding);
    for (let taken = 0; taken < 3; taken++) take(then + 500);
    assert.deepInclude(take(then), { isAllowed: false, next: undefined, waitMillis: 60_500 });
  });
});

layer(onServer)("counts over a bucket on a server", (it) => {
  suite((name, test) => it.effect(name, test));
});
