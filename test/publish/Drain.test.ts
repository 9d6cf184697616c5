/** One who drains, at moments that no real log offers: silence while it is asked, and while it writes. */
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber, Logger, References, Result, Stream } from "effect";
import { TestClock } from "effect/testing";
import * as History from "../../src/domain/History.ts";
import { EventLog, LogUnavailable } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { Drainer } from "../../src/publish/drain/Drain.ts";
import { batchOf } from "../../src/publish/write/BatchAppend.ts";
import { KnownThreads } from "../../src/publish/write/LateCommands.ts";
import { KnownTasks } from "../../src/publish/write/WriteCommand.ts";
import type { Command, Spool } from "../../src/spool/Spool.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import { event, freshId } from "../contract/EventLogContract.ts";
import { away } from "./SwitchableLog.ts";
import * as World from "./World.ts";

const owner = { pid: process.pid, name: "test" };

/** Messages that nobody can have told before. */
const commands = (count: number): ReadonlyArray<Command> =>
  Array.from({ length: count }, () => {
    const id = freshId();
    const body = JSON.stringify({ messageId: id, role: "user", parts: [] });
    const one = event(id, { type: "thread.message_appended", schemaVersion: 2, body });
    return { history: History.thread("t"), event: one, blobs: [] };
  });

const makeSpool = (options: { readonly overdueMillis?: number } = {}) =>
  Effect.flatMap(World.temporaryFolder, (folder) =>
    SpoolSqlite.make({ file: `${folder}/spool.db`, target: "test", ...options }),
  );

type Log = EventLog["Service"];

const drainer = (log: Log, spool: Spool["Service"]) => new Drainer({ log, spool, tasks: new KnownTasks(), owner });

/** Fails with this many milliseconds of silence, and not before. */
const failsAfter = Effect.fnUntraced(function* (step: Drainer["step"], millis: number) {
  const fiber = yield* Effect.forkChild(step);
  yield* TestClock.adjust(millis - 1);
  assert.isUndefined(fiber.pollUnsafe());
  yield* TestClock.adjust(1);
  assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "LogUnavailable");
});

