import { assert, layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import * as Watch from "../../src/coordination/Watch.ts";
import { thread } from "../../src/domain/History.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { until } from "../publish/World.ts";
import { allSaw, isCaughtUp, sequences, suite, watching, write } from "../contract/WatchContract.ts";

const world = Watch.layer.pipe(Layer.provideMerge(EventLogMemory.layer));

layer(world, { excludeTestServices: true })("watching a log in memory", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("waits for a log that is away, and begins when it is back", () =>
    Effect.gen(function* () {
      const stream = yield* EventLogMemory.MemoryStream;
      const one = thread("away");
      const first = yield* write([one]);
      yield* stream.goAway;
      const watcher = yield* watching({ history: one });
      yield* Effect.yieldNow;
      assert.deepStrictEqual(watcher.seen, []);
      yield* stream.comeBack;
      const second = yield* write([one]);
      yield* allSaw([watcher], second);
      assert.deepStrictEqual(sequences(watcher), [first, second]);
    }),
  );

  it.effect("shows what is no event to who watches everything, and to nobody else", () =>
    Effect.gen(function* () {
      const stream = yield* EventLogMemory.MemoryStream;
      const one = thread("misfits");
      const [all, some] = [yield* watching("everything", { after: "now" }), yield* watching({ tenant: "default" })];
      yield* until(Effect.sync(() => isCaughtUp(all) && isCaughtUp(some)));
      yield* allSaw([all, some], yield* write([one]));
      const body = Buffer.from("?");
      const misfit = yield* stream.publish({ subject: "recollect.default.thread.misfits", headers: {}, body });
      yield* allSaw([all], misfit);
      const last = yield* write([one]);
      yield* allSaw([all, some], last);
      assert.notInclude(sequences(some), misfit);
    }),
  );
});
