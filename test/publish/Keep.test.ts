/** Where commands wait when there is no disk for them, and how many calls may be outstanding. */
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber, Latch, Result } from "effect";
import * as History from "../../src/domain/History.ts";
import { Keep, maxHeldBytes } from "../../src/publish/Keep.ts";
import { Lanes } from "../../src/publish/Lanes.ts";
import { type Command, Spool, SpoolUnavailable } from "../../src/spool/Spool.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import { event } from "../contract/EventLogContract.ts";
import * as World from "./World.ts";

const command = (bytes = 0): Command => ({
  history: History.thread("t"),
  event: event(),
  blobs: bytes === 0 ? [] : [{ sha256: "s", bytes: Buffer.alloc(bytes) }],
});

const full = new SpoolUnavailable({ reason: "full", file: "f", message: "The disk is full", hint: "Make room." });

describe("memory, when the disk takes nothing", () => {
  it.live("holds a bounded number of bytes, says why no more, and has room again when one of them has left", () =>
    Effect.gen(function* () {
      const folder = yield* World.temporaryFolder;
      const spool = yield* SpoolSqlite.make({ file: `${folder}/spool.db`, target: "test" });
      const keep = new Keep(Spool.of({ ...spool, put: () => full }));
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
});

describe("calls that nobody awaits", () => {
  it.live("are refused beyond ten thousand, and those before are settled all the same", () =>
    Effect.gen(function* () {
      const scope = yield* Effect.scope;
      const isOpen = yield* Latch.make(false);
      let settled = 0;
      const lanes = new Lanes<"done", never>({
        fibers: scope,
        settle: (commands) =>
          Effect.sync(() => {
            settled += commands.length;
            return commands.map(() => Result.succeed("done" as const));
          }).pipe(isOpen.whenOpen),
      });
      const one = command();
      const calls = yield* Effect.forEach(Array.from({ length: 10_000 }), () =>
        Effect.forkChild(lanes.call(one), { startImmediately: true }),
      );
      const refused = yield* Effect.flip(lanes.call(one));
      assert.deepInclude(refused, { _tag: "NotAccepted", reason: "10000 calls are outstanding" });
      yield* isOpen.open;
      yield* lanes.flush;
      yield* Effect.forEach(calls, Fiber.join, { discard: true });
      assert.strictEqual(settled, 10_000);
      assert.strictEqual(lanes.outstanding, 0);
    }),
  );
});
