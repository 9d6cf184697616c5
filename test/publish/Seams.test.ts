/** The seams between log, spool and memory: the way back to the log, what comes before what, and what callers are told. */
import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, Fiber, Latch, Layer, Logger, References, Schedule } from "effect";
import { TestClock } from "effect/testing";
import Database from "better-sqlite3";
import { mkdirSync } from "node:fs";
import * as History from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { untilAnswered } from "../../src/log/connection/Backoff.ts";
import { Drainer } from "../../src/publish/drain/Drain.ts";
import * as LogArrivals from "../../src/log/connection/LogArrivals.ts";
import * as Publisher from "../../src/publish/Publisher.ts";
import { task } from "../../src/publish/TaskPublisher.ts";
import { thread } from "../../src/publish/thread/ThreadPublisher.ts";
import { KnownTasks } from "../../src/publish/write/WriteCommand.ts";
import { Spool, SpoolUnavailable } from "../../src/spool/Spool.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import { event } from "../contract/EventLogContract.ts";
import * as NatsServer from "../support/NatsServer.ts";
import * as SwitchableLog from "./SwitchableLog.ts";
import * as World from "./World.ts";

const world = Layer.provideMerge(World.natsLog, NatsServer.layer()).pipe(
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None")),
);

describe("asking what is away", () => {
  it.effect("goes on at once when it has come, also when it came while it was asked", () =>
    Effect.gen(function* () {
      const arrivals = LogArrivals.make();
      let isThere = false;
      let asked = 0;
      let comesWhileAsked = false;
      const ask = Effect.suspend(() => {
        asked++;
        const answer = isThere ? Effect.succeed("there") : Effect.fail("away");
        if (comesWhileAsked) {
          isThere = true;
          arrivals.tell();
        }
        return answer;
      });
      const asking = yield* Effect.forkChild(untilAnswered(ask, arrivals));
      yield* TestClock.adjust("1 hours");
      assert.isUndefined(asking.pollUnsafe());
      // For ever, and in the end every four to six seconds.
      assert.isAtLeast(asked, 600);
      assert.isAtMost(asked, 910);
      isThere = true;
      arrivals.tell();
      assert.strictEqual(yield* Fiber.join(asking), "there");
      isThere = false;
      comesWhileAsked = true;
      assert.strictEqual(yield* untilAnswered(ask, arrivals), "there");
    }),
  );
});

/** Says one thing after the other, without a pause, until it is told to stop. */
const speaking = Effect.fnUntraced(function* (id: string) {
  const talk = yield* thread(id);
  const said: Array<string> = [];
  const fiber = yield* Effect.gen(function* () {
    for (;;) {
      const { eventId } = yield* talk.say({ role: "user", text: "on and on" });
      said.push(eventId);
    }
  }).pipe(Effect.forkChild);
  return { said, stop: Fiber.interrupt(fiber) };
});

const idsOf = (id: string) =>
  Effect.map(World.eventsOf(History.thread(id)), (events) => events.map(({ id: eventId }) => eventId));

/** Another one of this process who claims to deliver. */
const other = { pid: process.pid, name: "other" };

const say = (id: string, text: string) => Effect.flatMap(thread(id), (talk) => talk.say({ role: "user", text }));

