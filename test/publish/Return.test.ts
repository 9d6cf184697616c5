/** The way back from the spool to the log, while callers never pause. */
import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, Fiber, Layer, References } from "effect";
import { TestClock } from "effect/testing";
import * as History from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { untilAnswered } from "../../src/publish/Backoff.ts";
import { Drainer } from "../../src/publish/Drain.ts";
import * as LogArrivals from "../../src/publish/LogArrivals.ts";
import { thread } from "../../src/publish/ThreadPublisher.ts";
import { KnownTasks } from "../../src/publish/Write.ts";
import { Spool } from "../../src/spool/Spool.ts";
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
      let comesWhileAsked = false;
      const ask = Effect.suspend(() => {
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
      isThere = true;
      arrivals.tell();
      assert.strictEqual(yield* Fiber.join(asking), "there");
      isThere = false;
      comesWhileAsked = true;
      assert.strictEqual(yield* untilAnswered(ask, arrivals), "there");
    }),
  );
});

/** Says without a pause, and without waiting for more than an answer, until it is told to stop. */
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
  Effect.map(World.eventsOf(History.thread(id)), (events) => events.map((event) => event.id));

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
