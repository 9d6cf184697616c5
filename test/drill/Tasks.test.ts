import { assert, describe, it } from "@effect/vitest";
import { Effect, References } from "effect";
import type { RecordedEvent } from "../../src/domain/Event.ts";
import { task } from "../../src/domain/History.ts";
import { faultsOf, run } from "./Tasks.ts";

describe("four workers that share tasks while they, nats-server and the queue are killed", () => {
  it.live(
    "end every task once, and never hold one at the same time",
    () =>
      Effect.gen(function* () {
        const said: Array<string> = [];
        const outcome = yield* run({ tasks: 300, workers: 4, waiting: 2_000, seed: 1, say: (line) => said.push(line) });
        assert.deepStrictEqual(outcome.faults, [], said.join("\n"));
        assert.strictEqual(outcome.tasks, 300);
        assert.strictEqual(
          Object.values(outcome.ends).reduce((sum, some) => sum + some, 0),
          300,
        );
        assert.isAbove(outcome.lapsed, 0, "a worker died with a task in its hands");
        assert.isAbove(outcome.disturbances["nats-server killed"], 0);
      }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
    300_000,
  );
});

describe("the judge of a task's history", () => {
  type Told = ReadonlyArray<readonly [string, object?]>;
  const said = (events: Told): ReadonlyArray<RecordedEvent> =>
    events.map(([type, data = {}], index) => ({
      id: String(index),
      type: `task.${type}`,
      schemaVersion: 1,
      source: "test",
      occurredAt: 0,
      recordedAt: 0,
      history: task("t"),
      sequence: index + 1,
      body: Buffer.from(JSON.stringify(data)),
    }));
  const faults = (...events: Told) => faultsOf("t", said(events)).join("\n");

  it("accepts one that obeys", () => {
    assert.strictEqual(faults(["submitted"], ["claimed"], ["released", { claim: 2 }], ["claimed"], ["completed"]), "");
  });

  it("refuses two leases at once, words under a lease that is over, two ends, and none", () => {
    assert.match(faults(["submitted"], ["claimed"], ["claimed"], ["completed"]), /claimed while the lease 2 stands/);
    assert.match(faults(["submitted"], ["claimed"], ["progressed", { claim: 1 }], ["completed"]), /under lease 1/);
    const late = ["completed", { output: { token: 2 } }] as const;
    assert.match(faults(["submitted"], ["claimed"], ["released"], ["claimed"], late), /completed by 2, leased to 4/);
    assert.match(faults(["submitted"], ["claimed"], ["completed"], ["failed"]), /follows its end/);
    assert.match(faults(["submitted"], ["claimed"]), /has not ended/);
    const early = faults(["submitted"], ["claimed"], ["released", { pauseMillis: 5_000 }], ["claimed"], ["completed"]);
    assert.match(early, /claimed 5000 ms before its pause was over/);
  });
});
