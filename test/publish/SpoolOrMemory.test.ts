/** Where commands wait when there is no disk for them, and how many calls may be outstanding. */
import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect, Exit, Fiber, Latch, Layer, Result } from "effect";
import * as History from "../../src/domain/History.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { bytesOf, SpoolOrMemory, maxHeldBytes } from "../../src/publish/delivery/SpoolOrMemory.ts";
import { PerHistoryQueue } from "../../src/publish/delivery/PerHistoryQueue.ts";
import * as Publisher from "../../src/publish/Publisher.ts";
import { type Command, Spool, SpoolUnavailable } from "../../src/spool/Spool.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import { event } from "../contract/EventLogContract.ts";
import * as SwitchableLog from "./SwitchableLog.ts";
import * as World from "./World.ts";

const command = (bytes = 0): Command => ({
  history: History.thread("t"),
  event: event(),
  blobs: bytes === 0 ? [] : [{ sha256: "s", bytes: Buffer.alloc(bytes) }],
  durable: "memory",
});

const full = new SpoolUnavailable({ reason: "full", file: "f", message: "The disk is full", hint: "Make room." });

describe("memory, when the disk takes nothing", () => {
  it.live("holds a bounded number of bytes, says why no more, and has room again when one of them has left", () =>
    Effect.gen(function* () {
      const folder = yield* World.temporaryFolder;
      const spool = yield* SpoolSqlite.make({ file: `${folder}/spool.db`, target: "test" });
      const keep = new SpoolOrMemory(Spool.of({ ...spool, put: () => full }));
      const eighth = maxHeldBytes / 8 - 1_000;
      for (let index = 0; index < 8; index++) assert.strictEqual(yield* keep.put([command(eighth)]), "Held");
      const refused = yield* Effect.flip(keep.put([command(10_000)]));
      assert.deepInclude(refused, { _tag: "NotAccepted", hint: "Make room." });
      assert.match(refused.reason, /The disk is full/);
      const [first] = keep.held;
      if (first !== undefined) keep.drop(first);
      assert.strictEqual(yield* keep.put([command(10_000)]), "Held");
    }),
  );

  it.live("is left for the disk as soon as that can be used, also when the wall clock was set back meanwhile", () =>
    Effect.gen(function* () {
      const folder = yield* World.temporaryFolder;
      const spool = yield* SpoolSqlite.make({ file: `${folder}/spool.db`, target: "test" });
      let isFull = true;
      const keep = new SpoolOrMemory(Spool.of({ ...spool, put: (all) => (isFull ? full : spool.put(all)) }));
      const clock = Clock.Clock.defaultValue();
      const at = (wallMillis: number, seconds: number): Clock.Clock =>
        Object.assign(Object.create(clock), {
          currentTimeMillisUnsafe: () => wallMillis,
          currentTimeMillis: Effect.succeed(wallMillis),
          monotonicTimeNanosUnsafe: () => BigInt(seconds * 1e9),
        });
      const put = (wallMillis: number, seconds: number) =>
        keep.put([command()]).pipe(Effect.provideService(Clock.Clock, at(wallMillis, seconds)));
      assert.strictEqual(yield* put(7_200_000, 10), "Held");
      isFull = false;
      assert.strictEqual(yield* put(7_200_500, 10.5), "Held");
      assert.strictEqual(yield* put(3_600_000, 12), "Spooled");
    }),
  );
});

/** Lanes that settle nothing before they may. */
const waiting = Effect.gen(function* () {
  const isOpen = yield* Latch.make(false);
  let settled = 0;
  const lanes = new PerHistoryQueue<"done", never>({
    fibers: yield* Effect.scope,
    settle: (commands) =>
      Effect.sync(() => {
        settled += commands.length;
        return commands.map(() => Result.succeed("done" as const));
      }).pipe(isOpen.whenOpen),
  });
  const call = (one: Command) => Effect.forkChild(lanes.call(one), { startImmediately: true });
  return { call, isOpen, lanes, settled: () => settled };
});

