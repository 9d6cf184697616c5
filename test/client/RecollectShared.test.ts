import { assert, layer } from "@effect/vitest";
import { Effect } from "effect";
import { writeFileSync } from "node:fs";
import { Recollect } from "recollect";
import * as World from "../publish/World.ts";
import * as NatsServer from "../support/NatsServer.ts";

layer(NatsServer.layer({ stream: true }), { excludeTestServices: true })(
  "configuration and limits as promises",
  (it) => {
    it.effect("read, change, watch and take without Effect", () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        yield* Effect.promise(async () => {
          await using one = await Recollect.connect({ url, actor: "one" });
          await using two = await Recollect.connect({ url });
          assert.strictEqual((await one.config.held()).get("snapshots.ttlMillis"), 86_400_000);
          const watching = two.config.watch("snapshots.ttlMillis");
          assert.strictEqual((await watching.next()).value, 86_400_000);
          const limit = { per: ["user"], limit: 2, windowMillis: 60_000 };
          await one.config.set({ "snapshots.ttlMillis": 7_200_000, "limits.a": limit }, { why: "a test" });
          assert.strictEqual((await watching.next()).value, 7_200_000);
          await watching.return(undefined);
          assert.deepStrictEqual((await two.config.family("limits")).get("a") as unknown, limit);
          const takes = [
            await one.limits.take({ user: "ana" }),
            await two.limits.take({ user: "ana" }),
            await two.limits.take({ user: "ana" }),
          ];
          assert.deepStrictEqual(
            takes.map(({ allowed }) => allowed),
            [true, true, false],
          );
          assert.deepInclude(takes[2], { limit: "a" });
          const refused = await one.config.set({ "snapshots.ttlMillis": "soon" }).catch((error: unknown) => error);
          assert.deepInclude(refused, { _tag: "ConfigRefused", field: "snapshots.ttlMillis" });
          await two.config.rollback(0);
          assert.deepStrictEqual(
            (await one.config.history()).map(({ version, who, why }) => [version, who, why]),
            [
              [1, "one", "a test"],
              [2, "recollect", undefined],
            ],
          );
          assert.lengthOf(await one.config.diff(0, 2), 0);
        });
      }),
    );

    it.effect("begin before their server with what the file says, and are shared when it is there", () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        writeFileSync(`${data}/config.json`, JSON.stringify({ "snapshots.ttlMillis": 3_600_000 }));
        yield* server.stop;
        const { url } = server;
        const shared = yield* Effect.acquireRelease(
          Effect.promise(() => Recollect.connect({ data, url, configScope: "later" })),
          (open) => Effect.promise(() => open.close()),
        );
        assert.strictEqual(yield* Effect.promise(() => shared.config.get("snapshots.ttlMillis")), 3_600_000);
        const limit = { per: [], limit: 1, windowMillis: 60_000 };
        const set = Effect.tryPromise(() => shared.config.set({ "limits.a": limit }));
        const take = Effect.promise(() => shared.limits.take({}));
        assert.deepInclude((yield* Effect.flip(set)).cause, { _tag: "LogUnavailable" });
        assert.isTrue((yield* take).allowed);
        yield* server.start;
        yield* World.until(Effect.isSuccess(set));
        yield* World.until(Effect.map(take, ({ allowed }) => !allowed));
      }),
    );
  },
);