layer(world, { excludeTestServices: true })("what is before somebody's own", (it) => {
  it.effect("is waited for when an earlier process left it and another one is to deliver it", () =>
    Effect.gen(function* () {
      const to = new SwitchableLog.LogSwitch();
      to.position = "away";
      const folder = yield* World.temporaryFolder;
      yield* say("w1", "before").pipe(Effect.provide(World.publisher({ folder, to })));
      const spool = yield* SpoolSqlite.make({ file: `${folder}/spool.db`, target: "test" });
      yield* spool.lead({ owner: other, millis: 60_000 });
      to.position = "there";
      yield* Effect.gen(function* () {
        yield* Effect.sleep(300);
        assert.strictEqual((yield* say("w1", "after"))._tag, "Spooled");
        yield* spool.resign(other);
        yield* World.direct;
      }).pipe(Effect.provide(World.publisher({ folder, to })));
      assert.deepStrictEqual(yield* World.textsOf(History.thread("w1")), ["before", "after"]);
    }),
  );

  it.effect("is waited for while another process holds the file", () =>
    Effect.gen(function* () {
      const to = new SwitchableLog.LogSwitch();
      to.position = "away";
      const folder = yield* World.temporaryFolder;
      const busy = new SpoolUnavailable({ reason: "busy", file: "f", message: "busy", hint: "" });
      let isBusy = false;
      const ifFree = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.suspend((): Effect.Effect<A, E | SpoolUnavailable> => (isBusy ? Effect.fail(busy) : effect));
      const spool = yield* SpoolSqlite.make({ file: `${folder}/spool.db`, target: "test" });
      const held = Layer.succeed(Spool, {
        ...spool,
        isWaiting: (range) => ifFree(spool.isWaiting(range)),
        oldest: (range) => ifFree(spool.oldest(range)),
      });
      const publisher = Publisher.layer().pipe(Layer.provide([held, SwitchableLog.layer(to)]));
      yield* Effect.gen(function* () {
        yield* say("w2", "0");
        isBusy = true;
        to.position = "there";
        yield* Effect.sleep(300);
        assert.strictEqual((yield* say("w2", "1"))._tag, "Spooled");
        isBusy = false;
        yield* World.direct;
        yield* say("w2", "2");
      }).pipe(Effect.provide(publisher));
      assert.deepStrictEqual(yield* World.textsOf(History.thread("w2")), ["0", "1", "2"]);
    }),
  );

  it.effect("is left to others by who cannot deliver", () =>
    Effect.gen(function* () {
      const folder = yield* World.temporaryFolder;
      const spool = yield* SpoolSqlite.make({ file: `${folder}/spool.db`, target: "test" });
      const log = yield* EventLog;
      // It answers questions and takes no events: so he leads, and comes to nothing.
      const full = Layer.succeed(EventLog, {
        ...log,
        append: () => SwitchableLog.away,
        appendAll: () => SwitchableLog.away,
      });
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* say("w3", "0"))._tag, "Spooled");
        yield* World.until(Effect.orDie(spool.lead({ owner: other, millis: 60_000 })));
      }).pipe(Effect.provide(Publisher.layer().pipe(Layer.provide([Layer.succeed(Spool, spool), full]))));
    }),
  );

  it.effect("is delivered by who writes directly when its process was killed before it could", () =>
    Effect.gen(function* () {
      const to = new SwitchableLog.LogSwitch();
      const folder = yield* World.temporaryFolder;
      yield* Effect.gen(function* () {
        yield* say("w4", "0");
        const spool = yield* Spool;
        const left = event(undefined, {
          type: "thread.message_appended",
          schemaVersion: 2,
          body: JSON.stringify({ messageId: "m", role: "user", parts: [{ type: "text", text: "left" }] }),
        });
        yield* spool.put([{ history: History.thread("w4"), event: left, blobs: [] }]);
        const raw = new Database(`${folder}/spool.db`);
        raw.exec("UPDATE commands SET accepted_at = accepted_at - 10000");
        raw.close();
        assert.strictEqual(yield* World.mode, "direct");
        yield* World.until(Effect.map(World.textsOf(History.thread("w4")), (texts) => texts.includes("left")));
        // Nobody is kept from it for longer than it takes.
        yield* World.until(Effect.orDie(spool.lead({ owner: other, millis: 60_000 })));
      }).pipe(Effect.provide(World.publisher({ folder, to })));
    }),
  );

  it.effect("is shown, though the disk is full and memory alone has it", () =>
    Effect.gen(function* () {
      const to = new SwitchableLog.LogSwitch();
      to.position = "away";
      const folder = yield* World.temporaryFolder;
      const spool = SpoolSqlite.layer({ file: `${folder}/spool.db`, target: "test", maxFileBytes: 250_000 });
      yield* Effect.gen(function* () {
        const told: Array<string> = [];
        for (const length of [1, 120_000, 120_000]) told.push((yield* say("w6", "x".repeat(length)))._tag);
        assert.deepStrictEqual(told, ["Spooled", "Spooled", "Held"]);
        const waiting = yield* Publisher.Publisher.use((there) => there.waitingFor(History.thread("w6")));
        assert.strictEqual(waiting.length, 3);
        to.position = "there";
        yield* World.direct;
        assert.lengthOf(yield* World.eventsOf(History.thread("w6")), 3);
      }).pipe(
        Effect.provide(Publisher.layer({ durable: "memory" }).pipe(Layer.provide([spool, SwitchableLog.layer(to)]))),
      );
    }),
  );

  it.effect("is told of where errors are, when the log refuses it and there is no disk to set it aside on", () =>
    Effect.gen(function* () {
      const to = new SwitchableLog.LogSwitch();
      const folder = yield* World.temporaryFolder;
      mkdirSync(`${folder}/spool.db`);
      const said: Array<string> = [];
      const logger = Logger.make(({ message }) => void said.push(String(message)));
      const heard = Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "Error"));
      yield* Effect.gen(function* () {
        const job = yield* task();
        yield* job.submitted({ agentType: "coder" });
        yield* job.started();
        to.position = "away";
        assert.strictEqual((yield* job.completed("mine"))._tag, "Held");
        const elsewhere = World.publisher({ folder: `${folder}/elsewhere`, to: new SwitchableLog.LogSwitch() });
        yield* Effect.flatMap(task(job.id), ({ cancelled }) => cancelled("too slow")).pipe(Effect.provide(elsewhere));
        to.position = "there";
        yield* World.drained;
      }).pipe(Effect.provide(Layer.provideMerge(World.publisher({ folder, to, durable: "memory" }), heard)));
      assert.lengthOf(said, 1);
      assert.match(said[0] ?? "", /Not appended, and not on disk: .*task\.completed/);
    }),
  );

  it.effect("is accepted before a publisher closes, and its caller told", () =>
    Effect.gen(function* () {
      const to = new SwitchableLog.LogSwitch();
      const folder = yield* World.temporaryFolder;
      const calls = yield* Effect.gen(function* () {
        yield* say("w5", "0");
        to.position = { slowMillis: 100 };
        return yield* Effect.forEach(["1", "2", "3"], (text) =>
          Effect.forkDetach(say("w5", text), { startImmediately: true }),
        );
      }).pipe(Effect.provide(World.publisher({ folder, to })));
      const told = yield* Effect.forEach(calls, Fiber.join);
      assert.deepStrictEqual(new Set(told.map(({ _tag }) => _tag)), new Set(["Appended"]));
      assert.deepStrictEqual(yield* World.textsOf(History.thread("w5")), ["0", "1", "2", "3"]);
    }),
  );
});

