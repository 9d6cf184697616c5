import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber } from "effect";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Projector from "../../src/projection/Projector.ts";
import { misfit, said, stubLog } from "./StubLog.ts";
import { ask, temporaryFolder } from "./World.ts";

describe("the projector", () => {
  it.live("makes an appended event visible within milliseconds", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "recollect.db");
      const log = stubLog([said(1, "hello"), misfit(2, "no subject of ours")]);
      const projector = yield* Projector.make({ path, projections: readModels }).pipe(Effect.provideService(EventLog, log.service));
      yield* projector.awaitSequence(2);
      const waiting = yield* Effect.forkChild(projector.awaitSequence(3));
      const before = performance.now();
      log.append(said(3, "world"));
      yield* Fiber.join(waiting);
      const took = performance.now() - before;
      assert.deepStrictEqual(
        ask(path, "SELECT text FROM v_messages ORDER BY sequence").map(({ text }) => text),
        ["hello", "world"],
      );
      assert.isBelow(took, 100);
      const status = yield* projector.status;
      assert.strictEqual(status.condition, undefined);
      assert.deepStrictEqual(status.projections[0], { name: "ledger", version: 1, checkpoint: 3, gap: 0, lagMillis: 0, deadLetters: 0 });
      assert.strictEqual(status.projections[1]?.deadLetters, 1);
    }),
  );
});