describe("one who drains", () => {
  it.live("sets aside what is for a history that the stream lost a part of, and delivers what waits behind it", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const spool = yield* makeSpool();
      const damaged = new LogUnavailable({ condition: "streamDamaged", reason: "an event cannot be read" });
      const lossy = EventLog.of({
        ...log,
        read: (reading) => (reading.history.id === "bad" ? Stream.fail(damaged) : log.read(reading)),
      });
      const renamed = (id: string): Command => ({
        history: History.thread(id),
        event: event(freshId(), { type: "thread.renamed", body: '{"title":"x"}' }),
        blobs: [],
      });
      yield* spool.put([renamed("good one"), renamed("bad"), renamed("good two")]);
      const { step } = drainer(lossy, spool);
      for (let steps = 0; steps < 5 && (yield* step)._tag !== "Empty"; steps++);
      assert.deepInclude(yield* spool.state, { waiting: 0, setAside: 1 });
      for (const id of ["good one", "good two"])
        assert.strictEqual((yield* World.eventsOf(History.thread(id))).length, 1);
    }).pipe(Effect.provide(EventLogMemory.layer), Effect.provideService(References.MinimumLogLevel, "None")),
  );

  it.live("takes a batch out of the spool whole, also one that the spool spells longer than the log", () =>
    Effect.gen(function* () {
      const spool = yield* makeSpool();
      const body = JSON.stringify({ text: '"'.repeat(6_000) });
      const batch = Array.from({ length: 1_000 }, (_, index) => ({
        history: History.thread(`of a batch ${index}`),
        event: event(freshId(), { body }),
        blobs: [],
        batch: "large",
      }));
      yield* spool.put([...batch, ...commands(1)]);
      const [first] = yield* spool.oldest({ limit: 1, maxBytes: 1 });
      assert.isDefined(first);
      if (first !== undefined) assert.strictEqual((yield* batchOf(spool, first, 0)).length, batch.length);
    }),
  );

  it.effect(
    "gives up a question after a second, then after two, up to ten, and after each answer after one again",
    () =>
      Effect.gen(function* () {
        const spool = yield* makeSpool();
        yield* spool.put(commands(1));
        const log = yield* EventLog;
        let isSilent = true;
        const info = Effect.suspend(() => (isSilent ? Effect.never : log.info));
        const { step } = drainer({ ...log, info }, spool);
        for (const seconds of [1, 2, 4, 8, 10, 10]) yield* failsAfter(step, seconds * 1_000);
        isSilent = false;
        assert.strictEqual((yield* step)._tag, "Drained");
        isSilent = true;
        // Who has just answered is not asked whether it is there.
        yield* spool.put(commands(1));
        assert.strictEqual((yield* step)._tag, "Drained");
        yield* spool.put(commands(1));
        yield* TestClock.adjust(1_000);
        yield* failsAfter(step, 1_000);
      }).pipe(Effect.provide(EventLogMemory.layer)),
  );

  it.effect("gives up a write after three seconds, and takes a quarter with it the next time", () =>
    Effect.gen(function* () {
      const spool = yield* makeSpool();
      yield* spool.put(commands(3));
      const log = yield* EventLog;
      const asked: Array<number> = [];
      let isSilent = true;
      const { step } = drainer(
        { ...log, appendAll: (appends) => (isSilent ? Effect.never : log.appendAll(appends)) },
        {
          ...spool,
          oldest: (options) => {
            asked.push(options.maxBytes / 1024);
            return spool.oldest(options);
          },
        },
      );
      yield* failsAfter(step, 3_000);
      yield* failsAfter(step, 6_000);
      for (const millis of [10_000, 10_000]) yield* failsAfter(step, millis);
      isSilent = false;
      yield* step;
      yield* spool.put(commands(1));
      yield* step;
      assert.deepStrictEqual(asked, [4096, 1024, 256, 64, 64, 128]);
    }).pipe(Effect.provide(EventLogMemory.layer)),
  );

  it.effect("finds what the log has by reading, and does not try each of them again", () =>
    Effect.gen(function* () {
      const spool = yield* makeSpool();
      const log = yield* EventLog;
      const all = commands(20);
      for (const { event: one, history } of all.slice(0, 10)) {
        yield* log.append({ history, events: [one], expected: "any" });
      }
      yield* spool.put(all);
      let alone = 0;
      const append: Log["append"] = (given) => {
        alone++;
        return log.append(given);
      };
      assert.strictEqual((yield* drainer({ ...log, append }, spool).step)._tag, "Drained");
      assert.strictEqual(alone, 0);
      assert.deepStrictEqual(
        (yield* World.eventsOf(History.thread("t"))).map(({ id }) => id),
        all.map(({ event: { id } }) => id),
      );
    }).pipe(Effect.provide(EventLogMemory.layer)),
  );

  it.effect("finds in time what a slow log has of many histories", () =>
    Effect.gen(function* () {
      const spool = yield* makeSpool();
      const log = yield* EventLog;
      const { created, lastSequence: sequence } = yield* log.info;
      const all = commands(500).map((command, index) => ({
        ...command,
        history: History.thread(`t${Math.floor(index / 2)}`),
        after: { created, sequence },
      }));
      // Of each thread the first was written, and put into the spool, because the answer was lost.
      for (const { event: one, history } of all.filter((_, index) => index % 2 === 0))
        yield* log.append({ history, events: [one], expected: "any" });
      yield* spool.put(all);
      const slowly = Effect.sleep(150);
      const append: Log["append"] = (given) => Effect.andThen(slowly, log.append(given));
      const appendAll: Log["appendAll"] = (given) => Effect.andThen(slowly, log.appendAll(given));
      const read: Log["read"] = (which) => Stream.unwrap(Effect.as(slowly, log.read(which)));
      const { step } = drainer({ ...log, append, appendAll, read }, spool);
      const fiber = yield* Effect.forkChild(step);
      yield* TestClock.adjust("3 seconds");
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "Drained");
      assert.strictEqual((yield* spool.state).waiting, 0);
    }).pipe(Effect.provide(EventLogMemory.layer)),
  );

  it.effect("reads a history once, on and on, that takes longer to read than an answer is waited for", () =>
    Effect.gen(function* () {
      const spool = yield* makeSpool();
      const log = yield* EventLog;
      const history = History.thread("t");
      for (const { event: one } of commands(500)) yield* log.append({ history, events: [one], expected: "any" });
      // A title, of which nobody knows when it was accepted: whether the thread was renamed later only all of it tells.
      yield* spool.put([{ history, event: event(), blobs: [] }]);
      let read = 0;
      const slowly = Effect.tap(Effect.sleep(50), () => Effect.sync(() => read++));
      const { step } = drainer({ ...log, read: (which) => Stream.tap(log.read(which), () => slowly) }, spool);
      const steps: Array<string> = [];
      while (steps.at(-1) !== "Drained") {
        const fiber = yield* Effect.forkChild(Effect.result(step));
        yield* TestClock.adjust("10 seconds");
        const result = yield* Fiber.join(fiber);
        steps.push(Result.isSuccess(result) ? result.success._tag : result.failure._tag);
      }
      // After three seconds, six, ten and the rest of the 25.
      assert.deepStrictEqual(steps, ["LogUnavailable", "LogUnavailable", "LogUnavailable", "Drained"]);
      assert.isAtMost(read, 500);
    }).pipe(Effect.provide(EventLogMemory.layer)),
  );

  it.effect("says once what waits for longer than it should, and nothing before", () =>
    Effect.gen(function* () {
      const spool = yield* makeSpool({ overdueMillis: 3 * 24 * 3_600_000 });
      const log = yield* EventLog;
      const said: Array<string> = [];
      const logger = Logger.make(({ message }) => void said.push(String(message)));
      const { step } = drainer({ ...log, info: Effect.fail(away) }, spool);
      const tried = Effect.ignore(step).pipe(
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "Warn"),
      );
      yield* spool.put(commands(1));
      yield* TestClock.adjust("71 hours");
      yield* tried;
      assert.deepStrictEqual(said, []);
      yield* TestClock.adjust("1 hours");
      yield* tried;
      yield* TestClock.adjust("1 hours");
      yield* tried;
      assert.deepStrictEqual(said, ["Commands wait in the spool for 3 days; see: recollect spool list"]);
    }).pipe(Effect.provide(EventLogMemory.layer)),
  );
});

