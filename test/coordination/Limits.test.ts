import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, Layer, Schedule } from "effect";
import * as BucketKv from "../../src/coordination/bucket/BucketKv.ts";
import * as BucketMemory from "../../src/coordination/bucket/BucketMemory.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { allowed, process, suite } from "../contract/LimitsContract.ts";
import { logOnServer, quiet } from "../log/natsLayers.ts";
import * as NatsServer from "../support/NatsServer.ts";

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
  it.effect("are open or closed as each of them says, and count from nothing when it is back", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const { link } = yield* NatsConnection.NatsConnection;
      const { limits } = yield* process("away", {
        "away-open": { per: ["user"], limit: 1, windowMillis: 60_000 },
        "away-closed": { per: ["tool"], limit: 1, windowMillis: 60_000, whenAway: "closed" },
      });
      assert.strictEqual(yield* allowed(limits, { user: "u" }, 2), 1);
      yield* server.stop;
      yield* Effect.suspend(() => (link.connected ? Effect.fail("still connected") : Effect.void)).pipe(
        Effect.retry(Schedule.spaced(20)),
      );
      for (let at = 0; at < 5; at++) {
        assert.deepStrictEqual(yield* limits.take({ user: "v" }), { limits: [], unasked: ["away-open"] });
        const closed = yield* Effect.flip(limits.take({ tool: "t" }));
        assert.deepInclude(closed, { _tag: "LimitUnknown", limit: "away-closed" });
      }
      yield* server.start;
      yield* limits.take({ user: "u", tool: "t" }).pipe(
        Effect.filterOrFail(
          ({ unasked }) => unasked.length === 0,
          () => "not asked yet",
        ),
        Effect.retry(Schedule.spaced(50)),
      );
      assert.strictEqual(yield* allowed(limits, { user: "u" }, 2), 0);
    }).pipe(Effect.provide(quiet)),
  );
});
