import { assert, layer } from "@effect/vitest";
import { Deferred, Effect, Layer, Stream } from "effect";
import * as Watch from "../../src/coordination/watch/Watch.ts";
import { thread } from "../../src/domain/History.ts";
import { EventLog, LogUnavailable } from "../../src/log/EventLog.ts";
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

/** A log of which every reading of a history begins with what the test does in between. */
const readingAfter = (before: () => Effect.Effect<void, LogUnavailable>) =>
  Watch.layer.pipe(
    Layer.provide(
      Layer.effect(
        EventLog,
        Effect.map(EventLog, (log) =>
          EventLog.of({ ...log, read: (what) => Stream.unwrap(Effect.as(before(), log.read(what))) }),
        ),
      ),
    ),
  );

layer(EventLogMemory.layer, { excludeTestServices: true })("where history ends and live begins", (it) => {
  it.effect("an event that is in both is seen once", () =>
    Effect.gen(function* () {
      const one = thread("in both");
      const isReading = yield* Deferred.make<void>();
      const isWritten = yield* Deferred.make<void>();
      const before = () => Effect.andThen(Deferred.succeed(isReading, undefined), Deferred.await(isWritten));
      yield* Effect.gen(function* () {
        const first = yield* write([one]);
        const watcher = yield* watching({ history: one });
        yield* Deferred.await(isReading);
        const other = yield* watching("everything", { after: first });
        yield* until(Effect.sync(() => isCaughtUp(other)));
        const second = yield* write([one]);
        // The hub has it already, and the history has it still.
        yield* allSaw([other], second);
        yield* Deferred.succeed(isWritten, undefined);
        const third = yield* write([one]);
        yield* allSaw([watcher], third);
        assert.deepStrictEqual(sequences(watcher), [first, second, third]);
      }).pipe(Effect.provide(readingAfter(before)));
    }),
  );

  it.effect("a reading that the log refuses for a while is begun again", () =>
    Effect.gen(function* () {
      const one = thread("refused");
      let refusals = 3;
      const before = () =>
        refusals-- > 0 ? Effect.fail(new LogUnavailable({ reason: "refused by the test" })) : Effect.void;
      yield* Effect.gen(function* () {
        const written = yield* write([one]);
        const watcher = yield* watching({ history: one });
        yield* allSaw([watcher], written);
        assert.strictEqual(refusals, -1);
      }).pipe(Effect.provide(readingAfter(before)));
    }),
  );
});