describe("what is known of a thread that is too long to be known whole", () => {
  it.effect("is what was asked for, read once for that and again for anything else", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const history = History.thread("t");
      const there = commands(50);
      for (const { event: one } of there) yield* log.append({ history, events: [one], expected: "any" });
      const read: Array<number> = [];
      const counted: Log = {
        ...log,
        read: (which) => {
          read.push(which.after ?? 0);
          return log.read(which);
        },
      };
      const threads = new KnownThreads(20);
      const ask = (asked: ReadonlyArray<Command>) => threads.upToDate({ log: counted, history, commands: asked });
      const mine = [...there.slice(0, 2), ...there.slice(40, 42), ...commands(1)];
      const known = yield* ask(mine);
      const ids = (of: ReadonlyArray<Command>) => of.map(({ event: { id } }) => id);
      assert.deepStrictEqual([...known.ids], ids(mine.slice(0, 4)));
      assert.isAtMost(known.tellings.size, mine.length);
      assert.strictEqual(known.upTo, 50);
      yield* ask(mine.slice(1));
      assert.deepStrictEqual(read, [0, 50]);
      assert.deepStrictEqual([...(yield* ask(there.slice(9, 10))).ids], ids(there.slice(9, 10)));
      assert.deepStrictEqual(read, [0, 50, 0]);
    }).pipe(Effect.provide(EventLogMemory.layer)),
  );
});