describe("calls that nobody awaits", () => {
  it.live("are refused beyond ten thousand, and those before are settled all the same", () =>
    Effect.gen(function* () {
      const { call, isOpen, lanes, settled } = yield* waiting;
      const one = command();
      const calls = yield* Effect.forEach(Array.from({ length: 10_000 }), () => call(one));
      const refused = yield* Effect.flip(lanes.call(one));
      assert.deepInclude(refused, { _tag: "NotAccepted", reason: "10000 calls are outstanding" });
      yield* isOpen.open;
      yield* lanes.flush;
      yield* Effect.forEach(calls, Fiber.join, { discard: true });
      assert.strictEqual(settled(), 10_000);
      assert.strictEqual(lanes.outstanding, 0);
    }),
  );

  it.live("are refused beyond 64 MiB, and taken again when they have returned; one alone may be larger", () =>
    Effect.gen(function* () {
      const { call, isOpen, lanes } = yield* waiting;
      const large = command(65 * 1024 * 1024);
      const first = yield* call(large);
      assert.strictEqual(
        (yield* Effect.flip(lanes.call(command()))).reason,
        `calls of ${bytesOf(large)} bytes are outstanding`,
      );
      yield* isOpen.open;
      yield* Fiber.join(first);
      yield* isOpen.close;
      const later = [yield* call(command()), yield* call(command())];
      yield* isOpen.open;
      assert.deepStrictEqual(yield* Effect.forEach(later, Fiber.join), ["done", "done"]);
    }),
  );

  it.live("are told when they will not be settled any more, and so is who calls after that", () =>
    Effect.gen(function* () {
      const { call, lanes } = yield* waiting;
      const [one, two] = [yield* call(command()), yield* call(command())];
      yield* lanes.close;
      for (const late of [Fiber.join(one), Fiber.join(two), lanes.call(command())]) {
        assert.match((yield* Effect.flip(late)).reason, /was closed before/);
      }
      yield* lanes.flush;
    }),
  );
});

describe("a publisher", () => {
  it.live("refuses what is said when it is closed", () =>
    Effect.gen(function* () {
      const folder = yield* World.temporaryFolder;
      const there = yield* Publisher.Publisher.pipe(
        Effect.provide(
          Layer.provide(World.publisher({ folder, to: new SwitchableLog.LogSwitch() }), EventLogMemory.layer),
        ),
      );
      const history = History.thread("t");
      const late = there.publish({ history, type: "thread.renamed", data: { title: "late" } });
      assert.strictEqual((yield* Effect.flip(late))._tag, "NotAccepted");
    }),
  );

  it.live("brings what it holds in memory onto a disk that can be used again when it is closed", () =>
    Effect.gen(function* () {
      const folder = yield* World.temporaryFolder;
      const spool = yield* SpoolSqlite.make({ file: `${folder}/spool.db`, target: "test" });
      // A command that waits there keeps the drain from looking at the memory while the log is away.
      yield* spool.put([command()]);
      let isFull = true;
      const sometimes = Layer.succeed(Spool, {
        ...spool,
        put: (all: ReadonlyArray<Command>) => (isFull ? full : spool.put(all)),
      });
      const to = new SwitchableLog.LogSwitch();
      to.position = "away";
      const publisher = Publisher.layer({ durable: "memory" }).pipe(
        Layer.provide([sometimes, Layer.provide(SwitchableLog.layer(to), EventLogMemory.layer)]),
      );
      const history = History.thread("held");
      yield* Effect.gen(function* () {
        const there = yield* Publisher.Publisher;
        const { _tag } = yield* there.publish({ history, type: "thread.renamed", data: { title: "held" } });
        assert.strictEqual(_tag, "Held");
        isFull = false;
      }).pipe(Effect.provide(publisher));
      assert.strictEqual((yield* spool.waitingFor(history)).length, 1);
    }),
  );

  it.live("leaves nobody waiting when a fault of its disk ends one write for several", () =>
    Effect.gen(function* () {
      const folder = yield* World.temporaryFolder;
      const spool = yield* SpoolSqlite.make({ file: `${folder}/spool.db`, target: "test" });
      const to = new SwitchableLog.LogSwitch();
      to.position = "away";
      const broken = Layer.succeed(Spool, { ...spool, put: () => Effect.die("a fault") });
      const publisher = Publisher.layer().pipe(
        Layer.provide([broken, Layer.provide(SwitchableLog.layer(to), EventLogMemory.layer)]),
      );
      yield* Effect.gen(function* () {
        const there = yield* Publisher.Publisher;
        const all = yield* Effect.forEach(
          ["a", "b", "c"],
          (id) =>
            Effect.exit(there.publish({ history: History.thread(id), type: "thread.renamed", data: { title: "x" } })),
          { concurrency: 3 },
        );
        assert.deepStrictEqual(all.map(Exit.hasDies), [true, true, true]);
      }).pipe(Effect.provide(publisher));
    }),
  );
});
