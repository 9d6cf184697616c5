import { assert, describe, it } from "@effect/vitest";
import { task } from "../../../src/domain/History.ts";
import {
  empty,
  evolve,
  isLastAttempt,
  lostLease,
  maxBatch,
  mcpStatusOf,
  onlySubmitted,
  placeOf,
} from "../../../src/domain/task/TaskRecord.ts";
import { backoffMillis } from "../../../src/domain/task/TaskRetry.ts";
import { maxEventsPerAppend } from "../../../src/log/EventLog.ts";
import { recordedEvent } from "../recordedEvent.ts";

const told = (...events: ReadonlyArray<readonly [string, object?]>) =>
  events
    .map(([type, data], index) =>
      recordedEvent(`task.${type}`, data ?? {}, { history: task("t"), sequence: index + 1 }),
    )
    .reduce(evolve, empty);

const submitted = [
  "submitted",
  { request: { agentType: "a" }, queue: { maxAttempts: 2, backoffMillis: 100 } },
] as const;
const lapsed = ["released", { reason: "lapsed" }] as const;

describe("a task as its history tells it", () => {
  it("has a lease from a claim to what ends it, with the claim's sequence as its token", () => {
    const held = told(submitted, ["claimed", { worker: "w", holder: "h" }], ["started"], ["progressed"]);
    assert.deepStrictEqual(held.lease, { token: 2, attempt: 1, worker: "w", holder: "h" });
    for (const end of [["released", { reason: "lapsed" }], ["completed"], ["timed_out"], ["cancelled"]] as const) {
      assert.isUndefined(told(submitted, ["claimed"], ["started"], end).lease);
    }
    const again = told(submitted, ["claimed"], lapsed, ["claimed"]);
    assert.deepInclude(again.lease, { token: 4, attempt: 2 });
  });

  it("refuses a lease that is over, whatever came after it", () => {
    const record = told(submitted, ["claimed"], lapsed, ["claimed", { worker: "other" }]);
    assert.isUndefined(lostLease({ taskId: "t", record, token: 4 }));
    assert.match(lostLease({ taskId: "t", record, token: 2 })?.reason ?? "", /claimed again, by other \(attempt 2\)/);
    const ended = told(submitted, ["claimed"], ["cancelled"]);
    assert.match(lostLease({ taskId: "t", record: ended, token: 2 })?.reason ?? "", /the task is cancelled/);
  });

  it("counts every attempt but those that were given back, and waits longer after each", () => {
    const once = told(submitted, ["claimed"]);
    const twice = told(submitted, ["claimed"], lapsed, ["claimed"]);
    const back = told(submitted, ["claimed"], ["released", { reason: "interrupted" }]);
    assert.deepStrictEqual([once, twice, back].map(isLastAttempt), [false, true, false]);
    assert.deepStrictEqual(
      [once, twice].map((record) => backoffMillis(record)),
      [100, 200],
    );
    assert.strictEqual(back.attempt, 0);
  });

  it("pauses no longer than an hour, and a number of milliseconds, at any attempt", () => {
    const tried = (backoffMillisOf: number, attempt: number) =>
      told(
        ["submitted", { request: { agentType: "a" }, queue: { backoffMillis: backoffMillisOf } }],
        ["claimed", { attempt }],
      );
    assert.strictEqual(backoffMillis(tried(0, 2_000)), 0);
    assert.strictEqual(backoffMillis(tried(100, 2_000)), 3_600_000);
  });

  it("is known as only submitted until something has happened to it, also by a worker without a name", () => {
    assert.isDefined(onlySubmitted(told(submitted)));
    assert.isUndefined(onlySubmitted(told(submitted, ["claimed"])));
    assert.isUndefined(onlySubmitted(told(submitted, ["claimed"], lapsed)));
    assert.isUndefined(
      onlySubmitted(told(submitted, ["claimed"], ["released", { reason: "deferred", pauseMillis: 5 }])),
    );
  });

  it("pauses after a failure as long as was said, whatever the clock of the worker says", () => {
    const released = (skew: number) => {
      const data = { reason: "failed", notBefore: 10_001_000 + skew };
      const event = recordedEvent("task.released", data, { history: task("t"), sequence: 3 });
      return { ...event, occurredAt: 10_000_000 + skew, recordedAt: 10_000_000 };
    };
    const held = told(submitted, ["claimed"]);
    for (const skew of [0, 3_600_000, -3_600_000]) {
      assert.strictEqual(evolve(held, released(skew)).notBefore, 10_001_000);
    }
    const paused = recordedEvent(
      "task.released",
      { reason: "failed", pauseMillis: 1_000 },
      { history: task("t"), sequence: 3 },
    );
    // By the log's clock alone, whatever the worker's was.
    const late = { ...paused, occurredAt: 9e12, recordedAt: 10_000_000 };
    assert.strictEqual(evolve(held, late).notBefore, 10_001_000);
    const back = recordedEvent("task.released", { reason: "interrupted" }, { history: task("t"), sequence: 3 });
    assert.strictEqual(evolve(held, { ...back, occurredAt: 9e12 }).notBefore, 0);
  });

  it("is moved by nothing that cannot be read, and still knows how far it has read", () => {
    const before = told(submitted);
    const foreign = recordedEvent("task.claimed", { attempt: "many" }, { history: task("t"), sequence: 9 });
    const after = evolve(before, foreign);
    assert.deepInclude(after, { upTo: 9, attempt: 0, lease: undefined });
  });

  it("is alone when its place in a batch is one that cannot be", () => {
    const request = { agentType: "a" };
    for (const place of [
      { index: 1, size: 2, atOnce: 0 },
      { index: 2, size: 2, atOnce: 1 },
      { index: 1, size: maxBatch + 1, atOnce: 1 },
    ]) {
      assert.isUndefined(placeOf({ request, batchId: "b", place }));
    }
    assert.strictEqual(maxBatch, maxEventsPerAppend);
  });

  it("has one of MCP's five states in each of its own", () => {
    assert.deepStrictEqual(
      (
        ["pending", "starting", "running", "input_required", "completed", "failed", "timeout", "cancelled"] as const
      ).map(mcpStatusOf),
      ["working", "working", "working", "input_required", "completed", "failed", "failed", "cancelled"],
    );
  });
});
