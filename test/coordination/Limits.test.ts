import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, Layer, Schedule } from "effect";
import * as BucketKv from "../../src/coordination/bucket/BucketKv.ts";
import * as BucketMemory from "../../src/coordination/bucket/BucketMemory.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { allowed, process, suite } from "../contract/LimitsContract.ts";
import { logOnServer, quiet } from "../log/natsLayers.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { withWall } from "../support/wallClock.ts";

describe("limits in memory", () => {
  suite((name, test) =>
    it.effect(name, () => Effect.provide(test(), Layer.merge(BucketMemory.layer, EventLogMemory.layer))),
  );
});

const onServer = BucketKv.layer.pipe(Layer.provideMerge(logOnServer()));

layer(onServer)("limits on a server", (it) => {
  suite((name, test) => it.effect(name, test));
});

layer(onServer, { excludeTestServices: true })("limits while the server is away", (it) => {
  it.effect("count in this process or refuse as each of them says, in words, and all together when it is back", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const { link } = yield* NatsConnection.NatsConnection;
      const { limits } = yield* process("away", {
        "away-open": { per: ["user"], limit: 3, windowMillis: 60_000 },
        "away-rate": { per: ["user"], limit: 3, windowMillis: 60_000, algorithm: "token-bucket" },
        "away-closed": { per: ["tool"], limit: 1, windowMillis: 60_000, whenAway: "closed" },
      });
      assert.strictEqual(yield* allowed(limits, { user: "u" }, 5), 3);
      yield* server.stop;
      yield* Effect.suspend(() => (link.connected ? Effect.fail("still connected") : Effect.void)).pipe(
        Effect.retry(Schedule.spaced(20)),
      );
      const here = yield* limits.take({ user: "v" });
      assert.deepInclude(here, { allowed: true, countedHere: ["away-open", "away-rate"] });
      // What the closed one refuses is given back to the open ones.
      for (let at = 0; at < 5; at++) {
        const closed = yield* limits.take({ user: "v", tool: "t" });
        assert.deepInclude(closed, { allowed: false, limit: "away-closed", reason: "unreachable" });
        assert.isAbove(closed.allowed ? 0 : closed.retryAfterMillis, 0);
      }
      assert.strictEqual(yield* allowed(limits, { user: "v" }, 5), 2);
      const over = yield* limits.take({ user: "v" });
      assert.deepInclude(over, { allowed: false, reason: "exceeded" });
      yield* server.start;
      yield* limits.take({ user: "u", tool: "t" }).pipe(
        Effect.filterOrFail(
          (answer) => answer.allowed && answer.countedHere.length === 0,
          () => "not asked yet",
        ),
        Effect.retry(Schedule.spaced(50)),
      );
      assert.strictEqual(yield* allowed(limits, { user: "u" }, 5), 2);
    }).pipe(Effect.provide(quiet)),
  );

  it.effect("ask again soon when the server is back, also when the wall clock was set back meanwhile", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const { link } = yield* NatsConnection.NatsConnection;
      const { limits } = yield* process("set-back", {
        "set-back-closed": { per: ["tool"], limit: 5, windowMillis: 60_000, whenAway: "closed" },
      });
      yield* server.stop;
      yield* Effect.suspend(() => (link.connected ? Effect.fail("still connected") : Effect.void)).pipe(
        Effect.retry(Schedule.spaced(20)),
      );
      assert.isFalse((yield* limits.take({ tool: "t" })).allowed);
      const anHourAgo = Date.now() - 3_600_000;
      yield* server.start;
      yield* limits.take({ tool: "t" }).pipe(
        withWall(() => anHourAgo),
        Effect.filterOrFail(
          ({ allowed: isAllowed }) => isAllowed,
          () => "not asked yet",
        ),
        Effect.retry(Schedule.spaced(50).pipe(Schedule.upTo({ duration: 10_000 }))),
      );
    }).pipe(Effect.provide(quiet)),
  );
});