layer(world, { excludeTestServices: true })("callers that never pause", (it) => {
  it.effect("are sent to a log whose answers take half of their patience, and nothing is asked of it twice", () =>
    Effect.gen(function* () {
      const to = new SwitchableLog.LogSwitch();
      to.position = "away";
      const folder = yield* World.temporaryFolder;
      yield* Effect.gen(function* () {
        const { said, stop } = yield* speaking("r1");
        yield* World.until(Effect.sync(() => said.length > 20));
        to.asked.length = 0;
        to.position = { slowMillis: 150 };
        yield* World.direct;
        yield* stop;
        yield* World.drained;
        assert.deepStrictEqual((yield* idsOf("r1")).slice(0, said.length), said);
        // A delivery that was given up in the middle would have been asked for again.
        assert.strictEqual(new Set(to.asked).size, to.asked.length);
      }).pipe(Effect.provide(World.publisher({ folder, to, patienceMillis: 1_000 })));
    }),
  );

  it.effect(
    "are sent to the log in the end, also when two publishers share a spool and put more than is delivered",
    () =>
      Effect.gen(function* () {
        const to = new SwitchableLog.LogSwitch();
        to.position = "away";
        const folder = yield* World.temporaryFolder;
        const begun = yield* Latch.make();
        // So few in an answer that callers put more on a busy machine, too.
        const spool = Layer.effect(
          Spool,
          Effect.map(SpoolSqlite.make({ file: `${folder}/spool.db`, target: "test" }), (whole) => ({
            ...whole,
            oldest: (asked) => whole.oldest({ ...asked, limit: Math.min(asked.limit, 5) }),
          })),
        );
        const publisher = () =>
          Publisher.layer({ patienceMillis: 1_000 }).pipe(Layer.provide([spool, SwitchableLog.layer(to)]), Layer.fresh);
        const publishing = (ids: ReadonlyArray<string>) =>
          Effect.gen(function* () {
            const talks = yield* Effect.forEach(ids, speaking);
            yield* World.until(Effect.sync(() => talks.every(({ said }) => said.length > 100)));
            yield* begun.open;
            yield* Effect.repeat(World.mode, { until: (mode) => mode === "direct", schedule: Schedule.spaced(10) });
            yield* Effect.forEach(talks, ({ stop }) => stop);
            yield* World.drained;
            return ids.map((id, index) => ({ id, said: talks[index]?.said ?? [] }));
          }).pipe(Effect.provide(publisher()));
        const comesBack = Effect.andThen(
          begun.await,
          Effect.sync(() => void (to.position = { slowMillis: 30 })),
        );
        const [said] = yield* Effect.all(
          [
            Effect.forEach(
              [
                ["r3", "r4"],
                ["r5", "r6"],
              ],
              publishing,
              { concurrency: 2 },
            ),
            comesBack,
          ],
          { concurrency: 2 },
        );
        for (const { id, said: own } of said.flat()) {
          assert.deepStrictEqual((yield* idsOf(id)).slice(0, own.length), own);
        }
      }),
    60_000,
  );

  it.effect("are sent to the log while another process leads and delivers what they put", () =>
    Effect.gen(function* () {
      const to = new SwitchableLog.LogSwitch();
      to.position = "away";
      const folder = yield* World.temporaryFolder;
      yield* Effect.gen(function* () {
        const spool = yield* Spool;
        const { said, stop } = yield* speaking("r2");
        yield* World.until(Effect.sync(() => said.length > 20));
        const owner = { pid: process.pid, name: "leader" };
        yield* spool.lead({ owner, millis: 60_000 });
        const slow = new SwitchableLog.LogSwitch();
        slow.position = { slowMillis: 30 };
        const log = yield* EventLog.pipe(Effect.provide(SwitchableLog.layer(slow)));
        const leader = new Drainer({ log, spool, tasks: new KnownTasks(), owner });
        const leading = yield* Effect.forkChild(Effect.forever(leader.step));
        to.position = "there";
        yield* World.direct;
        yield* stop;
        yield* World.drained;
        yield* Fiber.interrupt(leading);
        assert.deepStrictEqual((yield* idsOf("r2")).slice(0, said.length), said);
      }).pipe(Effect.provide(World.publisher({ folder, to })));
    }),
  );
});
