import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import * as BucketKv from "../../src/coordination/BucketKv.ts";
import * as BucketMemory from "../../src/coordination/BucketMemory.ts";
import { maxMoments, takeSliding } from "../../src/coordination/Tokens.ts";
import * as NatsConnection from "../../src/log/NatsConnectionNats.ts";
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

layer(onServer)("limits over a bucket on a server", (it) => {
  suite((name, test) => it.effect(name, test));
});
