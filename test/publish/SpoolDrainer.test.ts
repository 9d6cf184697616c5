import { assert, describe, it } from "@effect/vitest";
import { Effect, Layer } from "effect";
import { TestClock } from "effect/testing";
import * as History from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import * as SpoolDrainer from "../../src/publish/drain/SpoolDrainer.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import { event } from "../contract/EventLogContract.ts";
import * as World from "./World.ts";

const other = { pid: process.pid, name: "other" };

describe("the daemon's share", () => {
  it.effect("is what waits for its own log, by that name and by its address; whoever else delivers need not wait", () =>
    Effect.gen(function* () {
      const file = `${yield* World.temporaryFolder}/spool.db`;
      const targets = [SpoolDrainer.ownLog, "nats://here:4222", "nats://elsewhere:4222"];
      const spools = yield* Effect.forEach(targets, (target) => SpoolSqlite.make({ file, target }));
      yield* Effect.forEach(spools, (spool) =>
        spool.put([{ history: History.thread("t"), event: event(), blobs: [] }]),
      );
      const waiting = Effect.forEach(spools, ({ state }) => Effect.map(state, (now) => now.waiting));
      const led = Effect.forEach(spools, (spool) => spool.lead({ owner: other, millis: 60_000 }));
      yield* Layer.build(SpoolDrainer.layer({ file, url: "nats://user:secret@here:4222" }));
      for (let times = 0; times < 5; times++) yield* TestClock.adjust("1 seconds");
      assert.deepStrictEqual(yield* waiting, [0, 0, 1]);
      assert.deepStrictEqual(yield* led, [true, true, true]);
      const log = yield* EventLog;
      assert.strictEqual((yield* log.info).messages, 2);
    }).pipe(Effect.provide(EventLogMemory.layer)),
  );
});
