import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect } from "effect";
import { TestClock } from "effect/testing";
import { ServerClock } from "../../src/log/connection/ServerClockNats.ts";

/** A machine's clock that can be set, and a server whose clock is 5 s ahead of the true time. */
const world = Effect.gen(function* () {
  const real = yield* Clock.Clock;
  const state = { setBy: 0, asked: 0, isAway: false };
  const clock = new Proxy(real, {
    get: (from, name) =>
      name === "currentTimeMillisUnsafe" ? () => real.currentTimeMillisUnsafe() + state.setBy : Reflect.get(from, name),
  });
  const question = async () => {
    state.asked++;
    if (state.isAway) throw new Error("nobody answers");
    return { ts: new Date(Date.now() + 5_000).toISOString() };
  };
  const server = new ServerClock(clock);
  yield* Effect.promise(() => server.learn(question));
  const behind = Effect.map(server.now(question), (now) => now - Date.now());
  return { state, behind, question, server };
});

describe("the server's clock", () => {
  it.live("is learnt once, and anew when the machine's clock was set", () =>
    Effect.gen(function* () {
      const { behind, state } = yield* world;
      for (let at = 0; at < 10; at++) assert.closeTo(yield* behind, 5_000, 90);
      assert.strictEqual(state.asked, 3);
      state.setBy = 800;
      assert.closeTo(yield* behind, 5_000, 400);
      assert.strictEqual(state.asked, 6);
      assert.closeTo(yield* behind, 5_000, 400);
      assert.strictEqual(state.asked, 6);
    }),
  );

  it.live("goes on as before while nobody answers, and asks at the next need", () =>
    Effect.gen(function* () {
      const { behind, state } = yield* world;
      state.isAway = true;
      state.setBy = -800;
      assert.closeTo(yield* behind, 4_200, 400);
      state.isAway = false;
      assert.closeTo(yield* behind, 5_000, 400);
    }),
  );

  it.effect("is a test's where the clock is", () =>
    Effect.gen(function* () {
      const server = new ServerClock(yield* Clock.Clock);
      let asked = 0;
      const question = async () => ({ ts: new Date(1_000 * ++asked).toISOString() });
      yield* Effect.promise(() => server.learn(question));
      const before = yield* server.now(question);
      yield* TestClock.adjust(3_600_000);
      assert.strictEqual(yield* server.now(question), before + 3_600_000);
      assert.strictEqual(asked, 3);
    }),
  );
});
