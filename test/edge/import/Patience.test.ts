import { assert, describe, it } from "@effect/vitest";
import { Cause, Clock, Effect, Exit, Fiber, Schedule } from "effect";
import { TestClock } from "effect/testing";
import { LogUnavailable } from "../../../src/log/EventLog.ts";
import { claudeLines, folderOf, importAll, withLog, world } from "./World.ts";

const away = new LogUnavailable({ reason: "away" });

/** A log that takes nothing until a moment of the test's clock. */
const awayUntil = (backAt: number) =>
  withLog((log) => ({
    appendAll: (appends) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => (now < backAt ? Effect.fail(away) : log.appendAll(appends))),
  }));

/** Lets the test's clock run, a second for each turn of the real event loop, until the fiber has ended. */
const whileClockRuns = <A, E>(fiber: Fiber.Fiber<A, E>) =>
  Effect.sync(() => fiber.pollUnsafe()).pipe(
    Effect.tap(TestClock.adjust("1 second")),
    Effect.tap(Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))),
    Effect.repeat({ until: (exit) => exit !== undefined, schedule: Schedule.recurs(100_000) }),
    Effect.andThen(Fiber.await(fiber)),
  );

const importing = (backAt: number) =>
  Effect.gen(function* () {
    const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 10) });
    const fiber = yield* Effect.forkChild(importAll(folder).pipe(awayUntil(backAt)));
    return yield* whileClockRuns(fiber);
  });

describe("an import whose log goes away", () => {
  it.effect("waits for it for minutes, and then loses and doubles nothing", () =>
    Effect.gen(function* () {
      const exit = yield* importing(4 * 60_000);
      assert.isTrue(Exit.isSuccess(exit), String(exit));
      if (Exit.isSuccess(exit)) assert.deepInclude(exit.value, { eventsAppended: 10, duplicates: 0, threads: 1 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.effect("reports as appended what it sent again because the log's answer was lost", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 10), "b.jsonl": claudeLines("t", 0, 5) });
      let lost = 0;
      const losing = withLog((log) => ({
        appendAll: (appends) =>
          Effect.flatMap(log.appendAll(appends), (done) => (lost++ === 0 ? Effect.fail(away) : Effect.succeed(done))),
      }));
      const exit = yield* whileClockRuns(yield* Effect.forkChild(importAll(folder).pipe(losing)));
      assert.isTrue(Exit.isSuccess(exit), String(exit));
      assert.isAbove(lost, 1);
      if (Exit.isSuccess(exit)) assert.deepInclude(exit.value, { eventsAppended: 15, duplicates: 0, threads: 2 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.effect("gives up in words when it stays away", () =>
    Effect.gen(function* () {
      const exit = yield* importing(Number.POSITIVE_INFINITY);
      assert.strictEqual(Exit.isFailure(exit) ? Cause.squash(exit.cause) : exit, away);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});
